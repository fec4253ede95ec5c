// Patches: made in the background from what the fleet runs, offered to devices that take them, served by
// ranges, kept over restarts, dropped with their images.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { body, sha256 } from "./lib/image.mjs";
import { Otad, until } from "./lib/otad.mjs";

const NO_BASE = "00".repeat(32);

// What a release looks like beside the one before: a few bytes changed, something put in.
function nextBody(old) {
  const bytes = Buffer.concat([old.subarray(0, 9000), Buffer.from("a new function, say"), old.subarray(9000)]);
  bytes[3000] ^= 0x55;
  return bytes;
}

describe("patches", () => {
  let otad;
  let oldImage;
  let newImage;
  let device;
  let rollout;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    // Code repeats itself; noise would not pack.
    const old = Buffer.concat([body("1.0.0", 20000), Buffer.alloc(20000, "mov r0, r1; bx lr; ")]);
    oldImage = await otad.upload({ version: "1.0.0", body: old });
    newImage = await otad.upload({ version: "1.1.0", body: nextBody(old) });
    device = (await otad.device("patch-1")).runs(oldImage);
  });
  after(() => otad.stop());

  const pollsPatch = async (who) => {
    const nonce = randomBytes(16).toString("hex");
    const envelope = await otad.expect(200, "GET", who.query({ nonce, delta: "1" }), { token: who.token });
    return JSON.parse(Buffer.from(envelope.payload, "base64url"));
  };
  const patchFor = (who, base) =>
    until(async () => {
      const manifest = await pollsPatch(who);
      return manifest.delta?.base === base ? manifest : undefined;
    }, `a patch from ${base.slice(0, 8)}`);
  test("a device that says delta=1 is offered the patch from what it runs", async () => {
    assert.equal((await pollsPatch(device)).action, "none");
    rollout = await otad.rollout({ firmware: newImage.id });
    const manifest = await patchFor(device, oldImage.hash);
    assert.equal(manifest.hash, newImage.hash);
    assert.equal(manifest.url, `/device/v1/firmware/${newImage.hash}`);
    const answer = await device.fetch(manifest.delta.url);
    assert.equal(answer.status, 200);
    assert.equal(answer.bytes.length, manifest.delta.size);
    assert.equal(sha256(answer.bytes).toString("hex"), manifest.delta.hash);
    assert.ok(answer.bytes.length < newImage.bytes.length / 20, `${answer.bytes.length} bytes`);
  });

  test("a device that does not say so gets no patch", async () => {
    assert.equal((await device.offered()).delta, undefined);
    for (const delta of ["2", "", "yes", "01"]) {
      await otad.refused(400, "poll_malformed", "GET", device.query({ delta }), { token: device.token });
    }
  });

  test("a device on an image that the server does not have is offered the packed release", async () => {
    const other = (await otad.device("patch-2")).runs({ version: "0.5.0", counter: 0, hash: "5a".repeat(32) });
    await pollsPatch(other);
    const manifest = await patchFor(other, NO_BASE);
    const answer = await other.fetch(manifest.delta.url);
    assert.ok(answer.bytes.length < newImage.bytes.length);
  });

  test("patches are served by ranges with a strong tag, and only to those with a deployment of the image", async () => {
    const { delta } = await patchFor(device, oldImage.hash);
    const tag = `"${delta.hash}"`;
    const part = await device.fetch(delta.url, { range: "bytes=1-9", "if-range": tag });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes 1-9/${delta.size}`);
    assert.equal((await device.fetch(delta.url, { range: `bytes=${delta.size}-` })).status, 416);
    assert.equal((await device.fetch(delta.url, { "if-none-match": tag })).status, 304);
    assert.equal((await device.fetch(delta.url, { "if-match": '"x"' })).status, 412);
    assert.equal((await device.fetch(delta.url, {}, "HEAD")).status, 200);
    const stranger = await otad.device("patch-3", { hardware: "other" });
    assert.equal((await stranger.fetch(delta.url)).body.code, "firmware_unknown");
    assert.equal((await device.fetch(`/device/v1/patches/${NO_BASE}`)).body.code, "firmware_unknown");
    assert.equal((await device.fetch(`/device/v1/patches/${newImage.hash}`)).body.code, "firmware_unknown");
    assert.equal((await device.fetch(`/device/v1/patches/${NO_BASE}`, {}, "HEAD")).status, 404);
    assert.equal((await otad.call("GET", delta.url, { token: "otd_nobody" })).status, 401);
    assert.equal((await otad.call("HEAD", delta.url, { token: "otd_nobody" })).status, 401);
  });

  test("the rollout tells what patches have saved, once for each device", async () => {
    const { deployment, delta, size } = await patchFor(device, oldImage.hash);
    const report = device.reportBody(deployment, "installed", { fetched: delta.size });
    for (let i = 0; i < 2; i++) await otad.expect(204, "POST", "/device/v1/reports", { token: device.token, body: report });
    const shown = await otad.showRollout(rollout.id);
    assert.equal(shown.patched_devices, 1);
    assert.equal(shown.bytes_saved, size - delta.size);
  });

  test("why a patch was given up stands in the device's history", async () => {
    const other = (await otad.device("patch-4")).runs(oldImage);
    const { deployment } = await other.offered();
    await other.report(deployment, "downloading", { percent: 40, reason: "delta_block" });
    const events = (await otad.expect(200, "GET", "/api/v1/devices/patch-4/events")).items;
    assert.equal(events[0].reason, "delta_block");
  });

  test("after a restart the patch is there, and was not made again", async () => {
    const before = await patchFor(device, oldImage.hash);
    await otad.restart("SIGKILL");
    const manifest = await pollsPatch(device);
    assert.deepEqual(manifest.delta, before.delta);
    assert.equal((await device.fetch(manifest.delta.url)).status, 200);
    assert.ok(!otad.log.includes("patch_made"));
  });

  test("an image that is deleted takes its patches along", async () => {
    const { delta } = await patchFor(device, oldImage.hash);
    await otad.expect(204, "DELETE", `/api/v1/firmware/${oldImage.id}`);
    await until(async () => (await device.fetch(delta.url)).status === 404, "the patch to be gone");
    const file = path.join(otad.dir, "data", "blobs", delta.hash.slice(0, 2), delta.hash);
    await until(() => !fs.existsSync(file), "its file to be gone");
  });
});
