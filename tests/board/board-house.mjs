// A house whose devices are boards: otad over TLS on loopback, and the very ELF files that would be
// flashed, each on an emulated STM32F4 with its flash in a file.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { Device, House, Program, until } from "../e2e/house.mjs";

const BUILD = path.resolve(process.env.BUILD_DIR ?? "build");
const BOARD = path.resolve("build/board");
const ARM = "build/arm";
const PROVISION = "0x08004000"; // the application's PROVISION: sector 1
const SPEED = "4"; // of a board that sleeps, times the clock's
const HEADER_LEN = 0x200;
const IMAGE_LEN = 256 * 1024;
export const SERVER_NAME = "ota.test";

// make board-test: everything. Otherwise samples of it, for make test.
export const FULL = process.env.BOARD_TEST === "full";

export const APPLICATION = `${ARM}/nucleo-f429zi.bin`;

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

export class BoardHouse extends House {
  scheme = "https";
  product = "demo"; // what build/arm/boot-*.elf believes: BOOT_PRODUCT, BOOT_HARDWARE, BOOT_KEYS
  hardware = "stm32f4";

  makeKeys() {
    fs.copyFileSync("tests/keys/release.pem", this.file("release.pem"));
    fs.copyFileSync("tests/keys/release.pub.pem", this.file("release.pub.pem"));
    makeAuthority(this.file("ca"), "the house's CA");
    makeCertificate(this.file("server"), this.file("ca"));
    this.serverOptions = ["--tls-cert", this.file("server.pem"), "--tls-key", this.file("server.key")];
    this.otactlEnvironment = { OTACTL_CACERT: this.file("ca.pem") };
  }

  // A board in a group of its own name that will enrol itself; `image` is what its flash is born with.
  addBoard(id, image, { port = this.wire.port, chip = "f429" } = {}) {
    fs.mkdirSync(this.file(id));
    this.otactl("group", "add", id);
    this.otactl("enrolment-key", "add", id, "--product", this.product, "--policy", "accept",
      "--group", id, "-o", this.file(`${id}/key`));
    this.provision(id, "--enrolment-key-file", this.file(`${id}/key`),
      "--server", `https://${SERVER_NAME}:${port}`, "--address", "10.0.2.2");
    const board = new Board(this, id, [
      "--chip", chip, "--flash", this.file(`${id}/flash.bin`), "--boot", `${ARM}/boot-${chip}.elf`,
      "--app", image, "--load", `${this.file(`${id}/provision`)}@${PROVISION}`]);
    this.devices.add(board);
    return board;
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

  // Until the log has this text (again, when it was there before since `from`).
  says(text, ms = 120000, from = 0) {
    return until(`${this.id} says "${text}"`, ms, () => {
      if (this.said().slice(from).includes(text)) return true;
      assert.equal(this.program.child.exitCode, null, `${this.id} ended:\n${this.said()}`);
      return false;
    });
  }

  // Nothing before it has enrolled.
  known() {
    const done = this.house.tryOtactl("device", "show", this.id, "--json");
    return done.status === 0 ? JSON.parse(done.stdout) : {};
  }

  async ended() {
    await this.program.ended;
    return this.program.child.exitCode;
  }

  // The events of one deployment or all, oldest first, as words; a failure with its reason.
  story() {
    return this.events().reverse().filter(({ event }) => !["offered", "downloading"].includes(event))
      .map(({ event, reason }) => (reason ? `${event}: ${reason}` : event));
  }
}
