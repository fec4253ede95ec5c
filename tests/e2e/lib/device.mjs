// A server of the test's own for ota-device, on a plain socket, so that it can say anything; and
// ota-device as a process. Formats are written here by hand from protocol/SPEC.md, apart from the C
// code that reads them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

const DEVICE = path.resolve(process.env.BUILD_DIR ?? "build", "ota-device");
const KEYS = path.resolve("tests/keys");
const PRODUCT = "demo-hub";
const HARDWARE = "stm32f407";
const HEADER_LEN = 512;
export const PRIMARY = 0x20000; // bytes into flash.bin
export const DOWNLOAD = 0xa0000;
export const SLOT_LEN = 3 * 0x20000;

const key = (name) => crypto.createPrivateKey(fs.readFileSync(path.join(KEYS, `${name}.pem`)));
const sha256 = (...parts) =>
  parts.reduce((hash, part) => hash.update(part), crypto.createHash("sha256")).digest();
const spki = (private_) => crypto.createPublicKey(private_).export({ type: "spki", format: "der" });

function tlvs(magic, entries) {
  const body = entries.map(([type, data]) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(type, 0);
    head.writeUInt16LE(data.length, 2);
    return Buffer.concat([head, data]);
  });
  const info = Buffer.alloc(4);
  info.writeUInt16LE(magic, 0);
  info.writeUInt16LE(4 + body.reduce((sum, entry) => sum + entry.length, 0), 2);
  return Buffer.concat([info, ...body]);
}

function u32(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, 4 * i));
  return bytes;
}

// A signed image whose body starts with a vector table: good, or one that no chip could start from.
export function makeImage({ minor, counter, bodyLen = 50000, bootable = true }) {
  const release = key("release");
  const body = Buffer.alloc(bodyLen);
  for (let i = 0; i < bodyLen; i++) body[i] = (i * 31 + minor * 7 + (i >> 8)) & 0xff;
  u32(bootable ? 0x20020000 : 0x60000001, 0x08020201).copy(body);
  const protectedTlvs = tlvs(0x6908, [
    [0x50, u32(counter)], [0xa0, Buffer.from(HARDWARE)], [0xa1, Buffer.from(PRODUCT)],
  ]);
  const header = Buffer.alloc(HEADER_LEN);
  u32(0x96f3b83d, 0).copy(header);
  header.writeUInt16LE(HEADER_LEN, 8);
  header.writeUInt16LE(protectedTlvs.length, 10);
  header.writeUInt32LE(bodyLen, 12);
  header[20] = 1;
  header[21] = minor;
  const hash = sha256(header, body, protectedTlvs);
  const der = signOfUsualLength(release, Buffer.concat([header, body, protectedTlvs]));
  const unprotected = tlvs(0x6907, [[0x10, hash], [0x01, sha256(spki(release))], [0x22, der]]);
  const bytes = Buffer.concat([header, body, protectedTlvs, unprotected]);
  return { bytes, hash, der, counter, version: `1.${minor}.0`, etag: `"${sha256(bytes).toString("hex")}"` };
}

// A signature in DER takes 70 to 72 bytes by chance, now and then fewer. Always 71, so that images with
// bodies of one length are of one length, and bytes of one can stand in for those of the other.
function signOfUsualLength(private_, message) {
  for (;;) {
    const der = crypto.sign("sha256", message, private_);
    if (der.length === 71) return der;
  }
}

export const OLD = makeImage({ minor: 0, counter: 1 });
export const NEXT = makeImage({ minor: 1, counter: 2 });

export const head = (status, fields = {}) =>
  `HTTP/1.1 ${status} Test\r\n` +
  Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n";

