// Every shell snippet of docs/quickstart.md, in the order of the page, with `docker` being podman and a
// free port instead of 8443. The page's own last step cleans up; what a failure leaves is removed.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";

const PAGE = fs.readFileSync("docs/quickstart.md", "utf8");
const MINUTES = 15; // its first run builds two images
const root = process.cwd();
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "quickstart-"));
const env = { ...process.env, DOCKER_TEST_ROOT: root, PATH: `${root}/tests/docker:${process.env.PATH}`, NO_PROXY: "localhost" };

after(() => {
  spawnSync("docker", ["rm", "-f", "lamp-1"], { env, stdio: "ignore" });
  spawnSync("docker", ["compose", "-f", "docker/compose.yaml", "down", "-v"], { env, stdio: "ignore", cwd: dir });
  fs.rmSync(dir, { recursive: true, force: true });
});

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

test("the quickstart's snippets update a device", async () => {
  const port = await freePort();
  const snippets = [...PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, snippet]) => snippet);
  assert.ok(snippets.length >= 6);
  // In a copy of the tree, since the page makes a directory in it.
  for (const name of fs.readdirSync(root).filter((entry) => !["build", ".git", "node_modules"].includes(entry)))
    fs.cpSync(path.join(root, name), path.join(dir, name), { recursive: true });
  const script = snippets.join("\n").replaceAll("localhost:8443", `localhost:${port}`);
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], { cwd: dir, env: { ...env, OTAD_PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"], timeout: MINUTES * 60000 });
  let out = "";
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (out += data));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, out.slice(-6000));
  assert.match(out, /"version": ?"1\.1\.0"/);
  assert.match(out, /"event": ?"confirmed"/);
  assert.match(out, /boot 1\.1\.0 on trial/);
});
