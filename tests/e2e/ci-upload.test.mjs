// otactl ci-upload against a real otad: what a pipeline may run twice.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { House, makeBody } from "./house.mjs";

const OTACTL = path.resolve(process.env.BUILD_DIR ?? "build", "otactl");
const SIGN = ["--counter", "1", "--product", "lamp", "--hardware", "r1"];
let house;
let body;

before(async () => {
  house = await House.open();
  body = house.file("app.bin");
  fs.writeFileSync(body, makeBody(20000));
});

after(() => house?.close());

const key = () => ["--key", house.file("release.pem")];
const ci = (...args) => house.otactl("ci-upload", ...args, "--json");
const ids = (what) => house.otactl(what, "list", "--json").items.map((item) => item.id);

test("one line signs, uploads and starts a rollout, and the same line again changes nothing", () => {
  const line = [body, ...key(), "--version", "1.0.0", ...SIGN, "--stage", "percent=100", "--start"];
  const first = ci(...line);
  assert.equal(first.uploaded, true);
  assert.equal(first.firmware.version, "1.0.0");
  assert.equal(first.rollout.name, "lamp 1.0.0");
  assert.notEqual(first.rollout.state, "draft");
  const again = ci(...line);
  assert.equal(again.uploaded, false);
  assert.equal(again.firmware.id, first.firmware.id);
  assert.equal(again.rollout.id, first.rollout.id);
  assert.equal(ids("firmware").length, 1);
  assert.equal(ids("rollout").length, 1);
  assert.match(house.otactl("ci-upload", ...line),
    /^firmware 1: lamp r1 1\.0\.0 is there already\nrollout 1 lamp 1\.0\.0: /);
});

test("a run that ended between planning and starting is finished by the next", () => {
  const line = [body, ...key(), "--version", "1.1.0", ...SIGN, "--stage", "percent=100", "--name", "canary"];
  assert.equal(ci(...line).rollout.state, "draft");
  assert.notEqual(ci(...line, "--start").rollout.state, "draft");
});

test("another program under the same version is refused", () => {
  const other = house.file("other.bin");
  fs.writeFileSync(other, makeBody(20000));
  const done = house.tryOtactl("ci-upload", other, ...key(), "--version", "1.1.0", ...SIGN);
  assert.equal(done.status, 1);
  assert.match(done.stderr, /firmware_exists/);
});

test("the key may come as text in the environment, and a signed image needs none", () => {
  const env = { ...process.env, NO_PROXY: "127.0.0.1", XDG_CONFIG_HOME: house.dir, OTACTL_SERVER: house.url,
    OTACTL_TOKEN: "", OTACTL_TOKEN_FILE: house.file("otad/admin-token") };
  const pem = fs.readFileSync(house.file("release.pem"), "utf8");
  const run = (args, more) => spawnSync(OTACTL, ["ci-upload", ...args],
    { encoding: "utf8", timeout: 60000, env: { ...env, ...more } });
  const line = [body, "--version", "1.2.0", ...SIGN];
  const done = run(line, { OTACTL_RELEASE_KEY: pem });
  assert.equal(done.status, 0, done.stderr);
  assert.match(run(line, {}).stderr, /needs --key or \$OTACTL_RELEASE_KEY to sign/);
  const torn = run(line, { OTACTL_RELEASE_KEY: pem.slice(0, 80) });
  assert.equal(torn.status, 1);
  assert.match(torn.stderr, /\$OTACTL_RELEASE_KEY: it holds no key in PEM form/);
  assert.doesNotMatch(torn.stderr, /BEGIN/);

  const image = house.release("1.3.0", 1, makeBody(20000), { upload: false });
  assert.equal(ci(image).uploaded, true);
  assert.equal(ci(image).uploaded, false);
});

test("flags that do not go together are told", () => {
  const image = house.release("1.4.0", 1, makeBody(20000), { upload: false });
  const says = (args, message) => {
    const done = house.tryOtactl("ci-upload", ...args);
    assert.equal(done.status, 2, done.stderr);
    assert.match(done.stderr, message);
  };
  says([image, ...key()], /is a signed image already: leave --key out/);
  says([body, ...key(), "--version", "1.5.0"], /ci-upload needs --counter to sign/);
  says([image, "--start"], /--start needs --stage/);
});

test("the lines of docs/ci.md are ones that otactl takes", () => {
  const page = fs.readFileSync("docs/ci.md", "utf8").replace(/( \\)?\n\s+--/g, " --");
  const commands = page.match(/otactl ci-upload \S+\.(elf|img) .*/g);
  assert.equal(commands.length, 4);
  house.otactl("group", "add", "canary");
  const image = house.release("1.9.0", 1, makeBody(20000), { upload: false });
  let minor = 10;
  for (const command of commands) {
    const args = command.replace(/"\$\{[A-Z_]+#v\}"|1\.4\.0(?!\.img)/, `1.${minor++}.0`)
      .replace(/build\/app\.elf|app\.elf/, body).replace(/app-1\.4\.0\.img/, image).split(/ +/).slice(1);
    if (!args.includes(image)) args.push(...key());
    assert.notEqual(house.otactl(...args), "");
  }
});
