// What the rows of the bench have in common: programs, processor time, medians, interleaving.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

export const BUILD = process.env.BUILD_DIR ?? "build/host";
export const QUICK = process.env.BENCH_QUICK === "1";
export const FLEET = Number(process.env.BENCH_DEVICES ?? (QUICK ? 100000 : 1000000));
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? (QUICK ? 2 : 5));
export const SECONDS = QUICK ? 1 : 2; // of one measurement

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const pin = (core, command) => ["taskset", "-c", String(core), ...command];

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Run to the end; what it printed. A program that fails fails the bench.
export function output(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    let errors = "";
    child.stdout.on("data", (data) => (text += data));
    child.stderr.on("data", (data) => (errors += data));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`${command.join(" ")}: status ${code}\n${errors.slice(-2000)}`))));
  });
}

const program = (name) => path.resolve(BUILD, "tests", name);
export const fleetTool = (...args) => output([program("bench-fleet"), ...args.map(String)]);
const json = async (command) => JSON.parse(await output(command));

// `options`: the flags of bench-load. Core 1, for itself, unless told otherwise.
export function load(options, { core = 1 } = {}) {
  const flags = Object.entries({ ...options, ...(core === null ? {} : { spin: true }) }).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
  const command = [program("bench-load"), ...flags];
  return json(core === null ? command : pin(core, command));
}

export const handshakes = (port, target, more) => json(pin(1, [program("bench-tls"), "--port", String(port), "--seconds", String(SECONDS), "--threads", "8", ...more, target]));

export async function wrk(url, headers, connections) {
  const text = await output(pin(1, ["wrk", "-t1", `-c${connections}`, `-d${SECONDS}s`, ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]), url]));
  assert.ok(!/Non-2xx|Socket errors/.test(text), `${url}: ${text}`);
  return { good: Number(/(\d+) requests in/.exec(text)[1]), per_second: Number(/Requests\/sec:\s*([\d.]+)/.exec(text)[1]) };
}

// Nanoseconds that the threads of a process have run.
export function cpu(pid) {
  let sum = 0;
  for (const task of fs.readdirSync(`/proc/${pid}/task`)) sum += Number(fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
  return sum;
}

// One measurement of a server: what `run` gives, and the server's processor time a good answer.
export async function measure(server, run) {
  const before = cpu(server.pid);
  const result = await run(server);
  const used = cpu(server.pid) - before;
  assert.ok(result.good > 0 && !result.errors, `${server.name}: ${JSON.stringify(result)}`);
  return { ...result, cpu_us: used / 1000 / result.good };
}

// A B, B A, A B, ...: the medians of the rounds' ratios.
export async function interleave(a, b) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const pair = [null, null];
    for (const side of round % 2 ? [1, 0] : [0, 1]) pair[side] = await [a, b][side]();
    rounds.push(pair);
  }
  return {
    rate: median(rounds.map(([x, y]) => x.per_second / y.per_second)),
    cpu: median(rounds.map(([x, y]) => x.cpu_us / y.cpu_us)),
    ours: { per_second: median(rounds.map(([x]) => x.per_second)), cpu_us: median(rounds.map(([x]) => x.cpu_us)) },
    theirs: { per_second: median(rounds.map(([, y]) => y.per_second)), cpu_us: median(rounds.map(([, y]) => y.cpu_us)) },
  };
}

export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// nginx with one worker on core 0. `server`: lines for the server block.
export async function startNginx(dir, server, { tls = "" } = {}) {
  const port = await freePort();
  fs.mkdirSync(dir, { recursive: true });
  const config = `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
${process.getuid() === 0 ? "user root;" : ""}
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; server_tokens off;
  client_body_temp_path ${dir}/a; proxy_temp_path ${dir}/b; fastcgi_temp_path ${dir}/c; uwsgi_temp_path ${dir}/d; scgi_temp_path ${dir}/e;
  server { listen 127.0.0.1:${port}${tls && " ssl"} backlog=1024; ${tls} ${server} }
}
`;
  fs.writeFileSync(`${dir}/nginx.conf`, config);
  const command = pin(0, ["nginx", "-p", dir, "-c", `${dir}/nginx.conf`]);
  const child = spawn(command[0], command.slice(1), { stdio: "ignore" });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const worker = () => fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0];
  for (let i = 0; i < 200 && !(child.exitCode === null && worker()); i++) await sleep(50);
  assert.ok(child.exitCode === null, `nginx does not start: see ${dir}/error.log`);
  await sleep(200);
  return { name: "nginx", port, pid: Number(worker()), url: `${tls ? "https" : "http"}://127.0.0.1:${port}`, stop: () => (child.kill("SIGTERM"), exited) };
}
