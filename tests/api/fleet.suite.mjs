// The fleet in numbers, its history, and the stream of what changes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad, until } from "./lib/otad.mjs";

// Events as { event, data } as they come.
async function listen(otad) {
  const abort = new AbortController();
  const response = await fetch(`${otad.url}/api/v1/events`, { headers: { authorization: `Bearer ${otad.admin}` }, signal: abort.signal });
  const events = [];
  const stream = { status: response.status, type: response.headers.get("content-type"), events, ended: false, close: () => abort.abort() };
  if (response.status !== 200) {
    abort.abort();
    return stream;
  }
  stream.done = (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      text += decoder.decode(chunk, { stream: true });
      for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
        const fields = Object.fromEntries(text.slice(0, end).split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2)));
        if (fields.event) events.push({ event: fields.event, data: JSON.parse(fields.data) });
      }
    }
    stream.ended = true;
  })().catch(() => {});
  return stream;
}

describe("the fleet in numbers", () => {
  let otad;
  before(async () => {
    otad = await Otad.start({ flags: ["--poll-seconds", "1"] });
    await otad.releaseKey();
  });
  after(() => otad.stop());
  const fleet = () => otad.expect(200, "GET", "/api/v1/fleet");
  const counted = (what, probe) => until(async () => { const f = await fleet(); return probe(f) && f; }, what);

  test("counts devices by when they were heard, and what they run", async () => {
    const empty = await fleet();
    assert.deepEqual([empty.devices, empty.online, empty.versions], [0, 0, []]);
    const a = await otad.device("fleet-a");
    await otad.device("fleet-b");
    await a.poll();
    const now = await counted("two devices", (f) => f.devices === 2 && f.online === 1);
    assert.deepEqual([now.stale, now.never_seen, now.failing, now.updating], [0, 1, 0, 0]);
    assert.deepEqual(now.versions.map(({ version, devices }) => [version, devices]).sort(), [["0.9.0", 1], [null, 1]].sort());
    assert.equal(now.online_seconds, 33);
  });

  test("a device that updates and one that failed are counted while the rollout lasts", async () => {
    const image = await otad.upload({ version: "1.0.0" });
    const device = await otad.device("fleet-c");
    const rollout = await otad.rollout({ firmware: image.id, stages: [{ percent: 100, failure_count: 5 }] });
    const manifest = await device.offered();
    await counted("one that updates", (f) => f.updating === 1);
    await device.report(manifest.deployment, "failed", { reason: "flash_write" });
    await counted("one that fails", (f) => f.failing === 1 && f.updating === 0);
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/cancel`);
    await counted("none that fails", (f) => f.failing === 0);
  });

  test("the history has a sample soon, and refuses what is no number of hours", async () => {
    const history = await until(async () => {
      const got = await otad.expect(200, "GET", "/api/v1/fleet/history?hours=1");
      return got.samples.length > 0 && got;
    }, "a sample", 90000);
    const sample = history.samples.at(-1);
    assert.ok(Date.parse(sample.time) <= Date.now() && Date.parse(sample.time) % 60000 === 0);
    assert.ok(sample.versions.every((row) => row.devices > 0));
    for (const query of ["hours=0", "hours=2161", "hours=x", "days=1"]) await otad.refused(400, "query_invalid", "GET", `/api/v1/fleet/history?${query}`);
  });

  test("devices are found by a part of the id, version, tags, presence and progress", async () => {
    const ids = async (query) => (await otad.expect(200, "GET", `/api/v1/devices?${query}`)).items.map((device) => device.id).sort();
    await otad.expect(200, "PUT", "/api/v1/devices/fleet-b/tags", { body: { site: "lyon" } });
    assert.deepEqual(await ids("q=LEET-B"), ["fleet-b"]);
    assert.deepEqual(await ids("q=nothing-like-it"), []);
    assert.deepEqual(await ids("version=0.9.0"), ["fleet-a", "fleet-c"]);
    assert.deepEqual(await ids("tags=site%3Dlyon"), ["fleet-b"]);
    assert.deepEqual(await ids("tags=!site&q=fleet"), ["fleet-a", "fleet-c"]);
    assert.deepEqual(await ids("presence=never"), ["fleet-b"]);
    assert.deepEqual(await ids("presence=online&state=accepted"), ["fleet-a", "fleet-c"]);
    assert.deepEqual(await ids("progress=failing"), []);
    const shown = await otad.expect(200, "GET", "/api/v1/devices/fleet-b");
    assert.deepEqual([shown.presence, shown.progress], ["never", null]);
    const first = await otad.expect(200, "GET", "/api/v1/devices?q=fleet&limit=2");
    const rest = await otad.expect(200, "GET", `/api/v1/devices?q=fleet&limit=2&cursor=${first.next}`);
    assert.deepEqual([...first.items, ...rest.items].map((device) => device.id), ["fleet-a", "fleet-b", "fleet-c"]);
    assert.equal(rest.next, null);
    for (const query of ["version=x", "tags=a%3D%3D%3D", "presence=gone", "progress=none", `q=${"x".repeat(65)}`]) await otad.refused(400, "query_invalid", "GET", `/api/v1/devices?${query}`);
  });

  test("a stream says hello, then which rollout and that the fleet changed", async () => {
    const stream = await listen(otad);
    assert.equal(stream.status, 200);
    assert.equal(stream.type, "text/event-stream");
    await until(() => stream.events[0]?.event === "hello", "hello");
    const image = await otad.upload({ version: "1.1.0" });
    const rollout = await otad.rollout({ firmware: image.id }, { start: false });
    const says = (event, id) => stream.events.some((one) => one.event === event && one.data.id === id);
    await until(() => says("rollout", rollout.id), "the new rollout");
    const before = stream.events.length;
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/start`);
    await until(() => stream.events.slice(before).some((one) => one.data.id === rollout.id), "its start");
    await otad.device("fleet-d");
    await until(() => stream.events.slice(before).some((one) => one.event === "fleet"), "the new device");
    stream.close();
    await stream.done;
  });

  test("64 streams are open at once, more are told to wait, and a closed one makes room", async () => {
    await until(async () => { const probe = await listen(otad); probe.close(); return probe.status === 200; }, "room");
    const streams = [];
    await until(async () => {
      const stream = await listen(otad);
      if (stream.status === 200) streams.push(stream);
      return stream.status !== 200;
    }, "the limit");
    assert.ok(streams.length >= 62 && streams.length <= 64, `${streams.length}`);
    const busy = await otad.call("GET", "/api/v1/events");
    assert.equal(busy.body.code, "too_many_streams");
    await otad.device("fleet-e"); // those that are closed are found out when something is said to them
    await until(() => streams.every((stream) => stream.events.some((one) => one.event === "fleet")), "the news on each");
    for (const stream of streams) stream.close();
    await until(async () => { await otad.device(`fleet-${Date.now()}`); const probe = await listen(otad); probe.close(); return probe.status === 200; }, "room again", 60000);
    await otad.expect(200, "GET", "/api/v1/fleet");
  });

  test("a stream ends at once when the server stops", async () => {
    const stream = await listen(otad);
    await until(() => stream.events.length > 0, "hello");
    const began = Date.now();
    await otad.restart();
    await until(() => stream.ended, "its end");
    assert.ok(Date.now() - began < 8000, "the server did not wait for it");
  });
});
