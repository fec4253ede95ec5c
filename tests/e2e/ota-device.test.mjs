// The command line of ota-device: what it refuses, and what it says.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { runDevice } from "./lib/device.mjs";

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "ota-device-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

const write = (name, content) => {
  fs.writeFileSync(path.join(dir, name), content);
  return path.join(dir, name);
};

const good = {
  "--dir": path.join(dir, "d"),
  "--server": "http://127.0.0.1:9",
  "--id": "dev-1",
  "--product": "p",
  "--hardware": "h",
  "--token-file": write("token", "otd_x\n"),
  "--server-key": "tests/keys/server.pub.pem",
  "--release-key": "tests/keys/release.pub.pem",
};

const run = (changes) =>
  runDevice(Object.entries({ ...good, ...changes }).filter(([, value]) => value !== null).flat());

const refused = [
  [{ "--dir": null }, /--dir is missing/],
  [{ "--server": null }, /--server is missing/],
  [{ "--id": null }, /--id is missing/],
  [{ "--product": null }, /--product is missing/],
  [{ "--hardware": null }, /--hardware is missing/],
  [{ "--server-key": null }, /--server-key is missing/],
  [{ "--release-key": null }, /--release-key is missing/],
  [{ "--token-file": null }, /--token-file or --enrolment-key-file is missing/],
  [{ "--server": "https://h" }, /https:\/\/ needs --cacert/],
  [{ "--server": "ftp://h" }, /must be http:\/\/HOST/],
  [{ "--server": "http://" }, /must name a host/],
  [{ "--server": "http://[::1]" }, /must name a host/],
  [{ "--server": "http://h/p" }, /must have no path/],
  [{ "--server": "http://h:0" }, /port from 1 to 65535/],
  [{ "--server": "http://h:65536" }, /port from 1 to 65535/],
  [{ "--server": "http://h:" }, /port from 1 to 65535/],
  [{ "--id": "-x" }, /--id -x: must be 1 to 64/],
  [{ "--product": "a b" }, /--product a b: must be 1 to 32/],
  [{ "--hardware": "h".repeat(33) }, /must be 1 to 32/],
  [{ "--token-file": path.join(dir, "none") }, /--token-file .*No such file/],
  [{ "--token-file": write("two", "otd_x\notd_y\n") }, /must hold one line/],
  [{ "--token-file": write("empty", "\n") }, /must hold one line/],
  [{ "--token-file": write("long", "x".repeat(65)) }, /must hold one line/],
  [{ "--server-key": "tests/keys/server.pem" }, /is a private key/],
  [{ "--server-key": "tests/keys/server.point" }, /is no PEM file/],
  [{ "--release-key": write("p384.pem", "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE\n-----END PUBLIC KEY-----\n") }, /is no ECDSA P-256 key/],
  [{ "--poll-seconds": "0" }, /--poll-seconds 0: must be a number from 1 to 604800/],
  [{ "--poll-seconds": "1x" }, /must be a number/],
  [{ "--range-bytes": "-1" }, /must be a number from 512/],
  [{ "--timeout-seconds": "99999999999999999999" }, /must be a number/],
  [{ "--wrong": "x" }, /unrecognized option/],
  [{ extra: "argument" }, /extra: not an option/],
];
for (const [changes, message] of refused)
  test(`refuses ${Object.entries(changes).map(([k, v]) => (v === null ? `no ${k}` : `${k} ${path.basename(v)}`))[0].slice(0, 60)}`, async () => {
    const { code, err } = await run(changes);
    assert.equal(code, 2);
    assert.match(err, message);
  });

test("tells its options", async () => {
  const { code, out } = await runDevice(["--help"]);
  assert.equal(code, 0);
  for (const option of Object.keys(good)) assert.ok(out.includes(option), option);
});

test("says that a new device wants an image", async () => {
  const { code, err } = await run({});
  assert.equal(code, 1);
  assert.match(err, /nothing to start: .*; a new device wants --image/);
});

test("says when the first image can't be one", async () => {
  const tooLong = write("huge.img", Buffer.alloc(3 * 131072 + 1, 1));
  for (const image of [tooLong, write("none.img", ""), path.join(dir, "missing.img")]) {
    const { code, err } = await run({ "--dir": path.join(dir, "fresh"), "--image": image });
    assert.equal(code, 1);
    assert.match(err, /ota-device: .*(first image|No such file)/);
  }
});

test("starts nothing that a foreign key signed", async () => {
  const image = "tests/vectors/images/good.img";
  const { code, err } = await run({
    "--dir": path.join(dir, "foreign"), "--product": "demo-hub", "--hardware": "stm32f407",
    "--image": image, "--release-key": "tests/keys/release2.pub.pem",
  });
  assert.equal(code, 1);
  assert.match(err, /nothing to start: (unknown_key|signature)/);
});
