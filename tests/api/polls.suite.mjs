// What a device is told, and that it is told only what is its own.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("polls", () => {
  let otad;
  let image;
  before(async () => {
    otad = await Otad.start({ flags: ["--poll-seconds", "100"] });
    await otad.releaseKey();
    image = await otad.upload({ version: "1.0.0", counter: 3 });
  });
  after(() => otad.stop());

  test("without a nonce and with nothing to do the answer is 204, with a spread interval", async () => {
    const device = await otad.device("p-1");
    const intervals = new Set();
    for (let i = 0; i < 30; i++) {
      const answer = await otad.call("GET", device.query(), { token: device.token });
      assert.equal(answer.status, 204);
      intervals.add(Number(answer.headers.get("retry-after")));
    }
    assert.ok(intervals.size > 3, "devices that come at once part again");
    for (const seconds of intervals) assert.ok(seconds >= 90 && seconds <= 110, String(seconds));
  });

  test("a malformed parameter is named", async () => {
    const device = await otad.device("p-2");
    const zeros = "0".repeat(64);
    const cases = [
      [{ version: "" }, "version"],
      [{ version: "1.2" }, "version"],
      [{ version: "1.2.3.4" }, "version"],
      [{ version: "256.0.0" }, "version"],
      [{ counter: "" }, "counter"],
      [{ counter: "-1" }, "counter"],
      [{ counter: "4294967296" }, "counter"],
      [{ counter: "1x" }, "counter"],
      [{ hash: zeros.slice(1) }, "hash"],
      [{ hash: "A".repeat(64) }, "hash"],
      [{ nonce: "00" }, "nonce"],
      [{ nonce: "" }, "nonce"],
      [{ nonce: "g".repeat(32) }, "nonce"],
      [{ trial: "2" }, "trial"],
      [{ trial: "yes!" }, "trial"],
    ];
    for (const [more, word] of cases) {
      const answer = await otad.call("GET", device.query(more), { token: device.token });
      assert.equal(answer.status, 400, JSON.stringify(more));
      assert.ok(answer.body.detail.includes(word), `${JSON.stringify(more)}: ${answer.body.detail}`);
    }
    for (const name of ["product", "hardware", "version", "hash", "counter"]) {
      const query = new URL("http://x" + device.query());
      query.searchParams.delete(name);
      const answer = await otad.call("GET", query.pathname + query.search, { token: device.token });
      assert.equal(answer.status, 400);
      assert.ok(answer.body.detail.includes(name));
    }
    assert.equal((await otad.expect(200, "GET", "/api/v1/devices/p-2")).last_seen, null, "a poll that is refused counts for nothing");
  });

  test("a version with a build is taken with its plus escaped or not", async () => {
    const device = await otad.device("p-3");
    for (const plus of ["%2B", "+"]) {
      await otad.expect(204, "GET", device.query().replace(/version=[^&]*/, `version=1.2.3${plus}77`), { token: device.token });
      assert.equal((await otad.expect(200, "GET", "/api/v1/devices/p-3")).version, "1.2.3+77");
    }
  });

  test("a device that says it is another product or hardware than registered is told so", async () => {
    const device = await otad.device("p-4");
    await otad.refused(409, "device_mismatch", "GET", device.query({ product: "other" }), { token: device.token });
    await otad.refused(409, "device_mismatch", "GET", device.query({ hardware: "other" }), { token: device.token });
  });

  test("unknown parameters are for a newer server to know", async () => {
    const device = await otad.device("p-5");
    await otad.expect(204, "GET", device.query({ colour: "red" }), { token: device.token });
  });

  test("an offer names the release; a paused rollout makes none, and lets one under way go on", async () => {
    const first = await otad.device("p-6", { hardware: "hw-6" });
    const second = await otad.device("p-7", { hardware: "hw-6" });
    const release = await otad.upload({ version: "2.0.0", counter: 4, hardware: "hw-6" });
    const rollout = await otad.rollout({ firmware: release.id });
    const manifest = await first.offered();
    assert.equal(manifest.product, "demo-hub");
    assert.equal(manifest.hardware, "hw-6");
    assert.ok(manifest.poll >= 90 && manifest.poll <= 110);
    assert.ok(Math.abs(manifest.now - Date.now() / 1000) < 10);
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/pause`);
    assert.equal((await second.poll()).action, "none");
    const again = await first.offered();
    assert.equal(again.deployment, manifest.deployment, "the same deployment, not a new one");
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/resume`);
    await second.offered();
  });

  test("a poll without a nonce that finds something gets a manifest that no device takes for fresh", async () => {
    const device = await otad.device("p-8", { hardware: "hw-8" });
    const release = await otad.upload({ version: "2.0.0", counter: 4, hardware: "hw-8" });
    await otad.rollout({ firmware: release.id });
    const envelope = await otad.expect(200, "GET", device.query(), { token: device.token });
    const payload = JSON.parse(Buffer.from(envelope.payload, "base64url"));
    assert.equal(payload.nonce, "0".repeat(32));
    assert.equal(payload.action, "install");
  });

  test("a cancelled rollout takes its offer back, until the device says it gave up", async () => {
    const device = await otad.device("p-9", { hardware: "hw-9" });
    const release = await otad.upload({ version: "2.0.0", counter: 4, hardware: "hw-9" });
    const rollout = await otad.rollout({ firmware: release.id });
    const manifest = await device.offered();
    await device.report(manifest.deployment, "downloading", { percent: 10 });
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/cancel`);
    for (let i = 0; i < 2; i++) {
      const answer = await device.poll();
      assert.equal(answer.action, "cancel");
      assert.equal(answer.deployment, manifest.deployment);
    }
    await otad.restart();
    assert.equal((await device.poll()).action, "cancel");
    await device.report(manifest.deployment, "failed", { reason: "cancelled" });
    assert.equal((await device.poll()).action, "none");
    assert.equal((await otad.showRollout(rollout.id)).stages[0].skipped, 1);
  });

  test("a device that runs the release is a success even when its report was lost", async () => {
    const device = await otad.device("p-10", { hardware: "hw-10" });
    const release = await otad.upload({ version: "2.0.0", counter: 4, hardware: "hw-10" });
    const rollout = await otad.rollout({ firmware: release.id });
    await device.offered();
    device.runs(release);
    assert.equal((await device.poll()).action, "none");
    assert.equal((await otad.showRollout(rollout.id)).state, "completed");
  });

  test("many devices that poll at once each get what is theirs", async () => {
    const csv = "id,product,hardware\n" + Array.from({ length: 120 }, (_, i) => `many-${i},demo-hub,stm32f407\n`).join("");
    const made = (await otad.expect(201, "POST", "/api/v1/devices/import", { body: csv })).devices;
    await otad.rollout({ firmware: image.id });
    const { Device } = await import("./lib/otad.mjs");
    const devices = made.map(({ id, token }) => new Device(otad, id, token, { product: "demo-hub", hardware: "stm32f407" }));
    // poll() checks device, nonce and signature of each answer.
    const manifests = await Promise.all(devices.flatMap((device) => [device.poll(), device.poll(), device.poll()]));
    assert.ok(manifests.every((manifest) => manifest.action === "install"));
    const byDevice = new Map();
    for (const { device, deployment } of manifests) byDevice.set(device, (byDevice.get(device) ?? new Set()).add(deployment));
    assert.ok([...byDevice.values()].every((deployments) => deployments.size === 1), "one deployment a device");
    assert.equal(new Set([...byDevice.values()].map((deployments) => [...deployments][0])).size, 120);
  });

  test("polls with nothing new write nothing", async () => {
    const device = await otad.device("quiet", { hardware: "quiet" });
    await device.poll();
    const writes = async () => Number(/^otad_writes_total (\d+)$/m.exec((await otad.call("GET", "/metrics")).bytes.toString())[1]);
    await new Promise((resolve) => setTimeout(resolve, 6000)); // until the last-seen times are flushed
    const before = await writes();
    for (let i = 0; i < 50; i++) await device.poll();
    assert.ok((await writes()) - before <= 1, "at most the flush of last-seen times");
  });
});
