// Why a device is or is not being updated, whom a rollout would reach, and who changed what.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { Otad, until } from "./lib/otad.mjs";

describe("explain", () => {
  let otad;
  let number = 0;
  const told = new Set(); // reasons that some explanation gave
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    for (const name of ["canary", "rest"]) await otad.group(name);
  });
  after(() => otad.stop());

  const newHardware = () => `ex-${++number}`;
  const order = (id, verb, body) => otad.expect(200, "POST", `/api/v1/rollouts/${id}/${verb}`, { body });
  // What the explanation says: of one rollout, or of all together.
  async function why(device, rollout) {
    const answer = await otad.expect(200, "GET", `/api/v1/devices/${device.id}/explain${rollout ? `?rollout=${rollout}` : ""}`);
    const one = rollout ? answer.rollouts.find((entry) => entry.rollout === rollout) : answer;
    told.add(one.reason);
    assert.ok(one.sentence.endsWith("."));
    return one;
  }
  const reason = async (device, rollout) => (await why(device, rollout)).reason;
  // A hardware with one release and one device that has polled.
  async function world(release = {}, device = {}) {
    const hardware = newHardware();
    const image = await otad.upload({ version: "2.0.0", counter: 5, hardware, ...release });
    const one = await otad.device(`${hardware}-1`, { hardware, ...device });
    one.runs({ version: "1.0.0", hash: "11".repeat(32), counter: 5 });
    await one.poll();
    return { hardware, image, device: one };
  }

  test("what stands for a device with no rollout, unseen, pending or turned away", async () => {
    const { hardware, image, device } = await world();
    assert.deepEqual([await reason(device), (await why(device)).rollout], ["no_rollout", null]);
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, by_hand: true }] });
    const fresh = await otad.device(`${hardware}-fresh`, { hardware });
    assert.equal(await reason(fresh), "not_seen");
    await otad.expect(200, "PATCH", `/api/v1/devices/${device.id}`, { body: { state: "rejected" } });
    assert.equal(await reason(device), "not_accepted");
    assert.equal(await reason(device, rollout.id), "not_accepted");
    await otad.refused(404, "not_found", "GET", "/api/v1/devices/nobody/explain");
    await otad.refused(404, "not_found", "GET", `/api/v1/devices/${device.id}/explain?rollout=99999`);
    for (const query of ["rollout=x", "rollout=0", "rollout=-1", "rollout=1x", "colour=red"])
      await otad.refused(400, "query_invalid", "GET", `/api/v1/devices/${device.id}/explain?${query}`);
  });

  test("the way of an update is told step by step", async () => {
    const { image, device } = await world();
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, by_hand: true }] });
    const offered = await why(device);
    assert.deepEqual([offered.reason, offered.action, offered.rollout], ["offered", "offer", rollout.id]);
    const manifest = await device.offered();
    assert.deepEqual([(await why(device)).action, await reason(device)], ["continue", "under_way"]);
    const old = { version: device.version, hash: device.hash, counter: device.counter };
    device.runs(image);
    device.trial = true;
    await device.poll();
    assert.equal(await reason(device), "in_trial");
    device.trial = false;
    await device.report(manifest.deployment, "confirmed");
    await device.poll();
    assert.equal(await reason(device), "runs_target");
    device.runs(old);
    await device.poll();
    assert.equal(await reason(device), "left");
  });

  test("a device that had its chance is told so", async () => {
    for (const [event, expected] of [["failed", "failed"], ["reverted", "reverted"]]) {
      const { image, device } = await world();
      await otad.rollout({ firmware: image.id });
      const manifest = await device.offered();
      await device.report(manifest.deployment, event);
      assert.equal(await reason(device), expected);
    }
    const { image, device } = await world();
    const rollout = await otad.rollout({ firmware: image.id, timeout_seconds: 1 });
    await device.offered();
    await until(async () => (await otad.showRollout(rollout.id)).stages[0].timed_out === 1, "the timeout");
    assert.equal(await reason(device), "timed_out");
  });

  test("a retry waits its time", async () => {
    const { image, device } = await world();
    await otad.rollout({ firmware: image.id, retries: 1, retry_wait_seconds: 3000 });
    const manifest = await device.offered();
    await device.report(manifest.deployment, "failed");
    const answer = await why(device);
    assert.equal(answer.reason, "retry_wait");
    const wait = (Date.parse(answer.not_before) - Date.now()) / 1000;
    assert.ok(wait > 2000 && wait <= 3001, String(wait));
  });

  test("who is not meant is told what it is that differs", async () => {
    const { image, device } = await world();
    const other = await world();
    const rollout = (settings) => otad.rollout({ firmware: image.id, ...settings }, { start: false });
    const cases = [
      ["group", { groups: ["canary"] }],
      ["tags", { tags: "site=berlin" }],
      ["running_range", { running_min: "1.5.0" }],
      ["running_range", { running_max: "0.9.0" }],
      ["no_stage", { stages: [{ group: "canary" }] }],
      ["draft", {}],
    ];
    for (const [expected, settings] of cases) assert.equal(await reason(device, (await rollout(settings)).id), expected, JSON.stringify(settings));
    const plain = await rollout({});
    const later = await rollout({});
    await order(later.id, "schedule", { start_at: "2099-01-01T00:00:00Z" });
    assert.deepEqual([await reason(device, later.id), (await why(device)).not_before], ["scheduled", "2099-01-01T00:00:00Z"]);
    assert.equal(await reason(other.device, plain.id), "hardware");
    const foreign = await otad.device("ex-foreign", { product: "other", hardware: "x" });
    assert.equal(await reason(foreign, plain.id), "product");
  });

  test("what the device would refuse is not offered, and told", async () => {
    const check = async (expected, runs, release, settings) => {
      const { image, device } = await world(release);
      device.runs({ hash: "22".repeat(32), ...runs });
      await device.poll();
      const rollout = await otad.rollout({ firmware: image.id, ...settings }, { start: false });
      assert.equal(await reason(device, rollout.id), expected);
    };
    await check("counter_low", { version: "1.0.0", counter: 6 });
    await check("counter_jump", { version: "1.0.0", counter: 0 }, { counter: 17 });
    await check("downgrade", { version: "3.0.0", counter: 5 });
    await check("downgrade_counter", { version: "3.0.0", counter: 4 }, {}, { allow_downgrade: true });
    await check("stepping_stone", { version: "1.0.0", counter: 5 }, {}, { version_min: "1.5.0" });
  });

  test("the state of the rollout is told", async () => {
    const { hardware, image, device } = await world();
    const second = await otad.device(`${hardware}-2`, { hardware });
    second.runs({ version: "1.0.0", hash: "11".repeat(32), counter: 5 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ group: "canary" }, { percent: 100, failure_count: 1 }] });
    const answer = await why(device);
    assert.equal(answer.reason, "stage_not_reached");
    assert.equal((await why(device, rollout.id)).stage, 2);
    await order(rollout.id, "pause");
    assert.equal(await reason(device), "paused");
    await order(rollout.id, "cancel");
    assert.equal(await reason(device, rollout.id), "cancelled");
    const bad = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, failure_count: 1 }] });
    const manifest = await second.offered();
    await second.report(manifest.deployment, "failed");
    const halted = await why(device, bad.id);
    assert.equal(halted.reason, "halted");
    assert.equal(halted.halt_reason, "Stage 1: 1 of 2 devices failed; the limit is 1.");
    assert.equal(halted.sentence, "The rollout has halted in stage 1: 1 of 2 devices failed; the limit is 1.");
    assert.equal((await why(device)).sentence, halted.sentence);
    await order(bad.id, "resume", { force: true });
    await order(bad.id, "halt", { reason: "flicker in Berlin" });
    assert.equal((await why(device)).sentence, "The rollout was halted by first: flicker in Berlin.");
    await order(bad.id, "cancel");

    const half = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, success_percent: 50 }] });
    await second.update(image);
    assert.equal((await otad.showRollout(half.id)).state, "completed");
    assert.equal(await reason(device, half.id), "completed");
  });

  test("the moment is told: rate, devices at once, window", async () => {
    const { hardware, image, device } = await world();
    const second = await otad.device(`${hardware}-2`, { hardware });
    second.runs({ version: "1.0.0", hash: "11".repeat(32), counter: 5 });
    const with_ = async (stage, settings) => {
      const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, by_hand: true, ...stage }], ...settings });
      return rollout;
    };
    let rollout = await with_({ offers_a_minute: 1 });
    await second.offered();
    const rate = await why(device);
    assert.equal(rate.reason, "rate");
    assert.ok(Date.parse(rate.not_before) > Date.now() - 2000);
    assert.equal((await device.poll()).action, "none");
    await order(rollout.id, "cancel");
    await second.poll();

    rollout = await with_({ in_flight_max: 1 });
    await second.offered();
    assert.equal(await reason(device), "in_flight");
    assert.equal((await device.poll()).action, "none");
    await order(rollout.id, "cancel");

    // Opens in some hours, whatever the time is.
    const hour = (new Date().getUTCHours() + 6) % 24;
    const text = (h) => `${String(h % 24).padStart(2, "0")}:00`;
    rollout = await with_({}, { window: { from: text(hour), to: text(hour + 1) } });
    const window = await why(device);
    assert.equal(window.reason, "window");
    assert.equal(new Date(window.not_before).getUTCHours(), hour);
    assert.equal((await device.poll()).action, "none");
    await order(rollout.id, "cancel");
  });

  test("of several rollouts, who goes before is told", async () => {
    const { hardware, image, device } = await world();
    const newer = await otad.upload({ version: "3.0.0", counter: 5, hardware });
    const first = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, by_hand: true }], security: true });
    const second = await otad.rollout({ firmware: newer.id, stages: [{ percent: 100, by_hand: true }] });
    assert.equal((await why(device)).rollout, first.id);
    assert.equal(await reason(device, second.id), "outranked");
    await device.offered();
    assert.equal(await reason(device, second.id), "other_deployment");
  });

  test("every reason of the table was told, but for those with a reason of their own", () => {
    const words = [...fs.readFileSync("docs/rollouts.md", "utf8").matchAll(/^\| `([a-z_]+)` \| [A-Z][^|]*\.\s*\|$/gm)].map(([, word]) => word);
    assert.ok(words.length > 35, String(words.length));
    const elsewhere = [
      "threshold", // between a failure and the halt that follows in the same transaction
      "opted_out", "postponed", "unhealthy", // wishes.suite.mjs
    ];
    assert.deepEqual(words.filter((word) => !told.has(word) && !elsewhere.includes(word)), []);
  });
});

