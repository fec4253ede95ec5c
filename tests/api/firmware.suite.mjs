// What is taken as firmware, and what is refused with nothing kept.
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { makeImage, OTHER_KEY, sha256 } from "./lib/image.mjs";
import { Otad } from "./lib/otad.mjs";

const MAX = 300000; // bytes of an image

function files(dir) {
  return fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe("firmware", () => {
  let otad;
  before(async () => {
    otad = await Otad.start({ flags: ["--firmware-max", String(MAX)] });
    await otad.releaseKey();
  });
  after(() => otad.stop());

  const stored = () => files(path.join(otad.dir, "data", "blobs")).length;
  const upload = (bytes, options) => otad.call("POST", "/api/v1/firmware", { body: bytes, ...options });

  async function refusedWith(bytes, status, code) {
    const before = { rows: (await otad.expect(200, "GET", "/api/v1/firmware?limit=500")).items.length, files: stored() };
    const answer = await upload(bytes);
    assert.equal(answer.status, status, answer.bytes.toString());
    assert.equal(answer.body.code, code, answer.body.detail);
    assert.deepEqual({ rows: (await otad.expect(200, "GET", "/api/v1/firmware?limit=500")).items.length, files: stored() }, before);
    assert.deepEqual(files(path.join(otad.dir, "data", "tmp")), []);
  }

  test("a signed image is stored by the hash of its bytes, and told whole", async () => {
    const image = makeImage({ version: "1.2.3+4", counter: 7, size: 40000 });
    const answer = await upload(image.bytes);
    assert.equal(answer.status, 201);
    const { id, created_at, key_id, ...rest } = answer.body;
    assert.equal(answer.headers.get("location"), `/api/v1/firmware/${id}`);
    assert.deepEqual(rest, { product: "demo-hub", hardware: "stm32f407", version: "1.2.3+4", counter: 7, size: image.bytes.length, hash: image.hash, sha256: image.sha256, security: false, version_min: null });
    assert.equal(key_id, (await otad.expect(200, "GET", "/api/v1/release-keys")).items[0].key_id);
    assert.deepEqual(await otad.expect(200, "GET", `/api/v1/firmware/${id}`), answer.body);
    const file = path.join(otad.dir, "data", "blobs", image.sha256.slice(0, 2), image.sha256);
    assert.deepEqual(fs.readFileSync(file), image.bytes);
    await otad.refused(404, "not_found", "GET", "/api/v1/firmware/99999");
    await otad.refused(404, "not_found", "GET", "/api/v1/firmware/x");
  });

  // The same files that the codec and the device are tested with.
  const CODES = { hash: "image_hash", signature: ["image_unsigned", "image_signature"], unknown_key: "image_unknown_key", truncated: "image_truncated" };
  const index = fs.readFileSync("tests/vectors/images/index.txt", "utf8").split("\n").filter((line) => line && !line.startsWith("#")).map((line) => line.split(" "));
  for (const [word, name] of index.filter(([word]) => word !== "ok"))
    test(`${path.basename(name, ".img")} is refused as ${word}`, async () => {
      const bytes = fs.readFileSync(`tests/vectors/${name}`);
      const answer = await upload(bytes);
      const codes = [CODES[word] ?? ["image_malformed", "image_truncated", "image_too_large"]].flat();
      assert.ok(answer.status === 400 || answer.status === 413, `${answer.status} ${answer.bytes}`);
      assert.ok(codes.includes(answer.body.code), `${answer.body.code}: ${answer.body.detail}`);
    });

  test("the good vectors are taken", async () => {
    for (const [, name] of index.filter(([word]) => word === "ok")) {
      const answer = await upload(fs.readFileSync(`tests/vectors/${name}`));
      // Some share a version; those are told as duplicates, after all other checks.
      assert.ok(answer.status === 201 || (answer.status === 409 && answer.body.code === "firmware_exists"), `${name}: ${answer.bytes}`);
    }
  });

  test("an upload as a form is refused with the way to do it, before the form is taken for an image", async () => {
    const form = `--x\r\ncontent-disposition: form-data; name=file; filename=a\r\n\r\n`;
    const body = Buffer.concat([Buffer.from(form), makeImage({ version: "3.0.0", counter: 9 }).bytes, Buffer.from("\r\n--x--\r\n")]);
    const answer = await otad.refused(400, "form_unexpected", "POST", "/api/v1/firmware", { body, headers: { "content-type": "Multipart/Form-Data; boundary=x" } });
    assert.match(answer.detail, /--data-binary @FILE/);
    await otad.refused(400, "form_unexpected", "POST", "/api/v1/devices/import", { body, headers: { "content-type": "multipart/form-data; boundary=x" } });
  });

  test("an image by a key that is not registered is refused with the key's id, as otactl tells it", async () => {
    const { detail } = await otad.refused(400, "image_unknown_key", "POST", "/api/v1/firmware", { body: makeImage({ version: "3.0.0", counter: 9, key: OTHER_KEY }).bytes });
    const id = sha256(createPublicKey(OTHER_KEY).export({ type: "spki", format: "der" })).toString("hex").slice(0, 16);
    assert.ok(detail.includes(`key ${id},`), detail);
  });

  test("an unsigned image, one signed by a stranger, and one whose signature is another's are refused", async () => {
    await refusedWith(makeImage({ version: "3.0.0", counter: 9, signed: false }).bytes, 400, "image_unsigned");
    await refusedWith(makeImage({ version: "3.0.0", counter: 9, key: OTHER_KEY }).bytes, 400, "image_unknown_key");
    const good = makeImage({ version: "3.0.0", counter: 9 }).bytes;
    let other;
    do other = makeImage({ version: "3.0.1", counter: 9 }).bytes;
    while (other.length !== good.length); // DER signatures vary in length
    const tail = (bytes) => bytes.indexOf(Buffer.from([0x22, 0x00]), bytes.length - 120);
    await refusedWith(Buffer.concat([good.subarray(0, tail(good)), other.subarray(tail(other))]), 400, "image_signature");
  });

  test("an image cut at any place is refused as truncated, or as no image", async () => {
    const { bytes } = makeImage({ version: "3.0.0", counter: 9, size: 3000 });
    for (const len of [1, 31, 32, 511, 512, 513, 3000, 3511, 3512, 3513, bytes.length - 100, bytes.length - 1]) {
      const answer = await upload(bytes.subarray(0, len));
      assert.equal(answer.status, 400, `${len}: ${answer.bytes}`);
      assert.equal(answer.body.code, "image_truncated", `${len}: ${answer.body.detail}`);
    }
    await refusedWith(bytes.subarray(0, 2000), 400, "image_truncated");
    await refusedWith(Buffer.alloc(0), 400, "image_truncated");
  });

  test("one flipped bit anywhere is refused", async () => {
    const { bytes } = makeImage({ version: "3.0.0", counter: 9, size: 600 });
    for (let at = 0; at < bytes.length; at += 13) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << at % 8;
      const answer = await upload(flipped);
      assert.ok(answer.status === 400 || answer.status === 413, `byte ${at}: ${answer.status}`);
    }
  });

  test("bytes behind the image are refused", async () => {
    await refusedWith(Buffer.concat([makeImage({ version: "3.0.0", counter: 9 }).bytes, Buffer.from([0])]), 400, "image_malformed");
  });

  test("a file over the bound is refused, with its length announced or not", async () => {
    const { bytes } = makeImage({ version: "3.0.0", counter: 9, size: MAX });
    assert.ok(bytes.length > MAX);
    await refusedWith(bytes, 413, "image_too_large");
    const chunked = await fetch(`${otad.url}/api/v1/firmware`, { method: "POST", duplex: "half", headers: { authorization: `Bearer ${otad.admin}` }, body: new Blob([bytes]).stream() });
    assert.equal(chunked.status, 413);
    assert.equal((await chunked.json()).code, "image_too_large");
    assert.deepEqual(files(path.join(otad.dir, "data", "tmp")), []);
  });

  test("a chunked upload of a good image is taken", async () => {
    const { bytes, hash } = makeImage({ version: "1.3.0", counter: 8, size: 50000 });
    const answer = await fetch(`${otad.url}/api/v1/firmware`, { method: "POST", duplex: "half", headers: { authorization: `Bearer ${otad.admin}` }, body: new Blob([bytes]).stream() });
    assert.equal(answer.status, 201);
    assert.equal((await answer.json()).hash, hash);
  });

  test("the same image again, and another one with the same version, are told as there already", async () => {
    const image = await otad.upload({ version: "1.4.0", counter: 8, size: 2000 });
    await refusedWith(image.bytes, 409, "firmware_exists");
    await refusedWith(makeImage({ version: "1.4.0", counter: 8, size: 2001 }).bytes, 409, "firmware_exists");
    assert.ok(fs.existsSync(path.join(otad.dir, "data", "blobs", image.sha256.slice(0, 2), image.sha256)), "the refused copy did not take the file with it");
  });

  test("of many uploads of the same image at once, one is taken", async () => {
    const { bytes, sha256: name } = makeImage({ version: "1.5.0", counter: 8, size: 60000 });
    const answers = await Promise.all(Array.from({ length: 6 }, () => upload(bytes)));
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 409, 409, 409, 409, 409]);
    assert.equal(sha256(fs.readFileSync(path.join(otad.dir, "data", "blobs", name.slice(0, 2), name))).toString("hex"), name);
  });

  test("the security counter must not fall as the version rises", async () => {
    const of = (version, counter) => makeImage({ product: "counted", version, counter }).bytes;
    assert.equal((await upload(of("2.0.0", 5))).status, 201);
    await refusedWith(of("2.1.0", 4), 409, "counter_conflict");
    await refusedWith(of("1.9.0", 6), 409, "counter_conflict");
    assert.equal((await upload(of("2.1.0", 5))).status, 201);
    assert.equal((await upload(of("1.9.0", 5))).status, 201);
  });

  test("lists filter by product and hardware", async () => {
    const items = async (query) => (await otad.expect(200, "GET", `/api/v1/firmware?limit=500&${query}`)).items;
    assert.equal((await items("product=counted")).length, 3);
    assert.equal((await items("product=counted&hardware=other")).length, 0);
    assert.ok((await items("hardware=stm32f407")).length > 3);
    await otad.refused(400, "query_invalid", "GET", `/api/v1/firmware?product=${"x".repeat(33)}`);
  });

  test("firmware that a rollout uses cannot be deleted; other firmware goes with its file", async () => {
    const image = await otad.upload({ product: "gone", version: "1.0.0" });
    const rollout = await otad.rollout({ firmware: image.id }, { start: false });
    assert.equal(rollout.state, "draft");
    await otad.refused(409, "firmware_in_use", "DELETE", `/api/v1/firmware/${image.id}`);
    const loose = await otad.upload({ product: "gone", version: "1.0.1" });
    const before = stored();
    await otad.expect(204, "DELETE", `/api/v1/firmware/${loose.id}`);
    await otad.refused(404, "not_found", "DELETE", `/api/v1/firmware/${loose.id}`);
    for (let i = 0; i < 50 && stored() === before; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(stored(), before - 1);
    const again = await otad.upload({ product: "gone", version: "1.0.1" });
    assert.ok(again.id > loose.id, "ids are never used again");
  });

  test("an upload needs a body; a body with a wrong role is not read", async () => {
    assert.equal((await otad.call("POST", "/api/v1/firmware")).body.code, "image_truncated");
    const viewer = await otad.token("viewer");
    await otad.refused(403, "role_insufficient", "POST", "/api/v1/firmware", { token: viewer, body: makeImage({ version: "8.0.0", counter: 99 }).bytes });
  });

  test("a file that was damaged on the disk is never served", async () => {
    const image = await otad.upload({ product: "damaged", version: "1.0.0", size: 5000 });
    const device = await otad.device("damaged-1", { product: "damaged" });
    await otad.rollout({ firmware: image.id });
    const manifest = await device.offered();
    await otad.restart();
    const file = path.join(otad.dir, "data", "blobs", image.sha256.slice(0, 2), image.sha256);
    const bytes = fs.readFileSync(file);
    bytes[1000] ^= 1;
    fs.writeFileSync(file, bytes);
    assert.equal((await device.fetch(manifest.url)).body.code, "firmware_unavailable");
    fs.writeFileSync(file, image.bytes);
    assert.deepEqual((await device.fetch(manifest.url)).bytes, image.bytes);
    // Once read, it is served from memory: what happens to the file then reaches nobody.
    fs.truncateSync(file, 10);
    assert.deepEqual((await device.fetch(manifest.url)).bytes, image.bytes);
  });
});
