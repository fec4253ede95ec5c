// A full disk: nothing half-written, reads go on, and it recovers by itself. The bound on file sizes
// (RLIMIT_FSIZE) stands for the disk: writes beyond it fail as those on a full one do, without root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { makeImage } from "./lib/image.mjs";
import { Otad, sleep, until } from "./lib/otad.mjs";

describe("storage", () => {
  let otad;
  let device;
  let image;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    image = await otad.upload({ version: "1.0.0", size: 20000 });
    device = await otad.device("full-1");
    await device.poll();
    await otad.rollout({ firmware: image.id });
  });
  after(() => otad.stop());

  const limit = (bytes) => execFileSync("prlimit", ["--pid", String(otad.process.pid), `--fsize=${bytes}:`]);

  test("with no room for the database, changes are refused with 507, and reads and known polls go on", async () => {
    const manifest = await device.offered();
    limit(4096);
    try {
      for (let i = 0; i < 3; i++) await otad.refused(507, "storage_full", "POST", "/api/v1/groups", { body: { name: `full-${i}` } });
      const report = device.reportBody(manifest.deployment, "downloading", { percent: 10 });
      await otad.refused(507, "storage_full", "POST", "/device/v1/reports", { token: device.token, body: report });
      assert.match((await otad.refused(503, "storage_failed", "GET", "/readyz", { token: null })).detail, /free some space/);
      assert.equal((await device.poll()).deployment, manifest.deployment);
      assert.deepEqual((await device.fetch(manifest.url)).bytes, image.bytes);
      assert.equal((await otad.expect(200, "GET", "/api/v1/groups")).items.length, 0);
      const fresh = await otad.call("GET", device.query({ counter: 1, nonce: "0".repeat(32) }), { token: device.token });
      assert.equal(fresh.status, 507, "a poll that brings news must be written");
      await otad.refused(507, "storage_full", "POST", "/api/v1/firmware", { body: makeImage({ version: "1.1.0" }).bytes });
      assert.deepEqual(fs.readdirSync(path.join(otad.dir, "data", "tmp")), []);

      limit("unlimited");
      await otad.expect(201, "POST", "/api/v1/groups", { body: { name: "full-0" } });
      await otad.expect(204, "POST", "/device/v1/reports", { token: device.token, body: report });
      await otad.expect(200, "GET", "/readyz", { token: null });
    } finally {
      limit("unlimited");
    }
    const before = await otad.showRollout(1);
    await otad.restart("SIGKILL");
    assert.deepEqual((await otad.expect(200, "GET", "/api/v1/groups")).items.map((group) => group.name), ["full-0"]);
    assert.deepEqual((await otad.showRollout(1)).stages, before.stages);
  });

  test("the disk fills at every possible place of a change: all or nothing, each time", async () => {
    let refused = 0;
    let taken = 0;
    for (let step = 0; step < 20; step++) {
      const id = `step-${step}`;
      // Once its pages are moved to the database, the log is written from its beginning again.
      await sleep(120);
      limit(step * 2048);
      const answer = await otad.call("POST", "/api/v1/devices", { body: { id, product: "p", hardware: "h" } });
      limit("unlimited");
      assert.ok(answer.status === 201 || answer.status === 507, String(answer.status));
      const shown = await otad.call("GET", `/api/v1/devices/${id}`);
      assert.equal(shown.status, answer.status === 201 ? 200 : 404);
      if (answer.status === 201) taken++;
      else refused++;
    }
    assert.ok(refused > 0 && taken > 0, `${refused} refused, ${taken} taken`);
    const before = (await otad.expect(200, "GET", "/api/v1/devices?limit=500")).items.map((item) => item.id);
    await otad.restart("SIGKILL");
    assert.deepEqual((await otad.expect(200, "GET", "/api/v1/devices?limit=500")).items.map((item) => item.id), before);
  });

  test("a full disk in the middle of an upload leaves no file", async () => {
    const { bytes } = makeImage({ version: "1.2.0", size: 200000 });
    limit(100000);
    const { detail } = await otad.refused(507, "storage_full", "POST", "/api/v1/firmware", { body: bytes });
    assert.match(detail, /disk is full.*free some space/);
    limit("unlimited");
    await until(() => fs.readdirSync(path.join(otad.dir, "data", "tmp")).length === 0, "the temporary file to go");
    await otad.expect(201, "POST", "/api/v1/firmware", { body: bytes });
  });

  test("rollouts do not lose count when the disk is full between their steps", async () => {
    const { id } = await otad.upload({ version: "1.0.0", hardware: "cnt" });
    const devices = await Promise.all([0, 1, 2].map((i) => otad.device(`cnt-${i}`, { hardware: "cnt" })));
    const rollout = await otad.rollout({ firmware: id });
    limit(4096);
    for (const one of devices) assert.equal((await otad.call("GET", one.query({ nonce: "1".repeat(32) }), { token: one.token })).status, 507);
    limit("unlimited");
    const shown = await otad.showRollout(rollout.id);
    assert.equal(shown.stages[0].offered, 0);
    assert.equal(shown.stages[0].targeted, 3);
    for (const one of devices) await one.offered();
    assert.equal((await otad.showRollout(rollout.id)).stages[0].offered, 3);
    await otad.restart("SIGKILL");
    assert.equal((await otad.showRollout(rollout.id)).stages[0].offered, 3);
  });
});
