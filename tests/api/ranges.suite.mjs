// Ranges, conditions and HEAD of a firmware file: RFC 9110 sections 13 and 14.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("ranges", () => {
  let otad;
  let device;
  let image;
  let url;
  let tag;
  let total;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    image = await otad.upload({ version: "1.0.0", size: 70000 });
    device = await otad.device("range-1");
    await otad.rollout({ firmware: image.id });
    url = (await device.offered()).url;
    tag = `"${image.sha256}"`;
    total = image.bytes.length;
  });
  after(() => otad.stop());

  test("the whole file comes with a strong ETag, its length, and word that ranges work", async () => {
    const answer = await device.fetch(url);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("etag"), tag);
    assert.equal(answer.headers.get("content-length"), String(total));
    assert.equal(answer.headers.get("accept-ranges"), "bytes");
    assert.deepEqual(answer.bytes, image.bytes);
  });

  const part = (first, last) => [206, first, last];
  const whole = [200];
  const none = [416];
  const table = () => [
    ["bytes=0-0", part(0, 0)],
    ["bytes=0-9", part(0, 9)],
    ["bytes=10-19", part(10, 19)],
    ["bytes=0-", part(0, total - 1)],
    [`bytes=${total - 1}-`, part(total - 1, total - 1)],
    [`bytes=${total - 1}-${total - 1}`, part(total - 1, total - 1)],
    [`bytes=5-${total}`, part(5, total - 1)],
    ["bytes=5-99999999999999999999999999", part(5, total - 1)],
    ["bytes=-1", part(total - 1, total - 1)],
    ["bytes=-100", part(total - 100, total - 1)],
    [`bytes=-${total}`, part(0, total - 1)],
    [`bytes=-${total + 1}`, part(0, total - 1)],
    ["bytes=-99999999999999999999999999", part(0, total - 1)],
    ["BYTES=0-9", part(0, 9)],
    ["bytes= 0-9", part(0, 9)],
    ["bytes=0-9 ", part(0, 9)],
    ["bytes=-0", none],
    [`bytes=${total}-`, none],
    [`bytes=${total}-${total + 5}`, none],
    ["bytes=99999999999999999999999999-", none],
    ["bytes=9-5", whole],
    ["bytes=-", whole],
    ["bytes=", whole],
    ["bytes", whole],
    ["bytes=a-b", whole],
    ["bytes=1-2x", whole],
    ["bytes=0x1-2", whole],
    ["bytes=+1-2", whole],
    ["bytes=--1", whole],
    ["bytes=1--2", whole],
    ["items=0-9", whole],
    ["bytes=0-1,3-4", whole],
    ["bytes=0-1,", whole],
    ["bytes=0-0,-1", whole],
  ];

  test("each form of a Range header is answered as RFC 9110 says", async () => {
    for (const [range, [status, first, last]] of table()) {
      const answer = await device.fetch(url, { range });
      assert.equal(answer.status, status, range);
      if (status === 206) {
        assert.equal(answer.headers.get("content-range"), `bytes ${first}-${last}/${total}`, range);
        assert.equal(answer.headers.get("content-length"), String(last - first + 1), range);
        assert.deepEqual(answer.bytes, image.bytes.subarray(first, last + 1), range);
      } else if (status === 416) {
        assert.equal(answer.headers.get("content-range"), `bytes */${total}`, range);
        assert.equal(answer.body.code, "range_unsatisfiable");
      } else {
        assert.deepEqual(answer.bytes, image.bytes, range);
      }
    }
  });

  test("If-Range with the file's tag gives the range, with anything else the whole file", async () => {
    const range = "bytes=100-199";
    assert.equal((await device.fetch(url, { range, "if-range": tag })).status, 206);
    for (const other of [`"${"0".repeat(64)}"`, `W/${tag}`, image.sha256, "*", "Wed, 21 Oct 2015 07:28:00 GMT", `${tag}, ${tag}`]) {
      const answer = await device.fetch(url, { range, "if-range": other });
      assert.equal(answer.status, 200, other);
      assert.equal(answer.bytes.length, total);
    }
    // A range behind the end of a file that changed is no reason for 416.
    assert.equal((await device.fetch(url, { range: `bytes=${total}-`, "if-range": '"x"' })).status, 200);
  });

  test("If-None-Match and If-Match are honoured", async () => {
    for (const value of [tag, "*", `"x", ${tag}`, `${tag},"x"`]) {
      const answer = await device.fetch(url, { "if-none-match": value });
      assert.equal(answer.status, 304, value);
      assert.equal(answer.headers.get("etag"), tag);
    }
    assert.equal((await device.fetch(url, { "if-none-match": '"x"' })).status, 200);
    assert.equal((await device.fetch(url, { "if-match": tag })).status, 200);
    assert.equal((await device.fetch(url, { "if-match": '"x"' })).body.code, "precondition_failed");
  });

  test("HEAD gives the headers of the whole file, with a Range as well", async () => {
    for (const headers of [{}, { range: "bytes=0-9" }]) {
      const answer = await device.fetch(url, headers, "HEAD");
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-length"), String(total));
      assert.equal(answer.headers.get("etag"), tag);
      assert.equal(answer.bytes.length, 0);
    }
    assert.equal((await device.fetch(`/device/v1/firmware/${"0".repeat(64)}`, {}, "HEAD")).status, 404);
  });

  test("a device without a deployment of it does not get the file, one that had it does", async () => {
    const other = await otad.device("range-2", { hardware: "other" });
    assert.equal((await other.fetch(url)).body.code, "firmware_unknown");
    for (const bad of ["0".repeat(64), image.hash.toUpperCase(), image.hash.slice(1), `${image.hash}0`, image.sha256])
      assert.equal((await device.fetch(`/device/v1/firmware/${bad}`)).body.code, "firmware_unknown", bad);
    await device.update(image);
    await otad.restart();
    const next = await otad.upload({ version: "1.1.0", size: 1000 });
    await otad.rollout({ firmware: next.id });
    assert.notEqual((await device.offered()).url, url);
    assert.deepEqual((await device.fetch(url)).bytes, image.bytes);
  });

  test("many devices that fetch pieces at once all get the right bytes", async () => {
    const pieces = Array.from({ length: 200 }, (_, i) => [(i * 331) % total, Math.min(total - 1, ((i * 331) % total) + 1 + ((i * 97) % 5000))]);
    await Promise.all(
      pieces.map(async ([first, last]) => {
        const answer = await device.fetch(url, { range: `bytes=${first}-${last}` });
        assert.deepEqual(answer.bytes, image.bytes.subarray(first, last + 1));
      }),
    );
  });
});
