// Starts otad on a free port with a directory of its own, and speaks to it. Every answer to a call is
// checked against protocol/openapi.yaml (contract.mjs).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createPublicKey, randomBytes, verify } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { checkAnswer } from "./contract.mjs";
import { makeImage, RELEASE_PUBLIC } from "./image.mjs";

const OTAD = path.resolve(process.env.BUILD_DIR ?? "build", "otad");
const START_MS = 30000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Wait until `probe` gives something true.
export async function until(probe, what, ms = 20000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert.ok(Date.now() < end, `waited ${ms} ms in vain for ${what}`);
    await sleep(50);
  }
}

export class Otad {
  // `wrap`: a command to run otad under, such as ["strace", "-f"].
  static async start({ dir, flags = [], env = {}, wrap = [], tls } = {}) {
    const otad = new Otad();
    otad.ownsDir = dir === undefined;
    otad.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), "otad-"));
    otad.flags = flags;
    otad.env = env;
    otad.tls = tls;
    await otad.launch(wrap);
    return otad;
  }

  async launch(wrap = []) {
    const portFile = path.join(this.dir, `port-${randomBytes(4).toString("hex")}`);
    const command = [...wrap, OTAD, "serve", "--data", path.join(this.dir, "data"), "--listen", "127.0.0.1:0", "--port-file", portFile, ...this.flags];
    this.log = "";
    this.process = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...this.env } });
    this.process.stdout.on("data", (text) => (this.log += text));
    this.process.stderr.on("data", (text) => (this.log += text));
    this.exited = new Promise((resolve) => this.process.on("exit", (code, signal) => resolve({ code, signal })));
    let ended = false;
    this.exited.then(() => (ended = true));
    await until(() => fs.existsSync(portFile) || ended, "otad to listen", START_MS);
    assert.ok(!ended, `otad ended at once:\n${this.log}`);
    this.port = Number(fs.readFileSync(portFile, "utf8"));
    fs.rmSync(portFile);
    this.url = `${this.tls ? "https" : "http"}://127.0.0.1:${this.port}`;
    this.admin = fs.readFileSync(path.join(this.dir, "data", "admin-token"), "utf8").trim();
  }

  // End it by a signal; with SIGTERM it must end well.
  async end(signal = "SIGTERM") {
    this.process.kill(signal);
    const how = await this.exited;
    if (signal === "SIGTERM") assert.deepEqual(how, { code: 0, signal: null }, this.log.slice(-4000));
    return how;
  }

  async restart(signal = "SIGTERM") {
    await this.end(signal);
    await this.launch();
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.end();
    if (this.ownsDir) fs.rmSync(this.dir, { recursive: true, force: true });
  }

  /*
   * One request. `body`: an object is sent as JSON, bytes as they are. Gives { status, headers, body, bytes }.
   */
  async call(method, target, { token = this.admin, body, headers = {}, check = true } = {}) {
    const all = { ...headers };
    let payload = body;
    if (token !== null) all.authorization ??= `Bearer ${token}`;
    if (body !== undefined && !(body instanceof Uint8Array) && typeof body !== "string") {
      payload = JSON.stringify(body);
      all["content-type"] ??= "application/json";
    } else if (body !== undefined) {
      all["content-type"] ??= "application/octet-stream";
    }
    const response = await fetch(this.url + target, { method, headers: all, body: payload, redirect: "manual" });
    const type = response.headers.get("content-type") ?? "";
    const isEndless = type.startsWith("text/event-stream");
    if (isEndless) await response.body.cancel();
    const bytes = isEndless ? Buffer.alloc(0) : Buffer.from(await response.arrayBuffer());
    const answer = { status: response.status, headers: response.headers, bytes, body: /json/.test(type) && bytes.length > 0 ? JSON.parse(bytes) : undefined };
    if (check) checkAnswer(method, target, answer);
    return answer;
  }

  // A request that must be answered with `status`; gives the body.
  async expect(status, method, target, options) {
    const answer = await this.call(method, target, options);
    assert.equal(answer.status, status, `${method} ${target}: ${answer.status} ${answer.bytes.toString().slice(0, 500)}`);
    return answer.body;
  }

  // A request that must be refused with `status` and the stable `code`.
  async refused(status, code, method, target, options) {
    const body = await this.expect(status, method, target, options);
    assert.equal(body.code, code, JSON.stringify(body));
    if (code.startsWith("field_")) assert.ok(body.field, `which member is meant: ${JSON.stringify(body)}`);
    return body;
  }

  // ---- what most tests need ----

  async token(role) {
    return (await this.expect(201, "POST", "/api/v1/tokens", { body: { name: `t-${role}`, role } })).token;
  }

  async releaseKey(publicKey = RELEASE_PUBLIC, name = "release") {
    return this.expect(201, "POST", "/api/v1/release-keys", { body: { name, public_key: publicKey } });
  }

  async upload(options) {
    const image = makeImage(options);
    const row = await this.expect(201, "POST", "/api/v1/firmware", { body: image.bytes });
    return { ...image, id: row.id };
  }

  async group(name) {
    return this.expect(201, "POST", "/api/v1/groups", { body: { name } });
  }

  async device(id, { product = "demo-hub", hardware = "stm32f407", group } = {}) {
    const body = { id, product, hardware, ...(group ? { group } : {}) };
    const row = await this.expect(201, "POST", "/api/v1/devices", { body });
    return new Device(this, row.id, row.token, { product, hardware });
  }

  async rollout(settings, { start = true } = {}) {
    const body = { name: "r", stages: [{ percent: 100 }], ...settings };
    const row = await this.expect(201, "POST", "/api/v1/rollouts", { body });
    return start ? this.expect(200, "POST", `/api/v1/rollouts/${row.id}/start`) : row;
  }

  async showRollout(id) {
    return this.expect(200, "GET", `/api/v1/rollouts/${id}`);
  }

  async serverKey() {
    this.key ??= createPublicKey((await this.expect(200, "GET", "/api/v1/server-key")).public_key);
    return this.key;
  }
}

