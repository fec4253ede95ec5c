// Whatever the API can do, otactl can: each operation of openapi.yaml is reached by a command, but for
// those that are not for a command line. A new one without a command fails here.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";

import { makeBody, House } from "./house.mjs";

const OTACTL = path.resolve(process.env.BUILD_DIR ?? "build/host", "otactl");

const NOT_FOR_PEOPLE = {
  enrollDevice: "devices", pollManifest: "devices", getFirmwareFile: "devices", headFirmwareFile: "devices",
  getPatchFile: "devices", headPatchFile: "devices", report: "devices",
  getHealth: "a container's health check (otad --healthcheck)", getReadiness: "a container's health check (otad --healthcheck)",
  getMetrics: "Prometheus",
  signIn: "a browser's cookie", signOut: "a browser's cookie", changeOwnPassword: "a person who is signed in with a cookie",
};

const STAGE = ["--stage", "percent=100"];
// An operation, and a command that calls it.
const COMMANDS = {
  getServerKey: ["server-key"],
  getSession: ["whoami"],
  listUsers: ["user", "list"],
  addUser: ["user", "add", "mira", "--role", "viewer"],
  changeUser: ["user", "role", "7", "--role", "viewer"],
  deleteUser: ["user", "delete", "7"],
  listTokens: ["token", "list"],
  addToken: ["token", "add", "ci", "--role", "operator"],
  revokeToken: ["token", "delete", "7"],
  listReleaseKeys: ["key", "list"],
  addReleaseKey: ["key", "add", "house", "tests/keys/release.pub.pem"],
  deleteReleaseKey: ["key", "delete", "7"],
  listEnrolmentKeys: ["enrolment-key", "list"],
  addEnrolmentKey: ["enrolment-key", "add", "line", "--product", "lamp", "--policy", "accept"],
  deleteEnrolmentKey: ["enrolment-key", "delete", "7"],
  listWebhooks: ["webhook", "list"],
  addWebhook: ["webhook", "add", "pager", "--url", "https://pager.example/"],
  changeWebhook: ["webhook", "disable", "7"],
  deleteWebhook: ["webhook", "delete", "7"],
  replaceWebhookSecret: ["webhook", "secret", "7"],
  testWebhook: ["webhook", "test", "7"],
  listAudit: ["audit"],
  listFirmware: ["firmware", "list"],
  uploadFirmware: ["firmware", "upload", "IMAGE"],
  getFirmware: ["firmware", "show", "7"],
  changeFirmware: ["firmware", "change", "7", "--security", "on"],
  deleteFirmware: ["firmware", "delete", "7"],
  getFleet: ["fleet"],
  getFleetHistory: ["fleet-history", "--hours", "48"],
  getEvents: ["events", "--count", "1"],
  listGroups: ["group", "list"],
  addGroup: ["group", "add", "canary"],
  changeGroup: ["group", "zone", "7", "--utc-offset", "60"],
  deleteGroup: ["group", "delete", "7"],
  listDevices: ["device", "list"],
  addDevice: ["device", "add", "lamp-1", "--product", "lamp", "--hardware", "r1"],
  importDevices: ["device", "import", "DEVICES"],
  getDevice: ["device", "show", "lamp-1"],
  changeDevice: ["device", "tag", "lamp-1", "site=berlin"],
  deleteDevice: ["device", "delete", "lamp-1"],
  setDeviceTags: ["device", "tag", "lamp-1", "site=berlin", "--replace"],
  explainDevice: ["device", "explain", "lamp-1"],
  notifyDevice: ["device", "notify", "lamp-1"],
  replaceDeviceToken: ["device", "token", "lamp-1"],
  listDeviceEvents: ["device", "events", "lamp-1"],
  listRollouts: ["rollout", "list"],
  addRollout: ["rollout", "create", "--name", "r", "--firmware", "7", ...STAGE],
  planRollout: ["rollout", "plan", "--firmware", "7", ...STAGE],
  getRolloutPlan: ["rollout", "plan", "7"],
  getRollout: ["rollout", "show", "7"],
  listRolloutDevices: ["rollout", "devices", "7"],
  listRolloutEvents: ["rollout", "events", "7"],
  startRollout: ["rollout", "start", "7"],
  scheduleRollout: ["rollout", "schedule", "7", "--at", "2030-01-31T04:00:00Z"],
  advanceRollout: ["rollout", "advance", "7"],
  haltRollout: ["rollout", "halt", "7", "--reason", "loud fan"],
  rollBack: ["rollout", "rollback", "7"],
  pauseRollout: ["rollout", "pause", "7"],
  resumeRollout: ["rollout", "resume", "7"],
  cancelRollout: ["rollout", "cancel", "7"],
};

