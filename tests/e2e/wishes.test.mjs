// The client as a process against a real server: its owner's wishes, and how its application fares.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { makeImage } from "../api/lib/image.mjs";
import { Otad, until } from "../api/lib/otad.mjs";

const DEVICE = path.resolve(process.env.BUILD_DIR ?? "build", "ota-device");
let otad;
let old;
let next;
let rollout;
const running = [];

// A body that a Cortex-M starts: stack pointer and reset vector.
function body(fill) {
  const bytes = Buffer.alloc(3000, fill);
  bytes.writeUInt32LE(0x20020000, 0);
  bytes.writeUInt32LE(0x08020409, 4);
  return bytes;
}

before(async () => {
  otad = await Otad.start({ flags: ["--poll-seconds", "1"] });
  await otad.releaseKey();
  old = makeImage({ version: "1.0.0", body: body(1) });
  next = await otad.upload({ version: "1.1.0", body: body(2) });
  fs.writeFileSync(path.join(otad.dir, "server.pub.pem"), (await otad.expect(200, "GET", "/api/v1/server-key")).public_key);
  fs.writeFileSync(path.join(otad.dir, "old.img"), old.bytes);
  rollout = await otad.rollout({ firmware: next.id, health_seconds: 3600, health_events: 3, stages: [{ percent: 100, failure_count: 1, soak_seconds: 3600 }] });
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await otad.stop();
});

async function device(id, ...more) {
  const { token } = await otad.device(id);
  fs.writeFileSync(path.join(otad.dir, `${id}.token`), token);
  const args = ["--dir", path.join(otad.dir, id), "--server", otad.url, "--id", id, "--product", "demo-hub", "--hardware", "stm32f407", "--token-file", path.join(otad.dir, `${id}.token`), "--server-key", path.join(otad.dir, "server.pub.pem"), "--release-key", "tests/keys/release.pub.pem", "--image", path.join(otad.dir, "old.img"), "--poll-seconds", "1", ...more];
  const child = spawn(DEVICE, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (child.said += text));
  running.push(child);
  return child;
}
const show = (id) => otad.expect(200, "GET", `/api/v1/devices/${id}`);
const reason = async (id) => (await otad.expect(200, "GET", `/api/v1/devices/${id}/explain`)).reason;

test("a device whose owner opts out or postpones is let be; one that crashes after its update halts the rollout", async () => {
  const waited = (what, probe) => until(probe, what, 90000);
  await device("opted-out", "--opt-out");
  await device("later", "--postpone-seconds", "3600");
  await waited("the opt-out", async () => (await reason("opted-out")) === "opted_out");
  await waited("the postponing", async () => (await reason("later")) === "postponed");
  // The last, since a rollout that halts is a reason before those.
  const crashing = await device("crashing", "--bad-events", "3", "--utc-offset", "-90");
  await waited("the halt", async () => (assert.equal(crashing.exitCode, null, crashing.said), (await otad.showRollout(rollout.id)).state === "halted"));
  assert.equal(await reason("crashing"), "unhealthy");
  const [crashed, out, later] = [await show("crashing"), await show("opted-out"), await show("later")];
  assert.deepEqual([crashed.version, crashed.utc_offset_minutes, out.version, out.opted_out, later.version], ["1.1.0", -90, "1.0.0", true, "1.0.0"]);
  assert.ok(later.postponed_until);
  const events = (await otad.expect(200, "GET", "/api/v1/devices/crashing/events")).items.map((event) => event.event);
  assert.deepEqual(events.filter((event) => ["confirmed", "health"].includes(event)), ["health", "confirmed"]);
});