// The bytes that a DSSE signature covers.
function pae(type, payload) {
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
}

// A device as the server sees it: it polls, fetches and reports; what it runs is up to the test.
export class Device {
  constructor(otad, id, token, { product, hardware }) {
    Object.assign(this, { otad, id, token, product, hardware, seq: 0, trial: false });
    this.runs({ version: "0.9.0", hash: "00".repeat(32), counter: 0 });
  }

  runs({ version, hash, counter }) {
    this.version = version;
    this.hash = hash;
    this.counter = counter;
    return this;
  }

  query(more = {}) {
    const query = new URLSearchParams({ product: this.product, hardware: this.hardware, version: this.version, hash: this.hash, counter: this.counter, ...(this.trial ? { trial: "1" } : {}), ...more });
    return `/device/v1/manifest?${query}`;
  }

  // Poll with a nonce: the verified payload.
  async poll() {
    const nonce = randomBytes(16).toString("hex");
    const envelope = await this.otad.expect(200, "GET", this.query({ nonce }), { token: this.token });
    const payload = Buffer.from(envelope.payload, "base64url");
    const good = verify("sha256", pae(envelope.payloadType, payload), { key: await this.otad.serverKey(), dsaEncoding: "ieee-p1363" }, Buffer.from(envelope.signatures[0].sig, "base64url"));
    assert.ok(good, "the manifest's signature verifies with the server key");
    const manifest = JSON.parse(payload);
    assert.equal(manifest.nonce, nonce);
    assert.equal(manifest.device, this.id);
    return manifest;
  }

  async offered() {
    const manifest = await this.poll();
    assert.equal(manifest.action, "install", JSON.stringify(manifest));
    return manifest;
  }

  reportBody(deployment, event, more = {}) {
    const reason = event === "failed" || event === "reverted" ? { reason: "self_test" } : {};
    return { deployment, seq: ++this.seq, event, version: this.version, hash: this.hash, ...reason, ...more };
  }

  async report(deployment, event, more) {
    return this.otad.expect(204, "POST", "/device/v1/reports", { token: this.token, body: this.reportBody(deployment, event, more) });
  }

  async fetch(url, headers = {}, method = "GET") {
    return this.otad.call(method, url, { token: this.token, headers });
  }

  // The whole way, to the confirmed new image.
  async update(image) {
    const manifest = await this.offered();
    const file = await this.fetch(manifest.url);
    assert.equal(file.status, 200);
    await this.report(manifest.deployment, "downloading", { percent: 100 });
    await this.report(manifest.deployment, "installed");
    this.runs(image);
    this.trial = true;
    await this.report(manifest.deployment, "trial");
    await this.poll();
    this.trial = false;
    await this.report(manifest.deployment, "confirmed");
    return manifest;
  }

  // The whole way to a trial that fails: the old image runs again.
  async revert() {
    const old = { version: this.version, hash: this.hash, counter: this.counter };
    const manifest = await this.offered();
    await this.report(manifest.deployment, "downloading", { percent: 100 });
    await this.report(manifest.deployment, "installed");
    this.runs(old);
    await this.report(manifest.deployment, "reverted");
    return manifest;
  }
}
