// Reports: durable, idempotent, and believed only as far as the state allows.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("reports", () => {
  let otad;
  let number = 0;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  // A device of a hardware of its own, with an offer for it.
  async function offer() {
    const hardware = `hw-${++number}`;
    const device = await otad.device(`r-${number}`, { hardware });
    const image = await otad.upload({ version: "1.0.0", hardware });
    const rollout = await otad.rollout({ firmware: image.id });
    const manifest = await device.offered();
    return { device, image, rollout, deployment: manifest.deployment };
  }
  const send = (device, body) => otad.call("POST", "/device/v1/reports", { token: device.token, body });
  const events = async (device) => (await otad.expect(200, "GET", `/api/v1/devices/${device.id}/events`)).items;
  const counts = async (rollout) => (await otad.showRollout(rollout.id)).stages[0];

  test("the same report many times, at once and later, counts once", async () => {
    const { device, rollout, deployment } = await offer();
    const body = device.reportBody(deployment, "downloading", { percent: 30 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(device, body)));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([204]));
    await otad.restart();
    assert.equal((await send(device, body)).status, 204);
    assert.deepEqual((await events(device)).map((event) => event.event), ["downloading", "offered"]);
    assert.equal((await counts(rollout)).downloading, 1);
  });

  test("reports out of order never take a step back", async () => {
    const { device, image, rollout, deployment } = await offer();
    const bodies = ["downloading", "installed"].map((event) => device.reportBody(deployment, event, { percent: 50 }));
    device.runs(image);
    bodies.push(device.reportBody(deployment, "trial"), device.reportBody(deployment, "confirmed"));
    for (const at of [3, 1, 0, 2, 3, 0]) assert.equal((await send(device, bodies[at])).status, 204);
    assert.equal((await counts(rollout)).succeeded, 1);
    assert.equal((await otad.showRollout(rollout.id)).state, "completed");
    assert.equal((await events(device))[0].event, "confirmed");
  });

  test("a verdict stands: a later one of the same deployment changes nothing", async () => {
    const { device, rollout, deployment } = await offer();
    await device.report(deployment, "failed", { reason: "flash", log: "sector 7|gave up" });
    await device.report(deployment, "confirmed");
    await device.report(deployment, "downloading", { percent: 1 });
    assert.equal((await counts(rollout)).failed, 1);
    assert.equal((await counts(rollout)).succeeded, 0);
    const failed = (await events(device)).find((event) => event.event === "failed");
    assert.equal(failed.reason, "flash");
    assert.equal(failed.log, "sector 7|gave up");
    const shown = await otad.expect(200, "GET", `/api/v1/devices/${device.id}`);
    assert.equal(shown.deployment.state, "failed");
    assert.equal(shown.deployment.reason, "flash");
    const row = (await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/devices?state=failed`)).items[0];
    assert.equal(row.device, device.id);
    assert.equal(row.reason, "flash");
  });

  test("a confirm with another image than the release is a failure", async () => {
    const { device, rollout, deployment } = await offer();
    await device.report(deployment, "confirmed");
    assert.equal((await counts(rollout)).succeeded, 0);
    assert.equal((await counts(rollout)).failed, 1);
  });

  test("another device's deployment is unknown, as are those that never were", async () => {
    const one = await offer();
    const two = await offer();
    for (const deployment of [two.deployment, "999999", "0", "x", "1e3", "-1", "18446744073709551617"]) {
      const answer = await send(one.device, one.device.reportBody(deployment, "failed"));
      assert.equal(answer.status, 404, deployment);
      assert.equal(answer.body.code, "deployment_unknown");
    }
    assert.equal((await counts(two.rollout)).offered, 1);
  });

  test("a deployment that is long over is told 204, and nothing changes", async () => {
    const { device, image, rollout, deployment } = await offer();
    await device.report(deployment, "installed");
    device.runs(image);
    await device.report(deployment, "confirmed");
    await otad.restart(); // the ended rollout's tries are not in memory any more
    const before = await events(device);
    await device.report(deployment, "failed");
    assert.deepEqual(await events(device), before);
    assert.equal((await otad.showRollout(rollout.id)).stages[0].succeeded, 1);
  });

  test("what is no report is refused, by the same vectors as the codec", async () => {
    const { device } = await offer();
    const lines = fs.readFileSync("tests/vectors/reports.txt", "latin1").split("\n").filter((line) => line && !line.startsWith("#"));
    let refused = 0;
    for (const line of lines) {
      const [word] = line.split(" ", 1);
      const text = line.slice(word.length + 1).replace(/\\x([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      const answer = await otad.call("POST", "/device/v1/reports", { token: device.token, body: Buffer.from(text, "latin1") });
      if (word === "ok" || word === "accepted") assert.ok([204, 404].includes(answer.status), `${line}: ${answer.status}`);
      else {
        refused++;
        assert.equal(answer.status, 400, line);
        assert.ok(answer.body.detail.includes(`(${word})`), `${line}: ${answer.body.detail}`);
      }
    }
    assert.ok(refused > 10);
  });

  test("a report may have 2 KB, and a body 16 KB", async () => {
    const { device } = await offer();
    assert.equal((await otad.call("POST", "/device/v1/reports", { token: device.token, body: " ".repeat(3000) })).body.code, "report_malformed");
    const answer = await otad.call("POST", "/device/v1/reports", { token: device.token, body: " ".repeat(17000) });
    assert.equal(answer.status, 413);
    assert.equal((await otad.call("POST", "/device/v1/reports", { token: device.token })).body.code, "report_malformed");
  });

  test("a device that reports without end fills its history to a bound", async () => {
    const { device, rollout, deployment } = await offer();
    for (let i = 0; i < 22; i++) await Promise.all(Array.from({ length: 50 }, () => send(device, device.reportBody(deployment, "downloading", { percent: 1 }))));
    let count = 0;
    for (let cursor = ""; cursor !== null; ) {
      const page = await otad.expect(200, "GET", `/api/v1/devices/${device.id}/events?limit=500${cursor && `&cursor=${cursor}`}`);
      count += page.items.length;
      cursor = page.next;
    }
    assert.ok(count <= 1000, `${count} rows`);
    await device.report(deployment, "installed");
    assert.equal((await counts(rollout)).installing, 1, "its state still follows");
  });
});
