// otactl against a real otad: plan, explain, tags, orders, rollback, audit.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { Otad, until } from "../api/lib/otad.mjs";

const OTACTL = path.resolve(process.env.BUILD_DIR ?? "build", "otactl");
let otad;
let devices;
let first;
let second;

before(async () => {
  otad = await Otad.start();
  await otad.releaseKey();
  await otad.group("canary");
  first = await otad.upload({ version: "1.0.0" });
  second = await otad.upload({ version: "1.1.0" });
  devices = [];
  for (let i = 0; i < 6; i++) {
    const device = await otad.device(`lamp-${i}`, i === 0 ? { group: "canary" } : {});
    device.runs(first);
    await device.poll();
    devices.push(device);
  }
});
after(() => otad.stop());

function otactl(...args) {
  const env = { ...process.env, OTACTL_SERVER: otad.url, OTACTL_TOKEN: otad.admin };
  return new Promise((resolve) => execFile(OTACTL, args, { env }, (error, out, err) => resolve({ code: error ? error.code : 0, out, err })));
}
async function good(...args) {
  const { code, out, err } = await otactl(...args);
  assert.equal(code, 0, `${args.join(" ")}: ${err}`);
  return out;
}
const lines = (out) => out.trimEnd().split("\n");

test("tags are set, removed and shown", async () => {
  assert.equal(await good("device", "tag", "lamp-1", "site=berlin", "ring=beta"), "device lamp-1: ring=beta site=berlin\n");
  assert.equal(await good("device", "tag", "lamp-1", "ring-"), "device lamp-1: site=berlin\n");
  assert.match(await good("device", "show", "lamp-1"), /^tags +site=berlin$/m);
  assert.equal((await otactl("device", "tag", "lamp-1", "nonsense")).code, 2);
  const bad = await otactl("device", "tag", "lamp-1", "a b=c");
  assert.equal(bad.code, 1);
  assert.match(bad.err, /KEY=VALUE/);
  fs.writeFileSync(path.join(otad.dir, "d.csv"), "id,product,hardware,tags\nlamp-6,demo-hub,stm32f407,site=rome;ring=beta\n");
  await good("device", "import", path.join(otad.dir, "d.csv"), "-o", path.join(otad.dir, "tokens.csv"));
  assert.match(await good("device", "show", "lamp-6"), /^tags +ring=beta, site=rome$/m);
});

test("a plan tells whom a rollout would reach, before it is made and after", async () => {
  const settings = ["--firmware", "demo-hub@1.1.0", "--stage", "group=canary,by-hand", "--stage", "percent=100,offers=600,at-once=50,allowed-bp=100,suspect-bp=500", "--tags", "site!=rome", "--window", "mon,tue,wed,thu,fri,sat,sun,00:00-00:00", "--retries", "2", "--timeouts", "trial=600,offered=30", "--seed", "7"];
  const plan = await good("rollout", "plan", ...settings);
  assert.match(plan, /^6 of 7 devices would get it \(seed 7\)$/m);
  assert.match(plan, /^1, group canary +1 +lamp-0$/m);
  assert.match(plan, /^2, to 100 % +5 +lamp-1, lamp-2, lamp-3, lamp-4, lamp-5$/m);
  assert.match(plan, /1 +0 +The device's tags do not match the rollout's selector\. +lamp-6/);
  const made = JSON.parse(await good("rollout", "create", "--name", "to 1.1", ...settings, "--json"));
  assert.deepEqual([made.state, made.retries, made.timeouts.trial, made.timeouts.offered, made.stages[0].by_hand, made.stages[1].in_flight_max, made.stages[1].sequential.suspect_bp, made.window.days.length], ["draft", 2, 600, 30, true, 50, 500, 7]);
  assert.equal(await good("rollout", "plan", String(made.id)), plan);
  assert.equal((await otactl("rollout", "plan")).code, 2);
  assert.equal((await otactl("rollout", "plan", "99")).code, 1);
  for (const wrong of [["--window", "night"], ["--timeouts", "trial"], ["--retries", "11"], ["--seed", "0"]]) assert.equal((await otactl("rollout", "plan", ...settings, ...wrong)).code, 2, wrong.join(" "));
});

