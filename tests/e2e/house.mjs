// A whole house for end-to-end tests: otad on a database of its own, keys, firmware, devices, and a
// wire between devices and server that a test can watch, hold and cut.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const BUILD = path.resolve(process.env.BUILD_DIR ?? "build");
const FLASH_PRIMARY = 0x20000; // in a device's flash file: sector 5 of the STM32F407
const START_MS = 20000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Until the function gives something true; what it gave, or an error that says what was awaited.
export async function until(what, ms, probe) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(50);
  }
}

export class Program {
  constructor(name, args, log) {
    this.log = log;
    const out = fs.openSync(log, "a");
    this.child = spawn(path.resolve(BUILD, name), args, { stdio: ["ignore", out, out] });
    fs.closeSync(out);
    this.ended = new Promise((resolve) => {
      this.child.on("close", resolve);
      this.child.on("error", (error) => {
        fs.appendFileSync(log, `${error.message}\n`);
        resolve();
      });
    });
  }

  said() {
    return fs.readFileSync(this.log, "utf8");
  }

  async end(signal) {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    const force = setTimeout(() => this.child.kill("SIGKILL"), 5000);
    await this.ended;
    clearTimeout(force);
  }
}

/*
 * The wire: a TCP relay on a port that stays when the server behind it restarts. It sees each request
 * of a device as text, and can hold the answers: after hold(n), n more bytes go to the devices and
 * then nothing until release().
 */
export class Wire {
  constructor() {
    this.requests = []; // heads of requests, as sent
    this.downloadedAt = undefined; // when firmware was first asked for, ms
    this.toDevices = 0; // bytes
    this.connections = 0;
    this.credit = Infinity;
    this.sockets = new Set();
    this.waiting = [];
  }

