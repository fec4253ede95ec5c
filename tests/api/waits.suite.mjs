// Long polls: held while there is no news, and told at once when there is, at the rollout's rate.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";

import { exchange, request } from "./lib/wire.mjs";
import { Otad, sleep, until } from "./lib/otad.mjs";

const NONCE = "ab".repeat(16);

// A poll that may wait. Gives { answer, ms } when it is answered.
async function wait(device, seconds, { query = { nonce: NONCE }, prefer = `wait=${seconds}` } = {}) {
  const start = Date.now();
  const answer = await device.otad.call("GET", device.query(query), { token: device.token, headers: { prefer } });
  return { answer, ms: Date.now() - start, at: Date.now(), device };
}

const payload = (answer) => JSON.parse(Buffer.from(answer.body.payload, "base64url"));
const action = (answer) => (answer.status === 204 ? "no news" : payload(answer).action);

async function metric(otad, name) {
  const { bytes } = await otad.call("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(bytes.toString())[1]);
}

const waiting = (otad, count) => until(async () => (await metric(otad, "otad_polls_waiting")) === count, `${count} held polls`);

describe("long polls", () => {
  let otad;
  let next = 0;
  const newDevice = async (more = {}) => {
    next++;
    return otad.device(`w-${next}`, { hardware: `hw-w${next}`, ...more });
  };
  const release = (hardware, more = {}) => otad.upload({ version: "2.0.0", counter: 4, hardware, ...more });
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  test("without news the answer is 204 at the end of the wait, nonce or not", async () => {
    const device = await newDevice();
    for (const query of [{}, { nonce: NONCE }]) {
      const { answer, ms } = await wait(device, 1, { query });
      assert.equal(answer.status, 204);
      assert.equal(answer.headers.get("preference-applied"), "wait=1");
      assert.ok(ms >= 990, `${ms} ms`);
    }
  });

  test("news that is there already is not waited for", async () => {
    const device = await newDevice();
    const image = await release(device.hardware);
    await otad.rollout({ firmware: image.id });
    assert.equal(action((await wait(device, 300)).answer), "install");
  });

  test("a start wakes who is meant at once, and nobody else", async () => {
    const meant = await newDevice();
    const other = await newDevice();
    const image = await release(meant.hardware);
    const woken = wait(meant, 300);
    const held = wait(other, 2);
    await waiting(otad, 2);
    const start = Date.now();
    await otad.rollout({ firmware: image.id });
    const { answer, at } = await woken;
    assert.equal(action(answer), "install");
    assert.equal(payload(answer).nonce, NONCE);
    assert.equal(answer.headers.get("preference-applied"), "wait=300");
    assert.ok(at - start < 20000, `${at - start} ms from the start`);
    assert.equal((await held).answer.status, 204);
  });

  test("no more than 300 seconds are granted", async () => {
    const device = await newDevice();
    const image = await release(device.hardware);
    const woken = wait(device, 0, { prefer: 'respond-async; a="b,c", wait=4000' });
    await waiting(otad, 1);
    await otad.rollout({ firmware: image.id });
    assert.equal((await woken).answer.headers.get("preference-applied"), "wait=300");
  });

  test("a preference that is not understood is no preference", async () => {
    const device = await newDevice();
    for (const prefer of ["wait=0", "wait", "wait=", "wait=-1", "wait=1x", "wait=99999999999", "waits=9", "respond-async", 'x="wait=9', "a, ,"]) {
      const { answer } = await wait(device, 0, { prefer });
      assert.equal(action(answer), "none", prefer);
      assert.equal(answer.headers.get("preference-applied"), null);
    }
    await otad.refused(400, "poll_malformed", "GET", device.query({ last: "install" }), { token: device.token });
  });

  test("a device that was told to hold waits for what comes after it", async () => {
    const device = await newDevice();
    const bad = await otad.device("w-bad", { hardware: device.hardware });
    const image = await release(device.hardware);
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, failure_count: 1 }] });
    await device.offered();
    const { deployment } = await bad.offered();
    await bad.report(deployment, "failed");
    await until(async () => (await device.poll()).action === "hold", "the halt to reach the device");
    assert.equal(action((await wait(device, 300)).answer), "hold", "it is news to a device that doesn't know");
    assert.equal((await wait(device, 1, { query: { nonce: NONCE, last: "hold" } })).answer.status, 204);
    const woken = wait(device, 300, { query: { nonce: NONCE, last: "hold" } });
    await waiting(otad, 1);
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/resume`, { body: { force: true } });
    assert.equal(action((await woken).answer), "install");
  });

  test("all that wait are told at the rate of the rollout, each once", async () => {
    const first = await newDevice();
    const devices = [first];
    for (let i = 1; i < 7; i++) devices.push(await otad.device(`${first.id}-${i}`, { hardware: first.hardware }));
    const image = await release(first.hardware);
    const held = devices.map((device) => wait(device, 300));
    await waiting(otad, devices.length);
    const start = Date.now();
    await otad.rollout({ firmware: image.id, stages: [{ percent: 100, offers_a_minute: 60 }] });
    const woken = (await Promise.all(held)).sort((a, b) => a.at - b.at);
    for (const [i, { answer, at }] of woken.entries()) {
      assert.equal(action(answer), "install");
      // One offer is there at the start, and one more comes each second; the engine counts whole seconds.
      assert.ok(at - start >= (i - 2) * 1000, `offer ${i + 1} after ${at - start} ms`);
    }
  });

  test("a rollout that allows one device at a time wakes the next when one is done", async () => {
    const first = await newDevice();
    const second = await otad.device(`${first.id}-2`, { hardware: first.hardware });
    const image = await release(first.hardware);
    const held = [wait(first, 300), wait(second, 300)];
    await waiting(otad, 2);
    await otad.rollout({ firmware: image.id, stages: [{ percent: 100, in_flight_max: 1 }] });
    const { device, answer } = await Promise.race(held);
    assert.equal(await metric(otad, "otad_polls_waiting"), 1);
    const { deployment } = payload(answer);
    for (const event of ["installed", "trial"]) await device.report(deployment, event);
    device.runs(image);
    await device.report(deployment, "confirmed");
    for (const one of await Promise.all(held)) assert.equal(action(one.answer), "install");
  });

  test("a device waits in one place: a later poll ends the former's wait", async () => {
    const device = await newDevice();
    const former = wait(device, 300);
    await waiting(otad, 1);
    const later = wait(device, 1);
    assert.equal((await former).answer.status, 204);
    assert.equal((await later).answer.status, 204);
  });

  test("who waits and is deleted, rejected, or given another token is told so", async () => {
    const changes = [
      [401, (device) => otad.expect(204, "DELETE", `/api/v1/devices/${device.id}`)],
      [403, (device) => otad.expect(200, "PATCH", `/api/v1/devices/${device.id}`, { body: { state: "rejected" } })],
      [401, (device) => otad.expect(200, "POST", `/api/v1/devices/${device.id}/token`)],
    ];
    for (const [status, change] of changes) {
      const device = await newDevice();
      const held = wait(device, 300);
      await waiting(otad, 1);
      await change(device);
      assert.equal((await held).answer.status, status);
    }
  });

  test("a device that has hung up is not offered what it would not hear of", async () => {
    const device = await newDevice();
    const image = await release(device.hardware);
    const poll = http.get(otad.url + device.query({ nonce: NONCE }), { headers: { authorization: `Bearer ${device.token}`, prefer: "wait=300" } });
    poll.on("error", () => {});
    await waiting(otad, 1);
    poll.destroy();
    const rollout = await otad.rollout({ firmware: image.id });
    await waiting(otad, 0);
    await sleep(300);
    assert.equal((await otad.showRollout(rollout.id)).stages[0].offered, 0);
    assert.equal((await device.poll()).action, "install", "it is when it comes back");
  });

  test("an operator's notify ends the wait with an answer", async () => {
    const device = await newDevice();
    const show = () => otad.expect(200, "GET", `/api/v1/devices/${device.id}`);
    assert.deepEqual(await otad.expect(202, "POST", `/api/v1/devices/${device.id}/notify`), { long_poll: false, mqtt: false });
    const held = wait(device, 300);
    await waiting(otad, 1);
    assert.equal((await show()).waiting, true);
    assert.equal((await show()).online, null, "there is no broker");
    assert.deepEqual(await otad.expect(202, "POST", `/api/v1/devices/${device.id}/notify`), { long_poll: true, mqtt: false });
    assert.equal(action((await held).answer), "none", "signed, so that the device knows its server is there");
    assert.equal((await show()).waiting, false);
    await otad.refused(404, "not_found", "POST", "/api/v1/devices/nobody/notify");
    await otad.refused(403, "role_insufficient", "POST", `/api/v1/devices/${device.id}/notify`, { token: await otad.token("viewer") });
    await otad.refused(401, "token_missing", "POST", `/api/v1/devices/${device.id}/notify`, { token: null });
  });

  test("HEAD is not held, and a second request on the connection is answered after the first", async () => {
    const device = await newDevice();
    const head = await otad.call("HEAD", device.query(), { token: device.token, headers: { prefer: "wait=300" }, check: false });
    assert.equal(head.status, 204);
    const lines = [`GET ${device.query()} HTTP/1.1`, "Host: x", `Authorization: Bearer ${device.token}`];
    const both = request([...lines, "Prefer: wait=1"]) + request([...lines, "Connection: close"]);
    const { statuses } = await exchange(otad.port, both, { ms: 10000 });
    assert.deepEqual(statuses, [204, 204]);
  });

  test("what waits does not hold up what does not", async () => {
    const devices = [];
    for (let i = 0; i < 40; i++) devices.push(await newDevice());
    const held = devices.map((device) => wait(device, 2));
    await waiting(otad, devices.length);
    for (const device of devices.slice(0, 5)) assert.equal((await otad.expect(200, "GET", `/api/v1/devices/${device.id}`)).id, device.id);
    for (const { answer } of await Promise.all(held)) assert.equal(answer.status, 204);
  });

  test("SIGTERM answers all that wait", async () => {
    const own = await Otad.start();
    const devices = [];
    for (let i = 0; i < 5; i++) devices.push(await own.device(`d-${i}`));
    const held = devices.map((device) => wait(device, 300));
    await waiting(own, devices.length);
    const ended = own.end();
    for (const { answer } of await Promise.all(held)) {
      assert.equal(answer.status, 204);
      assert.equal(answer.headers.get("connection"), "close");
    }
    await ended;
    await own.stop();
  });

  test("beyond --waiting-max a poll is answered as if it had not asked to wait", async () => {
    const own = await Otad.start({ flags: ["--waiting-max", "1"] });
    const devices = [await own.device("d-0"), await own.device("d-1")];
    const held = wait(devices[0], 300);
    await waiting(own, 1);
    const { answer } = await wait(devices[1], 300);
    assert.equal(action(answer), "none");
    assert.equal(answer.headers.get("preference-applied"), null);
    assert.equal(await metric(own, "otad_polls_held_total"), 1);
    const ended = own.end();
    await held;
    await ended;
    await own.stop();
  });
});
