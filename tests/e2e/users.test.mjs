// otactl against a real otad: people, whose token it is, the fleet in numbers, finding devices.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";

import { House, makeBody, until } from "./house.mjs";

const OTACTL = path.resolve(process.env.BUILD_DIR ?? "build", "otactl");
let house;

before(async () => (house = await House.open()));
after(() => house?.close());

const type = (line, ...args) => spawnSync(OTACTL, args,
  { encoding: "utf8", timeout: 60000, input: line, env: house.environment() });

async function signsIn(user, password) {
  const answer = await fetch(`${house.url}/api/v1/session`, { method: "POST", body: JSON.stringify({ user, password }),
    headers: { "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", Origin: house.url } });
  return answer.status === 201;
}

test("a user is added, signs in, gets another role and password, and goes", async () => {
  const added = type("correct horse\n", "user", "add", "ann", "--role", "viewer");
  assert.equal(added.status, 0, added.stderr);
  assert.doesNotMatch(added.stdout + added.stderr, /correct horse/);
  assert.ok(await signsIn("ann", "correct horse"));
  assert.match(house.otactl("user", "role", "ann", "--role", "operator"), /operator/);
  assert.equal(type("battery staple\n", "user", "password", "ann").status, 0);
  assert.ok(!(await signsIn("ann", "correct horse")));
  assert.ok(await signsIn("ann", "battery staple"));
  assert.match(house.otactl("user", "list"), /^\d+ +ann +operator /m);
  house.otactl("user", "delete", "ann");
  assert.ok(!(await signsIn("ann", "battery staple")));
  const short = type("short\n", "user", "add", "bob", "--role", "viewer");
  assert.equal(short.status, 2);
  assert.match(short.stderr, /a password has 10 to 200 characters, this has 5/);
  assert.equal(type("", "user", "add", "bob", "--role", "viewer").status, 2, "no password at all");
});

test("login and whoami tell whose token it is", () => {
  const token = house.otactl("token", "add", "ci", "--role", "operator", "--days", "30").trim();
  const done = type(`${token}\n`, "login", "--profile", "lab", "--server", house.url);
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, /as ci \(operator\), profile lab\n/);
  assert.match(house.otactl("whoami", "--profile", "lab"), /role +operator\n/);
  assert.match(house.otactl("whoami"), /role +admin\n/);
});

test("the fleet is counted, and devices are found by what they are", async () => {
  for (const id of ["lamp-1", "lamp-2", "door-1"])
    house.otactl("device", "add", id, "--product", "lamp", "--hardware", "r1", "-o", house.file(`${id}.token`));
  await until("the count", 20000, () => /never seen +3\n/.test(house.otactl("fleet")));
  const ids = (...filters) => house.otactl("device", "list", ...filters, "--json").items.map((item) => item.id).sort();
  assert.deepEqual(ids("-q", "LAMP"), ["lamp-1", "lamp-2"]);
  assert.deepEqual(ids("--presence", "online"), []);
  assert.deepEqual(ids("--presence", "never", "-q", "door"), ["door-1"]);
});

test("a release is marked as a security release that demands a least version, and unmarked", () => {
  house.release("2.0.0", 1, makeBody(3000));
  const change = (...flags) => house.otactl("firmware", "change", "lamp@2.0.0", ...flags, "--json");
  assert.equal(change("--security", "on").security, true);
  assert.equal(change("--version-min", "1.5.0").version_min, "1.5.0");
  const none = change("--version-min", "none", "--security", "off");
  assert.equal(none.version_min, null);
  assert.equal(none.security, false);
  assert.equal(house.tryOtactl("firmware", "change", "lamp@2.0.0").status, 2);
});
