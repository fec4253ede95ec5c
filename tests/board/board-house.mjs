// A house whose devices are boards: otad over TLS on loopback, and the very ELF files that would be
// flashed, each on an emulated STM32F4 with its flash in a file.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Device, House, Program, sleep } from "../e2e/house.mjs";
import { ARM, BOARD } from "./run-board.mjs";

export { STATUS } from "./run-board.mjs";

const BUILD = path.resolve(process.env.BUILD_DIR ?? "build");
const PROVISION = "0x08004000"; // the application's PROVISION: sector 1
// A wait ends by what boards do, not by how long this machine takes for it: when they neither say nor
// write anything any more, or one has lived so long since.
const STILL_MS = 240000;
const LIFE_S_MAX = 1800; // of its own time
const ASK_MS = 500; // between two questions to the server
const SPEED = process.env.BOARD_SPEED ?? "4"; // of a board that sleeps, times the clock's
const HEADER_LEN = 0x200;
const DOWNLOAD = 0x140000; // in the flash file of an F429: one sector into the secondary
const DOWNLOAD_END = 0x200000;
const IMAGE_LEN = 256 * 1024;
export const SERVER_NAME = "ota.test";
export const STACK_LEN = 8192; // what app.ld keeps free

// make board-test: everything. Otherwise samples of it, for make test.
export const FULL = process.env.BOARD_TEST === "full";
export const whenFull = (name, body) => FULL && test(name, body);

export const APPLICATION = `${ARM}/nucleo-f429zi.bin`;
export const APPS = `${ARM}/apps`;

// A program's bytes as a release of `len` bytes in all: rubbish behind its end makes it differ.
export function makeRelease(binary = APPLICATION, len = IMAGE_LEN) {
  const program = fs.readFileSync(binary);
  assert.ok(len - HEADER_LEN > program.length, `${binary} is longer than ${len} bytes`);
  return Buffer.concat([program, randomBytes(len - HEADER_LEN - program.length)]);
}

