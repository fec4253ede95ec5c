// What was acknowledged survives a kill at any moment; what was not leaves no trace.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { makeImage, sha256 } from "./lib/image.mjs";
import { Device, Otad, sleep } from "./lib/otad.mjs";

describe("durability", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  const blobs = () => path.join(otad.dir, "data", "blobs");
  const stored = () => fs.readdirSync(blobs(), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
  const all = async (target) => {
    const items = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await otad.expect(200, "GET", `${target}?limit=500${cursor && `&cursor=${cursor}`}`);
      items.push(...page.items);
      cursor = page.next;
    }
    return items;
  };

  test("killed in the middle of many changes, it comes back with all it had acknowledged", async () => {
    const acknowledged = { devices: new Set(), groups: new Set(), firmware: new Map() };
    const asked = { devices: new Set(), firmware: new Set() };
    for (let round = 0; round < 4; round++) {
      let running = true;
      const work = async (name, step) => {
        for (let i = 0; running; i++) {
          try {
            await step(`${name}-${round}-${i}`, i);
          } catch {
            return; // the connection ended with the server
          }
        }
      };
      const call = async (...args) => {
        const answer = await otad.call(...args);
        assert.ok(answer.status === 201, String(answer.status));
        return answer.body;
      };
      const workers = [0, 1, 2].map((n) =>
        work(`d${n}`, async (id) => {
          asked.devices.add(id);
          await call("POST", "/api/v1/devices", { body: { id, product: "demo-hub", hardware: "h" } });
          acknowledged.devices.add(id);
        }),
      );
      workers.push(
        work("g", async (name) => {
          await call("POST", "/api/v1/groups", { body: { name } });
          acknowledged.groups.add(name);
        }),
        work("f", async (name, i) => {
          const image = makeImage({ product: "demo-hub", hardware: `k${round}`, version: `1.0.${i}`, size: 30000 });
          asked.firmware.add(image.sha256);
          await call("POST", "/api/v1/firmware", { body: image.bytes });
          acknowledged.firmware.set(image.sha256, image);
        }),
      );
      await sleep(250 + round * 130);
      await otad.end("SIGKILL");
      running = false;
      await Promise.all(workers);
      await otad.launch();
    }
    const devices = new Set((await all("/api/v1/devices")).map((device) => device.id));
    for (const id of acknowledged.devices) assert.ok(devices.has(id), `${id} was acknowledged`);
    for (const id of devices) assert.ok(asked.devices.has(id), `${id} was never asked for`);
    const groups = new Set((await all("/api/v1/groups")).map((group) => group.name));
    for (const name of acknowledged.groups) assert.ok(groups.has(name));
    const firmware = await all("/api/v1/firmware");
    for (const [name, image] of acknowledged.firmware) assert.ok(firmware.some((row) => row.sha256 === name && row.hash === image.hash));
    // Every row has its file, whole; and there is no other.
    for (const row of firmware) assert.equal(sha256(fs.readFileSync(path.join(blobs(), row.sha256.slice(0, 2), row.sha256))).toString("hex"), row.sha256);
    assert.deepEqual(stored().sort(), firmware.map((row) => row.sha256).sort());
    assert.deepEqual(fs.readdirSync(path.join(otad.dir, "data", "tmp")), []);
    assert.ok(acknowledged.devices.size > 20 && acknowledged.firmware.size > 3, "the test did something");
  });

  test("a report that was acknowledged is in the history after a kill", async () => {
    const image = await otad.upload({ hardware: "rep", version: "1.0.0" });
    const csv = "id,product,hardware\n" + Array.from({ length: 40 }, (_, i) => `rep-${i},demo-hub,rep\n`).join("");
    const made = (await otad.expect(201, "POST", "/api/v1/devices/import", { body: csv })).devices;
    const rollout = await otad.rollout({ firmware: image.id });
    const devices = made.map(({ id, token }) => new Device(otad, id, token, { product: "demo-hub", hardware: "rep" }));
    const acknowledged = new Map();
    const running = devices.map(async (device) => {
      try {
        const manifest = await device.offered();
        acknowledged.set(device, { deployment: manifest.deployment, percent: -1 });
        for (let percent = 0; percent <= 100; percent++) {
          await device.report(manifest.deployment, "downloading", { percent });
          acknowledged.get(device).percent = percent;
        }
      } catch {
        // killed
      }
    });
    await sleep(900);
    await otad.end("SIGKILL");
    await Promise.all(running);
    await otad.launch();
    assert.ok(acknowledged.size > 0);
    for (const [device, { deployment, percent }] of acknowledged) {
      const shown = await otad.expect(200, "GET", `/api/v1/devices/${device.id}`);
      assert.equal(String(shown.deployment.id), deployment);
      assert.ok(shown.deployment.percent >= percent, `${device.id}: ${shown.deployment.percent} < ${percent}`);
      assert.equal((await device.poll()).deployment, deployment);
    }
    const { stages } = await otad.showRollout(rollout.id);
    const rows = await all(`/api/v1/rollouts/${rollout.id}/devices`);
    assert.equal(stages[0].offered + stages[0].downloading, rows.length);
  });

  test("files that no row has, and unfinished uploads, are swept at the start", async () => {
    const before = stored().sort();
    fs.mkdirSync(path.join(blobs(), "ab"), { recursive: true });
    fs.writeFileSync(path.join(blobs(), "ab", "ab".repeat(32)), "orphan");
    fs.writeFileSync(path.join(blobs(), "ab", "not-a-hash"), "orphan");
    fs.writeFileSync(path.join(otad.dir, "data", "tmp", "up-dead"), "half");
    await otad.restart();
    assert.deepEqual(stored().sort(), before);
    assert.deepEqual(fs.readdirSync(path.join(otad.dir, "data", "tmp")), []);
    assert.match(otad.log, /"event":"swept"/);
  });

  test("on SIGTERM it answers what is under way, and takes nothing new", async () => {
    const group = (name) => otad.call("POST", "/api/v1/groups", { body: { name } }).then((answer) => answer.status, () => "refused");
    const flying = Array.from({ length: 50 }, (_, i) => group(`drain-${i}`));
    await sleep(5);
    const [statuses] = await Promise.all([Promise.all(flying), otad.end()]);
    assert.ok(statuses.every((status) => status === 201 || status === "refused"), String(statuses));
    await otad.launch();
    const names = new Set((await all("/api/v1/groups")).map((item) => item.name));
    statuses.forEach((status, i) => status === 201 && assert.ok(names.has(`drain-${i}`)));
  });

  test("last-seen times reach the disk in batches and at the end", async () => {
    const device = await otad.device("seen");
    await device.poll();
    await otad.restart();
    const shown = await otad.expect(200, "GET", "/api/v1/devices/seen");
    assert.ok(Math.abs(Date.parse(shown.last_seen) - Date.now()) < 30000);
    assert.equal(shown.version, "0.9.0");
  });
});
