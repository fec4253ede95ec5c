// otactl as a process, against a server of the test's own that answers what a test wants.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before } from "node:test";

const OTACTL = path.resolve(process.env.BUILD_DIR ?? "build", "otactl");
const MUTE = ["OTACTL_SERVER", "OTACTL_TOKEN", "OTACTL_TOKEN_FILE", "OTACTL_CACERT", "OTACTL_PROFILE"];

export function fakeApi() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "otactl-"));
  const file = (name) => path.join(dir, name);
  const write = (name, content) => {
    fs.writeFileSync(file(name), content);
    return file(name);
  };
  const api = { requests: [], answer: undefined }; // answer: (request, body) => [status, object | undefined]
  let server;

  before(async () => {
    server = http.createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        api.requests.push({ method: request.method, url: request.url, headers: request.headers, body });
        const [status, object] = api.answer(request, body);
        response.writeHead(status, { "Content-Type": "application/json" });
        response.end(object === undefined ? undefined : JSON.stringify(object));
      });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  after(() => {
    server.closeAllConnections();
    server.close();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const url = () => `http://127.0.0.1:${server.address().port}`;

  // Environment without what the caller's shell may have set for a real server.
  function cleanEnv(more) {
    const env = { ...process.env, NO_PROXY: "127.0.0.1", XDG_CONFIG_HOME: file("config"), ...more };
    for (const name of MUTE) if (!(name in more)) delete env[name];
    return env;
  }

  function local(...args) {
    const done = spawnSync(OTACTL, args, { encoding: "utf8", env: cleanEnv({}), timeout: 60000 });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  // Asynchronous, since this process is the server. `input` goes to standard input.
  function run(args, env, { input = "", terminal = false } = {}) {
    api.requests = [];
    const [program, ...rest] = terminal ? ["script", "-qec", [OTACTL, ...args].join(" "), "/dev/null"]
      : [OTACTL, ...args];
    return new Promise((resolve) => {
      const child = spawn(program, rest, { env: cleanEnv(env), stdio: ["pipe", "pipe", "pipe"], timeout: 60000 });
      let out = "";
      let err = "";
      child.stdin.on("error", () => {}); // a program that ends without reading it
      child.stdin.end(input);
      child.stdout.on("data", (data) => (out += data));
      child.stderr.on("data", (data) => (err += data));
      child.on("close", (code) => resolve({ code, out, err }));
    });
  }

  // With the server and a token from the environment.
  const remote = (args, env = {}, how = {}) =>
    run(args, { OTACTL_SERVER: url(), OTACTL_TOKEN: "ota_test", ...env }, how);

  return { api, file, write, url, local, run, remote, OTACTL, cleanEnv };
}
