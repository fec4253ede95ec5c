// protocol/SPEC.md against the code and the vectors: its tables and its worked examples.
//
// An example is a fenced block whose info line names its source:
//   text PATH                 the whole file
//   hex file PATH OFFSET LEN  bytes of a file; a `;` begins a comment
//   hex spki PATH ..., hex sig PATH ...   of a key's SubjectPublicKeyInfo, of an envelope's signature
//   pae PATH, payload PATH    what is signed, and the decoded payload, of an envelope
//   key-id PATH               of a public key
//   line PATH WORD            a line of a vector file that has WORD in it

import assert from "node:assert/strict";
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const spec = readFileSync("protocol/SPEC.md", "utf8");

function section(title) {
  const found = spec.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  assert.ok(found, `no section ${title}`);
  return found;
}

/** Rows of the tables in a section, each cell without its back-quotes. */
function rows(title) {
  return section(title)
    .split("\n")
    .filter((line) => /^\| .* \|$/.test(line) && !/^\| ---/.test(line))
    .map((line) => line.slice(2, -2).split(/(?<!\\) \| /).map((cell) => cell.replaceAll("`", "")));
}

test("the table of limits is that of the headers", () => {
  const defined = new Map();
  for (const header of ["limits.h", "image.h", "manifest.h"]) {
    const text = readFileSync(`protocol/${header}`, "utf8");
    for (const [, name, value] of text.matchAll(/^#define (OTA_\w+(?:_MAX|_MIN|_LEN)) (\d+)U?\b/gm))
      defined.set(name, value);
  }
  const listed = new Map(rows("Limits").slice(1).map(([name, value]) => [name, value]));
  assert.ok(defined.size > 20);
  assert.deepEqual([...listed].sort(), [...defined].sort());
});

test("the table of errors is that of error.h and error.c", () => {
  const values = [...readFileSync("protocol/error.h", "utf8").matchAll(/^ +(OTA_\w+) = (-?\d+),/gm)];
  const words = readFileSync("protocol/error.c", "utf8");
  const defined = values.map(([, name, value]) => {
    const word = new RegExp(`ROW\\(${name}, "(\\w+)"\\)`).exec(words);
    assert.ok(word, `${name} has no word`);
    return [value, word[1]];
  });
  assert.ok(defined.length > 30);
  assert.deepEqual(rows("Errors").slice(1).map(([value, word]) => [value, word]), defined);
});

test("the table of the payload has the keys that the decoder knows", () => {
  const known = [...readFileSync("protocol/manifest.c", "utf8").matchAll(/OTA_FIELD_\w+\("(\w+)"/g)]
    .map(([, key]) => key)
    .filter((key) => !["base", "keyid", "payload", "payloadType", "signatures"].includes(key));
  const payload = section("Manifest").split("### Payload")[1].split("###")[0];
  const listed = [...payload.matchAll(/^\| `(\w+)` \| [^|]+ \| (?:all|`install`)/gm)].map(([, key]) => key);
  assert.deepEqual([...new Set(listed)].sort(), [...new Set(known)].sort());
});

const envelope = (path) => JSON.parse(readFileSync(path, "latin1"));
const payload = (path) => Buffer.from(envelope(path).payload, "base64url");
const spki = (path) =>
  createPublicKey(readFileSync(path)).export({ type: "spki", format: "der" });

const bytesOf = {
  file: (path) => readFileSync(path),
  spki,
  sig: (path) => Buffer.from(envelope(path).signatures[0].sig, "base64url"),
};

const sources = {
  text: (path) => readFileSync(path, "latin1"),
  payload: (path) => payload(path).toString("latin1"),
  pae: (path) => {
    const type = envelope(path).payloadType;
    const text = payload(path).toString("latin1");
    return `DSSEv1 ${type.length} ${type} ${text.length} ${text}`;
  },
  "key-id": (path) => createHash("sha256").update(spki(path)).digest("hex").slice(0, 16),
  hex: (kind, path, offset, length) =>
    bytesOf[kind](path)
      .subarray(Number(offset), Number(offset) + Number(length))
      .toString("hex"),
  line: (path, word) =>
    readFileSync(path, "latin1")
      .split("\n")
      .filter((line) => line.startsWith("ok ") && line.includes(word))
      .map((line) => line.slice(3))[0],
};

const examples = [...spec.matchAll(/^```(\S+) (.+)\n([\s\S]*?)\n```$/gm)];

test("every fenced block names its source", () => {
  const fences = spec.match(/^```/gm) ?? [];
  assert.equal(fences.length, 2 * examples.length);
  assert.ok(examples.length >= 9);
});

for (const [, kind, args, text] of examples) {
  test(`the example ${kind} ${args} is that of the vectors`, () => {
    const shown = kind === "hex" ? text.replace(/;.*$/gm, "").replace(/\s/g, "") : text;
    assert.ok(kind in sources, `unknown kind ${kind}`);
    assert.equal(shown, sources[kind](...args.split(" ")));
  });
}
