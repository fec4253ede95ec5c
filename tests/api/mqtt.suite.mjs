// The broker: devices are notified over it at the rollout's rate, their presence shows, and what comes
// from it is not believed. With the real mosquitto, its shipped configuration and rules.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Mosquitto } from "../support/broker.mjs";
import { FakeBroker, packet, publish, PUBLISH, SUBACK } from "../support/mqtt.mjs";
import { Otad, sleep, until } from "./lib/otad.mjs";

async function metric(otad, name) {
  const { bytes } = await otad.call("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(bytes.toString())[1]);
}

const topic = (kind, device) => `otad/v1/${kind}/${device.product}/${device.id}`;
const connected = (otad) => until(async () => (await metric(otad, "otad_mqtt_connected")) === 1, "otad to reach the broker", 60000);

describe("mqtt", () => {
  let dir;
  let broker;
  let otad;
  let next = 0;
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), "otad-mqtt-"));
    broker = await Mosquitto.start(path.join(dir, "broker"));
    otad = await Otad.start({ flags: [...broker.otadFlags, "--mqtt-reports", "on"] });
    await otad.releaseKey();
    await connected(otad);
  });
  after(async () => {
    await otad?.stop();
    await broker?.kill();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const newDevice = (hardware) => otad.device(`m-${++next}`, { hardware: hardware ?? `hw-m${next}` });
  const release = (hardware, version = "2.0.0") => otad.upload({ version, counter: 4, hardware });
  const show = (device) => otad.expect(200, "GET", `/api/v1/devices/${device.id}`);

  // As a device does: its certificate, its will, its topics, its presence. It has polled once.
  async function listen(device) {
    if (!fs.existsSync(broker.file(`${device.id}.pem`))) broker.certify(device.id);
    await device.poll();
    const client = await broker.connect(device.id, { will: { topic: topic("presence", device), payload: "offline" } });
    await client.subscribe(topic("notify", device), topic("acks", device));
    await client.publish(topic("presence", device), "online", { retain: true });
    await until(async () => (await show(device)).online, `${device.id} to be online`);
    return client;
  }
  const notified = (client, device) => client.payloads(topic("notify", device)).length;

  test("a start notifies who is meant, with nothing to learn from it, and nobody else", async () => {
    const meant = await newDevice();
    const other = await newDevice();
    const [client, otherClient] = [await listen(meant), await listen(other)];
    const image = await release(meant.hardware);
    await otad.rollout({ firmware: image.id });
    await until(() => notified(client, meant) > 0, "the notification");
    assert.deepEqual(client.payloads(topic("notify", meant)), ["check"]);
    assert.equal((await meant.poll()).action, "install");
    await sleep(500);
    assert.equal(notified(client, meant), 1, "once");
    assert.equal(otherClient.messages.length, 0);
    await client.drop();
    await otherClient.drop();
  });

  test("presence shows: online, and offline by the will", async () => {
    const device = await newDevice();
    assert.equal((await show(device)).online, false);
    const client = await listen(device);
    assert.equal((await show(device)).online, true);
    assert.equal(await metric(otad, "otad_devices_online"), 1);
    await client.drop();
    await until(async () => !(await show(device)).online, "the will");
  });

  test("another device's topics are refused by the rules: to read, and to write", async () => {
    const device = await newDevice();
    const thief = await newDevice();
    const client = await listen(device);
    const spy = await listen(thief);
    await spy.subscribe("#", "otad/v1/#", "otad/v1/notify/#", topic("notify", device), topic("acks", device));
    await spy.publish(topic("presence", device), "offline", { retain: true });
    await spy.publish(topic("notify", device), "check");
    await spy.publish(topic("reports", device), JSON.stringify(device.reportBody("1", "failed")));
    await otad.expect(202, "POST", `/api/v1/devices/${device.id}/notify`);
    await otad.expect(202, "POST", `/api/v1/devices/${thief.id}/notify`);
    await until(() => notified(client, device) > 0 && notified(spy, thief) > 0, "both notifications");
    await sleep(300);
    assert.equal(notified(client, device), 1, "nobody but the server notifies");
    assert.deepEqual([...new Set(spy.messages.map((message) => message.topic))], [topic("notify", thief)]);
    assert.equal((await show(device)).online, true);
    for (const one of [client, spy]) await one.drop();
  });

  test("without a certificate of the fleet's CA nobody connects", async () => {
    const { MqttClient } = await import("../support/mqtt.mjs");
    await assert.rejects(MqttClient.connect({ host: "127.0.0.1", port: broker.port, servername: "localhost", ca: fs.readFileSync(broker.file("ca.pem")) }));
  });

  test("a fleet that listens is told at the rate of the rollout", async () => {
    const devices = [await newDevice()];
    for (let i = 1; i < 5; i++) devices.push(await newDevice(devices[0].hardware));
    const clients = [];
    for (const device of devices) clients.push(await listen(device));
    const image = await release(devices[0].hardware);
    const start = Date.now();
    await otad.rollout({ firmware: image.id, stages: [{ percent: 100, offers_a_minute: 60 }] });
    const at = [];
    const told = new Set();
    await until(async () => {
      for (const [i, client] of clients.entries()) {
        if (told.has(i) || !notified(client, devices[i])) continue;
        told.add(i);
        at.push(Date.now() - start);
        assert.equal((await devices[i].poll()).action, "install", "whoever is told gets an offer");
      }
      return told.size === devices.length;
    }, "all to be told", 60000);
    for (const [i, ms] of at.entries()) assert.ok(ms >= (i - 2) * 1000, `device ${i + 1} told after ${ms} ms`);
    for (const client of clients) await client.drop();
  });

  test("a group is told on its own topic when its stage begins, escaped where a topic needs it", async () => {
    const group = await otad.group("kitchen + hall");
    const device = await otad.device(`m-${++next}`, { hardware: `hw-m${next}`, group: group.name });
    const client = await listen(device);
    await client.subscribe("otad/v1/group/demo-hub/#");
    const image = await release(device.hardware);
    await otad.rollout({ firmware: image.id, stages: [{ group: group.name }] });
    const told = () => client.messages.filter((message) => message.topic.startsWith("otad/v1/group/"));
    await until(() => told().length > 0, "the group to be told");
    assert.deepEqual(told().map(({ topic, payload }) => [topic, payload]), [["otad/v1/group/demo-hub/kitchen%20%2B%20hall", "check"]]);
    await client.drop();
  });

  test("a report over the broker is on disk before its ack, and counts like any other", async () => {
    const device = await newDevice();
    const client = await listen(device);
    const image = await release(device.hardware);
    const rollout = await otad.rollout({ firmware: image.id });
    const { deployment } = await device.offered();
    const send = (event, more) => client.publish(topic("reports", device), JSON.stringify(device.reportBody(deployment, event, more)));
    const acks = () => client.payloads(topic("acks", device)).map((text) => JSON.parse(text));
    await send("downloading", { percent: 50 });
    await until(() => acks().length === 1, "the ack");
    assert.deepEqual(acks()[0], { seq: 1, status: 204 });
    await otad.restart("SIGKILL");
    await connected(otad);
    assert.equal((await otad.showRollout(rollout.id)).stages[0].downloading, 1);
    await send("failed", { reason: "hash" });
    await until(() => acks().length === 2, "the second ack");
    assert.equal((await show(device)).deployment.reason, "hash");
    device.seq++;
    await client.publish(topic("reports", device), JSON.stringify(device.reportBody("99999", "failed")));
    await until(() => acks().length === 3, "the ack of a report that is no use");
    assert.equal(acks()[2].status, 404);
    await client.drop();
  });

  test("malformed and oversized payloads and unknown devices are counted and change nothing", async () => {
    const device = await newDevice();
    const client = await listen(device);
    broker.certify("stranger");
    const stranger = await broker.connect("stranger");
    const before = await metric(otad, "otad_mqtt_ignored_total");
    const bad = ["", "{}", "x".repeat(3000), JSON.stringify(device.reportBody("1", "exploded")), Buffer.from([0xff, 0, 1])];
    for (const payload of bad) await client.publish(topic("reports", device), payload);
    await client.publish(topic("presence", device), "maybe");
    await client.publish(`otad/v1/presence/other/${device.id}`, "offline");
    await stranger.publish("otad/v1/presence/demo-hub/stranger", "online", { retain: true });
    await until(async () => (await metric(otad, "otad_mqtt_ignored_total")) === before + bad.length + 3, "all to be counted");
    assert.equal((await show(device)).online, true);
    for (const one of [client, stranger]) await one.drop();
  });

  test("the broker is killed and comes back: requests go on meanwhile, devices are told afterwards", async () => {
    const device = await newDevice();
    const client = await listen(device);
    await broker.kill();
    await client.closed;
    await until(async () => (await metric(otad, "otad_mqtt_connected")) === 0, "the loss to be noticed", 60000);
    assert.equal((await show(device)).online, false);
    const image = await release(device.hardware);
    await otad.rollout({ firmware: image.id });
    const start = Date.now();
    assert.equal((await otad.expect(202, "POST", `/api/v1/devices/${device.id}/notify`)).mqtt, true, "queued");
    await device.poll();
    assert.ok(Date.now() - start < 15000, "nothing waits for the broker");
    await broker.launch();
    await connected(otad);
    const again = await broker.connect(device.id);
    await again.subscribe(topic("notify", device));
    await again.publish(topic("presence", device), "online", { retain: true });
    await otad.expect(202, "POST", `/api/v1/devices/${device.id}/notify`);
    await until(() => notified(again, device) > 0, "the notification", 60000);
    await again.drop();
  });

  test("otad starts without a broker and reaches it when it comes", async () => {
    await broker.kill();
    const own = await Otad.start({ flags: broker.otadFlags });
    const device = await own.device("d-1");
    await device.poll();
    await broker.launch();
    await connected(own);
    await own.stop();
    await connected(otad);
  });

  test("a broker with another CA's certificate is not spoken to", async () => {
    const own = await Otad.start({ flags: ["--mqtt-broker", `mqtts://localhost:${broker.port}`, "--mqtt-ca", broker.file("otad.pem")] });
    await until(() => /mqtt_lost/.test(own.log), "the refusal");
    assert.equal(await metric(own, "otad_mqtt_connected"), 0);
    await own.stop();
  });

  test("a hostile broker: foreign topics, floods and garbage are counted, and otad serves on", async () => {
    const fake = await FakeBroker.start();
    const own = await Otad.start({ flags: ["--mqtt-broker", `mqtt://127.0.0.1:${fake.port}`] });
    await connected(own);
    const device = await own.device("d-1");
    const client = await until(() => fake.clients.find((each) => each.subscribed.length > 0), "the subscription");
    assert.deepEqual(client.subscribed, ["otad/v1/presence/+/+"], "reports are not asked for unless wanted");
    const topics = ["x", "otad/v1/presence", "otad/v1/presence/demo-hub/", "otad/v1/presence//d-1", "otad/v1/presence/demo-hub/d-1/x", `otad/v1/presence/demo-hub/${"d".repeat(60000)}`, "otad/v1/notify/demo-hub/d-1", "otad/v1/reports/demo-hub/d-1", "$SYS/x"];
    const flood = Buffer.concat(Array.from({ length: 20000 }, (_, i) => publish(topics[i % topics.length], "online", { id: (i % 65535) + 1, qos: i % 2 })));
    client.socket.write(flood);
    await until(async () => (await metric(own, "otad_mqtt_ignored_total")) >= 20000, "the flood to be counted", 60000);
    await device.poll();
    assert.equal((await own.expect(200, "GET", "/api/v1/devices/d-1")).online, false);
    for (const garbage of [Buffer.alloc(4096, 0xff), packet(PUBLISH, 2, Buffer.from([0xff, 0xff, 0x61])), packet(PUBLISH, 6), packet(SUBACK, 0), Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x7f])]) {
      const client = await until(() => !fake.clients.at(-1).socket.destroyed && fake.clients.at(-1), "otad to be there", 60000);
      client.socket.write(garbage);
      await sleep(100);
    }
    fake.clients.at(-1).socket.destroy();
    await until(() => fake.clients.at(-1).subscribed.length > 0, "otad to come back", 60000);
    await device.poll();
    await own.stop();
    fake.stop();
  });

  test("settings that don't go together are refused in one line", async () => {
    const { spawnSync } = await import("node:child_process");
    const OTAD = path.resolve(process.env.BUILD_DIR ?? "build", "otad");
    const cases = [
      [["--mqtt-broker", "localhost"], /--mqtt-broker localhost: must be mqtts:/],
      [["--mqtt-broker", "mqtts://host:0"], /must be mqtts:/],
      [["--mqtt-broker", "mqtts://host/path"], /must be mqtts:/],
      [["--mqtt-broker", "mqtts://host", "--mqtt-cert", "x"], /--mqtt-cert and --mqtt-key go together/],
      [["--mqtt-broker", "mqtt://host", "--mqtt-ca", "x"], /need --mqtt-broker mqtts/],
      [["--mqtt-reports", "yes"], /must be on or off/],
      [["--mqtt-broker", "mqtts://host", "--mqtt-ca", "/nowhere"], /MQTT client: --mqtt-ca/],
    ];
    for (const [flags, message] of cases) {
      const done = spawnSync(OTAD, ["serve", "--data", path.join(dir, "other"), "--listen", "127.0.0.1:0", ...flags], { encoding: "utf8", timeout: 20000 });
      assert.notEqual(done.status, 0);
      assert.match(done.stderr, message);
    }
  });
});
