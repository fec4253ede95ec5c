// The signed vectors, read by a second implementation: nothing here shares code with protocol/.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const VECTORS = "tests/vectors";
const BUILD = process.env.BUILD_DIR ?? "build/san";
const releaseKey = createPublicKey(readFileSync("tests/keys/release.pub.pem"));
const serverKey = createPublicKey(readFileSync("tests/keys/server.pub.pem"));

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
const spki = (key) => key.export({ type: "spki", format: "der" });

function index(directory) {
  return readFileSync(join(VECTORS, directory, "index.txt"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "))
    .map(([word, path]) => ({ word, path: join(VECTORS, path) }));
}

function tlvs(area) {
  const found = [];
  for (let at = 4; at < area.length; at += 4 + area.readUInt16LE(at + 2)) {
    const length = area.readUInt16LE(at + 2);
    found.push({ type: area.readUInt16LE(at), data: area.subarray(at + 4, at + 4 + length) });
  }
  return found;
}

function readImage(file) {
  const end = file.readUInt16LE(8) + file.readUInt32LE(12);
  const hashed = end + file.readUInt16LE(10);
  return {
    magic: file.readUInt32LE(0),
    hash: sha256(file.subarray(0, hashed)),
    protected: tlvs(file.subarray(end, hashed)),
    unprotected: tlvs(file.subarray(hashed)),
  };
}

for (const { word, path } of index("images").filter(({ word }) => word === "ok")) {
  test(`${path} is hashed and signed as MCUboot says`, () => {
    const image = readImage(readFileSync(path));
    assert.equal(word, "ok");
    assert.equal(image.magic, 0x96f3b83d);
    assert.deepEqual(image.unprotected.find(({ type }) => type === 0x10).data, image.hash);
    const keyHash = sha256(spki(releaseKey));
    const at = image.unprotected.findIndex(({ type, data }) => type === 1 && data.equals(keyHash));
    const { type, data } = image.unprotected[at + 1];
    assert.equal(type, 0x22);
    // The signature is over the hash as a digest: the signed message is what was hashed.
    const file = readFileSync(path);
    const message = file.subarray(0, file.readUInt16LE(8) + file.readUInt32LE(12) + file.readUInt16LE(10));
    assert.ok(verify("sha256", message, releaseKey, data.subarray(0, 2 + data[1])));
  });
}

function openEnvelope(text) {
  const envelope = JSON.parse(text);
  const payload = Buffer.from(envelope.payload, "base64url");
  const type = envelope.payloadType;
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
  const keyid = sha256(spki(serverKey)).toString("hex").slice(0, 16);
  const signed = envelope.signatures.some(
    (signature) =>
      signature.keyid === keyid &&
      verify(
        "sha256",
        pae,
        { key: serverKey, dsaEncoding: "ieee-p1363" },
        Buffer.from(signature.sig, "base64url"),
      ),
  );
  return { type, signed, payload: payload.toString("latin1") };
}

function fieldsOf(payload) {
  const { delta, ...manifest } = JSON.parse(payload);
  const keys =
    "device nonce now action poll wait deployment product hardware version counter size hash sig url";
  const lines = keys
    .split(" ")
    .filter((key) => key in manifest)
    .map((key) => [key, key === "sig" ? Buffer.from(manifest.sig, "base64url").toString("hex") : manifest[key]]);
  if (delta) for (const key of ["base", "size", "hash", "url"]) lines.push([`delta.${key}`, delta[key]]);
  return lines.map(([key, value]) => `${key} ${value}\n`).join("");
}

for (const { word, path } of index("manifests").filter(({ word }) => word === "ok")) {
  test(`${path} is signed over its PAE and says what its .fields file says`, () => {
    const opened = openEnvelope(readFileSync(path, "latin1"));
    assert.equal(word, "ok");
    assert.equal(opened.type, "application/vnd.otad.manifest+json");
    assert.ok(opened.signed);
    assert.equal(fieldsOf(opened.payload), readFileSync(path.replace(".json", ".fields"), "latin1"));
  });
}

test("manifests that are refused for their signature are not signed by the server's key", () => {
  const unsigned = index("manifests").filter(({ word }) => word === "signature");
  assert.ok(unsigned.length >= 4);
  for (const { path } of unsigned) assert.equal(openEnvelope(readFileSync(path, "latin1")).signed, false, path);
});

test("the generator writes the committed vectors again, byte for byte", () => {
  const out = mkdtempSync(join(tmpdir(), "vectors-"));
  execFileSync(join(BUILD, "tests/generate-vectors"), [out]);
  for (const directory of ["images", "manifests"]) {
    const committed = readdirSync(join(VECTORS, directory)).filter((name) => !name.endsWith(".fields"));
    assert.deepEqual(readdirSync(join(out, directory)).sort(), committed.sort());
    for (const name of committed) {
      const again = readFileSync(join(out, directory, name));
      assert.ok(again.equals(readFileSync(join(VECTORS, directory, name))), name);
    }
  }
});
