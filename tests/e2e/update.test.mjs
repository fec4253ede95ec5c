// One update, end to end: otad, otactl and ota-device as processes, and what goes wrong between them.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { House, makeBody, sleep, until } from "./house.mjs";

const SIZE = 200 * 1024; // bytes of a body: several flash sectors, many segments on the wire
let house;
let first; // the image that every device is born with

before(async () => {
  house = await House.open();
  first = house.release("1.0.0", 1, makeBody(SIZE));
});

afterEach(async () => {
  await house.stopDevices();
  house.wire.release();
});

after(() => house?.close());

test("a device installs a release, passes its trial and confirms", async () => {
  const image = house.release("1.1.0", 1, makeBody(SIZE));
  const device = house.addDevice("lamp-a", first);
  await device.runs("1.0.0");
  const rollout = house.rollout("1.1.0", device);
  await until("the rollout's end", 30000, () => house.rolloutState(rollout) === "completed");
  assert.equal(device.known().version, "1.1.0");
  assert.ok(device.holds(image));
  const events = device.events().map((event) => event.event).reverse();
  for (const event of ["installed", "trial", "confirmed"])
    assert.ok(events.includes(event), `${event} in ${events}`);
  assert.equal(events.at(-1), "confirmed");
});

test("a device killed in the middle of a download goes on where it was", async () => {
  const device = house.addDevice("lamp-b", first);
  await device.runs("1.0.0");
  const image = house.release("1.2.0", 1, makeBody(SIZE));
  house.wire.requests = [];
  house.wire.hold(SIZE / 2);
  const rollout = house.rollout("1.2.0", device);
  await until("half the download", 20000, () => house.wire.held);
  await sleep(300); // what was sent reaches the flash
  await device.end("SIGKILL");
  house.wire.release();
  const before = house.wire.downloads().length;

  device.start();
  await until("the second download", 20000, () => house.wire.downloads().length > before);
  const resumed = house.wire.downloads()[before];
  assert.ok(resumed >= SIZE / 4, `the second download started at ${resumed}`);
  await device.runs("1.2.0");
  await until("the rollout's end", 30000, () => house.rolloutState(rollout) === "completed");
  assert.ok(device.holds(image));
});

test("a server killed in the middle of a rollout goes on with it", async () => {
  const device = house.addDevice("lamp-c", first);
  await device.runs("1.0.0");
  const image = house.release("1.3.0", 1, makeBody(SIZE));
  house.wire.hold(SIZE / 2);
  const rollout = house.rollout("1.3.0", device);
  await until("a part of the download", 20000, () => house.wire.held);
  await house.killServer();
  house.wire.release();
  await house.startServer();
  assert.equal(house.rolloutState(rollout), "running");
  await device.runs("1.3.0", 60000);
  await until("the rollout's end", 30000, () => house.rolloutState(rollout) === "completed");
  assert.ok(device.holds(image));
  assert.equal(device.events().filter((event) => event.event === "confirmed").length, 1);
});

test("a release that does not start reverts, halts its rollout, and tells why", async () => {
  const device = house.addDevice("lamp-d", first);
  await device.runs("1.0.0");
  house.release("1.4.0", 1, makeBody(SIZE, { works: false }));
  const rollout = house.rollout("1.4.0", device);
  await until("the halt", 60000, () => house.rolloutState(rollout) === "halted");
  const event = device.events().find((event) => event.event === "reverted");
  assert.ok(event, "a reverted event");
  assert.equal(event.reason, "self_test");
  await device.runs("1.0.0");
  assert.ok(device.holds(first));
  // It is not tried again: the device stays where it is.
  const downloads = house.wire.downloads().length;
  await sleep(3000);
  assert.equal(house.wire.downloads().length, downloads);
});

test("a device of other hardware is never offered the release", async () => {
  const other = house.release("1.0.1", 1, makeBody(4096), { hardware: "r2" });
  const device = house.addDevice("lamp-e", other, { hardware: "r2" });
  await device.runs("1.0.1");
  house.wire.requests = [];
  house.release("1.5.0", 1, makeBody(4096));
  const rollout = house.rollout("1.5.0");
  await until("three polls", 20000, () =>
    house.wire.requests.filter((head) => head.startsWith("GET /device/v1/manifest")).length >= 3);
  assert.deepEqual(house.wire.downloads(), []);
  assert.equal(device.known().version, "1.0.1");
  assert.ok(!device.known().deployment, "no deployment");
  house.otactl("rollout", "cancel", String(rollout));
});

test("a device whose token was replaced logs that it is unauthorized", async () => {
  const device = house.addDevice("lamp-f", first);
  await device.runs("1.0.0");
  house.otactl("device", "token", "lamp-f");
  await until("401 in its log", 20000, () => /unauthorized|401/.test(device.said()));
  assert.equal(device.program.child.exitCode, null, "it goes on trying");
});

test("devices fetch patches as soon as there are some, and the rollout tells what that saved", async () => {
  const body = makeBody(SIZE);
  const old = house.release("1.6.0", 1, body);
  const pioneer = house.addDevice("lamp-g", old);
  await pioneer.runs("1.6.0");
  const image = house.release("1.7.0", 1, Buffer.concat([body.subarray(0, SIZE / 3), Buffer.from("new code"), body.subarray(SIZE / 3)]));
  const rollout = house.rollout("1.7.0");
  await until("a patch to be made", 60000, () =>
    house.server.said().split("\n").some((line) => /"patch_made"/.test(line) && !/"base":"0{64}"|"size":0,/.test(line)));
  await pioneer.runs("1.7.0", 60000);

  house.wire.requests = [];
  house.wire.toDevices = 0;
  const device = house.addDevice("lamp-h", old);
  await device.runs("1.7.0", 60000);
  assert.ok(device.holds(image));
  assert.deepEqual(house.wire.downloads(), [], "no byte of the whole image");
  assert.ok(house.wire.requests.some((head) => head.startsWith("GET /device/v1/patches/")));
  assert.ok(house.wire.toDevices < SIZE / 4, `${house.wire.toDevices} bytes over the wire`);
  const shown = house.otactl("rollout", "show", String(rollout), "--json");
  assert.ok(shown.bytes_saved > SIZE * 0.9, JSON.stringify(shown));
  house.otactl("rollout", "cancel", String(rollout));
});
