// Who may do what: every route with every kind of token, and why a token is refused.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { operations } from "./lib/contract.mjs";
import { makeImage, OTHER_PUBLIC, RELEASE_PUBLIC } from "./lib/image.mjs";
import { Otad, until } from "./lib/otad.mjs";

const RANK = { viewer: 1, operator: 2, admin: 3 };

describe("access", () => {
  let otad;
  let tokens; // by role
  let dead; // by the same: revoked, replaced or deleted
  before(async () => {
    otad = await Otad.start();
    const device = await otad.device("device-1");
    const key = await otad.expect(201, "POST", "/api/v1/enrolment-keys", { body: { name: "line", product: "demo-hub", policy: "accept" } });
    tokens = { device: device.token, enrolment: key.key };
    for (const role of Object.keys(RANK)) tokens[role] = await otad.token(role);
    dead = await deadTokens();
  });
  after(() => otad.stop());

  async function deadTokens() {
    const made = {};
    for (const role of Object.keys(RANK)) {
      const { id, token } = await otad.expect(201, "POST", "/api/v1/tokens", { body: { name: `dead-${role}`, role } });
      await otad.expect(204, "DELETE", `/api/v1/tokens/${id}`);
      made[role] = token;
    }
    const key = await otad.expect(201, "POST", "/api/v1/enrolment-keys", { body: { name: "dead", product: "demo-hub", policy: "accept" } });
    await otad.expect(204, "DELETE", `/api/v1/enrolment-keys/${key.id}`);
    made.enrolment = key.key;
    made["replaced device"] = (await otad.device("dead-1")).token;
    await otad.expect(200, "POST", "/api/v1/devices/dead-1/token");
    made["deleted device"] = (await otad.device("dead-2")).token;
    await otad.expect(204, "DELETE", "/api/v1/devices/dead-2");
    return made;
  }

  // A path that exists as a route, with an id that does not exist as a row.
  const target = (path) => path.replace("{hash}", "0".repeat(64)).replace(/^(\/api\/v1\/devices\/)\{id\}/, "$1nobody").replace("{id}", "4000000");
  const isRefusal = (status) => status === 401 || status === 403;

  test("each route says whose token it takes", () => {
    for (const { method, path, operation } of operations) assert.ok(["none", "device", "enrolment", ...Object.keys(RANK)].includes(operation["x-role"]), `${method} ${path} has no x-role`);
  });

  test("the routes of the server and those of openapi.yaml are the same", () => {
    const table = fs.readFileSync("server/routes.c", "utf8");
    const roles = { ROLE_NONE: "none", ROLE_DEVICE: "device", ROLE_ENROLMENT: "enrolment", ROLE_VIEWER: "viewer", ROLE_OPERATOR: "operator", ROLE_ADMIN: "admin" };
    const inServer = [...table.matchAll(/\{"([A-Z]+)",\s*(V1 )?"([^"]*)",\s*(ROLE_[A-Z]+)/g)].map(([, method, v1, path, role]) => `${method} ${v1 ? "/api/v1" : ""}${path} ${roles[role]}`);
    const inContract = operations.filter(({ method }) => method !== "HEAD").map(({ method, path, operation }) => `${method} ${path.replace(/\{[a-z]+\}/g, "{}")} ${operation["x-role"]}`);
    assert.ok(inServer.length > 30);
    assert.deepEqual(inServer.sort(), inContract.sort());
  });

  for (const { method, path, operation } of operations) {
    const needed = operation["x-role"];
    if (needed === "none") continue;
    test(`${method} ${path} takes ${needed} and refuses the rest`, async () => {
      const call = (token) => otad.call(method, target(path), { token });
      const none = await call(null);
      assert.equal(none.status, 401);
      if (method !== "HEAD") assert.equal(none.body.code, "token_missing");
      for (const [kind, token] of Object.entries(tokens)) {
        const answer = await call(token);
        const enough = kind === needed || RANK[kind] >= RANK[needed];
        if (enough) {
          assert.ok(!isRefusal(answer.status), `${kind}: ${answer.status}`);
        } else {
          const isRole = kind in RANK && needed in RANK;
          assert.equal(answer.status, isRole ? 403 : 401, kind);
          if (method !== "HEAD") assert.equal(answer.body.code, isRole ? "role_insufficient" : "token_kind");
        }
      }
      for (const [kind, token] of Object.entries(dead)) {
        const answer = await call(token);
        const isKind = kind.endsWith(needed) || (kind in RANK && needed in RANK);
        assert.equal(answer.status, 401, `a dead ${kind}`);
        if (method !== "HEAD") assert.equal(answer.body.code, isKind ? "token_revoked" : "token_kind", `a dead ${kind}`);
      }
    });
  }

  test("an unknown token of each kind is refused as unknown", async () => {
    for (const [prefix, path] of [["ota_", "/api/v1/devices"], ["otd_", "/device/v1/manifest"]])
      await otad.refused(401, "token_unknown", "GET", path, { token: prefix + "x".repeat(43) });
    await otad.refused(401, "token_unknown", "POST", "/device/v1/enroll", { token: "ote_" + "x".repeat(43), body: {} });
  });

  test("what has no token's form is refused as malformed, in every spelling", async () => {
    for (const token of ["", "x", "ota_", "ota_" + "x".repeat(42), "ota_" + "x".repeat(44), "OTA_" + "x".repeat(43), "ota_" + "x".repeat(4000).slice(0, 900)])
      await otad.refused(401, token === "" ? "token_missing" : "token_malformed", "GET", "/api/v1/devices", { token });
    await otad.refused(401, "token_missing", "GET", "/api/v1/devices", { headers: { authorization: "Basic YTpi" } });
  });

  test("a revoked API token stops working at once, says so, and the log has it", async () => {
    const made = await otad.expect(201, "POST", "/api/v1/tokens", { body: { name: "ci", role: "operator" } });
    await otad.expect(200, "GET", "/api/v1/devices", { token: made.token });
    await otad.expect(204, "DELETE", `/api/v1/tokens/${made.id}`);
    await otad.refused(401, "token_revoked", "GET", "/api/v1/devices", { token: made.token });
    await otad.refused(404, "not_found", "DELETE", `/api/v1/tokens/${made.id}`);
    await until(() => /"path":"\/api\/v1\/devices","status":401,"ms":\d+,"code":"token_revoked"/.test(otad.log), "the refusal in the log");
    const listed = (await otad.expect(200, "GET", "/api/v1/tokens?limit=500")).items.find((item) => item.id === made.id);
    assert.ok(listed.revoked_at);
  });

  test("an API token can be given an end, and is refused as expired then", async () => {
    const made = await otad.expect(201, "POST", "/api/v1/tokens", { body: { name: "short", role: "viewer", expires_in_seconds: 1 } });
    await otad.expect(200, "GET", "/api/v1/devices", { token: made.token });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await otad.refused(401, "token_expired", "GET", "/api/v1/devices", { token: made.token });
  });

  test("the last admin token cannot be revoked", async () => {
    const admins = (await otad.expect(200, "GET", "/api/v1/tokens?limit=500")).items.filter((item) => item.role === "admin" && !item.revoked_at);
    assert.equal(admins.length, 2);
    const first = admins.find((item) => item.name === "first");
    const other = admins.find((item) => item.name !== "first");
    await otad.expect(204, "DELETE", `/api/v1/tokens/${other.id}`);
    await otad.refused(409, "last_admin", "DELETE", `/api/v1/tokens/${first.id}`);
  });

  test("bodies of access routes are checked field by field", async () => {
    const bad = [
      ["/api/v1/tokens", {}, "field_invalid"],
      ["/api/v1/tokens", { name: "a", role: "root" }, "field_invalid"],
      ["/api/v1/tokens", { name: "a", role: "viewer", more: 1 }, "field_unknown"],
      ["/api/v1/tokens", { name: "", role: "viewer" }, "field_invalid"],
      ["/api/v1/tokens", { name: "x".repeat(65), role: "viewer" }, "field_invalid"],
      ["/api/v1/tokens", { name: "a", role: "viewer", expires_in_seconds: 1.5 }, "field_invalid"],
      ["/api/v1/tokens", { name: "a", role: "viewer", expires_in_seconds: 0 }, "field_invalid"],
      ["/api/v1/tokens", { name: "a\u0007", role: "viewer" }, "field_invalid"],
      ["/api/v1/tokens", { name: 7, role: "viewer" }, "field_invalid"],
      ["/api/v1/release-keys", { name: "a", public_key: "no key" }, "key_malformed"],
      ["/api/v1/release-keys", { name: "<b>", public_key: RELEASE_PUBLIC }, "field_invalid"],
      ["/api/v1/enrolment-keys", { name: "a", product: "a b", policy: "accept" }, "field_invalid"],
      ["/api/v1/enrolment-keys", { name: "a", product: "p", policy: "maybe" }, "field_invalid"],
      ["/api/v1/enrolment-keys", { name: "a", product: "p", policy: "accept", group: "none such" }, "group_unknown"],
    ];
    for (const [path, body, code] of bad) await otad.refused(400, code, "POST", path, { body });
  });

  test("a body that is no JSON is refused with the place where it breaks", async () => {
    const broken = [["{name: 1}", 2], ['{"name": "a"', 13], ['{"name": "a"} x', 15], ['{"name": tru}', 10], ["nothing", 1], [`{"a": [${"1, ".repeat(900)}}`, 2708]];
    for (const [body, byte] of broken) {
      const { detail } = await otad.refused(400, "body_malformed", "POST", "/api/v1/tokens", { body });
      const told = /^The body is not valid JSON; it breaks near byte (\d+)\.$/.exec(detail);
      assert.ok(Math.abs(Number(told?.[1]) - byte) <= 2, `${body}: ${detail}`);
    }
  });

  test("only P-256 public keys are taken as release keys", async () => {
    const { generateKeyPairSync } = await import("node:crypto");
    const pem = (type, options) => generateKeyPairSync(type, options).publicKey.export({ type: "spki", format: "pem" });
    for (const key of [pem("ec", { namedCurve: "secp384r1" }), pem("ed25519"), pem("rsa", { modulusLength: 1024 }), fs.readFileSync("tests/keys/release.pem", "utf8")])
      assert.ok(["key_malformed", "field_invalid"].includes((await otad.expect(400, "POST", "/api/v1/release-keys", { body: { name: "k", public_key: key } })).code));
  });

  test("a release key is registered once, listed, and deleted; uploads follow", async () => {
    const image = makeImage();
    await otad.refused(400, "image_unknown_key", "POST", "/api/v1/firmware", { body: image.bytes });
    const key = await otad.releaseKey();
    await otad.refused(409, "release_key_exists", "POST", "/api/v1/release-keys", { body: { name: "again", public_key: RELEASE_PUBLIC } });
    await otad.refused(409, "release_key_exists", "POST", "/api/v1/release-keys", { body: { name: "release", public_key: OTHER_PUBLIC } });
    const listed = (await otad.expect(200, "GET", "/api/v1/release-keys")).items;
    assert.deepEqual(listed, [key]);
    assert.ok(key.key_hash.startsWith(key.key_id));
    await otad.expect(201, "POST", "/api/v1/firmware", { body: image.bytes });
    await otad.expect(204, "DELETE", `/api/v1/release-keys/${key.id}`);
    await otad.refused(404, "not_found", "DELETE", `/api/v1/release-keys/${key.id}`);
    await otad.refused(400, "image_unknown_key", "POST", "/api/v1/firmware", { body: makeImage({ version: "1.0.1" }).bytes });
  });

  test("enrolment keys have distinct names, and die when deleted", async () => {
    const body = { name: "factory", product: "demo-hub", policy: "pending" };
    const key = await otad.expect(201, "POST", "/api/v1/enrolment-keys", { body });
    await otad.refused(409, "enrolment_key_exists", "POST", "/api/v1/enrolment-keys", { body });
    await otad.expect(204, "DELETE", `/api/v1/enrolment-keys/${key.id}`);
    await otad.refused(404, "not_found", "DELETE", `/api/v1/enrolment-keys/${key.id}`);
    await otad.refused(401, "token_revoked", "POST", "/device/v1/enroll", { token: key.key, body: {} });
  });

  test("lists page by limit and cursor, and refuse what is no page", async () => {
    for (const path of ["tokens", "release-keys", "enrolment-keys", "firmware", "groups", "devices", "rollouts", "devices/device-1/events", "audit", "webhooks"])
      for (const query of ["limit=0", "limit=501", "limit=x", "cursor=x", "cursor=-1", "nonsense=1", "limit=1&limit=2", "cursor=99999999999999999999"])
        assert.equal((await otad.refused(400, "query_invalid", "GET", `/api/v1/${path}?${query}`)).status, 400);
    const all = (await otad.expect(200, "GET", "/api/v1/tokens?limit=500")).items;
    const paged = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await otad.expect(200, "GET", `/api/v1/tokens?limit=2${cursor && `&cursor=${cursor}`}`);
      assert.ok(page.items.length <= 2);
      paged.push(...page.items);
      cursor = page.next;
    }
    assert.deepEqual(paged, all);
  });

  test("no token, key or private key is in the log, and none is in the database", async () => {
    await otad.restart();
    const secrets = [otad.admin, ...Object.values(tokens), ...Object.values(dead)];
    const store = ["otad.db", "otad.db-wal"].map((name) => `${otad.dir}/data/${name}`).filter(fs.existsSync).map((name) => fs.readFileSync(name, "latin1")).join("");
    for (const secret of secrets) {
      assert.ok(!otad.log.includes(secret.slice(4)));
      assert.ok(!store.includes(secret.slice(4)));
    }
    assert.ok(!otad.log.includes("PRIVATE KEY"));
    for (const name of ["admin-token", "server-key.pem", "otad.db"]) assert.equal(fs.statSync(`${otad.dir}/data/${name}`).mode & 0o077, 0, `${name} is for its owner only`);
  });
});
