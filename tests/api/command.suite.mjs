// The command line of otad: flags, environment, tokens, and a second server in the same directory.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

const OTAD = path.resolve(process.env.BUILD_DIR ?? "build", "otad");

describe("command", () => {
  let otad;
  before(async () => {
    otad = await Otad.start({ flags: ["--public-url", "https://ota.example.com/"], env: { OTAD_POLL_SECONDS: "1000" } });
  });
  after(() => otad.stop());

  function run(args, env = {}) {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OTAD_")));
    const { status, stdout, stderr } = spawnSync(OTAD, args, { encoding: "utf8", env: { ...clean, ...env }, timeout: 20000 });
    return { status, stdout, stderr };
  }

  test("--version and --help answer", () => {
    assert.match(run(["--version"]).stdout, /^otad \d+\.\d+\.\d+\n$/);
    assert.match(run(["--help"]).stdout, /otad serve --data DIR/);
    assert.match(run(["serve", "--help"]).stdout, /--poll-seconds/);
    assert.equal(run([]).status, 2);
    assert.equal(run(["bogus"]).status, 2);
  });

  test("a bad flag or value is told in one line that says what is allowed", () => {
    const cases = [
      [["serve"], /--data DIR is required/],
      [["serve", "--bogus", "1"], /--bogus/],
      [["serve", "--data"], /--data/],
      [["serve", "--data", "x", "--poll-seconds", "0"], /--poll-seconds 0: must be a whole number from 1/],
      [["serve", "--data", "x", "--poll-seconds", "5x"], /--poll-seconds 5x/],
      [["serve", "--data", "x", "--poll-seconds=-1"], /--poll-seconds -1/],
      [["serve", "--data", "x", "--listen", "8080"], /--listen 8080: must be HOST:PORT/],
      [["serve", "--data", "x", "--listen", "127.0.0.1:99999"], /--listen/],
      [["serve", "--data", "x", "--public-url", "ftp://x"], /--public-url/],
      [["serve", "--data", "x", "--log-level", "loud"], /one of debug, info, warn, error/],
      [["serve", "--data", "x", "--tls-cert", "a"], /--tls-cert and --tls-key go together/],
      [["token", "remove"], /token takes `add`/],
      [["token", "add", "--data", "x", "--name", "n"], /^otad: --role is needed\nusage: otad token add/],
      [["token", "add", "--data", "x", "--name", "n", "--role", "root"], /^otad: --role root: must be viewer, operator or admin\n/],
      [["token", "add", "--data", "x", "--naem", "n"], /^otad: --naem is no flag of this command\n/],
      [["user", "list", "--data"], /^otad: --data needs a value\nusage: otad user add/],
      [["backup", "--data", "x"], /^otad: --to is needed\nusage: otad backup/],
      [["--healthcheck"], /one URL/],
      [["--healthcheck", "file:///x"], /takes http/],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = run(args);
      assert.equal(status, 2, args.join(" "));
      assert.match(stderr, message);
      assert.equal(stderr.split("usage:")[0].trim().split("\n").length, 1, "what is wrong is one line");
    }
    assert.match(run(["serve", "--data", "x"], { OTAD_POLL_SECONDS: "no" }).stderr, /^otad: OTAD_POLL_SECONDS=no: must be/);
  });

  test("what cannot be started is told in the log, with status 1", () => {
    const file = path.join(otad.dir, "a-file");
    fs.writeFileSync(file, "");
    for (const [args, message] of [
      [["--data", file], /a-file/],
      [["--data", "/nonexistent/x"], /No such file/],
      [["--data", path.join(otad.dir, "data"), "--listen", "127.0.0.1:0"], /another otad serves from this directory/],
      [["--data", path.join(otad.dir, "d2"), "--listen", `127.0.0.1:${otad.port}`], /cannot listen on 127.0.0.1/],
      [["--data", path.join(otad.dir, "d3"), "--listen", "nohost.invalid:0"], /nohost.invalid/],
    ]) {
      const { status, stderr } = run(["serve", ...args]);
      assert.equal(status, 1, args.join(" "));
      assert.match(stderr, /"event":"start_failed"/);
      assert.match(stderr, message);
    }
  });

  test("a database of another kind, or of a newer otad, is left alone", async () => {
    const dir = path.join(otad.dir, "d4");
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, "otad.db"), "this is no database, but a text of some length".repeat(100));
    const before = fs.readFileSync(path.join(dir, "otad.db"));
    const { status, stderr } = run(["serve", "--data", dir, "--listen", "127.0.0.1:0"]);
    assert.equal(status, 1);
    assert.match(stderr, /corrupt/);
    assert.deepEqual(fs.readFileSync(path.join(dir, "otad.db")), before);
  });

  test("a server key that is none is not replaced", () => {
    const dir = path.join(otad.dir, "d5");
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, "server-key.pem"), "nonsense");
    const { status, stderr } = run(["serve", "--data", dir, "--listen", "127.0.0.1:0"]);
    assert.equal(status, 1);
    assert.match(stderr, /holds no P-256 private key/);
    assert.equal(fs.readFileSync(path.join(dir, "server-key.pem"), "utf8"), "nonsense");
  });

  test("otad token add works while the server runs, in each role", async () => {
    for (const role of ["viewer", "operator", "admin"]) {
      const { status, stdout } = run(["token", "add", "--data", path.join(otad.dir, "data"), "--name", `cli-${role}`, "--role", role]);
      assert.equal(status, 0);
      await otad.expect(200, "GET", "/api/v1/devices", { token: stdout.trim() });
      assert.equal((await otad.call("GET", "/api/v1/tokens", { token: stdout.trim() })).status, role === "admin" ? 200 : 403);
    }
    assert.equal(run(["token", "add", "--data", "/nonexistent", "--name", "n", "--role", "viewer"]).status, 1);
  });

  test("--healthcheck tells whether the server is ready", () => {
    assert.equal(run(["--healthcheck", otad.url]).status, 0);
    assert.equal(run(["--healthcheck", `${otad.url}/healthz`]).status, 0);
    assert.equal(run(["--healthcheck", `${otad.url}/nothing`]).status, 1);
    assert.equal(run(["--healthcheck", "http://127.0.0.1:1"]).status, 1);
  });

  test("the environment sets what flags do, and links start with the public URL", async () => {
    const device = await otad.device("env-1");
    assert.ok((await device.poll()).poll >= 900);
    const answer = await otad.call("POST", "/api/v1/devices", { body: { id: "env-2", product: "p", hardware: "h" } });
    assert.equal(answer.headers.get("location"), "https://ota.example.com/api/v1/devices/env-2");
  });

  test("the first start alone makes an admin token", async () => {
    const file = path.join(otad.dir, "data", "admin-token");
    const before = fs.readFileSync(file, "utf8");
    await otad.restart();
    assert.equal(fs.readFileSync(file, "utf8"), before);
    assert.ok(!otad.log.includes("first_start"));
  });
});
