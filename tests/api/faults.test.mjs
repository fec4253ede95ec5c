// Faults of the disk and kills at every step of a change. strace makes the N-th write, fsync, rename, ... of
// a thread fail or kills otad there, N rising until a change is done without meeting the fault. Whatever
// happened, what was acknowledged is there and whole, and nothing else is, also after a kill; reads go on;
// and when the fault is over, so does everything.
//
// `make test` runs as much of it as fits FAULTS_SECONDS, the kills first; `make faults` runs it all.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { makeImage, sha256 } from "./lib/image.mjs";
import { Otad, until } from "./lib/otad.mjs";

const SECONDS = Number(process.env.FAULTS_SECONDS ?? 30);
const END = SECONDS > 0 ? Date.now() + SECONDS * 1000 : Infinity;
const CALLS = ["pwrite64", "fdatasync", "fsync", "rename", "write"];
const POINTS_MAX = 200; // of one sweep: far more than any change has calls
const KILLS_MIN = 5;

const KILL = { name: "kill", inject: (n) => `signal=KILL:when=${n}` };
const FAULTS = [
  KILL,
  ...["ENOSPC", "EIO"].flatMap((error) => [
    { name: `${error} once`, error, inject: (n) => `error=${error}:when=${n}` },
    { name: `${error} from there on`, error, lasting: true, inject: (n) => `error=${error}:when=${n}+` },
  ]),
];

// A thread that waits for the disk outlives the first one, and holds the lock of the data directory.
function isAlive(pid) {
  try {
    const isZombie = /^\d+ \(.*\) [ZX]/.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
    return !isZombie || fs.readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}

// What was asked for and what was acknowledged.
class House {
  constructor() {
    this.firmware = { asked: new Map(), acked: new Set() };
    this.percent = { asked: 0, acked: 0 };
    this.state = { asked: "running", acked: "running" };
    this.number = 0;
  }

  async start() {
    this.otad = await Otad.start({ env: { ASAN_OPTIONS: "detect_leaks=0" } }); // which strace would disturb
    await this.otad.releaseKey();
    const image = await this.otad.upload({ version: "1.0.0", size: 20000 });
    this.firmware.asked.set(image.sha256, image);
    this.firmware.acked.add(image.sha256);
    this.device = await this.otad.device("faulty");
    this.rollout = await this.otad.rollout({ firmware: image.id });
    this.deployment = (await this.device.offered()).deployment;
    await this.kill();
  }

  // False: the fault met otad before it was ready, since it makes such calls at its start, too.
  async launch(call, inject) {
    this.trace = path.join(this.otad.dir, "trace");
    fs.rmSync(this.trace, { force: true });
    try {
      await this.otad.launch(["strace", "-f", "-qq", "-o", this.trace, "-e", `trace=${call}`, "-e", "signal=none", "-e", `inject=${call}:${inject}`]);
      return true;
    } catch {
      await this.otad.exited;
      return false;
    }
  }

  // False when otad was killed meanwhile.
  async survives(step) {
    try {
      await step();
      return true;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      await this.otad.exited;
      return false;
    }
  }

  // strace ends by the signal that its child ended by.
  met() {
    return this.otad.process.signalCode === "SIGKILL" || fs.readFileSync(this.trace, "utf8").includes("INJECTED");
  }

  // otad itself runs below strace, until the fault is lifted.
  get pid() {
    const { pid, exitCode, signalCode } = this.otad.process;
    if (exitCode === null && signalCode === null) this.below = Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]) || pid;
    return this.below;
  }

  // Without its tracer otad runs on as if nothing had been. (--seccomp-bpf would leave its filter behind.)
  async lift() {
    assert.ok(this.pid > 0);
    this.otad.process.kill("SIGKILL");
    await this.otad.exited;
    assert.ok(isAlive(this.below), "otad runs on");
  }

  async kill() {
    if (isAlive(this.pid)) process.kill(this.below, "SIGKILL");
    await this.otad.exited;
    await until(() => !isAlive(this.below), "otad to be gone");
  }

  // ---- changes: each gives the status, 0 when the connection broke and it may be or not ----

  async attempt(ask, acknowledge, withdraw) {
    let answer = { status: 0 };
    if (!(await this.survives(async () => (answer = await ask())))) return 0;
    if (answer.status < 300) acknowledge();
    else withdraw();
    return answer.status;
  }

  upload() {
    const image = makeImage({ version: `1.1.${++this.number}`, size: 20000 });
    this.firmware.asked.set(image.sha256, image);
    return this.attempt(() => this.otad.call("POST", "/api/v1/firmware", { body: image.bytes }), () => this.firmware.acked.add(image.sha256), () => this.firmware.asked.delete(image.sha256));
  }

  report() {
    // A percentage is told once; then the next round begins with the same deployment.
    const percent = (this.percent.asked = (this.percent.acked + 1) % 101);
    const body = this.device.reportBody(this.deployment, "downloading", { percent });
    return this.attempt(() => this.otad.call("POST", "/device/v1/reports", { token: this.device.token, body }), () => (this.percent.acked = percent), () => (this.percent.asked = this.percent.acked));
  }

  change() {
    const to = this.state.acked === "running" ? "paused" : "running";
    this.state.asked = to;
    const order = to === "paused" ? "pause" : "resume";
    return this.attempt(() => this.otad.call("POST", `/api/v1/rollouts/${this.rollout.id}/${order}`), () => (this.state.acked = to), () => (this.state.asked = this.state.acked));
  }

  // ---- what must hold ----

  async checkFirmware(fresh) {
    const listed = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await this.otad.expect(200, "GET", `/api/v1/firmware?limit=500${cursor && `&cursor=${cursor}`}`);
      listed.push(...page.items.map((item) => item.sha256));
      cursor = page.next;
    }
    for (const hash of this.firmware.acked) assert.ok(listed.includes(hash), "an acknowledged upload is listed");
    for (const hash of listed) assert.ok(this.firmware.asked.has(hash), "nothing is listed that was not uploaded");
    const blobs = path.join(this.otad.dir, "data", "blobs");
    const files = fs.readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files) assert.equal(sha256(fs.readFileSync(path.join(file.parentPath ?? file.path, file.name))).toString("hex"), file.name);
    if (fresh) {
      assert.deepEqual(files.map((file) => file.name).sort(), [...listed].sort(), "each row has its file, each file its row");
      this.firmware.acked = new Set(listed);
    } else {
      for (const hash of listed) assert.ok(files.some((file) => file.name === hash));
    }
    assert.deepEqual(fs.readdirSync(path.join(this.otad.dir, "data", "tmp")), [], "no unfinished upload is left");
  }

  async checkRollout(fresh) {
    const { deployment } = await this.otad.expect(200, "GET", `/api/v1/devices/${this.device.id}`);
    assert.equal(String(deployment.id), this.deployment);
    assert.ok([this.percent.acked, this.percent.asked].includes(deployment.percent), `${deployment.percent} %, asked ${this.percent.asked}, acknowledged ${this.percent.acked}`);
    const rollout = await this.otad.showRollout(this.rollout.id);
    assert.ok([this.state.acked, this.state.asked].includes(rollout.state), rollout.state);
    assert.equal(rollout.stages[0].offered + rollout.stages[0].downloading, 1, "the counts are those of the devices");
    if (!fresh) return;
    this.percent.acked = this.percent.asked = deployment.percent;
    this.state.acked = this.state.asked = rollout.state;
  }

  // `fresh`: after a start; then what was asked and not acknowledged has become one or the other.
  async check(fresh) {
    await this.checkFirmware(fresh);
    await this.checkRollout(fresh);
  }

  async checkReads() {
    await this.otad.expect(200, "GET", "/healthz", { token: null });
    const manifest = await this.device.poll();
    if (manifest.action === "install") assert.equal((await this.device.fetch(manifest.url, { range: "bytes=0-99" })).status, 206);
    await this.check(false);
  }
}

