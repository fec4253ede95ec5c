// The rows of the bench, in the order in which they run. Each: what is measured, the goal, and how. A goal
// is { min } or { max }; `value` is what stands beside it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

import { makeImage } from "../api/lib/image.mjs";
import { Otad, until } from "../api/lib/otad.mjs";
import { FLEET, QUICK, SECONDS, fleetTool, handshakes, interleave, load, measure, median, output, pin, sleep, startNginx, wrk } from "./tools.mjs";

const PRODUCT = { product: "bench-hub", hardware: "r1" };
const RUNS = { version: "1.0.0", hash: "11".repeat(32), counter: 1 };
const REPORTERS = 2000;

const round = (value, digits = 2) => Number(value.toFixed(digits));
const pollTarget = (more = {}) => `/device/v1/manifest?${new URLSearchParams({ ...PRODUCT, ...RUNS, ...more })}`;

// What a device shows, as tests/bench/device.c makes it.
async function deviceToken(number) {
  const { createHash } = await import("node:crypto");
  return `otd_${createHash("sha256").update(`bench token ${number}`).digest("base64url")}`;
}

// Until this machine's firewall has room for so many connections. It remembers each for two minutes after its end, and
// drops what is one too many without a word: connections of earlier steps are in the way, which in the world of the
// row are other machines'. One that never has the room loses some, and the row tells.
async function roomFor(connections) {
  const read = (name) => {
    const file = `/proc/sys/net/netfilter/nf_conntrack_${name}`;
    return fs.existsSync(file) ? Number(fs.readFileSync(file, "utf8")) : Infinity;
  };
  for (let i = 0; i < 130 && read("count") + connections > read("max"); i++) await sleep(1000);
}

export class Bench {
  constructor(dir) {
    this.dir = dir;
    this.rows = [];
    this.seq = Date.now();
  }

  add(name, value, goal, detail) {
    const good = goal.min !== undefined ? value >= goal.min : value <= goal.max;
    this.rows.push({ name, value, goal, pass: good, detail });
    const limit = goal.min !== undefined ? `at least ${goal.min}` : `at most ${goal.max}`;
    process.stderr.write(`  ${name}: ${value} (${limit})\n`);
  }

  // ---- servers ----

  // One thread on core 0 for comparisons with one nginx worker; as shipped otherwise.
  async start(mode) {
    const alone = mode === "one core";
    this.mode = mode;
    const wrap = alone ? pin(0, []) : [];
    const flags = ["--log-level", "error", ...(alone ? ["--threads", "1"] : [])];
    if (this.otad) {
      this.otad.flags = flags;
      await this.otad.launch(wrap);
    } else {
      this.otad = await Otad.start({ dir: this.dir, flags, wrap });
    }
  }

  async shipped() {
    const runs = this.otad.process.exitCode === null && this.otad.process.signalCode === null;
    if (this.mode === "as shipped" && runs) return;
    if (runs) await this.otad.end();
    await this.start("as shipped");
  }

  get server() {
    return { name: "otad", port: this.otad.port, pid: this.otad.process.pid, url: this.otad.url };
  }

  nginxAnswering(total) {
    // The same number of bytes on the wire: the head of its answer is 121 + the digits of the length.
    return startNginx(path.join(this.dir, "nginx"), `location / { return 200 "${"x".repeat(Math.max(0, total - 148))}"; }`);
  }

  async prepare() {
    fs.mkdirSync(path.join(this.dir, "data"), { recursive: true, mode: 0o700 });
    const began = Date.now();
    await fleetTool("fill", path.join(this.dir, "data", "otad.db"), FLEET);
    process.stderr.write(`  ${FLEET} devices written in ${round((Date.now() - began) / 1000, 1)} s\n`);
    await this.start("one core");
    await this.otad.releaseKey();
    this.image = await this.otad.upload({ ...PRODUCT, version: "1.1.0", counter: 1, size: 1500000 });
    this.later = await this.otad.upload({ ...PRODUCT, version: "1.2.0", counter: 1, size: 5000 });
    this.rollout = await this.otad.rollout({ firmware: this.image.id, stages: [{ group: "canary" }, { percent: 100 }] });
    await this.offer();
  }

