// What Prometheus, Grafana and a person who reads the log rely on.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { parse } from "yaml";

import { Otad, until } from "./lib/otad.mjs";

const RULES = parse(fs.readFileSync("packaging/prometheus-rules.yml", "utf8"));
const DASHBOARD = JSON.parse(fs.readFileSync("packaging/grafana-dashboard.json", "utf8"));
const LABELS = {
  state: /^(accepted|pending|rejected|draft|scheduled|running|paused|halted|completed|cancelled|offered|downloading|installing|trial|retry)$/,
  kind: /^(poll|report|download|operator|other)$/,
  status: /^(0|[2-5]xx)$/,
  event: /^(malformed|downloading|installed|trial|confirmed|reverted|failed|health)$/,
  le: /^(\+Inf|[0-9.]+)$/,
  version: /^\d+\.\d+\.\d+$/,
};

// { families: name => type, values: "name{labels}" => number }
function read(text) {
  const families = new Map();
  const values = new Map();
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) families.set(type[1], type[2]);
    if (line.startsWith("#")) continue;
    const value = /^([a-z_]+(?:\{[^}]*\})?) (\S+)$/.exec(line);
    assert.ok(value && Number.isFinite(Number(value[2])), line);
    assert.ok(!values.has(value[1]), `${value[1]} stands twice`);
    values.set(value[1], Number(value[2]));
  }
  return { families, values };
}

describe("metrics and log", () => {
  let otad;
  const scrape = async () => read((await otad.call("GET", "/metrics")).bytes.toString());

  before(async () => (otad = await Otad.start()));
  after(() => otad?.stop());

  test("every series has a type and labels out of a fixed set", async () => {
    await otad.call("GET", "/api/v1/devices/none");
    const { families, values } = await scrape();
    for (const key of values.keys()) {
      const [, name, labels] = /^([a-z_]+)(?:\{(.*)\})?$/.exec(key);
      const family = name.replace(/_(bucket|sum|count)$/, "");
      assert.ok(families.has(name) || families.get(family) === "histogram", key);
      assert.equal(families.get(name) === "counter", name.endsWith("_total"), `${name}: counters end with _total`);
      for (const [, label, value] of (labels ?? "").matchAll(/([a-z]+)="([^"]*)"/g))
        assert.match(value, LABELS[label] ?? assert.fail(`the label ${label} of ${name}`), key);
    }
  });

  test("the number of series does not grow with devices, rollouts and paths", async () => {
    const before = (await scrape()).values.size;
    for (let i = 0; i < 20; i++) {
      await otad.device(`m-${i}`);
      await otad.call("GET", `/api/v1/devices/unknown-${i}`);
    }
    const { values } = await scrape();
    assert.equal(values.size, before);
    assert.equal(values.get('otad_devices{state="accepted"}'), 20);
    assert.equal(values.get("otad_devices_never_seen"), 20);
    assert.ok(values.get('otad_http_requests_total{kind="operator",status="4xx"}') >= 20);
    assert.ok(values.get('otad_http_request_duration_seconds_bucket{kind="operator",le="+Inf"}') >= 40);
    assert.ok(values.get("otad_database_bytes") > 4096 && values.get("otad_data_free_bytes") > 0);
    assert.ok(Math.abs(values.get("process_start_time_seconds") - Date.now() / 1000) < 600);
  });

  test("every metric that the alerts and the dashboard ask for is there", async () => {
    const { families } = await scrape();
    const expressions = [
      ...RULES.groups.flatMap((group) => group.rules.map((rule) => rule.expr)),
      ...DASHBOARD.panels.flatMap((panel) => panel.targets.map((target) => target.expr)),
      ...DASHBOARD.templating.list.map((variable) => variable.query),
    ];
    const names = new Set(expressions.flatMap((text) => text.match(/\b(otad|process)_[a-z_]+/g) ?? []));
    assert.ok(names.size >= 15);
    for (const name of names) assert.ok(families.has(name.replace(/_bucket$/, "")), name);
    const places = DASHBOARD.panels.map(({ gridPos: { x, y, w } }) => `${x},${y},${w}`);
    assert.equal(new Set(places).size, places.length);
  });

  test("an error answer, its header and the log's line have the same request id, unique across restarts", async () => {
    const ask = async () => {
      const answer = await otad.call("GET", "/api/v1/devices/nobody");
      assert.equal(answer.status, 404);
      assert.equal(answer.headers.get("x-request-id"), answer.body.request_id);
      const line = await until(() => otad.log.split("\n").find((text) => text.includes(`"${answer.body.request_id}"`)), "the log's line");
      assert.equal(JSON.parse(line).status, 404);
      assert.equal(JSON.parse(line).path, "/api/v1/devices/nobody");
      return answer.body.request_id;
    };
    const first = await ask();
    assert.notEqual(await ask(), first);
    const good = await otad.call("GET", "/api/v1/devices");
    assert.equal(good.headers.get("x-request-id"), null);
    await otad.end("SIGTERM");
    await otad.launch();
    assert.notEqual((await ask()).split("-")[0], first.split("-")[0]);
  });

  test("every line of the log is JSON with a time, a level and an event", () => {
    const lines = otad.log.split("\n").filter((line) => line && !line.startsWith("listening on "));
    assert.ok(lines.length >= 2);
    for (const line of lines) {
      const { time, level, event } = JSON.parse(line);
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.match(level, /^(debug|info|warn|error)$/);
      assert.match(event, /^[a-z_]+$/);
    }
  });
});