function openssl(...args) {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export function makeAuthority(base, name) {
  openssl("req", "-x509", ...EC, "-keyout", `${base}.key`, "-out", `${base}.pem`, "-days", "3650",
    "-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:TRUE");
}

// A certificate and its key, BASE.pem and BASE.key, signed by the authority at `by`.
export function makeCertificate(base, by, { names = [SERVER_NAME], days = 30, subject = names[0] } = {}) {
  openssl("req", ...EC, "-keyout", `${base}.key`, "-out", `${base}.csr`, "-subj", `/CN=${subject}`);
  const alternative = [...names.map((name) => `DNS:${name}`), "IP:127.0.0.1"].join(",");
  fs.writeFileSync(`${base}.ext`, `basicConstraints=CA:FALSE\nsubjectAltName=${alternative}\n`);
  openssl("x509", "-req", "-in", `${base}.csr`, "-CA", `${by}.pem`, "-CAkey", `${by}.key`,
    "-CAcreateserial", "-out", `${base}.pem`, "-days", String(days), "-extfile", `${base}.ext`);
}

class Patience {
  #seen;
  #end;
  #lives = new Map(); // of each board: { at, sum }, in seconds

  // Throws when it is used up.
  check(boards, what) {
    const seen = boards.map((board) => board.mark()).join();
    if (seen !== this.#seen) this.#end = Date.now() + STILL_MS;
    this.#seen = seen;
    assert.ok(Date.now() < this.#end, `${what}: no board has said or written anything for ${STILL_MS} ms`);
    for (const board of boards)
      assert.ok(this.#lived(board) < LIFE_S_MAX, `${what}: not in ${LIFE_S_MAX} s of ${board.id}:\n${board.said()}`);
  }

  #lived(board) {
    const now = board.seconds();
    const { at, sum } = this.#lives.get(board) ?? { at: now, sum: 0 };
    const life = { at: now, sum: sum + (now < at ? now : now - at) }; // each power-on begins at 0
    this.#lives.set(board, life);
    return life.sum;
  }
}

export class BoardHouse extends House {
  scheme = "https";
  product = "demo"; // what build/arm/boot-*.elf believes: BOOT_PRODUCT, BOOT_HARDWARE, BOOT_KEYS
  hardware = "stm32f4";
  patches = "off"; // most tests count the bytes of whole images

  makeKeys() {
    fs.copyFileSync("tests/keys/release.pem", this.file("release.pem"));
    fs.copyFileSync("tests/keys/release.pub.pem", this.file("release.pub.pem"));
    makeAuthority(this.file("ca"), "the house's CA");
    makeCertificate(this.file("server"), this.file("ca"));
    this.serverOptions = ["--tls-cert", this.file("server.pem"), "--tls-key", this.file("server.key"),
      "--tls-client-ca", this.file("ca.pem"), "--patches", this.patches];
    this.otactlEnvironment = { OTACTL_CACERT: this.file("ca.pem") };
  }

  // What otactl says, as an object, while boards and wires go on: spawnSync would hold the wires up.
  // undefined when the server says no.
  ask(...args) {
    return new Promise((resolve) => {
      const options = { env: this.environment(), timeout: 60000, maxBuffer: 1 << 24 };
      execFile(path.join(BUILD, "otactl"), [...args, "--json"], options, (error, stdout) =>
        resolve(error ? undefined : JSON.parse(stdout)));
    });
  }

  // Until the rollout is in this state.
  async reaches(rollout, state) {
    const patience = new Patience();
    for (;;) {
      const found = (await this.ask("rollout", "show", String(rollout)))?.state;
      if (found === state) return;
      const boards = [...this.devices].filter((device) => device.lives());
      patience.check(boards, `rollout ${rollout} is ${found}, not ${state}`);
      await sleep(ASK_MS);
    }
  }

  // A board in a group of its own name; `image` is what its flash is born with. It will enrol itself, or
  // with `certified` it is registered and shows a certificate.
  addBoard(id, image, { port = this.wire.port, chip = "f429", network = ["--address", "10.0.2.2"], certified } = {}) {
    fs.mkdirSync(this.file(id));
    this.otactl("group", "add", id);
    this.provision(id, ...(certified ? this.#certificate(id) : this.#enrolmentKey(id)), "--server", `https://${SERVER_NAME}:${port}`, ...network);
    const board = new Board(this, id, [
      "--chip", chip, "--flash", this.file(`${id}/flash.bin`), "--boot", `${ARM}/boot-${chip}.elf`,
      "--app", image, "--name", SERVER_NAME, "--load", `${this.file(`${id}/provision`)}@${PROVISION}`]);
    this.devices.add(board);
    return board;
  }

  #enrolmentKey(id) {
    const key = this.file(`${id}/enrolment-key`);
    this.otactl("enrolment-key", "add", id, "--product", this.product, "--policy", "accept", "--group", id, "-o", key);
    return ["--enrolment-key-file", key];
  }

  #certificate(id) {
    const base = this.file(`${id}/own`);
    this.otactl("device", "add", id, "--product", this.product, "--hardware", this.hardware, "--group", id,
      "-o", this.file(`${id}/token`));
    makeCertificate(base, this.file("ca"), { names: [id] });
    return ["--cert", `${base}.pem`, "--key", `${base}.key`];
  }

  provision(id, ...options) {
    const done = spawnSync(path.join(BUILD, "ota-provision"), ["--device", id, ...options,
      "--cacert", this.file("ca.pem"), "--server-key", this.file("server.pub.pem"),
      "--release-key", this.file("release.pub.pem"), "-o", this.file(`${id}/provision`)],
    { encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
  }
}

// Starting it is power on, ending it a power cut.
export class Board extends Device {
  start(...options) {
    this.powers = (this.powers ?? 0) + 1;
    this.stats = path.join(this.dir, `stats-${this.powers}.json`);
    this.program = new Program(BOARD, [...this.args, "--speed", SPEED, "--stats", this.stats,
      ...options], path.join(this.dir, "log"));
    return this;
  }

  lives() {
    return this.program !== undefined && this.program.child.exitCode === null && this.program.child.signalCode === null;
  }

  // Changes whenever it says something or writes its flash.
  mark() {
    const flash = fs.statSync(path.join(this.dir, "flash.bin"), { throwIfNoEntry: false });
    return `${this.said().length} ${flash?.mtimeMs}`;
  }

  // Of its own time, since power-on, when it last said something.
  seconds() {
    return Number(/\[ *([0-9.]+)\][^\n]*\n?$/.exec(this.said())?.[1] ?? 0);
  }

  // Until the log has this text, not counting its first `from` characters.
  async says(text, from = 0) {
    const patience = new Patience();
    while (!this.said().slice(from).includes(text)) {
      assert.ok(this.lives(), `${this.id} ended:\n${this.said()}`);
      patience.check([this], `${this.id} says "${text}"`);
      await sleep(ASK_MS / 10);
    }
  }

  // Until this is true.
  async comesTo(what, probe) {
    const patience = new Patience();
    while (!(await probe())) {
      patience.check([this], `${this.id} comes to ${what}`);
      await sleep(ASK_MS);
    }
  }

  async ended() {
    const patience = new Patience();
    while (this.lives()) {
      patience.check([this], `${this.id} ends`);
      await Promise.race([this.program.ended, sleep(ASK_MS)]);
    }
    return this.program.child.exitCode;
  }

  // Power off in order; the emulator's counters.
  async stop() {
    await this.end("SIGTERM");
    return JSON.parse(fs.readFileSync(this.stats, "utf8"));
  }

  known() {
    return this.house.ask("device", "show", this.id);
  }

  async events() {
    return (await this.house.ask("device", "events", this.id)).items;
  }

  // Bytes of a download that are in flash, if its last one is none of 0xff.
  downloaded() {
    const flash = fs.readFileSync(path.join(this.dir, "flash.bin")).subarray(DOWNLOAD, DOWNLOAD_END);
    let end = flash.length;
    while (end > 0 && flash[end - 1] === 0xff) end--;
    return end;
  }

  // What became of its deployments, oldest first, as words; a failure with its reason.
  async story() {
    const events = (await this.events()).reverse();
    return events.filter(({ event }) => !["offered", "downloading"].includes(event))
      .map(({ event, reason }) => (reason ? `${event}: ${reason}` : event));
  }
}