// `hostile(request, socket, server)` answers firmware requests; unless it returns false, which leaves
// the answer to the well-behaved one.
export class FakeServer {
  constructor({ image = NEXT, hostile = () => false, sign = "server", action = "install" } = {}) {
    Object.assign(this, { image, hostile, sign, action });
    this.requests = [];
    this.firmware = []; // the ranges asked for: [start, end]
    this.reports = [];
    this.connections = 0;
    this.sockets = new Set();
    this.listener = net.createServer((socket) => this.#accept(socket));
  }

  async start() {
    await new Promise((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.listener.address().port}`;
    return this;
  }

  stop() {
    this.listener.close();
    for (const socket of this.sockets) socket.destroy();
  }

  events() {
    return this.reports.map((report) => report.event).filter((event) => event !== "downloading");
  }

  #accept(socket) {
    let input = Buffer.alloc(0);
    this.connections++;
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (data) => {
      input = Buffer.concat([input, data]);
      for (;;) {
        const end = input.indexOf("\r\n\r\n");
        if (end < 0) return;
        const [line, ...lines] = input.subarray(0, end).toString().split("\r\n");
        const fields = Object.fromEntries(lines.map((l) => [l.split(": ")[0].toLowerCase(), l.slice(l.indexOf(": ") + 2)]));
        const bodyLen = Number(fields["content-length"] ?? 0);
        if (input.length < end + 4 + bodyLen) return;
        const [method, target, version] = line.split(" ");
        const request = { method, url: new URL(target, this.url), version, fields, body: input.subarray(end + 4, end + 4 + bodyLen) };
        input = input.subarray(end + 4 + bodyLen);
        this.#answer(request, socket);
      }
    });
  }

  #answer(request, socket) {
    const route = request.url.pathname;
    this.requests.push(request);
    assert.equal(request.version, "HTTP/1.1");
    assert.equal(`http://${request.fields.host}`, this.url);
    if (route === "/device/v1/enroll") {
      assert.equal(request.fields.authorization, "Bearer ote_key");
      return this.#json(socket, 201, { token: "otd_token", state: "accepted" });
    }
    assert.equal(request.fields.authorization, "Bearer otd_token");
    if (route === "/device/v1/manifest") return this.#json(socket, 200, this.#manifest(request.url.searchParams));
    if (route === "/device/v1/reports") {
      this.reports.push(JSON.parse(request.body));
      return socket.write(head(204));
    }
    if (route === "/firmware") {
      request.range = /^bytes=(\d+)-(\d+)$/.exec(request.fields.range).slice(1).map(Number);
      this.firmware.push(request.range);
      if (this.hostile(request, socket, this) === false) this.sendRange(request, socket);
      return undefined;
    }
    return this.#json(socket, 404, { code: "not_found" });
  }

  #json(socket, status, object) {
    const body = JSON.stringify(object);
    socket.write(head(status, { "Content-Type": "application/json", "Content-Length": body.length }) + body);
  }

  #manifest(query) {
    const { image } = this;
    const idle = this.action === "none" || query.get("hash") === image.hash.toString("hex");
    const payload = JSON.stringify({
      v: 1, device: "dev-1", nonce: query.get("nonce"), now: 1750000000, poll: 1, action: idle ? "none" : this.action,
      ...(idle ? {} : {
        deployment: "7", product: PRODUCT, hardware: HARDWARE, version: image.version, counter: image.counter,
        size: image.bytes.length, hash: image.hash.toString("hex"), sig: image.der.toString("base64url"), url: "/firmware",
      }),
    });
    const type = "application/vnd.otad.manifest+json";
    const pae = `DSSEv1 ${type.length} ${type} ${payload.length} ${payload}`;
    const signer = key(this.sign);
    return {
      payload: Buffer.from(payload).toString("base64url"),
      payloadType: type,
      signatures: [{
        keyid: sha256(spki(signer)).toString("hex").slice(0, 16),
        sig: crypto.sign("sha256", Buffer.from(pae), { key: signer, dsaEncoding: "ieee-p1363" }).toString("base64url"),
      }],
    };
  }

  rangeHead(request, more = {}) {
    const [start, end] = request.range;
    return head(206, {
      "Content-Range": `bytes ${start}-${end}/${this.image.bytes.length}`,
      "Content-Length": end - start + 1, ETag: this.image.etag, ...more,
    });
  }

  rangeBody(request) {
    return this.image.bytes.subarray(request.range[0], request.range[1] + 1);
  }

  sendRange(request, socket) {
    const known = request.fields["if-range"];
    if (known !== undefined && known !== this.image.etag) return this.sendWhole(socket);
    socket.write(this.rangeHead(request));
    return socket.write(this.rangeBody(request));
  }

  sendWhole(socket) {
    socket.write(head(200, { "Content-Length": this.image.bytes.length, ETag: this.image.etag }));
    socket.write(this.image.bytes);
  }
}

// ota-device in its own directory. run() resolves with its end; kill() is a power cut.
export class Device {
  constructor(dir, server, more = []) {
    fs.mkdirSync(dir, { recursive: true });
    this.dir = dir;
    const file = (name, content) => {
      fs.writeFileSync(path.join(dir, name), content);
      return path.join(dir, name);
    };
    this.args = [
      "--dir", dir, "--server", server.url, "--id", "dev-1", "--product", PRODUCT, "--hardware", HARDWARE,
      "--server-key", path.join(KEYS, "server.pub.pem"), "--release-key", path.join(KEYS, "release.pub.pem"),
      "--image", file("old.img", OLD.bytes), "--poll-seconds", "1",
      "--range-bytes", "16384", "--exit-when-idle", ...more,
    ];
    if (!more.includes("--enrolment-key-file")) this.args.push("--token-file", file("token", "otd_token\n"));
  }

  run(more = []) {
    this.log = "";
    this.child = spawn(DEVICE, [...this.args, ...more], { stdio: ["ignore", "pipe", "pipe"], timeout: 150000 });
    this.child.stderr.on("data", (data) => (this.log += data));
    return new Promise((resolve) => this.child.on("close", (code, signal) => resolve({ code, signal })));
  }

  kill() {
    this.child.kill("SIGKILL");
  }

  flash(from, len) {
    const bytes = Buffer.alloc(len);
    const fd = fs.openSync(path.join(this.dir, "flash.bin"));
    fs.readSync(fd, bytes, 0, len, from);
    fs.closeSync(fd);
    return bytes;
  }

  runs(image) {
    return this.flash(PRIMARY, image.bytes.length).equals(image.bytes);
  }

  // What of the image stands in the download's place.
  downloaded(image) {
    return this.flash(DOWNLOAD, image.bytes.length).findIndex((byte, i) => byte !== image.bytes[i]);
  }

  downloadIsBlank() {
    return this.flash(DOWNLOAD, SLOT_LEN).every((byte) => byte === 0xff);
  }
}

// Options and their errors: no server needed.
export function runDevice(args) {
  return new Promise((resolve) => {
    const child = spawn(DEVICE, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 20000 });
    let out = "";
    let err = "";
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    child.on("close", (code) => resolve({ code, out, err }));
  });
}
