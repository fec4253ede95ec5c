// Signed images in the MCUboot format, as protocol/SPEC.md describes them, with switches to make them wrong.
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import fs from "node:fs";

const TLV_HEAD = 4;

export const RELEASE_KEY = fs.readFileSync("tests/keys/release.pem");
export const RELEASE_PUBLIC = fs.readFileSync("tests/keys/release.pub.pem", "utf8");
export const OTHER_KEY = fs.readFileSync("tests/keys/release2.pem");
export const OTHER_PUBLIC = fs.readFileSync("tests/keys/release2.pub.pem", "utf8");

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

function tlv(type, data) {
  const head = Buffer.alloc(TLV_HEAD);
  head.writeUInt16LE(type, 0);
  head.writeUInt16LE(data.length, 2);
  return Buffer.concat([head, data]);
}

function area(magic, entries) {
  const body = Buffer.concat(entries);
  const info = Buffer.alloc(TLV_HEAD);
  info.writeUInt16LE(magic, 0);
  info.writeUInt16LE(body.length + TLV_HEAD, 2);
  return Buffer.concat([info, body]);
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function parseVersion(text) {
  const [numbers, build = "0"] = text.split("+");
  const [major, minor, revision] = numbers.split(".").map(Number);
  return { major, minor, revision, build: Number(build) };
}

// Firmware bytes that differ with the version, of `size` bytes.
export function body(version, size) {
  const bytes = Buffer.alloc(size);
  let state = [...version].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0, 7);
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/*
 * makeImage({ version, counter, product, hardware, size, key, signatures })
 *   key: PEM of the signer; signed: false leaves the signature out.
 * Gives { bytes, hash, sha256 } (hex).
 */
export function makeImage(options = {}) {
  const { version = "1.0.0", counter = 1, product = "demo-hub", hardware = "stm32f407", size = 5000, key = RELEASE_KEY, signed = true } = options;
  const payload = options.body ?? body(version, size);
  const protectedArea = area(0x6908, [tlv(0x50, u32(counter)), tlv(0xa0, Buffer.from(hardware)), tlv(0xa1, Buffer.from(product))]);
  const header = Buffer.alloc(0x200);
  const v = parseVersion(version);
  header.writeUInt32LE(0x96f3b83d, 0);
  header.writeUInt16LE(header.length, 8);
  header.writeUInt16LE(protectedArea.length, 10);
  header.writeUInt32LE(payload.length, 12);
  header.writeUInt8(v.major, 20);
  header.writeUInt8(v.minor, 21);
  header.writeUInt16LE(v.revision, 22);
  header.writeUInt32LE(v.build, 24);
  const hashed = Buffer.concat([header, payload, protectedArea]);
  const hash = sha256(hashed);
  const spki = createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "der" });
  const entries = [tlv(0x10, hash)];
  if (signed) entries.push(tlv(0x01, sha256(spki)), tlv(0x22, sign("sha256", hashed, key)));
  const bytes = Buffer.concat([hashed, area(0x6907, entries)]);
  return { bytes, hash: hash.toString("hex"), sha256: sha256(bytes).toString("hex"), version, counter, product, hardware };
}
