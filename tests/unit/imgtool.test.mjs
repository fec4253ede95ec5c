// What `otactl release sign` writes, under the rules by which `imgtool verify` judges an image of
// MCUboot. Written from that tool's behaviour, apart from our own reader.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { before, test } from "node:test";

const OTACTL = path.resolve(process.env.BUILD_DIR ?? "build", "otactl");
const dir = fs.mkdtempSync(path.join(process.env.TMPDIR, "imgtool-"));
const file = (name) => path.join(dir, name);

let publicKey;
let image;

before(() => {
  execFileSync(OTACTL, ["keygen", file("key.pem"), "--public", file("key.pub.pem")]);
  publicKey = crypto.createPublicKey(fs.readFileSync(file("key.pub.pem")));
  fs.writeFileSync(file("app.bin"), crypto.randomBytes(3001));
  execFileSync(OTACTL, ["release", "sign", file("app.bin"), "--key", file("key.pem"), "--version", "1.2.3+4",
    "--counter", "7", "--product", "lamp", "--hardware", "r1", "-o", file("app.img")]);
  image = fs.readFileSync(file("app.img"));
});

/*
 * "ok", or the name of the result. Header and body; behind them either the unprotected area or the
 * protected one and then it; the hash covers all before the unprotected area; the signature is over the
 * same bytes.
 */
function imgtoolVerify(bytes, key) {
  if (bytes.readUInt32LE(0) !== 0x96f3b83d) return "invalid magic";
  let at = bytes.readUInt16LE(8) + bytes.readUInt32LE(12);
  if (bytes.readUInt16LE(at) === 0x6908) at += bytes.readUInt16LE(at + 2);
  if (bytes.readUInt16LE(at) !== 0x6907) return "invalid tlv info magic";
  const hashed = bytes.subarray(0, at);
  const end = at + bytes.readUInt16LE(at + 2);
  for (at += 4; at < end; at += 4 + bytes.readUInt16LE(at + 2)) {
    const type = bytes.readUInt16LE(at);
    const data = bytes.subarray(at + 4, at + 4 + bytes.readUInt16LE(at + 2));
    if (type === 0x10 && !crypto.createHash("sha256").update(hashed).digest().equals(data)) return "invalid hash";
    if (type === 0x22) return crypto.verify("sha256", hashed, key, data) ? "ok" : "invalid signature";
  }
  return "no signature";
}

test("imgtool's rules take an image that otactl signed", () => {
  assert.equal(imgtoolVerify(image, publicKey), "ok");
  assert.deepEqual([image[20], image[21], image.readUInt16LE(22), image.readUInt32LE(24)], [1, 2, 3, 4]);
  assert.equal(image.readUInt16LE(8) % 32, 0, "the vector table behind the header is aligned");
});

test("imgtool's rules refuse it when a bit of it changes", () => {
  for (const at of [0, 20, 600, image.length - 1]) {
    const changed = Buffer.from(image);
    changed[at] ^= 1;
    assert.notEqual(imgtoolVerify(changed, publicKey), "ok", `byte ${at}`);
  }
});

test("MCUboot finds the key by its hash before the signature, and its own TLV types alone", () => {
  const at = image.readUInt16LE(8) + image.readUInt32LE(12) + image.readUInt16LE(10);
  const types = [];
  for (let tlv = at + 4; tlv < image.length; tlv += 4 + image.readUInt16LE(tlv + 2)) types.push(image.readUInt16LE(tlv));
  assert.deepEqual(types, [0x10, 0x01, 0x22]);
  const spki = publicKey.export({ type: "spki", format: "der" });
  assert.ok(image.subarray(at + 4 + 36 + 4).subarray(0, 32).equals(crypto.createHash("sha256").update(spki).digest()));
});
