// Rollouts: stages, thresholds, orders, time, and restarts in between.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad, sleep, until } from "./lib/otad.mjs";

describe("rollouts", () => {
  let otad;
  let number = 0;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    await otad.group("canary");
    await otad.group("rest");
  });
  after(() => otad.stop());

  // Devices of a hardware of their own and a release for them.
  async function fleet({ canary = 0, rest = 0, plain = 0, release = {} } = {}) {
    const hardware = `hw-${++number}`;
    const image = await otad.upload({ version: "1.0.0", counter: 1, hardware, ...release });
    const make = (group, count) => Promise.all(Array.from({ length: count }, (_, i) => otad.device(`f${number}-${group ?? "x"}-${i}`, { hardware, group })));
    return { hardware, image, canary: await make("canary", canary), rest: await make("rest", rest), plain: await make(undefined, plain) };
  }
  const order = (id, verb, body) => otad.expect(200, "POST", `/api/v1/rollouts/${id}/${verb}`, { body });
  const show = (id) => otad.showRollout(id);
  const actions = async (devices) => (await Promise.all(devices.map((device) => device.poll()))).map((manifest) => manifest.action);

  test("a canary group goes first, then a quarter, then all; each stage waits for the one before", async () => {
    const { image, canary, plain } = await fleet({ canary: 2, plain: 40 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ group: "canary" }, { percent: 25 }, { percent: 100 }] });
    assert.deepEqual(rollout.stages.map((stage) => stage.state), ["active", "waiting", "waiting"]);
    assert.equal(rollout.stages[0].targeted, 2);
    assert.equal(rollout.stages.reduce((sum, stage) => sum + stage.targeted, 0), 42);
    assert.deepEqual(new Set(await actions(plain)), new Set(["none"]));
    for (const device of canary) await device.update(image);
    assert.equal((await show(rollout.id)).current_stage, 2);

    const quarter = [];
    for (const device of plain) if ((await device.poll()).action === "install") quarter.push(device);
    assert.equal(quarter.length, (await show(rollout.id)).stages[1].targeted);
    assert.ok(quarter.length > 0 && quarter.length < 25, String(quarter.length));
    for (const device of quarter) await device.update(image);
    assert.equal((await show(rollout.id)).current_stage, 3);
    for (const device of plain) if (!quarter.includes(device)) await device.update(image);
    const done = await show(rollout.id);
    assert.equal(done.state, "completed");
    assert.ok(done.ended_at);
    assert.equal(done.stages.reduce((sum, stage) => sum + stage.succeeded, 0), 42);
    const words = (await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/events`)).items.map((event) => event.event);
    assert.equal(words.at(-1), "created");
    assert.ok(words.includes("advanced") && words.includes("completed"));
  });

  test("a bad release halts by itself at its failure threshold, and stays halted through a restart", async () => {
    const { image, canary, plain } = await fleet({ canary: 4, plain: 10 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ group: "canary", failure_count: 2 }, { percent: 100 }] });
    const manifests = [await canary[0].offered(), await canary[1].offered(), await canary[2].offered()];
    await canary[0].report(manifests[0].deployment, "reverted");
    assert.equal((await show(rollout.id)).state, "running");
    await canary[1].report(manifests[1].deployment, "failed");
    const halted = await show(rollout.id);
    assert.equal(halted.state, "halted");
    assert.match(halted.halt_reason, /^Stage 1: 2 of 4 devices failed/);
    assert.equal((await canary[3].poll()).action, "none", "no new offers");
    assert.equal((await canary[2].poll()).action, "hold", "the one under way keeps what it has");
    await otad.restart("SIGKILL");
    assert.equal((await show(rollout.id)).state, "halted");
    assert.equal((await show(rollout.id)).halt_reason, halted.halt_reason);
    assert.deepEqual(new Set(await actions(plain)), new Set(["none"]));

    await otad.refused(409, "rollout_state", "POST", `/api/v1/rollouts/${rollout.id}/resume`);
    assert.equal((await order(rollout.id, "resume", { force: true })).state, "running");
    assert.equal((await canary[2].poll()).action, "install");
    assert.equal((await canary[3].poll()).action, "install");
  });

  test("a failure threshold in percent is of the stage's devices", async () => {
    const { image, plain } = await fleet({ plain: 10 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, failure_percent: 30 }] });
    for (let i = 0; i < 3; i++) {
      assert.equal((await show(rollout.id)).state, "running");
      await plain[i].revert();
    }
    assert.equal((await show(rollout.id)).state, "halted");
    assert.equal((await show(rollout.id)).stages[0].reverted, 3);
  });

  test("orders are obeyed where the state allows them, and refused with the reason where not", async () => {
    const { image } = await fleet({ plain: 1 });
    const draft = await otad.rollout({ firmware: image.id }, { start: false });
    const refused = (verb) => otad.refused(409, "rollout_state", "POST", `/api/v1/rollouts/${draft.id}/${verb}`);
    for (const verb of ["pause", "resume"]) assert.ok((await refused(verb)).detail.length > 10);
    assert.equal((await order(draft.id, "start")).state, "running");
    await refused("start");
    await refused("resume");
    assert.equal((await order(draft.id, "pause")).state, "paused");
    await refused("pause");
    assert.equal((await order(draft.id, "resume")).state, "running");
    assert.equal((await order(draft.id, "cancel")).state, "cancelled");
    for (const verb of ["start", "pause", "resume", "cancel"]) await refused(verb);
    for (const verb of ["start", "pause", "resume", "cancel"]) {
      await otad.refused(404, "not_found", "POST", `/api/v1/rollouts/77777/${verb}`);
      await otad.refused(400, "field_unknown", "POST", `/api/v1/rollouts/${draft.id}/${verb}`, { body: { nonsense: true } });
    }
    await otad.refused(400, "field_unknown", "POST", `/api/v1/rollouts/${draft.id}/start`, { body: { force: true } });
    await otad.refused(400, "field_invalid", "POST", `/api/v1/rollouts/${draft.id}/resume`, { body: { force: 1 } });
    const events = (await otad.expect(200, "GET", `/api/v1/rollouts/${draft.id}/events`)).items;
    assert.deepEqual(events.map((event) => [event.event, event.actor]), [["cancel", "first"], ["resume", "first"], ["pause", "first"], ["start", "first"], ["created", "first"]]);
  });

  test("settings that make no sense are refused before anything is stored", async () => {
    const { image } = await fleet();
    const before = (await otad.expect(200, "GET", "/api/v1/rollouts?limit=500")).items.length;
    const good = { name: "r", firmware: image.id, stages: [{ percent: 100 }] };
    const share = (percent) => ({ stages: [{ percent }, { percent: 100 }] });
    const whole = (more) => ({ stages: [{ percent: 100, ...more }] });
    const cases = [
      ["rollout_invalid", "stages", { stages: [] }],
      ["rollout_invalid", "stages[0].percent", { stages: [{ percent: 50 }] }],
      ["rollout_invalid", "stages[1].percent", { stages: [{ percent: 50 }, { percent: 50 }, { percent: 100 }] }],
      ["rollout_invalid", "stages[0]", { stages: [{}] }],
      ["rollout_invalid", "stages[0]", { stages: [{ group: "canary", percent: 5 }] }],
      ["rollout_invalid", "stages[1].group", { stages: [{ group: "canary" }, { group: "canary" }] }],
      ["rollout_invalid", "stages[0].group", { groups: ["canary"], stages: [{ group: "rest" }] }],
      ["rollout_invalid", "stages[0].sequential", whole({ sequential: { allowed_bp: 500, suspect_bp: 100 } })],
      ["field_invalid", "stages[0].sequential.suspect_bp", whole({ sequential: { allowed_bp: 500 } })],
      ["rollout_invalid", "running_min", { running_min: "2.0.0", running_max: "1.0.0" }],
      ["field_invalid", "running_min", { running_min: "two" }],
      ["field_invalid", "window.to", { window: { from: "22:00", to: "24:00" } }],
      ["field_invalid", "window.from", { window: { from: "22", to: "04:00" } }],
      ["field_invalid", "window.days", { window: { from: "22:00", to: "23:00", days: ["noon"] } }],
      ["field_invalid", "timeouts.trial", { timeouts: { trial: 0 } }],
      ["field_invalid", "stages[0].percent", share(0)],
      ["field_invalid", "stages[0].percent", share(0.005)],
      ["field_invalid", "stages[0].percent", share(1.234)],
      ["field_invalid", "stages[0].percent", share(100.01)],
      ["field_invalid", "stages[0].percent", share(1e300)],
      ["field_invalid", "stages[0].percent", share("5")],
      ["field_invalid", "stages[0].success_percent", whole({ success_percent: 101 })],
      ["field_invalid", "stages[0].failure_percent", whole({ failure_percent: 0 })],
      ["field_invalid", "stages[0].failure_count", whole({ failure_count: -1 })],
      ["field_invalid", "stages[0].soak_seconds", whole({ soak_seconds: 1e9 })],
      ["field_unknown", "stages[0].soak", whole({ soak: 5 })],
      ["field_invalid", "stages", { stages: Array.from({ length: 17 }, (_, i) => ({ percent: i + 1 })) }],
      ["field_invalid", "stages", { stages: "all" }],
      ["field_invalid", "stages[0]", { stages: [7] }],
      ["field_invalid", "timeout_seconds", { timeout_seconds: 0 }],
      ["field_invalid", "allow_downgrade", { allow_downgrade: "yes" }],
      ["field_invalid", "name", { name: "" }],
      ["field_invalid", "groups", { groups: [5] }],
      ["group_unknown", "groups", { groups: ["none"] }],
      ["group_unknown", "stages[0].group", { stages: [{ group: "none" }] }],
      ["selector_invalid", "tags", { tags: "a=b,," }],
      ["firmware_unknown", "firmware", { firmware: 99999 }],
      ["field_invalid", "firmware", { firmware: "1" }],
      ["field_unknown", "colour", { colour: "red" }],
    ];
    for (const [code, field, more] of cases) assert.equal((await otad.refused(400, code, "POST", "/api/v1/rollouts", { body: { ...good, ...more } })).field, field);
    assert.equal((await otad.expect(200, "GET", "/api/v1/rollouts?limit=500")).items.length, before);
  });

  test("a stage may be a fraction of a percent, to two decimals, and is shown as it was given", async () => {
    const { image } = await fleet();
    const shares = [0.01, 0.07, 0.5, 12.3, 99.99, 100];
    const settings = { name: "fine", firmware: image.id, seed: 3, stages: shares.map((percent) => ({ percent })) };
    const planned = await otad.expect(200, "POST", "/api/v1/rollouts/plan", { body: settings });
    assert.deepEqual(planned.stages.map((stage) => stage.percent), shares);
    const made = await otad.expect(201, "POST", "/api/v1/rollouts", { body: settings });
    await otad.restart();
    assert.deepEqual((await otad.showRollout(made.id)).stages.map((stage) => stage.percent), shares);
    await otad.expect(200, "POST", `/api/v1/rollouts/${made.id}/cancel`);
  });

  test("what was set is what is shown", async () => {
    const { image } = await fleet();
    const settings = { name: "All of it", firmware: image.id, groups: ["canary", "rest"], stages: [{ group: "canary", success_percent: 80, failure_count: 3, soak_seconds: 60 }, { percent: 100, failure_percent: 5 }], timeout_seconds: 77, allow_downgrade: true };
    const answer = await otad.call("POST", "/api/v1/rollouts", { body: settings });
    assert.equal(answer.headers.get("location"), `/api/v1/rollouts/${answer.body.id}`);
    const check = (shown) => {
      assert.equal(shown.name, "All of it");
      assert.equal(shown.firmware, image.id);
      assert.deepEqual(shown.groups, ["canary", "rest"]);
      assert.equal(shown.timeout_seconds, 77);
      assert.equal(shown.allow_downgrade, true);
      const pick = ({ group, percent, success_percent, failure_count, failure_percent, soak_seconds }) => ({ group, percent, success_percent, failure_count, failure_percent, soak_seconds });
      assert.deepEqual(shown.stages.map(pick), [
        { group: "canary", percent: undefined, success_percent: 80, failure_count: 3, failure_percent: null, soak_seconds: 60 },
        { group: undefined, percent: 100, success_percent: 100, failure_count: null, failure_percent: 5, soak_seconds: 0 },
      ]);
    };
    check(answer.body);
    await otad.restart();
    check(await show(answer.body.id));
    assert.ok((await otad.expect(200, "GET", "/api/v1/rollouts?limit=500")).items.some((item) => item.id === answer.body.id));
  });

  test("silence counts: a device that takes an offer and vanishes is timed out, and a late success mends it", async () => {
    const { image, plain } = await fleet({ plain: 2 });
    const rollout = await otad.rollout({ firmware: image.id, timeout_seconds: 2 });
    await plain[0].offered();
    const late = await plain[1].offered();
    await until(async () => (await show(rollout.id)).stages[0].timed_out === 2, "both to be timed out");
    // Counts show a change as soon as it is made, the history once it is on disk.
    const history = async () => (await otad.expect(200, "GET", `/api/v1/devices/${plain[0].id}/events`)).items.map((event) => event.event);
    await until(async () => (await history()).length === 2, "the history");
    assert.deepEqual(await history(), ["timed_out", "offered"]);
    plain[1].runs(image);
    await plain[1].report(late.deployment, "confirmed");
    const { stages } = await show(rollout.id);
    assert.equal(stages[0].timed_out, 1);
    assert.equal(stages[0].succeeded, 1);
  });

  test("timeouts run on through a restart", async () => {
    const { image, plain } = await fleet({ plain: 1 });
    const rollout = await otad.rollout({ firmware: image.id, timeout_seconds: 2 });
    await plain[0].offered();
    await otad.end("SIGKILL");
    await sleep(2500);
    await otad.launch();
    await until(async () => (await show(rollout.id)).stages[0].timed_out === 1, "the timeout");
  });

  test("a stage soaks before the next begins", async () => {
    const { image, canary, rest } = await fleet({ canary: 1, rest: 1 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ group: "canary", soak_seconds: 2 }, { percent: 100 }] });
    await canary[0].update(image);
    assert.equal((await show(rollout.id)).current_stage, 1);
    assert.equal((await rest[0].poll()).action, "none");
    await until(async () => (await show(rollout.id)).current_stage === 2, "the soak to end");
    assert.equal((await rest[0].poll()).action, "install");
  });

  test("devices that join or change group later are taken in where they belong", async () => {
    const { image, hardware } = await fleet();
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ group: "canary" }, { percent: 100 }] });
    const targeted = async () => (await show(rollout.id)).stages.map((stage) => stage.targeted);
    const device = await otad.device(`late-${number}`, { hardware });
    assert.deepEqual(await targeted(), [0, 1]);
    await otad.expect(200, "PATCH", `/api/v1/devices/${device.id}`, { body: { group: "canary" } });
    assert.deepEqual(await targeted(), [1, 0]);
    await otad.expect(204, "DELETE", `/api/v1/devices/${device.id}`);
    assert.deepEqual(await targeted(), [0, 0]);
    const fresh = await otad.device(`later-${number}`, { hardware, group: "canary" });
    await fresh.update(image);
    assert.equal((await show(rollout.id)).stages[0].succeeded, 1);
    await otad.expect(204, "DELETE", `/api/v1/devices/${fresh.id}`);
    assert.equal((await show(rollout.id)).stages[0].succeeded, 0);
  });

  test("a rollout for groups leaves other devices alone, as do other products and hardware", async () => {
    const { image, hardware, canary, plain } = await fleet({ canary: 1, plain: 1 });
    const other = await otad.device(`other-${number}`, { hardware, product: "another" });
    const rollout = await otad.rollout({ firmware: image.id, groups: ["canary"] });
    assert.equal(rollout.stages[0].targeted, 1);
    assert.deepEqual(await actions([plain[0], other]), ["none", "none"]);
    await canary[0].offered();
  });

  test("a device is never taken below its counter, nor to a lower version unless that was asked for", async () => {
    // The second device only keeps the rollouts from being complete at once.
    const { hardware, image: old } = await fleet({ plain: 1, release: { version: "1.0.0", counter: 5 } });
    const device = await otad.device(`down-${number}`, { hardware });
    device.runs({ version: "2.0.0", hash: "11".repeat(32), counter: 5 });
    const first = await otad.rollout({ firmware: old.id });
    assert.equal((await device.poll()).action, "none");
    assert.equal((await show(first.id)).stages[0].excluded, 1);
    await order(first.id, "cancel");
    const second = await otad.rollout({ firmware: old.id, allow_downgrade: true });
    assert.equal((await device.poll()).action, "install");
    await order(second.id, "cancel");
    device.runs({ version: "2.0.0", hash: "11".repeat(32), counter: 6 });
    await otad.rollout({ firmware: old.id, allow_downgrade: true });
    assert.notEqual((await device.poll()).action, "install");
  });

  test("a newer rollout takes over once the older deployment is over, and each device has one at a time", async () => {
    const { hardware, image, plain } = await fleet({ plain: 1 });
    const first = await otad.rollout({ firmware: image.id });
    const one = await plain[0].offered();
    const next = await otad.upload({ version: "1.1.0", hardware });
    const second = await otad.rollout({ firmware: next.id });
    assert.equal((await plain[0].poll()).deployment, one.deployment);
    await plain[0].update(image);
    assert.equal((await show(first.id)).state, "completed");
    const two = await plain[0].offered();
    assert.equal(two.version, "1.1.0");
    await plain[0].update(next);
    assert.equal((await show(second.id)).state, "completed");
    const events = (await otad.expect(200, "GET", `/api/v1/devices/${plain[0].id}/events`)).items;
    assert.equal(events.filter((event) => event.event === "offered").length, 2);
  });

  test("a restart in the middle of a stage changes nothing", async () => {
    const { image, plain } = await fleet({ plain: 6 });
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, failure_count: 3 }] });
    const manifests = await Promise.all(plain.slice(0, 5).map((device) => device.offered()));
    await plain[0].report(manifests[0].deployment, "downloading", { percent: 40 });
    await plain[1].report(manifests[1].deployment, "installed");
    await plain[2].report(manifests[2].deployment, "failed");
    await plain[3].update(image);
    const { counted, ...before } = await show(rollout.id);
    for (const signal of ["SIGTERM", "SIGKILL"]) {
      await otad.restart(signal);
      const { counted: again, ...now } = await show(rollout.id);
      assert.deepEqual(now, before);
    }
    assert.equal((await plain[4].poll()).deployment, manifests[4].deployment);
  });

  test("rollout devices page and filter, and unknown rollouts are 404", async () => {
    const { image, plain } = await fleet({ plain: 5 });
    const rollout = await otad.rollout({ firmware: image.id });
    for (const device of plain) await device.offered();
    const first = await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/devices?limit=3`);
    assert.equal(first.items.length, 3);
    const second = await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/devices?limit=3&cursor=${first.next}`);
    assert.deepEqual(new Set([...first.items, ...second.items].map((item) => item.device)), new Set(plain.map((device) => device.id)));
    assert.equal((await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/devices?state=trial`)).items.length, 0);
    await otad.refused(400, "query_invalid", "GET", `/api/v1/rollouts/${rollout.id}/devices?state=happy`);
    await otad.refused(400, "query_invalid", "GET", `/api/v1/rollouts/${rollout.id}/events?limit=x`);
    for (const path of ["", "/devices", "/events"]) await otad.refused(404, "not_found", "GET", `/api/v1/rollouts/77777${path}`);
    await otad.refused(409, "group_in_use", "DELETE", `/api/v1/groups/${(await otad.expect(200, "GET", "/api/v1/groups")).items[0].id}`);
  });

  test("two operators at once: each order meets the state that the other left", async () => {
    const { image } = await fleet({ plain: 1 });
    const rollout = await otad.rollout({ firmware: image.id });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => otad.call("POST", `/api/v1/rollouts/${rollout.id}/${i % 2 ? "pause" : "resume"}`)));
    assert.ok(answers.every((answer) => answer.status === 200 || answer.status === 409));
    const events = (await otad.expect(200, "GET", `/api/v1/rollouts/${rollout.id}/events`)).items;
    const obeyed = events.filter((event) => event.event === "pause" || event.event === "resume").map((event) => event.event).reverse();
    assert.equal(obeyed.length, answers.filter((answer) => answer.status === 200).length);
    obeyed.forEach((event, i) => assert.equal(event, i % 2 ? "resume" : "pause"));
  });

  test("no more than 64 rollouts are live at a time", async () => {
    const { image } = await fleet();
    const live = (await otad.expect(200, "GET", "/api/v1/rollouts?limit=500")).items.filter((item) => ["running", "paused", "halted"].includes(item.state));
    for (const item of live) await order(item.id, "cancel");
    const made = [];
    for (let i = 0; i < 65; i++) made.push(await otad.rollout({ firmware: image.id }, { start: false }));
    for (const rollout of made.slice(0, 64)) await order(rollout.id, "start");
    await otad.refused(409, "too_many_rollouts", "POST", `/api/v1/rollouts/${made[64].id}/start`);
    await order(made[0].id, "cancel");
    await order(made[64].id, "start");
  });
});