test("a rollout is scheduled, started, advanced, explained, halted, resumed and taken back", async () => {
  const id = "1";
  assert.match(await good("rollout", "schedule", id, "--at", "2099-01-01T00:00:00Z"), /scheduled/);
  assert.match(await good("device", "explain", "lamp-1"), /^lamp-1 is not being updated, by rollout 1: The rollout's start time has not come\.$/m);
  await good("rollout", "start", id);
  assert.match(await good("device", "explain", "lamp-0"), /^lamp-0 gets an offer at its next poll, by rollout 1: The device is offered the release\.$/m);
  const waiting = await good("device", "explain", "lamp-1");
  assert.match(waiting, /^1 +to 1\.1 +1\.1\.0 +running +2 +The device is in a stage that has not begun\./m);
  await devices[0].update(second);
  assert.equal((await otactl("rollout", "pause", "99")).code, 1);
  await good("rollout", "advance", id);
  await until(async () => (await devices[1].poll()).action === "install", "the offer, as the rate allows");
  await devices[1].update(second);
  const halt = await good("rollout", "halt", id, "--reason", "flicker in Berlin");
  assert.match(halt, /halted/);
  assert.match(await good("rollout", "list"), /Halted by first: flicker in Berlin/);
  assert.match(await good("device", "explain", "lamp-2"), /^lamp-2 is not being updated, by rollout 1: The rollout was halted by first: flicker in Berlin\.$/m);
  assert.equal((await otactl("rollout", "halt", id)).code, 2, "a reason is needed");
  const refused = await otactl("rollout", "resume", id);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /resume with force/);
  await good("rollout", "resume", id, "--force");
  const back = JSON.parse(await good("rollout", "rollback", id, "--json"));
  assert.deepEqual([back.version, back.state, back.stages[0].targeted], ["1.0.0", "running", 2]);
  for (const device of devices.slice(0, 2)) {
    await until(async () => (await device.poll()).action === "install", "the offer, as the rate allows");
    await device.update(first);
  }
  assert.match(await good("rollout", "show", String(back.id)), /completed/);
});

test("the audit log tells who did it", async () => {
  const out = await good("audit", "--action", "rollouts.halt");
  assert.equal(lines(out).length, 2);
  assert.match(lines(out)[1], /first +admin +127\.0\.0\.1 +rollouts\.halt +1 +\{"reason":"flicker in Berlin"\}/);
  assert.equal(lines(await good("audit", "--limit", "3")).length, 4);
  const all = JSON.parse(await good("audit", "--all", "--json")).items;
  assert.ok(all.length > 15, String(all.length));
});

test("a group's local time and a webhook are set by otactl", async () => {
  assert.equal(await good("group", "zone", "canary", "--utc-offset=-300"), "group canary: local time is UTC - 300\n");
  assert.match(await good("group", "list"), /^canary +1 +-300 /m);
  assert.equal((await otactl("group", "zone", "canary", "--utc-offset", "noon")).code, 2);
  assert.equal((await otactl("group", "zone", "canary", "--utc-offset", "2000")).code, 1);

  const secret = path.join(otad.dir, "hook.secret");
  await good("webhook", "add", "chat", "--url", "http://127.0.0.1:9/x", "--event", "rollout.halted", "--event", "deployment.failed", "-o", secret);
  assert.match(fs.readFileSync(secret, "utf8"), /^otw_[A-Za-z0-9_-]{43}\n$/);
  assert.equal(fs.statSync(secret).mode & 0o777, 0o600);
  const hook = async () => JSON.parse(await good("webhook", "list", "--json")).items[0];
  await good("webhook", "test", "chat");
  await until(async () => /its address is private/.test(await good("webhook", "list")), "the refusal of a private address");
  await good("webhook", "disable", "chat");
  assert.match(await good("webhook", "list"), /^1 +chat +http:\/\/127\.0\.0\.1:9\/x +no +1 /m);
  await good("webhook", "enable", "1");
  const changed = JSON.parse(await good("webhook", "change", "chat", "--url", "http://127.0.0.1:9/y", "--event", "rollout.completed", "--event", "rollout.halted", "--json"));
  assert.deepEqual([changed.url, changed.events, changed.name], ["http://127.0.0.1:9/y", ["rollout.completed", "rollout.halted"], "chat"]);
  await until(async () => (await hook()).failures === 1, "the next try, refused as the new address is private as well");
  assert.match((await hook()).last_error, /its address is private/);
  assert.match(await good("webhook", "change", "1", "--event", "rollouts"), /^URL +http:\/\/127\.0\.0\.1:9\/y$/m);
  assert.deepEqual([(await hook()).url, (await hook()).events], ["http://127.0.0.1:9/y", null]);
  const idle = await otactl("webhook", "change", "chat");
  assert.deepEqual([idle.code, idle.err], [2, "otactl: webhook change needs --url or --event\n"]);
  assert.match((await otactl("webhook", "change", "chat", "--event", "rollout.exploded")).err, /not rollout\.exploded/);
  assert.match(await good("webhook", "secret", "chat"), /^otw_/);
  await good("webhook", "delete", "chat");
  assert.equal((await otactl("webhook", "test", "chat")).code, 1);
});