describe("faults", () => {
  const house = new House();
  before(() => {
    assert.equal(spawnSync("strace", ["-V"]).status, 0, "strace is needed: scripts/setup installs it");
    return house.start();
  });
  after(async () => {
    await house.kill();
    fs.rmSync(house.otad.dir, { recursive: true, force: true });
  });

  // One point of a sweep. False when the change was done without meeting the fault.
  async function point(change, call, fault, n) {
    const isUp = (await house.launch(call, fault.inject(n))) && (await house.survives(() => house.check(true)));
    if (!isUp) {
      assert.ok(house.met(), `otad ended, and no fault was the reason:\n${house.otad.log}`);
      await house.kill();
      await house.otad.launch();
      await house.check(true);
      await house.kill();
      return true;
    }
    const status = await house[change]();
    const isMet = house.met();
    if (fault.error) {
      assert.ok(status < 300 || [503, 507].includes(status), `${change} was answered with ${status}`);
      if (status >= 300) assert.ok(isMet, `${change} was refused with ${status}, and no fault was the reason`);
      await house.checkReads();
    }
    // Killed while the disk still fails, it comes back without what it refused; else it goes on.
    if (fault.error && !(fault.lasting && n % 2)) {
      await house.lift();
      const again = await house[change]();
      assert.ok(again > 0 && again < 300, `${change} is refused with ${again} after the fault`);
      await house.check(false);
    }
    await house.kill();
    return isMet;
  }

  const sweeps = FAULTS.flatMap((fault) => CALLS.flatMap((call) => ["upload", "report", "change"].map((change) => ({ change, call, fault, n: 1, over: false }))));

  test("at every write, sync and rename: what was acknowledged is there, nothing else is, and it goes on", { timeout: 3600000 }, async () => {
    let points = 0;
    const met = new Map();
    const kills = () => met.get(KILL.name) ?? 0;
    const isLate = () => Date.now() > END && kills() >= KILLS_MIN; // however slow the machine is
    // Round by round, so that a time limit cuts the late points of all rather than whole sweeps.
    for (let n = 1; n <= POINTS_MAX && sweeps.some((sweep) => !sweep.over); n++) {
      for (const sweep of sweeps) {
        if (sweep.over || isLate()) continue;
        try {
          sweep.over = !(await point(sweep.change, sweep.call, sweep.fault, n));
        } catch (error) {
          error.message = `${sweep.change}, ${sweep.fault.name} at ${sweep.call} ${n}: ${error.message}`;
          throw error;
        }
        points++;
        if (!sweep.over) met.set(sweep.fault.name, (met.get(sweep.fault.name) ?? 0) + 1);
      }
      if (isLate()) break;
    }
    console.log(`# ${points} points, met: ${JSON.stringify(Object.fromEntries(met))}`);
    assert.ok(kills() >= KILLS_MIN, "the sweep met its faults");
    if (END === Infinity) assert.ok(sweeps.every((sweep) => sweep.over) && FAULTS.every((fault) => met.get(fault.name) > 10));
  });
});
