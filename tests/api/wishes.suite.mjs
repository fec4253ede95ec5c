// What devices and their owners wish: opt-out, postponing, local time; and how the application fares.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("wishes", () => {
  let otad;
  let number = 0;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  const show = (device) => otad.expect(200, "GET", `/api/v1/devices/${device.id}`);
  const reason = async (device) => (await otad.expect(200, "GET", `/api/v1/devices/${device.id}/explain`)).reason;
  const stage = async (rollout) => (await otad.showRollout(rollout.id)).stages[0];
  // A poll that says more than the library's: the status, and with a nonce the action.
  async function poll(device, wishes) {
    const nonce = "0123456789abcdef".repeat(2);
    const answer = await otad.expect(200, "GET", device.query({ nonce, ...wishes }), { token: device.token });
    return JSON.parse(Buffer.from(answer.payload, "base64url")).action;
  }
  async function world(settings = {}, count = 1) {
    const hardware = `wi-${++number}`;
    const image = await otad.upload({ version: "2.0.0", counter: 0, hardware });
    const devices = [];
    for (let i = 0; i < count; i++) devices.push(await otad.device(`${hardware}-${i}`, { hardware }));
    const rollout = settings && (await otad.rollout({ firmware: image.id, stages: [{ percent: 100, by_hand: true }], ...settings }));
    return { hardware, image, devices, device: devices[0], rollout };
  }

  test("a device that opts out gets nothing, gives up what it has, and is not counted; until it opts in again", async () => {
    const { device, rollout } = await world();
    assert.equal(await poll(device, { opt_out: 1 }), "none");
    assert.equal(await reason(device), "opted_out");
    assert.equal((await show(device)).opted_out, true);
    assert.deepEqual([(await stage(rollout)).targeted, (await stage(rollout)).excluded], [0, 1]);
    await otad.restart("SIGKILL");
    assert.equal((await show(device)).opted_out, true);
    assert.equal(await poll(device, { opt_out: 0 }), "install");
    assert.equal((await stage(rollout)).targeted, 1);
    assert.equal(await poll(device, { opt_out: 1 }), "cancel");
  });

  test("a device that postpones is offered nothing and held until then, and the end is told", async () => {
    const { device } = await world();
    assert.equal(await poll(device, { postpone: 3600 }), "none");
    const first = (await show(device)).postponed_until;
    assert.ok(Math.abs(Date.parse(first) - Date.now() - 3600e3) < 30e3);
    const why = await otad.expect(200, "GET", `/api/v1/devices/${device.id}/explain`);
    assert.deepEqual([why.reason, why.not_before], ["postponed", first]);
    assert.equal(await poll(device, { postpone: 3590 }), "none");
    assert.equal((await show(device)).postponed_until, first, "the same wish, some seconds later");
    await otad.restart();
    assert.equal((await show(device)).postponed_until, first);
    assert.equal(await poll(device, {}), "install", "a poll that does not say it ends it");
    assert.equal(await poll(device, { postpone: 100 }), "hold", "and one that does holds what is under way");
  });

  test("an operator bounds the postponing", async () => {
    const { device } = await world({ postpone_seconds_max: 1 });
    assert.equal(await poll(device, { postpone: 31536000 }), "none");
    await new Promise((resolve) => setTimeout(resolve, 2100));
    assert.equal(await poll(device, { postpone: 31536000 }), "install");
  });

  test("a window is in the device's local time: as it tells, else its group's, else UTC", async () => {
    // Open for the hour that it is now, in UTC.
    const now = new Date();
    const hour = (offset) => `${String((now.getUTCHours() + offset + 24) % 24).padStart(2, "0")}:${String(now.getUTCMinutes()).padStart(2, "0")}`;
    const { hardware, device, devices, rollout } = await world({ window: { from: hour(-2), to: hour(2) } }, 3);
    assert.equal(await poll(device, { utc_offset: 300 }), "none");
    assert.equal(await reason(device), "window");
    assert.equal((await show(device)).utc_offset_minutes, 300);
    assert.equal(await poll(device, { utc_offset: -300 }), "none");
    assert.equal(await poll(device, { utc_offset: 60 }), "install");

    const group = await otad.expect(201, "POST", "/api/v1/groups", { body: { name: `tokyo-${number}`, utc_offset_minutes: 540 } });
    assert.equal(group.utc_offset_minutes, 540);
    await otad.expect(200, "PATCH", `/api/v1/devices/${devices[1].id}`, { body: { group: group.name } });
    assert.equal(await poll(devices[1], {}), "none");
    await otad.restart();
    assert.equal(await poll(devices[1], {}), "none");
    const patched = await otad.expect(200, "PATCH", `/api/v1/groups/${group.id}`, { body: { utc_offset_minutes: null } });
    assert.equal(patched.utc_offset_minutes, null);
    assert.equal(await poll(devices[1], {}), "install");
    assert.equal(await poll(devices[2], {}), "install");
    assert.equal((await stage(rollout)).offered, 3);
    for (const minutes of [1081, -1081, 0.5, "x"]) await otad.refused(400, "field_invalid", "PATCH", `/api/v1/groups/${group.id}`, { body: { utc_offset_minutes: minutes } });
    await otad.refused(404, "not_found", "PATCH", "/api/v1/groups/99999", { body: {} });
    assert.ok(hardware);
  });

  test("wishes that are none are refused", async () => {
    const { device } = await world(null);
    for (const more of [{ opt_out: "yes" }, { opt_out: 2 }, { postpone: -1 }, { postpone: 31536001 }, { postpone: "1h" }, { postpone: "" }, { utc_offset: 1081 }, { utc_offset: "+60" }, { utc_offset: "9".repeat(11) }])
      await otad.refused(400, "poll_malformed", "GET", device.query(more), { token: device.token });
  });

  test("bad events after the confirm make a device unhealthy, and halt the rollout; beyond the health time they do not", async () => {
    const { image, devices, rollout } = await world({ health_seconds: 3600, health_events: 3, stages: [{ percent: 100, failure_count: 1, soak_seconds: 3600 }] }, 2);
    const { deployment } = await devices[0].update(image);
    await devices[0].report(deployment, "health", { events: 2, reason: "watchdog" });
    assert.equal((await otad.showRollout(rollout.id)).state, "running");
    const twice = devices[0].reportBody(deployment, "health", { events: 1 });
    for (let i = 0; i < 2; i++) await otad.expect(204, "POST", "/device/v1/reports", { token: devices[0].token, body: twice });
    const halted = await otad.showRollout(rollout.id);
    assert.deepEqual([halted.state, halted.stages[0].unhealthy], ["halted", 1]);
    assert.equal(await reason(devices[0]), "unhealthy");
    const events = (await otad.expect(200, "GET", `/api/v1/devices/${devices[0].id}/events`)).items;
    assert.deepEqual(events.slice(0, 2).map((event) => [event.event, event.reason, event.log]), [["health", null, "1 bad events"], ["health", "watchdog", "2 bad events"]]);
    await otad.restart("SIGKILL");
    assert.equal((await stage(rollout)).unhealthy, 1);
    for (const more of [{}, { events: 0 }, { events: 65536 }]) await otad.refused(400, "report_malformed", "POST", "/device/v1/reports", { token: devices[0].token, body: devices[0].reportBody(deployment, "health", more) });

    // After the rollout is over, and its tries have left memory, the history still has it.
    const over = await world({ health_seconds: 60, stages: [{ percent: 100 }] });
    const done = await over.device.update(over.image);
    assert.equal((await otad.showRollout(over.rollout.id)).state, "completed");
    await over.device.poll();
    await over.device.poll();
    await otad.restart();
    const late = over.device.reportBody(done.deployment, "health", { events: 4, reason: "crash" });
    for (let i = 0; i < 2; i++) await otad.expect(204, "POST", "/device/v1/reports", { token: over.device.token, body: late });
    const told = (await otad.expect(200, "GET", `/api/v1/devices/${over.device.id}/events`)).items;
    assert.deepEqual(told.filter((event) => event.event === "health").map((event) => event.log), ["4 bad events"]);
    assert.equal((await stage(over.rollout)).succeeded, 1);

    const never = await world({ health_seconds: 0 });
    const manifest = await never.device.update(never.image);
    await never.device.report(manifest.deployment, "health", { events: 1000 });
    assert.equal((await stage(never.rollout)).succeeded, 1);
  });
});