  async open() {
    this.server = net.createServer((device) => this.#join(device));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = this.server.address().port;
  }

  #join(device) {
    this.connections++;
    const upstream = net.connect(this.target, "127.0.0.1");
    for (const [socket, other] of [[device, upstream], [upstream, device]]) {
      this.sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    device.on("data", (data) => {
      const head = data.toString("latin1");
      if (/^(GET|HEAD|POST) /.test(head)) {
        this.requests.push(head);
        if (head.startsWith("GET /device/v1/firmware/")) this.downloadedAt ??= Date.now();
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => this.#pass(upstream, device, data));
  }

  #pass(upstream, device, data) {
    const now = data.subarray(0, Math.min(data.length, this.credit));
    const rest = data.subarray(now.length);
    this.credit -= now.length;
    this.toDevices += now.length;
    if (now.length > 0) device.write(now);
    if (rest.length === 0) return;
    upstream.pause();
    this.waiting.push(() => {
      upstream.resume();
      if (!device.destroyed) this.#pass(upstream, device, rest);
    });
  }

  // To another server, from now on.
  redirect(port) {
    this.target = port;
    for (const socket of this.sockets) socket.destroy();
  }

  hold(bytes) {
    this.credit = bytes;
  }

  get held() {
    return this.waiting.length > 0;
  }

  release() {
    this.credit = Infinity;
    for (const go of this.waiting.splice(0)) go();
  }

  // Requests for firmware, as the offset each started at.
  downloads() {
    return this.requests.filter((head) => head.startsWith("GET /device/v1/firmware/"))
      .map((head) => Number(/\r\nRange: bytes=(\d+)-/i.exec(head)?.[1] ?? 0));
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// A firmware body with a vector table that starts, or with one that does not.
export function makeBody(size, { works = true } = {}) {
  const body = randomBytes(size);
  body.writeUInt32LE(0x20020000, 0);
  body.writeUInt32LE(works ? 0x08020409 : 0x00000409, 4);
  return body;
}

// A kind of house with other keys, a certificate or other products overrides what it has to.
export class House {
  scheme = "http";
  product = "lamp";
  hardware = "r1";
  serverOptions = [];

  static async open() {
    const house = new this();
    house.dir = fs.mkdtempSync(path.join(os.tmpdir(), "house-"));
    house.devices = new Set();
    house.images = new Map();
    house.wire = new Wire();
    house.makeKeys();
    await house.wire.open();
    await house.startServer();
    house.otactl("key", "add", "house", house.file("release.pub.pem"));
    house.otactl("server-key", "-o", house.file("server.pub.pem"));
    return house;
  }

  makeKeys() {
    this.otactl("keygen", this.file("release.pem"), "--public", this.file("release.pub.pem"));
  }

  file(name) {
    return path.join(this.dir, name);
  }

  async startServer() {
    fs.rmSync(this.file("port"), { force: true });
    this.server = new Program("otad", ["serve", "--data", this.file("otad"), "--listen", "127.0.0.1:0",
      "--port-file", this.file("port"), "--poll-seconds", "1",
      ...this.serverOptions], this.file("otad.log"));
    const port = await until("the start of otad", START_MS, () => {
      assert.equal(this.server.child.exitCode, null, `otad ended: ${this.server.said()}`);
      return fs.existsSync(this.file("port")) && Number(fs.readFileSync(this.file("port"), "utf8"));
    });
    this.wire.target = port;
    this.url = `${this.scheme}://127.0.0.1:${port}`;
  }

  killServer() {
    return this.server.end("SIGKILL");
  }

  // otactl, which must end with 0; its stdout, or with --json the object.
  otactl(...args) {
    const done = this.tryOtactl(...args);
    assert.equal(done.status, 0, `otactl ${args.join(" ")}: ${done.stderr}`);
    return args.includes("--json") ? JSON.parse(done.stdout) : done.stdout;
  }

  tryOtactl(...args) {
    return spawnSync(path.join(BUILD, "otactl"), args, {
      encoding: "utf8",
      timeout: 60000,
      env: this.environment(),
    });
  }

  environment() {
    return { ...process.env, NO_PROXY: "127.0.0.1", XDG_CONFIG_HOME: this.dir, OTACTL_SERVER: this.url ?? "",
      OTACTL_TOKEN: "", OTACTL_TOKEN_FILE: this.file("otad/admin-token"), ...this.otactlEnvironment };
  }

  // Sign and upload a body; its image file is kept by version.
  release(version, counter, body, { product = this.product, hardware = this.hardware, upload = true } = {}) {
    const input = this.file(`${product}-${hardware}-${version}.bin`);
    const image = input.replace(/bin$/, "img");
    fs.writeFileSync(input, body);
    this.otactl("release", "sign", input, "--key", this.file("release.pem"), "--version", version,
      "--counter", String(counter), "--product", product, "--hardware", hardware, "-o", image);
    if (upload) this.otactl("firmware", "upload", image);
    this.images.set(version, image);
    return image;
  }

  // Register a device in a group of its own name and start it; `image` is what its flash is born with.
  // `token`: it is registered already.
  addDevice(id, image, { product = this.product, hardware = this.hardware, token, flags = [] } = {}) {
    const dir = this.file(id);
    fs.mkdirSync(dir);
    if (token) {
      fs.writeFileSync(path.join(dir, "token"), `${token}\n`);
    } else {
      this.otactl("group", "add", id);
      this.otactl("device", "add", id, "--product", product, "--hardware", hardware, "--group", id,
        "-o", path.join(dir, "token"));
    }
    const device = new Device(this, id, [
      "--dir", dir, "--id", id, "--product", product, "--hardware", hardware,
      ...this.deviceServer(), "--token-file", path.join(dir, "token"),
      "--server-key", this.file("server.pub.pem"), "--release-key", this.file("release.pub.pem"),
      "--image", image, "--poll-seconds", "1", ...flags]);
    this.devices.add(device);
    device.start();
    return device;
  }

  deviceServer() {
    return ["--server", `http://127.0.0.1:${this.wire.port}`];
  }

  // Start a rollout of a version to the devices named, or to all; its id.
  rollout(version, ...devices) {
    return this.otactl("rollout", "create", "--name", `to ${version}`, "--firmware",
      `${this.product}@${version}`,
      "--stage", "percent=100,failures=1", ...devices.flatMap((device) => ["--group", device.id]),
      "--start", "--json").id;
  }

  rolloutState(id) {
    return this.otactl("rollout", "show", String(id), "--json").state;
  }

  async stopDevices() {
    await Promise.all([...this.devices].map((device) => device.end("SIGTERM")));
    this.devices.clear();
  }

  async close() {
    await this.stopDevices();
    await this.server.end("SIGTERM");
    await this.wire.close();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

export class Device {
  constructor(house, id, args) {
    this.house = house;
    this.id = id;
    this.args = args;
    this.dir = house.file(id);
  }

  start() {
    this.program = new Program("ota-device", this.args, path.join(this.dir, "log"));
  }

  end(signal) {
    return this.program.end(signal);
  }

  said() {
    return this.program.said();
  }

  // What the server knows of it.
  known() {
    return this.house.otactl("device", "show", this.id, "--json");
  }

  events() {
    return this.house.otactl("device", "events", this.id, "--json").items;
  }

  runs(version, ms = 30000) {
    return until(`${this.id} on ${version}`, ms, () => this.known().version === version);
  }

  // Whether the primary slot of its flash starts with exactly this image file.
  holds(image) {
    const want = fs.readFileSync(image);
    const flash = fs.readFileSync(path.join(this.dir, "flash.bin"));
    return flash.subarray(FLASH_PRIMARY, FLASH_PRIMARY + want.length).equals(want);
  }
}
