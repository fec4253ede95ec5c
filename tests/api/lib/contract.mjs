// Checks answers against protocol/openapi.yaml: status, headers, content type and body. Keeps count of
// which documented statuses were seen, so that the suite can tell what it never exercised.
import assert from "node:assert/strict";
import fs from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { parse } from "yaml";

export const api = parse(fs.readFileSync("protocol/openapi.yaml", "utf8"));

const METHODS = ["get", "head", "post", "put", "patch", "delete"];
// What `default` of any operation may stand for; see the description of the API.
const GENERAL = new Set([400, 405, 413, 414, 429, 503, 507]);

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(api, "api");

function resolve(node) {
  while (node && node.$ref) node = node.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
  return node;
}

// Every operation as { method, path, operation, matches }.
export const operations = Object.entries(api.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({
    method: method.toUpperCase(),
    path,
    operation: item[method],
    matches: new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/\{[^}]+\}/g, "[^/]+")}$`),
  })),
);

export function findOperation(method, target) {
  const path = target.split("?")[0];
  const found = operations.filter((entry) => entry.method === method && entry.matches.test(path));
  // A fixed segment goes before a parameter: /devices/import before /devices/{id}.
  return found.sort((a, b) => a.path.split("{").length - b.path.split("{").length)[0];
}

const validators = new Map();
function validator(schema) {
  if (!validators.has(schema)) {
    const pointer = schema.$ref ? { $ref: `api${schema.$ref}` } : JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'));
    validators.set(schema, ajv.compile(pointer));
  }
  return validators.get(schema);
}

function checkSchema(schema, value, where) {
  const validate = validator(schema);
  assert.ok(validate(value), `${where} breaks openapi.yaml: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value).slice(0, 1000)}`);
}

function checkHeaders(response, answer, where) {
  for (const [name, header] of Object.entries(response.headers ?? {})) {
    const value = answer.headers.get(name);
    assert.ok(value !== null, `${where}: the header ${name} is missing`);
    checkSchema(resolve(header).schema, value, `${where}: ${name}`);
  }
}

function checkBody(response, answer, where) {
  const type = (answer.headers.get("content-type") ?? "").split(";")[0];
  const content = response.content;
  if (!content) {
    assert.equal(answer.bytes.length, 0, `${where}: a body where none is documented`);
    return;
  }
  assert.ok(content[type], `${where}: the content type ${type} is not documented`);
  if (/json/.test(type)) checkSchema(content[type].schema, answer.body, where);
}

const seen = new Set();

export function checkAnswer(method, target, answer) {
  const found = findOperation(method, target);
  const where = `${method} ${target.split("?")[0]} ${answer.status}`;
  if (!found) {
    assert.ok([400, 404, 405, 414].includes(answer.status), `${where}: an operation that is not documented`);
    if (method !== "HEAD") checkSchema({ $ref: "#/components/schemas/Problem" }, answer.body, where);
    return;
  }
  const responses = found.operation.responses;
  const documented = responses[answer.status];
  assert.ok(documented || GENERAL.has(answer.status), `${where}: a status that is not documented`);
  const response = resolve(documented ?? responses.default);
  if (documented) seen.add(`${found.method} ${found.path} ${answer.status}`);
  checkHeaders(response, answer, where);
  if (method !== "HEAD") checkBody(response, answer, where);
}

// Documented statuses that no call has met.
export function unseen() {
  const all = operations.flatMap(({ method, path, operation }) =>
    Object.keys(operation.responses)
      .filter((status) => /^\d+$/.test(status))
      .map((status) => `${method} ${path} ${status}`),
  );
  return all.filter((entry) => !seen.has(entry));
}