function operations() {
  const all = [];
  for (const [route, methods] of Object.entries(parse(fs.readFileSync("protocol/openapi.yaml", "utf8")).paths))
    for (const [method, { operationId }] of Object.entries(methods))
      if (operationId) all.push({ id: operationId, method: method.toUpperCase(), route: new RegExp(`^${route.replace(/\{[^}]*\}/g, "[^/]+")}$`) });
  return all;
}

describe("otactl is complete against the API", () => {
  let house;
  let server;
  let calls = [];
  const files = {};
  before(async () => {
    house = await House.open();
    files.IMAGE = house.release("1.0.0", 1, makeBody(2000), { upload: false });
    files.DEVICES = house.file("devices.csv");
    fs.writeFileSync(files.DEVICES, "id,product,hardware,group,tags\nlamp-1,lamp,r1,,\n");
    // Answers everything with one thing of the id 7; what counts is what was asked.
    server = http.createServer((request, response) => {
      calls.push({ method: request.method, path: new URL(request.url, "http://x").pathname });
      request.resume();
      const thing = { id: 7, name: "7", product: "lamp", version: "1.0.0", hash: "00".repeat(32), state: "draft" };
      if (request.url.endsWith("/v1/events")) response.writeHead(200, { "content-type": "text/event-stream" }).end("event: rollout\ndata: {\"id\":7}\n\n");
      else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ...thing, items: [thing], next: null }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(async () => {
    server?.close();
    await house?.close();
  });

  // The stand-in runs in this process, so otactl must not be waited for in it.
  async function run(args) {
    const env = { ...process.env, OTACTL_SERVER: `http://127.0.0.1:${server.address().port}`, OTACTL_TOKEN: "ota_" + "x".repeat(43), XDG_CONFIG_HOME: os.tmpdir() };
    const child = spawn(OTACTL, args.map((arg) => files[arg] ?? arg), { env, stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { said += chunk; });
    child.stdin.end("a long password\na long password\n");
    await once(child, "close");
    return said;
  }

  test("each operation has a command or a reason, and nothing else has one", () => {
    const known = [...Object.keys(COMMANDS), ...Object.keys(NOT_FOR_PEOPLE)].sort();
    assert.deepEqual(operations().map(({ id }) => id).sort(), known);
  });

  for (const { id, method, route } of operations().filter((one) => one.id in COMMANDS)) {
    test(`otactl ${COMMANDS[id].join(" ")} reaches ${id}`, async () => {
      calls = [];
      const said = await run(COMMANDS[id]);
      assert.ok(calls.some((call) => call.method === method && route.test(call.path)), `${said}${JSON.stringify(calls)}`);
    });
  }

  test("what changes is followed line by line, for people and as JSON, over the end of a stream", async () => {
    const lines = (await run(["events", "--count", "3"])).trim().split("\n");
    assert.equal(lines.length, 3, "the stand-in ends each stream after one");
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}rollout 7$/);
    assert.deepEqual(JSON.parse(await run(["events", "--count", "1", "--json"])), { event: "rollout", id: 7 });
  });

  test("a server says hello first, and that a rollout is new; its history has the fleet", async () => {
    const child = spawn(OTACTL, ["events", "--count", "2"], { env: house.environment() });
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += chunk;
      if (/hello\n$/.test(said)) house.otactl("device", "add", "lamp-1", "--product", "lamp", "--hardware", "r1");
    });
    const [code] = await once(child, "close");
    assert.equal(code, 0);
    assert.match(said, /hello\n.* {2}fleet\n$/);
    assert.match(house.otactl("fleet-history"), /^(TIME +PRODUCT +VERSION +DEVICES\n|no sample)/);
    assert.equal(house.tryOtactl("fleet-history", "--hours", "0").status, 2);
  });

  test("the tags of a device are replaced as a whole", () => {
    house.otactl("device", "add", "lamp-2", "--product", "lamp", "--hardware", "r1");
    house.otactl("device", "tag", "lamp-2", "site=berlin", "ring=beta");
    assert.equal(house.otactl("device", "tag", "lamp-2", "floor=2", "--replace"), "device lamp-2: floor=2\n");
  });
});