  // Devices 1 to REPORTERS take the offer; the list tells their deployments to bench-load.
  async offer() {
    const result = await load({ port: this.otad.port, kind: "nonce", devices: `1:${REPORTERS}`, rate: 2000, seconds: REPORTERS / 2000 });
    assert.equal(result.good, REPORTERS, JSON.stringify(result));
    const lines = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await this.otad.expect(200, "GET", `/api/v1/rollouts/${this.rollout.id}/devices?limit=500${cursor && `&cursor=${cursor}`}`);
      lines.push(...page.items.map((item) => `${item.device} ${item.deployment}\n`));
      cursor = page.next;
    }
    assert.equal(lines.length, REPORTERS);
    this.list = path.join(this.dir, "deployments");
    fs.writeFileSync(this.list, lines.join(""));
  }

  // ---- rows ----

  async poll() {
    const token = await deviceToken(FLEET - 1);
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(this.otad.url + pollTarget(), { headers });
    assert.equal(answer.status, 204);
    const bytes = "HTTP/1.1 204 No Content\r\n\r\n".length + [...answer.headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
    const nginx = await this.nginxAnswering(bytes);
    try {
      const one = await interleave(() => measure(this.server, ({ url }) => wrk(url + pollTarget(), headers, 60)), () => measure(nginx, ({ url }) => wrk(url + pollTarget(), headers, 60)));
      this.add("poll without update, one device, wrk: requests/s over nginx", round(one.rate), { min: 0.9 }, one);
      this.add("the same: CPU a request over nginx", round(one.cpu), { max: 1.2 }, one);
      const options = { kind: "poll", devices: `${REPORTERS * 3}:${FLEET - REPORTERS * 3}`, pool: 20000, connections: 60, seconds: SECONDS };
      const fleet = await interleave(() => measure(this.server, ({ port }) => load({ port, ...options })), () => measure(nginx, ({ port }) => load({ port, ...options })));
      this.add("poll without update, devices of the whole fleet: requests/s over nginx", round(fleet.rate), { min: 0.9 }, fleet);
      this.add("the same: CPU a request over nginx", round(fleet.cpu), { max: 1.2 }, fleet);
    } finally {
      await nginx.stop();
    }
  }

  async signed() {
    const options = { kind: "nonce", devices: `${REPORTERS * 3}:${FLEET - REPORTERS * 3}`, pool: 20000, connections: 60, seconds: SECONDS };
    const openssl = async () => {
      const text = await output(pin(0, ["openssl", "speed", "-seconds", String(SECONDS), "ecdsap256"]));
      return { per_second: Number(/ecdsa \(nistp256\)\s+\S+\s+\S+\s+([\d.]+)/.exec(text)[1]) };
    };
    // Of the core: what a second of the server's processor time gives.
    const ours = async () => {
      const { cpu_us } = await measure(this.server, ({ port }) => load({ port, ...options }));
      return { per_second: 1e6 / cpu_us, cpu_us };
    };
    const result = await interleave(ours, openssl);
    this.add("signed poll answers/s per core over signatures/s of openssl speed", round(result.rate), { min: 0.7 }, result);
  }

  async ranges() {
    const [{ deployment }] = (await this.otad.expect(200, "GET", `/api/v1/rollouts/${this.rollout.id}/devices?limit=1`)).items;
    assert.ok(deployment > 0);
    const token = await deviceToken(1);
    const files = path.join(this.dir, "files");
    fs.mkdirSync(files, { recursive: true });
    fs.writeFileSync(path.join(files, "image"), this.image.bytes);
    const nginx = await startNginx(path.join(this.dir, "nginx"), `root ${files};`);
    try {
      for (const [label, length, min] of [["4 KB", 4096, 1.2], ["64 KB", 65536, 1.0], ["1 MB", 1048576, 0.8]]) {
        const headers = { Authorization: `Bearer ${token}`, Range: `bytes=0-${length - 1}` };
        const result = await interleave(() => measure(this.server, ({ url }) => wrk(`${url}/device/v1/firmware/${this.image.hash}`, headers, 30)), () => measure(nginx, ({ url }) => wrk(`${url}/image`, headers, 30)));
        this.add(`${label} ranges: requests/s over nginx`, round(result.rate), { min }, result);
      }
    } finally {
      await nginx.stop();
    }
  }

  async reports() {
    const copy = path.join(this.dir, "copy.db");
    fs.rmSync(copy, { force: true });
    execFileSync(path.resolve(process.env.BUILD_DIR ?? "build/host", "otad"), ["backup", "--data", path.join(this.dir, "data"), "--to", path.join(this.dir, "copy")]);
    fs.renameSync(path.join(this.dir, "copy", "otad.db"), copy);
    // A writer has both cores: reports are not held to one, nor is the loop of commits.
    await this.shipped();
    for (const [connections, min] of [[64, 6], [256, 9]]) {
      const ours = () => {
        this.seq += 10000000;
        return measure(this.server, ({ port }) => load({ port, kind: "report", list: this.list, seq: this.seq, connections, seconds: SECONDS, devices: "1:1" }, { core: null }));
      };
      const theirs = async () => ({ per_second: Number(await fleetTool("commits", copy, SECONDS)) });
      const result = await interleave(ours, theirs);
      this.add(`durable reports/s, ${connections} clients, over one SQLite commit each`, round(result.rate), { min }, result);
    }
    fs.rmSync(copy);
  }

  // ---- the whole fleet ----

  async restart() {
    const seconds = [];
    for (let i = 0; i < (QUICK ? 1 : 3); i++) {
      await this.otad.end();
      const began = Date.now();
      await this.start("as shipped");
      await this.otad.expect(200, "GET", "/readyz", { token: null });
      seconds.push((Date.now() - began) / 1000);
    }
    this.add(`restart with ${FLEET} devices, to ready, s`, round(median(seconds)), { max: 3 }, { seconds });
    const size = ["otad.db", "otad.db-wal"].reduce((sum, name) => sum + (fs.statSync(path.join(this.dir, "data", name), { throwIfNoEntry: false })?.size ?? 0), 0);
    this.add(`${FLEET} devices: database, MB`, round(size / 1e6, 0), { max: 400 }, { bytes: size });
  }

  async offerTime() {
    await this.shipped();
    const token = await deviceToken(FLEET - 7);
    const times = [];
    for (let i = 0; i < 3; i++) {
      const { id } = await this.otad.rollout({ name: `offer ${i}`, firmware: this.later.id }, { start: false });
      const began = performance.now();
      await this.otad.expect(200, "POST", `/api/v1/rollouts/${id}/start`);
      let answer;
      do answer = await fetch(this.otad.url + pollTarget({ nonce: "ab".repeat(16) }), { headers: { Authorization: `Bearer ${token}` } }).then((response) => response.json());
      while (JSON.parse(Buffer.from(answer.payload, "base64url")).action !== "install");
      times.push(performance.now() - began);
      await this.otad.expect(200, "POST", `/api/v1/rollouts/${id}/cancel`);
      await until(async () => (await this.otad.showRollout(id)).state === "cancelled", "the rollout to be cancelled");
    }
    this.add(`${FLEET} devices: rollout start to first offer, ms`, round(median(times), 0), { max: 100 }, { times });
  }

  memory() {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${this.otad.process.pid}/status`, "utf8"))[1]) / 1024;
  }

  // How many polls the server has answered within 5 ms of their first byte, and how many in all.
  async answered() {
    const { bytes } = await this.otad.call("GET", "/metrics");
    const value = (name) => Number(new RegExp(`^otad_http_request_duration_seconds_${name} (\\d+)$`, "m").exec(bytes.toString())[1]);
    return { soon: value('bucket\\{kind="poll",le="0.005"\\}'), all: value('count\\{kind="poll"\\}') };
  }

  async soak() {
    await this.shipped();
    const seconds = QUICK ? 10 : 60;
    const polls = Math.round(FLEET / 300);
    this.seq += 10000000;
    const ask = (port, time) => load({ port, kind: "poll", devices: `${REPORTERS * 3}:${FLEET - REPORTERS * 3}`, pool: 60000, close: true, rate: polls, seconds: time }, { core: null });
    // What the machine itself adds at the moment: the same polls, answered by nginx.
    const nginx = await this.nginxAnswering(200);
    await roomFor((polls + 200) * seconds * 1.1);
    const control = await ask(nginx.port, seconds / 12);
    await nginx.stop();
    const before = await this.answered();
    const [asked, told] = await Promise.all([
      ask(this.otad.port, seconds),
      load({ port: this.otad.port, kind: "report", list: this.list, devices: "1:1", seq: this.seq, close: true, rate: 200, seconds }, { core: null }),
    ]);
    for (const result of [asked, told]) assert.ok(result.errors === 0 && result.lost === 0, JSON.stringify(result));
    this.add(`${polls} polls/s and 200 reports/s for ${seconds} s: p99 of a poll, ms (nginx, polls alone: ${round(control.p99_ms)})`, round(asked.p99_ms), { max: 10 }, { control, polls: asked, reports: told });
    const after = await this.answered();
    const share = (after.soon - before.soon) / (after.all - before.all);
    this.add("the same, by the server's own clock: share of polls answered within 5 ms", round(share, 4), { min: 0.99 }, { before, after });
    this.add(`${FLEET} devices: resident memory, MB`, round(this.memory(), 0), { max: 256 }, {});
  }

  // Clients that send a byte a second, and what the others wait.
  async slow() {
    await this.shipped();
    const text = `POST /device/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n${"x".repeat(1000)}`;
    const ask = () => load({ port: this.otad.port, kind: "poll", devices: `${REPORTERS * 3}:10000`, pool: 5000, close: true, rate: 1000, seconds: SECONDS }, { core: null });
    const rounds = [];
    for (let i = 0; i < (QUICK ? 2 : 5); i++) {
      const without = await ask();
      const sockets = Array.from({ length: 500 }, () => net.connect(this.otad.port, "127.0.0.1").on("error", () => {}));
      let sent = 0;
      const drip = () => sockets.forEach((socket) => socket.writable && socket.write(text[sent++ % text.length]));
      const timer = setInterval(drip, 1000);
      await sleep(500);
      drip();
      const among = await ask();
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      await sleep(200);
      assert.ok(without.errors + among.errors + without.lost + among.lost === 0);
      rounds.push({ without: without.p99_ms, among: among.p99_ms });
    }
    this.add("p99 of a poll among 500 connections at 1 byte/s, over without them", round(median(rounds.map(({ without, among }) => among / without))), { max: 2 }, rounds);
  }

  async storm() {
    const count = Math.min(50000, FLEET / 2);
    await roomFor(2 * count);
    const share = Math.floor(count / 3);
    await this.otad.end("SIGKILL");
    await this.start("as shipped");
    const parts = await Promise.all([0, 1, 2].map((i) => load({ port: this.otad.port, kind: "poll", devices: `${REPORTERS * 3 + i * share}:${share}`, close: true, rate: share, seconds: 1, drain: 30 }, { core: null })));
    const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
    const failed = sum("errors") + sum("lost");
    this.add(`${share * 3} devices reconnect in one second after a kill: not answered`, failed, { max: 0 }, parts);
    this.add("the same: slowest answer, s", round(Math.max(...parts.map((part) => part.max_ms)) / 1000), { max: 30 }, parts);
    // They came in one second. Told to come again within a fifth of the interval, evenly, each second has 1/60.
    const peak = parts.reduce((total, part) => total + part.retry_after.peak, 0) / sum("good");
    this.add("the same: share of them in the busiest second of the next round", round(peak, 3), { max: 0.03 }, parts.map((part) => part.retry_after));
  }

  // ---- TLS ----

  async tls() {
    const dir = path.join(this.dir, "tls");
    fs.mkdirSync(dir, { recursive: true });
    const [key, cert] = [path.join(dir, "key.pem"), path.join(dir, "cert.pem")];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"], { stdio: "ignore" });
    const otad = await Otad.start({ dir, tls: true, wrap: pin(0, []), flags: ["--threads", "1", "--tls-cert", cert, "--tls-key", key, "--log-level", "error"] });
    const nginx = await startNginx(path.join(this.dir, "nginx"), `location / { return 200 "${"x".repeat(20)}"; }`, { tls: `ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3; ssl_session_tickets on; ssl_session_cache shared:s:10m; ssl_ecdh_curve prime256v1;` });
    const server = { name: "otad", pid: otad.process.pid, port: otad.port };
    try {
      for (const [label, more] of [["full", []], ["resumed", ["--resume"]]]) {
        const run = async ({ port }) => {
          const result = await handshakes(port, "/healthz", more);
          assert.ok(label === "full" ? result.resumed === 0 : result.resumed > result.good * 0.9, JSON.stringify(result));
          return result;
        };
        const result = await interleave(() => measure(server, run), () => measure(nginx, run));
        this.add(`TLS handshakes, ${label}: requests/s over nginx`, round(result.rate), { min: 1 }, result);
        this.add(`TLS handshakes, ${label}: CPU a handshake over nginx`, round(result.cpu), { max: 0.8 }, result);
      }
    } finally {
      await otad.stop();
      await nginx.stop();
    }
  }

  async close() {
    if (this.otad && this.otad.process.exitCode === null && this.otad.process.signalCode === null) await this.otad.end();
  }
}

export const STEPS = ["tls", "poll", "signed", "ranges", "reports", "restart", "offerTime", "slow", "soak", "storm"];