describe("plan", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    await otad.group("canary");
  });
  after(() => otad.stop());

  test("a dry run says who gets it in which stage, and who does not and why; the rollout then does just that", async () => {
    const image = await otad.upload({ version: "2.0.0", counter: 1 });
    const devices = [];
    for (let i = 0; i < 60; i++) devices.push(await otad.device(`p-${i}`, i < 3 ? { group: "canary" } : {}));
    for (const device of devices) await device.poll();
    devices[50].runs(image);
    devices[51].runs({ version: "3.0.0", hash: "33".repeat(32), counter: 1 });
    devices[52].runs({ version: "0.1.0", hash: "33".repeat(32), counter: 1 });
    for (const device of devices.slice(50, 53)) await device.poll();
    await otad.device("p-unseen");
    await otad.device("p-other", { product: "another" });
    const settings = { name: "plan", firmware: image.id, version_min: "0.5.0", stages: [{ group: "canary" }, { percent: 25 }, { percent: 100 }] };
    const plan = await otad.expect(200, "POST", "/api/v1/rollouts/plan", { body: settings });
    assert.equal(plan.devices, 62);
    assert.equal(plan.updated, 57);
    assert.equal(plan.stages[0].devices, 3);
    assert.deepEqual(plan.stages[0].samples, ["p-0", "p-1", "p-2"]);
    assert.equal(plan.stages[1].samples.length, 5);
    const others = Object.fromEntries(plan.others.map((other) => [other.reason, [other.devices, other.later, other.samples]]));
    assert.deepEqual(others, { runs_target: [1, 0, ["p-50"]], not_seen: [1, 1, ["p-unseen"]], product: [1, 0, ["p-other"]], downgrade: [1, 0, ["p-51"]], stepping_stone: [1, 1, ["p-52"]] });
    assert.deepEqual((await otad.expect(200, "GET", "/api/v1/rollouts")).items, [], "nothing is stored");

    const rollout = await otad.rollout({ ...settings, seed: plan.seed }, { start: false });
    const same = await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/plan`);
    assert.deepEqual(same, plan);
    const started = await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/start`);
    // Counted are those that wait as well: the unseen one and the stepping stone.
    assert.equal(started.stages.reduce((sum, stage) => sum + stage.targeted, 0), 59);
    assert.equal(started.stages[0].targeted, 3);
    await otad.refused(404, "not_found", "GET", "/api/v1/rollouts/999/plan");
    await otad.refused(400, "rollout_invalid", "POST", "/api/v1/rollouts/plan", { body: { ...settings, stages: [] } });
  });
});

