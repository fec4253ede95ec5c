// Webhooks: what they are told, by whose signature, and what becomes of it when nobody listens.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import { after, before, describe, test } from "node:test";

import { Otad, until } from "./lib/otad.mjs";

// A receiver that keeps what it gets; `answer` says with what it answers.
class Receiver {
  constructor() {
    this.got = [];
    this.answer = () => [204, {}];
    this.server = http.createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        this.got.push({ url: request.url, method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString() });
        const [status, headers] = this.answer(request);
        response.writeHead(status, headers).end("x".repeat(10));
      });
    });
  }
  async listen(port = 0) {
    await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}/hook`;
  }
  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
  events() {
    return this.got.map((message) => JSON.parse(message.body).event);
  }
}

describe("webhooks", () => {
  let otad;
  let receiver;
  let number = 0;
  before(async () => {
    receiver = new Receiver();
    await receiver.listen();
    otad = await Otad.start({ flags: ["--webhook-private", "yes"] });
    await otad.releaseKey();
  });
  after(async () => {
    await otad.stop();
    await receiver.close();
  });

  const add = (more) => otad.expect(201, "POST", "/api/v1/webhooks", { body: { name: `hook-${++number}`, url: receiver.url, ...more } });
  const remove = (hook) => otad.expect(204, "DELETE", `/api/v1/webhooks/${hook.id}`);
  const show = async (hook) => (await otad.expect(200, "GET", "/api/v1/webhooks?limit=500")).items.find((item) => item.id === hook.id);
  async function release(count = 1) {
    const hardware = `wh-${++number}`;
    const image = await otad.upload({ version: "2.0.0", counter: 0, hardware });
    const devices = [];
    for (let i = 0; i < count; i++) devices.push(await otad.device(`${hardware}-${i}`, { hardware }));
    return { image, devices };
  }

  test("a hook is told what becomes of rollouts, in order, by its signature", async () => {
    const hook = await add();
    const { image, devices } = await release(2);
    receiver.got = [];
    const rollout = await otad.rollout({ firmware: image.id, name: "hooked", stages: [{ percent: 100, failure_count: 1 }] });
    await devices[0].update(image);
    await devices[1].revert();
    const expected = ["rollout.created", "rollout.started", "rollout.halted"];
    await until(() => receiver.got.length === expected.length, "three messages");
    assert.deepEqual(receiver.events(), expected);
    for (const { method, url, headers, body } of receiver.got) {
      assert.deepEqual([method, url, headers["content-type"]], ["POST", "/hook", "application/json"]);
      const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers["otad-signature"]);
      assert.equal(mac, createHmac("sha256", hook.secret).update(`${time}.${body}`).digest("hex"));
      assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60);
      const message = JSON.parse(body);
      assert.equal(headers["otad-event"], message.event);
      assert.deepEqual([message.rollout, message.name, message.version], [rollout.id, "hooked", "2.0.0"]);
    }
    const halted = JSON.parse(receiver.got[2].body);
    assert.deepEqual([halted.state, halted.stage], ["halted", 1]);
    assert.match(halted.detail, /^Stage 1: 1 of 2 devices failed/);
    assert.equal(new Set(receiver.got.map(({ headers }) => headers["otad-delivery"])).size, 3);
    await until(async () => (await show(hook)).queued === 0, "the outbox to be empty");
    const after = await show(hook);
    assert.deepEqual([after.delivered, after.failures, after.last_status, after.last_error], [3, 0, 204, null]);
    await remove(hook);
  });

  test("a hook may choose its events, those of devices among them; it can be switched off, changed and tried out", async () => {
    const hook = await add({ events: ["deployment.reverted", "deployment.timed_out", "rollout.completed"] });
    const { image, devices } = await release(3);
    receiver.got = [];
    await otad.rollout({ firmware: image.id, timeout_seconds: 1, stages: [{ percent: 100, success_percent: 0, soak_seconds: 3600 }] });
    await devices[0].revert();
    await devices[1].update(image);
    await devices[2].offered();
    await until(() => receiver.got.length === 2, "the two ends");
    assert.deepEqual(receiver.events(), ["deployment.reverted", "deployment.timed_out"]);
    assert.deepEqual(JSON.parse(receiver.got[0].body).device, devices[0].id);
    const off = await otad.expect(200, "PATCH", `/api/v1/webhooks/${hook.id}`, { body: { enabled: false, events: null, url: `${receiver.url}/2` } });
    assert.deepEqual([off.enabled, off.events, off.url], [false, null, `${receiver.url}/2`]);
    await otad.rollout({ firmware: image.id, name: "unheard" }, { start: false });
    const tried = await otad.expect(200, "POST", `/api/v1/webhooks/${hook.id}/test`);
    assert.equal(tried.queued, 1, "the ping alone, which waits");
    await otad.expect(200, "PATCH", `/api/v1/webhooks/${hook.id}`, { body: { enabled: true } });
    await until(() => receiver.got.length === 3, "the ping");
    assert.deepEqual([receiver.events()[2], receiver.got[2].url], ["ping", "/hook/2"]);
    const fresh = await otad.expect(200, "POST", `/api/v1/webhooks/${hook.id}/secret`);
    assert.notEqual(fresh.secret, hook.secret);
    await otad.expect(200, "POST", `/api/v1/webhooks/${hook.id}/test`);
    await until(() => receiver.got.length === 4, "the second ping");
    const { headers, body } = receiver.got[3];
    const [, time, mac] = /^t=(\d+),v1=(.*)$/.exec(headers["otad-signature"]);
    assert.equal(mac, createHmac("sha256", fresh.secret).update(`${time}.${body}`).digest("hex"));
    await remove(hook);
  });

  test("what could not be told waits in the outbox, through a kill as well, and comes in order", async () => {
    const { image } = await release();
    await receiver.close();
    const hook = await add();
    const rollout = await otad.rollout({ firmware: image.id });
    await until(async () => (await show(hook)).failures >= 1, "a failure");
    const waiting = await show(hook);
    assert.deepEqual([waiting.queued, waiting.delivered], [2, 0]);
    assert.ok(waiting.last_error && waiting.next_at, JSON.stringify(waiting));
    await otad.restart("SIGKILL");
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/pause`);
    const back = new Receiver();
    await back.listen(receiver.port);
    receiver = back;
    await otad.expect(200, "PATCH", `/api/v1/webhooks/${hook.id}`, { body: {} }); // tried at once
    await until(() => receiver.got.length >= 3, "all three", 30000);
    assert.deepEqual(receiver.events(), ["rollout.created", "rollout.started", "rollout.paused"]);
    const [, time, mac] = /^t=(\d+),v1=(.*)$/.exec(receiver.got[2].headers["otad-signature"]);
    assert.equal(mac, createHmac("sha256", hook.secret).update(`${time}.${receiver.got[2].body}`).digest("hex"), "the secret is the same after a restart");
    await remove(hook);
  });

  test("a hook that is sent elsewhere while a try hangs is tried there at once, not after the old one's wait", async () => {
    const held = [];
    const stuck = http.createServer((request) => held.push(request.socket));
    await new Promise((resolve) => stuck.listen(0, "127.0.0.1", resolve));
    try {
      const hook = await add({ url: `http://127.0.0.1:${stuck.address().port}/` });
      receiver.got = [];
      await otad.expect(200, "POST", `/api/v1/webhooks/${hook.id}/test`);
      await until(() => held.length === 1, "the try that hangs");
      await otad.expect(200, "PATCH", `/api/v1/webhooks/${hook.id}`, { body: { url: receiver.url } });
      held[0].destroy();
      await until(() => receiver.got.length === 1, "the ping at the new address", 5000);
      assert.deepEqual(receiver.events(), ["ping"]);
      await remove(hook);
    } finally {
      stuck.closeAllConnections();
      stuck.close();
    }
  });

  test("an error is a failure, a redirect is not followed, and neither keeps another hook waiting", async () => {
    const good = new Receiver();
    await good.listen();
    receiver.got = [];
    receiver.answer = () => [302, { location: good.url }];
    const redirected = await add();
    const fine = await add({ url: good.url });
    for (const hook of [redirected, fine]) await otad.expect(200, "POST", `/api/v1/webhooks/${hook.id}/test`);
    await until(async () => (await show(fine)).delivered === 1 && (await show(redirected)).failures === 1, "both to be tried");
    assert.equal(good.got.length, 1);
    assert.deepEqual([(await show(redirected)).last_status, (await show(redirected)).last_error], [302, "it answered 302"]);
    assert.ok(Date.parse((await show(redirected)).next_at) > Date.now() + 3000, "later");
    receiver.answer = () => [204, {}];
    await remove(redirected);
    await remove(fine);
    await good.close();
  });

  test("a hook that takes its message and never answers keeps no other waiting, nor the server from ending", async () => {
    const stalling = new Receiver();
    const healthy = new Receiver();
    await Promise.all([stalling.listen(), healthy.listen()]);
    stalling.server.removeAllListeners("request").on("request", (request) => request.resume());
    const stuck = await add({ url: stalling.url });
    const fine = await add({ url: healthy.url });
    await otad.expect(200, "POST", `/api/v1/webhooks/${stuck.id}/test`);
    await until(() => new Promise((resolve) => stalling.server.getConnections((_, count) => resolve(count > 0))), "the stalling one to have it");
    const began = Date.now();
    for (let i = 0; i < 20; i++) await otad.expect(200, "POST", `/api/v1/webhooks/${fine.id}/test`);
    await until(() => healthy.got.length === 20, "all messages of the other");
    assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`);
    const order = healthy.got.map(({ headers }) => Number(headers["otad-delivery"]));
    assert.deepEqual(order, [...order].sort((a, b) => a - b), "in order");
    assert.deepEqual([(await show(stuck)).failures, (await show(stuck)).queued], [0, 1], "the first is still on its way");
    await until(async () => (await show(stuck)).failures === 1, "its time to be over", 20000);
    assert.match((await show(stuck)).last_error, /[Tt]imeout/);
    await otad.expect(200, "PATCH", `/api/v1/webhooks/${stuck.id}`, { body: {} }); // tried at once
    await until(() => new Promise((resolve) => stalling.server.getConnections((_, count) => resolve(count > 0))), "the second try");
    const ending = Date.now();
    await otad.restart();
    assert.ok(Date.now() - ending < 8000, `${Date.now() - ending} ms`);
    await Promise.all([stalling.close(), healthy.close()]);
    await remove(stuck);
    await remove(fine);
  });

  test("crashes long after a rollout are told, once for each report, and nobody is told who did not ask for it", async () => {
    receiver.got = [];
    const plain = await add();
    const hook = await add({ events: ["deployment.health"] });
    const { image, devices } = await release();
    const rollout = await otad.rollout({ firmware: image.id, health_seconds: 0, stages: [{ percent: 100 }] });
    const { deployment } = await devices[0].update(image);
    assert.equal((await otad.showRollout(rollout.id)).state, "completed");
    const report = (events, reason) => devices[0].report(deployment, "health", { events, reason });
    await report(2, "watchdog");
    await devices[0].poll();
    await otad.restart(); // and its try is not in memory any more
    const again = devices[0].reportBody(deployment, "health", { events: 3 });
    for (let i = 0; i < 2; i++) await otad.expect(204, "POST", "/device/v1/reports", { token: devices[0].token, body: again });
    const told = () => receiver.got.map(({ body }) => JSON.parse(body)).filter(({ event }) => event === "deployment.health");
    await until(async () => (await show(hook)).delivered === 2 && (await show(plain)).queued === 0, "both to be told");
    assert.deepEqual(told().map(({ device, rollout: of, events, reason }) => [device, of, events, reason]), [[devices[0].id, rollout.id, 2, "watchdog"], [devices[0].id, rollout.id, 3, ""]]);
    await remove(plain);
    await remove(hook);
  });

  test("what is no hook is refused", async () => {
    const body = { name: "bad", url: "https://hooks.example/x" };
    const bad = [{ url: "ftp://hooks.example/x" }, { url: "file:///etc/passwd" }, { url: "gopher://hooks.example" }, { url: "https://user:secret@hooks.example/x" }, { url: "https://user@hooks.example/x" }, { url: "http://" }, { url: "hooks" }, { url: "/x" }, { url: "" }, { url: `https://h.example/${"x".repeat(512)}` }, { url: "http://h.example/\r\nX: y" }, { name: "" }, { events: [] }, { events: ["rollout.exploded"] }, { events: [5] }, { events: "rollout.halted" }, { enabled: "yes" }];
    for (const more of bad) await otad.refused(400, "field_invalid", "POST", "/api/v1/webhooks", { body: { ...body, ...more } });
    await otad.refused(400, "field_unknown", "POST", "/api/v1/webhooks", { body: { ...body, secret: "mine" } });
    const hook = await otad.expect(201, "POST", "/api/v1/webhooks", { body: { ...body, enabled: false } });
    await otad.refused(409, "webhook_exists", "POST", "/api/v1/webhooks", { body });
    await otad.refused(400, "field_invalid", "PATCH", `/api/v1/webhooks/${hook.id}`, { body: { url: "ftp://x" } });
    for (const [method, path] of [["PATCH", ""], ["DELETE", ""], ["POST", "/secret"], ["POST", "/test"]]) await otad.refused(404, "not_found", method, `/api/v1/webhooks/99999${path}`, method === "PATCH" ? { body: {} } : {});
    for (let i = 0; i < 15; i++) await otad.expect(201, "POST", "/api/v1/webhooks", { body: { ...body, name: `many-${i}`, enabled: false } });
    await otad.refused(409, "too_many_webhooks", "POST", "/api/v1/webhooks", { body: { ...body, name: "one more" } });
    for (const { id } of (await otad.expect(200, "GET", "/api/v1/webhooks?limit=500")).items) await remove({ id });
  });

  test("a secret stands neither in the database nor in the log, and the backup has what makes it", async () => {
    const hook = await add();
    const store = ["otad.db", "otad.db-wal"].map((name) => `${otad.dir}/data/${name}`).filter(fs.existsSync).map((name) => fs.readFileSync(name, "latin1")).join("");
    assert.ok(!store.includes(hook.secret.slice(4)) && !otad.log.includes(hook.secret.slice(4)));
    const key = `${otad.dir}/data/webhook-key`;
    assert.equal(fs.statSync(key).mode & 0o077, 0);
    await remove(hook);
  });

  test("a private, local or reserved address is not reached unless that is allowed, whatever the name says", async () => {
    const plain = await Otad.start();
    try {
      receiver.got = [];
      const urls = [receiver.url, `http://localhost:${receiver.port}/`, `http://[::1]:${receiver.port}/`, `http://[::ffff:127.0.0.1]:${receiver.port}/`, `http://0x7f000001:${receiver.port}/`, `http://2130706433:${receiver.port}/`, "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", `http://0.0.0.0:${receiver.port}/`];
      const hooks = [];
      for (const [i, url] of urls.entries()) {
        // Every other one comes there by a change.
        const first = i % 2 === 0 ? url : "https://hooks.example/x";
        const hook = await plain.expect(201, "POST", "/api/v1/webhooks", { body: { name: `p-${i}`, url: first } });
        await plain.expect(200, "PATCH", `/api/v1/webhooks/${hook.id}`, { body: { url } });
        await plain.expect(200, "POST", `/api/v1/webhooks/${hook.id}/test`);
        hooks.push(hook);
      }
      const tried = await until(async () => {
        const { items } = await plain.expect(200, "GET", "/api/v1/webhooks");
        return items.every((item) => item.failures > 0) && items;
      }, "each to be tried", 60000);
      for (const item of tried) assert.match(item.last_error, /private, local or reserved/, item.url);
      assert.equal(receiver.got.length, 0);
      assert.equal(hooks.length, tried.length);
    } finally {
      await plain.stop();
    }
  });
});
