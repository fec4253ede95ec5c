// Orders beyond start and pause: schedule, advance, halt by hand, rollback; and what a release demands.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad, until } from "./lib/otad.mjs";

describe("orders", () => {
  let otad;
  let number = 0;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    await otad.group("canary");
  });
  after(() => otad.stop());

  const order = (id, verb, body, headers) => otad.expect(200, "POST", `/api/v1/rollouts/${id}/${verb}`, { body, headers });
  const show = (id) => otad.showRollout(id);
  const events = async (id) => (await otad.expect(200, "GET", `/api/v1/rollouts/${id}/events`)).items;
  async function world({ devices = 1, versions = ["2.0.0"], counter = 1 } = {}) {
    const hardware = `or-${++number}`;
    const images = [];
    for (const version of versions) images.push(await otad.upload({ version, counter, hardware }));
    const all = [];
    for (let i = 0; i < devices; i++) {
      const device = await otad.device(`${hardware}-${i}`, { hardware });
      device.runs({ version: "1.0.0", hash: "11".repeat(32), counter });
      await device.poll();
      all.push(device);
    }
    return { hardware, images, image: images.at(-1), devices: all };
  }
  const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");

  test("a rollout starts at its time, also through a restart, and not before", async () => {
    const { image, devices } = await world();
    const rollout = await otad.rollout({ firmware: image.id }, { start: false });
    const scheduled = await order(rollout.id, "schedule", { start_at: inSeconds(86400) });
    assert.equal(scheduled.state, "scheduled");
    assert.equal((await devices[0].poll()).action, "none");
    const why = await otad.expect(200, "GET", `/api/v1/devices/${devices[0].id}/explain`);
    assert.deepEqual([why.reason, why.not_before], ["scheduled", scheduled.start_at]);
    const at = inSeconds(2);
    assert.equal((await order(rollout.id, "schedule", { start_at: at })).start_at, at);
    await otad.restart("SIGKILL");
    await until(async () => (await show(rollout.id)).state === "running", "the start");
    assert.ok(Date.now() >= Date.parse(at));
    assert.equal((await devices[0].poll()).action, "install");
    assert.deepEqual((await events(rollout.id)).map((event) => event.event), ["started", "schedule", "schedule", "created"]);
  });

  test("a time that is none, or past, is refused", async () => {
    const { image } = await world({ devices: 0 });
    const rollout = await otad.rollout({ firmware: image.id }, { start: false });
    const path = `/api/v1/rollouts/${rollout.id}/schedule`;
    for (const start_at of ["tomorrow", "2030-02-30T00:00:00Z", "2030-01-01", "2030-01-01T24:00:00Z", "2030-01-01T00:00:00", "1969-12-31T23:59:59Z", "2030-01-01T00:00:00Z "])
      await otad.refused(400, "field_invalid", "POST", path, { body: { start_at } });
    await otad.refused(400, "body_malformed", "POST", path);
    await otad.refused(400, "field_invalid", "POST", path, { body: {} });
    await otad.refused(409, "rollout_state", "POST", path, { body: { start_at: inSeconds(-60) } });
    const there = await order(rollout.id, "schedule", { start_at: "2099-01-01T01:30:00+01:30" });
    assert.equal(there.start_at, "2099-01-01T00:00:00Z");
    assert.equal((await order(rollout.id, "cancel")).state, "cancelled");
  });

  test("a stage by hand waits for the order to go on; by force it goes on at any time", async () => {
    const { image, devices } = await world({ devices: 2 });
    await otad.expect(200, "PATCH", `/api/v1/devices/${devices[0].id}`, { body: { group: "canary" } });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ group: "canary", by_hand: true }, { percent: 100, by_hand: true }] });
    const advance = `/api/v1/rollouts/${rollout.id}/advance`;
    assert.match((await otad.refused(409, "rollout_state", "POST", advance)).detail, /force/);
    await devices[0].update(image);
    assert.equal((await show(rollout.id)).current_stage, 1, "success alone does not go on");
    assert.equal((await devices[1].poll()).action, "none");
    assert.equal((await order(rollout.id, "advance")).current_stage, 2);
    assert.equal((await devices[1].poll()).action, "install");
    await otad.refused(409, "rollout_state", "POST", advance);
    await otad.refused(400, "field_invalid", "POST", advance, { body: { force: 1 } });
    for (const [verb, body] of [["advance"], ["halt", { reason: "r" }], ["schedule", { start_at: inSeconds(60) }]])
      await otad.refused(404, "not_found", "POST", `/api/v1/rollouts/77777/${verb}`, { body });
    assert.equal((await order(rollout.id, "advance", { force: true })).state, "completed");
  });

  test("a rollout is halted by hand with a reason that everybody can read, and devices hold what they have", async () => {
    const { image, devices } = await world({ devices: 2 });
    const rollout = await otad.rollout({ firmware: image.id });
    await devices[0].offered();
    const halt = `/api/v1/rollouts/${rollout.id}/halt`;
    for (const body of [{}, { reason: "" }, { reason: "x".repeat(161) }, { reason: 5 }]) await otad.refused(400, "field_invalid", "POST", halt, { body });
    await otad.refused(400, "body_malformed", "POST", halt);
    const reason = "customers in Berlin report flicker";
    const halted = await order(rollout.id, "halt", { reason });
    assert.deepEqual([halted.state, halted.halt_reason], ["halted", `Halted by first: ${reason}`]);
    assert.equal((await devices[0].poll()).action, "hold");
    assert.equal((await devices[1].poll()).action, "none");
    await otad.restart("SIGKILL");
    assert.equal((await show(rollout.id)).halt_reason, `Halted by first: ${reason}`);
    assert.deepEqual((await events(rollout.id)).slice(0, 1).map((event) => [event.event, event.detail, event.actor]), [["halt", reason, "first"]]);
    await otad.refused(409, "rollout_state", "POST", halt, { body: { reason } });
    await otad.refused(409, "rollout_state", "POST", `/api/v1/rollouts/${rollout.id}/resume`);
    const again = await order(rollout.id, "resume", { force: true });
    assert.deepEqual([again.state, again.halt_reason], ["running", null]);
    assert.equal((await devices[0].poll()).action, "install");
    await order(rollout.id, "pause");
    assert.equal((await order(rollout.id, "halt", { reason })).state, "halted");
  });

  test("an order that names a revision is refused when another came between", async () => {
    const { image } = await world();
    const draft = await otad.rollout({ firmware: image.id }, { start: false });
    const shown = await otad.call("GET", `/api/v1/rollouts/${draft.id}`);
    const etag = shown.headers.get("etag");
    assert.equal(etag, `"${shown.body.revision}"`);
    const headers = { "if-match": etag };
    await order(draft.id, "start", undefined, headers);
    for (const [verb, body] of [["start"], ["schedule", { start_at: inSeconds(60) }], ["pause"], ["resume"], ["advance"], ["halt", { reason: "r" }], ["cancel"]]) {
      await otad.refused(412, "revision_changed", "POST", `/api/v1/rollouts/${draft.id}/${verb}`, { body, headers });
      await otad.refused(412, "revision_changed", "POST", `/api/v1/rollouts/${draft.id}/${verb}`, { body, headers: { "if-match": "nonsense" } });
    }
    assert.equal((await show(draft.id)).state, "running");
    await order(draft.id, "pause", undefined, { "if-match": "*" });
  });

  test("a bad release is taken back by one order: its rollout ends, its devices return, others are let be", async () => {
    const { images, devices, hardware } = await world({ devices: 4, versions: ["1.5.0", "1.9.0", "2.0.0"] });
    const [, good, bad] = images;
    const other = await otad.upload({ version: "1.0.5", counter: 0, hardware });
    const rollout = await otad.rollout({ firmware: bad.id, name: "two" });
    await devices[0].update(bad);
    await devices[1].update(bad);
    const underWay = await devices[2].offered();
    const path = `/api/v1/rollouts/${rollout.id}/rollback`;
    const answer = await otad.call("POST", path);
    assert.equal(answer.status, 201);
    const back = answer.body;
    assert.equal(answer.headers.get("location"), `/api/v1/rollouts/${back.id}`);
    assert.deepEqual([back.version, back.state, back.name, back.running_min, back.running_max, back.allow_downgrade], [good.version, "running", "rollback of two", "2.0.0", "2.0.0", true]);
    assert.equal((await show(rollout.id)).state, "cancelled");
    assert.deepEqual((await events(rollout.id)).slice(0, 1).map(({ event, detail }) => [event, detail]), [["cancel", "taken back to 1.9.0"]]);
    assert.equal(back.stages[0].targeted, 3, "the third may have it in flash already");
    assert.equal((await devices[2].poll()).action, "cancel");
    assert.equal((await devices[3].poll()).action, "none");
    await devices[0].update(good);
    await devices[1].update(good);
    await otad.restart();
    const waiting = await show(back.id);
    assert.deepEqual([waiting.state, waiting.stages[0].succeeded, waiting.stages[0].waiting], ["running", 2, 1]);
    await devices[2].report(underWay.deployment, "failed", { reason: "cancelled" });
    assert.equal((await show(back.id)).state, "completed");
    assert.equal((await devices[0].poll()).action, "none");

    // To a release of one's choice; not to a newer one, another counter, or an unknown one.
    await otad.refused(409, "no_previous_release", "POST", `/api/v1/rollouts/${back.id}/rollback`, { body: { firmware: bad.id } });
    await otad.refused(409, "no_previous_release", "POST", `/api/v1/rollouts/${rollout.id}/rollback`, { body: { firmware: other.id } });
    assert.equal((await otad.refused(400, "firmware_unknown", "POST", path, { body: { firmware: 99999 } })).field, "firmware");
    const further = await otad.expect(201, "POST", `/api/v1/rollouts/${back.id}/rollback`, { body: { firmware: images[0].id, name: "further back" } });
    assert.deepEqual([further.version, further.name], ["1.5.0", "further back"]);
    await otad.refused(409, "no_previous_release", "POST", `/api/v1/rollouts/${further.id}/rollback`);
    assert.equal((await show(further.id)).state, "running", "a refused rollback changes nothing");
    const draft = await otad.rollout({ firmware: bad.id }, { start: false });
    await otad.refused(409, "rollout_state", "POST", `/api/v1/rollouts/${draft.id}/rollback`);
    await otad.refused(404, "not_found", "POST", "/api/v1/rollouts/77777/rollback");
    await otad.refused(400, "field_unknown", "POST", path, { body: { colour: "red" } });
  });

  test("a rollback that nobody needs completes at once; with devices that go, it does when the last has gone", async () => {
    const { images, devices } = await world({ devices: 3, versions: ["1.9.0", "2.0.0"] });
    const bad = images[1];
    const unwanted = await otad.rollout({ firmware: bad.id, stages: [{ percent: 100, failure_count: 1 }] });
    await devices[0].revert();
    assert.equal((await show(unwanted.id)).state, "halted");
    const back = await otad.expect(201, "POST", `/api/v1/rollouts/${unwanted.id}/rollback`);
    assert.deepEqual([back.state, back.stages[0].targeted], ["completed", 0]);
    assert.equal((await devices[0].poll()).action, "none");

    const second = await otad.rollout({ firmware: bad.id });
    await devices[1].offered();
    const waits = await otad.expect(201, "POST", `/api/v1/rollouts/${second.id}/rollback`);
    assert.deepEqual([waits.state, waits.stages[0].targeted], ["running", 1]);
    await otad.expect(204, "DELETE", `/api/v1/devices/${devices[1].id}`);
    assert.equal((await show(waits.id)).state, "completed");
  });

  test("every setting comes back as it was given, also after a restart", async () => {
    const { image } = await world({ devices: 0 });
    const settings = {
      name: "all", firmware: image.id, groups: ["canary"], tags: "site in (a,b),!lab", running_min: "0.5.0", running_max: "1.9.0+7", security: true, version_min: "0.4.0", allow_downgrade: true,
      window: { days: ["mon", "fri", "sun"], from: "22:00", to: "04:30" }, timeouts: { offered: 11, downloading: 12, installing: 13, trial: 14, retry: 15 },
      retries: 3, retry_wait_seconds: 60, health_seconds: 3600, health_events: 5, postpone_seconds_max: 7200, seed: 4711,
      stages: [{ group: "canary", success_percent: 90, failure_percent: 10, failure_count: 2, sequential: { allowed_bp: 100, suspect_bp: 500, confidence_bp: 9900 }, soak_seconds: 5, offers_a_minute: 10, in_flight_max: 4, by_hand: true }],
    };
    const rollout = await otad.rollout(settings, { start: false });
    const check = (shown) => {
      const { stages, ...rest } = settings;
      for (const [key, value] of Object.entries(rest)) assert.deepEqual(shown[key], value, key);
      for (const [key, value] of Object.entries(stages[0])) assert.deepEqual(shown.stages[0][key], value, key);
    };
    check(rollout);
    await otad.restart();
    check(await show(rollout.id));
    const bad = [
      { running_min: "1" }, { running_max: "x" }, { running_min: "2.0.0", running_max: "1.0.0" }, { version_min: "1.2" }, { security: 1 },
      { window: { from: "24:00", to: "01:00" } }, { window: { from: "1:00", to: "02:00" } }, { window: { from: "01:00" } }, { window: { days: [], from: "01:00", to: "02:00" } }, { window: { days: ["Mon"], from: "01:00", to: "02:00" } }, { window: "night" },
      { timeouts: { offered: 0 } }, { timeouts: { later: 5 } }, { retries: 11 }, { health_events: 0 }, { seed: 0 }, { postpone_seconds_max: -1 },
      { stages: [{ percent: 100, sequential: { allowed_bp: 500, suspect_bp: 100 } }] }, { stages: [{ percent: 100, sequential: { allowed_bp: 500 } }] }, { stages: [{ percent: 100, sequential: { allowed_bp: 1, suspect_bp: 2, confidence_bp: 10000 } }] },
      { stages: [{ percent: 100, offers_a_minute: 0 }] }, { stages: [{ percent: 100, in_flight_max: 0 }] }, { stages: [{ percent: 100, by_hand: "yes" }] },
    ];
    for (const more of bad) {
      const answer = await otad.expect(400, "POST", "/api/v1/rollouts", { body: { name: "r", firmware: image.id, stages: [{ percent: 100 }], ...more } });
      assert.ok(/^(field_|rollout_)/.test(answer.code), JSON.stringify([more, answer]));
    }
  });

  test("a release's own demands are where its rollouts start from", async () => {
    const { image, devices } = await world();
    const path = `/api/v1/firmware/${image.id}`;
    const patched = await otad.expect(200, "PATCH", path, { body: { security: true, version_min: "1.5.0" } });
    assert.deepEqual([patched.security, patched.version_min], [true, "1.5.0"]);
    const inherits = await otad.rollout({ firmware: image.id });
    assert.deepEqual([inherits.security, inherits.version_min], [true, "1.5.0"]);
    assert.equal((await devices[0].poll()).action, "none", "1.0.0 needs another release first");
    const own = await otad.rollout({ firmware: image.id, security: false, version_min: null }, { start: false });
    assert.deepEqual([own.security, own.version_min], [false, null]);
    assert.equal((await otad.expect(200, "PATCH", path, { body: { version_min: null } })).version_min, null);
    assert.deepEqual([(await show(inherits.id)).version_min, (await otad.expect(200, "GET", path)).security], ["1.5.0", true]);
    for (const body of [{ version_min: "1" }, { security: "yes" }]) await otad.refused(400, "field_invalid", "PATCH", path, { body });
    await otad.refused(404, "not_found", "PATCH", "/api/v1/firmware/99999", { body: {} });
  });

  test("the sequential test halts a stage by its own arithmetic", async () => {
    const { image, devices } = await world({ devices: 8 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, sequential: { allowed_bp: 100, suspect_bp: 500, confidence_bp: 9500 } }] });
    await devices[0].revert();
    assert.equal((await show(rollout.id)).state, "running");
    await devices[1].revert();
    const halted = await show(rollout.id);
    assert.equal(halted.state, "halted");
    assert.match(halted.halt_reason, /2 failures beside 0 successes are more than 1\.00 % allows, with a confidence of 95\.00 %/);
  });
});