describe("audit", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  const log = async (query = "") => (await otad.expect(200, "GET", `/api/v1/audit${query}`)).items;

  test("each change by an operator stands in the log with who, which token, from where and what; refusals and reads do not", async () => {
    const made = await otad.expect(201, "POST", "/api/v1/tokens", { body: { name: "ci", role: "operator" } });
    const ci = { token: made.token };
    const image = await otad.upload({ version: "1.0.0" });
    await otad.expect(201, "POST", "/api/v1/devices", { ...ci, body: { id: "a-1", product: "demo-hub", hardware: "stm32f407" } });
    await otad.expect(200, "PATCH", "/api/v1/devices/a-1", { ...ci, body: { tags: { site: "berlin" } } });
    await otad.refused(409, "device_exists", "POST", "/api/v1/devices", { ...ci, body: { id: "a-1", product: "demo-hub", hardware: "stm32f407" } });
    const rollout = await otad.expect(201, "POST", "/api/v1/rollouts", { ...ci, body: { name: "r", firmware: image.id, stages: [{ percent: 100 }] } });
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/start`, ci);
    await otad.expect(200, "GET", "/api/v1/devices", ci);
    await otad.expect(204, "DELETE", "/api/v1/devices/a-1", ci);
    const items = await log("?actor=ci");
    assert.deepEqual(items.map((entry) => [entry.action, entry.subject]), [
      ["devices.delete", "a-1"],
      ["rollouts.start", String(rollout.id)],
      ["rollouts.create", String(rollout.id)],
      ["devices.change", "a-1"],
      ["devices.create", "a-1"],
    ]);
    for (const entry of items) assert.deepEqual([entry.kind, entry.actor_id, entry.role, entry.peer], ["token", made.id, "operator", "127.0.0.1"]);
    assert.equal(items[3].detail, '{"tags":{"site":"berlin"}}');
    assert.deepEqual((await log("?action=tokens.create")).map((entry) => [entry.actor, entry.subject]), [["first", String(made.id)]]);
    assert.deepEqual((await log("?actor=first&limit=500")).map((entry) => entry.action), ["firmware.create", "tokens.create", "release-keys.create"]);
    const first = (await otad.expect(200, "GET", "/api/v1/audit?limit=2"));
    const second = await otad.expect(200, "GET", `/api/v1/audit?limit=2&cursor=${first.next}`);
    assert.deepEqual([...first.items, ...second.items], (await log("?limit=4")));
  });

  test("a user's changes carry the user's name, and no password stands in the log", async () => {
    const password = "correct horse battery";
    const user = await otad.expect(201, "POST", "/api/v1/users", { body: { name: "mia", role: "operator", password } });
    await otad.expect(200, "PATCH", `/api/v1/users/${user.id}`, { body: { password: `${password}!` } });
    const details = (await log()).slice(0, 2).map((entry) => [entry.action, entry.subject, JSON.parse(entry.detail)]);
    assert.deepEqual(details, [["users.change", String(user.id), { password: "***" }], ["users.create", String(user.id), { name: "mia", role: "operator", password: "***" }]]);
    const cookie = (await otad.call("POST", "/api/v1/session", { token: null, headers: { "sec-fetch-site": "same-origin" }, body: { user: "mia", password: `${password}!` } })).headers.get("set-cookie").split(";")[0];
    await otad.expect(201, "POST", "/api/v1/groups", { token: null, headers: { cookie, "sec-fetch-site": "same-origin" }, body: { name: "by-mia" } });
    const entry = (await log()).find((item) => item.action === "groups.create");
    assert.deepEqual([entry.actor, entry.kind, entry.actor_id, entry.role], ["mia", "user", user.id, "operator"]);
  });

  test("the log survives a kill, and holds no token", async () => {
    const before = await log();
    await otad.restart("SIGKILL");
    assert.deepEqual(await log(), before);
    assert.ok(!JSON.stringify(before).includes(otad.admin.slice(4)));
  });
});
