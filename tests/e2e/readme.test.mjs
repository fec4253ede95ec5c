// Every shell snippet of the README, run as it stands, in the order of the page, in an empty directory.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { makeBody } from "./house.mjs";

const BUILD = path.resolve(process.env.BUILD_DIR ?? "build");
const README = fs.readFileSync("README.md", "utf8");
let dir;

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// What the script printed on stdout and stderr, and its exit code. Its process group ends with it.
function run(script, cwd) {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
      cwd, detached: true, stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_PROXY: "127.0.0.1" },
    });
    let out = "";
    const limit = setTimeout(() => process.kill(-child.pid, "SIGKILL"), 60000);
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (out += data));
    child.on("exit", (code, signal) => {
      clearTimeout(limit);
      try {
        process.kill(-child.pid, "SIGKILL"); // the server and the device that the snippets started
      } catch { /* they have ended */ }
      child.on("close", () => resolve({ code: code ?? signal, out }));
    });
  });
}

before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "readme-"));
  fs.symlinkSync(BUILD, path.join(dir, "build"));
  for (const version of ["1.0", "1.1"])
    fs.writeFileSync(path.join(dir, `app-${version}.bin`), makeBody(40000));
});

after(() => fs.rmSync(dir, { recursive: true, force: true }));

test("the README's snippets update a device", async () => {
  const port = await freePort();
  const snippets = [...README.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1]);
  assert.ok(snippets.length >= 5);
  const script = snippets.join("\n").replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`);
  const { code, out } = await run(script, dir);
  assert.equal(code, 0, out);
  assert.match(out, /rollout 1 lamp 1\.1: completed/);
  assert.match(out, /version +1\.1\.0\n/);
  assert.match(out, /rollout 2 .*: completed/, "it goes back");
  assert.match(out, /confirmed/);
  assert.match(out, /"payloadType": ?"application\/vnd\.otad\.manifest\+json"/);
});

test("the README's two commands are the ones that exist", () => {
  const commands = [...README.matchAll(/^ {4}sh scripts\/setup && make (\w+)$/gm)].map((match) => match[1]);
  assert.deepEqual(commands, ["demo", "test"]);
  const makefiles = ["Makefile", "tests/module.mk", "tests/demo/demo.mk"]
    .map((file) => fs.readFileSync(file, "utf8")).join("\n");
  for (const target of commands) assert.match(makefiles, new RegExp(`^${target}:`, "m"));
  assert.ok(fs.existsSync("scripts/setup"));
});

test("every file that the README links to is there", () => {
  for (const [, target] of README.matchAll(/\]\(([^)#:]+)\)/g))
    assert.ok(fs.existsSync(target), target);
});
