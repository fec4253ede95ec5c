// A backup is taken while the server runs, a server starts on it, and an old one is noticed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Otad, until } from "./lib/otad.mjs";

const OTAD = path.resolve(process.env.BUILD_DIR ?? "build", "otad");

describe("backup", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  const backup = (...args) => spawnSync(OTAD, ["backup", ...args], { encoding: "utf8", timeout: 30000 });

  test("a copy of a running server serves the same devices, files and manifests", async () => {
    const image = await otad.upload({ version: "1.0.0", size: 30000 });
    const device = await otad.device("b-1");
    const rollout = await otad.rollout({ firmware: image.id });
    const manifest = await device.offered();
    const to = path.join(otad.dir, "copy");
    const made = backup("--data", path.join(otad.dir, "data"), "--to", path.join(to, "data"));
    assert.equal(made.status, 1, "the parent directory is not there");
    fs.mkdirSync(to);
    const again = backup("--data", path.join(otad.dir, "data"), "--to", path.join(to, "data"));
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stdout, /1 firmware files/);
    assert.equal(fs.statSync(path.join(to, "data", "server-key.pem")).mode & 0o077, 0);
    assert.equal(backup("--data", path.join(otad.dir, "data"), "--to", path.join(to, "data")).status, 1, "a backup is never written over");

    fs.copyFileSync(path.join(otad.dir, "data", "admin-token"), path.join(to, "data", "admin-token"));
    const copy = await Otad.start({ dir: to });
    try {
      copy.key = await otad.serverKey();
      device.otad = copy;
      assert.equal((await device.poll()).deployment, manifest.deployment);
      assert.deepEqual((await device.fetch(manifest.url)).bytes, image.bytes);
      assert.equal((await copy.showRollout(rollout.id)).stages[0].offered, 1);
    } finally {
      await copy.stop();
      device.otad = otad;
    }
  });

  test("a restored database that is older than the fleet is noticed, and gives no number twice", async () => {
    const to = path.join(otad.dir, "old");
    fs.mkdirSync(to);
    assert.equal(backup("--data", path.join(otad.dir, "data"), "--to", path.join(to, "data")).status, 0);
    const image = await otad.upload({ version: "1.0.0", hardware: "later", counter: 9 });
    const [device, other] = [await otad.device("b-2", { hardware: "later" }), await otad.device("b-1x")];
    await otad.rollout({ firmware: image.id });
    const { deployment } = await device.offered();
    await device.update(image);
    assert.ok(other.token);

    // The fleet has moved on; the server is put back.
    fs.copyFileSync(path.join(otad.dir, "data", "admin-token"), path.join(to, "data", "admin-token"));
    const old = await Otad.start({ dir: to });
    try {
      const again = await old.expect(201, "POST", "/api/v1/devices", { body: { id: "b-2", product: "demo-hub", hardware: "later" } });
      device.otad = old;
      device.token = again.token;
      const report = await old.call("POST", "/device/v1/reports", { token: device.token, body: device.reportBody(deployment, "confirmed") });
      assert.equal(report.status, 404);
      await until(() => old.log.includes('"event":"database_older_than_fleet"'), "the warning in the log");
      // Below the device's counter nothing is offered, whatever the restored database thinks.
      const low = await old.upload({ version: "3.0.0", hardware: "later", counter: 8 });
      await old.rollout({ firmware: low.id });
      assert.equal((await device.poll()).action, "none");
      const fine = await old.upload({ version: "3.1.0", hardware: "later", counter: 9 });
      await old.rollout({ firmware: fine.id });
      assert.ok(Number((await device.offered()).deployment) > Number(deployment));
    } finally {
      await old.stop();
    }
  });

  test("what cannot be backed up is told", () => {
    assert.equal(backup().status, 2);
    assert.equal(backup("--data", "x").status, 2);
    assert.equal(backup("--data", "x", "--bogus", "y").status, 2);
    const nothing = backup("--data", path.join(otad.dir, "nothing"), "--to", path.join(otad.dir, "n"));
    assert.equal(nothing.status, 1);
    assert.match(nothing.stderr, /nothing/);
    const blobs = path.join(otad.dir, "data", "blobs");
    const file = fs.readdirSync(blobs, { recursive: true, withFileTypes: true }).find((entry) => entry.isFile());
    const name = path.join(file.parentPath ?? file.path, file.name);
    const bytes = fs.readFileSync(name);
    fs.writeFileSync(name, Buffer.concat([bytes.subarray(0, 100), Buffer.from([bytes[100] ^ 1]), bytes.subarray(101)]));
    const damaged = backup("--data", path.join(otad.dir, "data"), "--to", path.join(otad.dir, "m"));
    assert.equal(damaged.status, 1);
    assert.match(damaged.stderr, /missing or damaged/);
    assert.ok(!fs.existsSync(path.join(otad.dir, "m", "complete")));
    fs.writeFileSync(name, bytes);
  });
});
