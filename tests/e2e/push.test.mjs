// Devices learn of a release at once, while their poll interval is an hour.
import assert from "node:assert/strict";
import os from "node:os";
import { after, afterEach, before, test } from "node:test";

import fs from "node:fs";
import path from "node:path";

import { Mosquitto } from "../support/broker.mjs";
import { FakeBroker, packet, publish, PUBLISH } from "../support/mqtt.mjs";
import { House, makeBody, sleep, until } from "./house.mjs";

const SIZE = 20 * 1024;
const FAST_MS = 2000; // from the start of a rollout to the first request for firmware
const TRIES = 4; // of them one must be as fast: a machine that is busy with other things delays some

class HourlyHouse extends House {
  serverOptions = ["--poll-seconds", "3600", "--wait-seconds", "300", ...broker.otadFlags];

  // A device that waits for nobody, but listens on a broker.
  addListener(id, image, broker) {
    broker.certify(id);
    const flags = ["--wait-seconds", "0", "--mqtt", `mqtts://localhost:${broker.port}`, "--mqtt-ca", broker.file("ca.pem"),
      "--mqtt-cert", broker.file(`${id}.pem`), "--mqtt-key", broker.file(`${id}.key`)];
    return this.addDevice(id, image, { flags });
  }
}

let house;
let broker;
let first;
let minor = 0;

before(async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "push-"));
  broker = await Mosquitto.start(dir);
  house = await HourlyHouse.open();
  first = house.release("1.0.0", 1, makeBody(SIZE));
});

afterEach(() => house.stopDevices());
after(async () => {
  await house?.close();
  await broker?.kill();
  fs.rmSync(broker.dir, { recursive: true, force: true });
});

const waits = () => house.wire.requests.filter((head) => /\r\nPrefer: wait=\d+\r\n/.test(head)).length;

// Roll the next release out to a device that listens; milliseconds until it asks for it.
async function rollOut(device) {
  const version = `1.${++minor}.0`;
  house.release(version, 1, makeBody(SIZE));
  const { id } = house.otactl("rollout", "create", "--name", version, "--firmware", `lamp@${version}`,
    "--stage", "percent=100,failures=1", "--group", device.id, "--json");
  house.wire.downloadedAt = undefined;
  const start = Date.now();
  house.otactl("rollout", "start", String(id));
  await until(`${version} to be asked for`, 60000, () => house.wire.downloadedAt);
  const ms = house.wire.downloadedAt - start;
  await until(`the end of the rollout of ${version}`, 60000, () => house.rolloutState(id) === "completed");
  return ms;
}

async function oneIsFast(device, listens) {
  const times = [];
  for (let i = 0; i < TRIES && !times.some((ms) => ms < FAST_MS); i++) {
    await listens();
    times.push(await rollOut(device));
  }
  assert.ok(times.some((ms) => ms < FAST_MS), `from start to download: ${times.join(", ")} ms`);
}

test("by long poll: a device that waits asks for the release within two seconds, also after a restart of the server", async () => {
  const device = house.addDevice("lamp-wait", first, { flags: ["--timeout-seconds", "1"] });
  let before = 0;
  const listens = async () => {
    await until("the device to wait", 60000, () => waits() > before);
    before = waits();
  };
  await listens();
  await sleep(4000);
  assert.equal(waits(), before, "a wait is no timeout");
  before = 0;
  await oneIsFast(device, listens);
  await house.killServer();
  await house.startServer();
  await oneIsFast(device, listens);
});

const isOnline = (device) => until(`${device.id} to be online`, 90000, () => device.known().online === true);

test("by MQTT: a device that listens asks for the release within two seconds, also after the broker was killed", async () => {
  const device = house.addListener("lamp-listen", first, broker);
  const listens = async () => {
    await isOnline(device);
    await sleep(500);
  };
  await oneIsFast(device, listens);
  await broker.kill();
  await until("the loss to show", 90000, () => device.known().online === false);
  await broker.launch();
  await oneIsFast(device, listens);
});

test("without a broker a device polls as ever", async () => {
  const device = house.addDevice("lamp-alone", first, { flags: ["--mqtt", "mqtt://127.0.0.1:9"] });
  await device.runs("1.0.0");
  assert.equal(device.known().online, false);
});

test("a broker that lies and floods costs a few polls and nothing else", async () => {
  const fake = await FakeBroker.start();
  const device = house.addDevice("lamp-flood", first, { flags: ["--wait-seconds", "0", "--mqtt", `mqtt://127.0.0.1:${fake.port}`] });
  const topic = "otad/v1/notify/lamp/lamp-flood";
  const online = async (count) => {
    await until("the device to be online", 60000, () => fake.clients.filter((each) => each.published.some(({ payload }) => payload === "online")).length >= count);
    return fake.clients.findLast((each) => each.published.length > 0);
  };
  const polls = () => house.wire.requests.filter((head) => head.startsWith("GET /device/v1/manifest?") && head.includes("product=lamp")).length;
  let client = await online(1);
  assert.deepEqual(client.subscribed, [topic]);
  assert.deepEqual(client.published.map(({ topic, payload, retained }) => [topic, payload, retained]), [["otad/v1/presence/lamp/lamp-flood", "online", true]]);
  await sleep(500); // the poll that being online causes
  const before = polls();
  // Lies: foreign topics, other words, too long, cut in two.
  const lies = [publish("otad/v1/notify/lamp/other", "check"), publish(topic, "install"), publish(topic, ""), publish(topic, "x".repeat(3000)), publish(topic, "checks", { qos: 0 }), packet(PUBLISH, 2, Buffer.from([0xff, 0xff, 0x61])), publish("t".repeat(300), "check")];
  for (const lie of lies.slice(0, 5)) client.socket.write(lie);
  await sleep(1000);
  assert.equal(polls(), before, "no lie is a notification");
  // A notification in two pieces is one.
  const whole = publish(topic, "check", { id: 7 });
  client.socket.write(whole.subarray(0, 20));
  await sleep(200);
  client.socket.write(whole.subarray(20));
  await until("the poll that was asked for", 30000, () => polls() > before);
  // A flood of good ones, and then garbage: the device leaves, and comes back later.
  const floods = [Buffer.concat(Array.from({ length: 5000 }, (_, i) => publish(topic, "check", { id: i + 1 }))), Buffer.concat([...lies, Buffer.alloc(100000, 0xff)])];
  for (const flood of floods) {
    const known = fake.clients.length;
    client.socket.write(flood);
    client = await until("the device to come back", 90000, () => fake.clients.length > known && fake.clients.at(-1).published.length > 0 && fake.clients.at(-1));
  }
  assert.ok(polls() - before <= 7, `${polls() - before} polls`);
  assert.equal(device.program.child.exitCode, null, device.said());
  assert.ok(!/Sanitizer|runtime error|Assertion/.test(device.said()), device.said());
  fake.stop();
});
