// One update from the upload to the confirmed image, over HTTP.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("walk", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  test("a device gets a release, fetches it in ranges, reports, and the rollout completes", async () => {
    const image = await otad.upload({ version: "1.0.0", counter: 1, size: 20000 });
    const device = await otad.device("walk-1");
    assert.equal((await device.poll()).action, "none");

    const rollout = await otad.rollout({ firmware: image.id });
    assert.equal(rollout.state, "running");
    assert.equal(rollout.stages[0].targeted, 1);
    const manifest = await device.offered();
    assert.equal(manifest.hash, image.hash);
    assert.equal(manifest.version, "1.0.0");
    assert.equal(manifest.counter, 1);
    assert.equal(manifest.size, image.bytes.length);

    const pieces = [];
    for (let at = 0; at < manifest.size; at += 4096) {
      const piece = await device.fetch(manifest.url, { range: `bytes=${at}-${at + 4095}` });
      assert.equal(piece.status, 206);
      pieces.push(piece.bytes);
    }
    assert.deepEqual(Buffer.concat(pieces), image.bytes);

    await device.report(manifest.deployment, "downloading", { percent: 50 });
    await device.report(manifest.deployment, "installed");
    device.runs(image);
    device.trial = true;
    await device.report(manifest.deployment, "trial");
    assert.equal((await device.poll()).action, "none");
    assert.equal((await otad.showRollout(rollout.id)).stages[0].trial, 1);
    device.trial = false;
    await device.report(manifest.deployment, "confirmed");
    const done = await otad.showRollout(rollout.id);
    assert.equal(done.state, "completed");
    assert.equal(done.stages[0].succeeded, 1);
    assert.equal((await device.poll()).action, "none");

    const shown = await otad.expect(200, "GET", "/api/v1/devices/walk-1");
    assert.equal(shown.version, "1.0.0");
    assert.equal(shown.hash, image.hash);
    const events = (await otad.expect(200, "GET", "/api/v1/devices/walk-1/events")).items.map((e) => e.event);
    assert.deepEqual(events, ["confirmed", "trial", "installed", "downloading", "offered"]);
  });

  test("the health routes answer without a token, the metrics only with one", async () => {
    await otad.expect(200, "GET", "/healthz", { token: null });
    await otad.expect(200, "GET", "/readyz", { token: null });
    const metrics = await otad.call("GET", "/metrics");
    assert.match(metrics.bytes.toString(), /^otad_devices\{state="accepted"\} 1$/m);
    await otad.refused(401, "token_missing", "GET", "/metrics", { token: null });
  });
});
