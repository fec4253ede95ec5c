// The real bootloader and application on the emulated board, against the real server over TLS.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { Wire } from "../e2e/house.mjs";
import { APPLICATION, APPS, BoardHouse, makeAuthority, makeCertificate, makeRelease, STACK_LEN, STATUS, whenFull } from "./board-house.mjs";
import { ARM } from "./run-board.mjs";
import { TlsWire } from "./tls-wire.mjs";

describe("a board", { concurrency: 3 }, () => {
  let house;
  let first; // what every board is born with
  let minor = 0;

  before(async () => {
    house = await BoardHouse.open();
    first = house.release("1.0.0", 1, makeRelease());
  });
  after(() => house?.close());

  const nextVersion = () => `1.${++minor}.0`;

  // A board that has enrolled and runs the first image.
  async function aBoard(t, id, options) {
    const board = house.addBoard(id, first, options).start();
    t.after(() => board.end("SIGKILL"));
    await board.says("enrolled");
    return board;
  }

  test("boots for the first time, enrols, installs a release and confirms it", async (t) => {
    const wire = await new TlsWire(house, house.file("server")).open();
    t.after(() => wire.close());
    const board = await aBoard(t, "good", { port: wire.port });
    const version = nextVersion();
    const image = house.release(version, 2, makeRelease());
    const began = Date.now();
    await house.reaches(house.rollout(version, board), "completed");
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    assert.deepEqual(await board.story(), ["installed", "trial", "confirmed"], board.said());
    assert.equal((await board.known()).version, version);
    assert.ok(board.holds(image));
    assert.equal(wire.handshakes, 2, "one a boot, for polls, ranges and reports");
    const len = fs.statSync(image).size;
    assert.equal(wire.ranges().reduce((sum, [from, to]) => sum + to - from + 1, 0), len);
    assert.ok(wire.ranges().length >= 4);
    t.diagnostic(`256 KB over TLS in ${wire.ranges().length} ranges: ${seconds} s from the rollout's start to its end, ` +
      `${wire.handshakes} handshakes with that of the boot before it`);
    const { memory } = await board.stop();
    assert.ok(memory.stack > 1000 && memory.stack <= STACK_LEN, `${memory.stack} bytes of stack`);
  });

  whenFull("finds its server by name, with an address of its own or by DHCP", async (t) => {
    const own = ["--ip", "10.0.2.77", "--netmask", "255.255.255.0", "--gateway", "10.0.2.2"];
    for (const [id, network] of [["by-dhcp", []], ["static", [...own, "--dns", "10.0.2.3"]]]) {
      const board = await aBoard(t, id, { network });
      assert.equal((await board.known()).version, "1.0.0");
      await board.end("SIGKILL");
    }
    const board = house.addBoard("nameless", first, { network: own }).start();
    t.after(() => board.end("SIGKILL"));
    await board.says("transport");
  });

  whenFull("is an STM32F407 by its board file alone, whose flash stalls it while it is written", async (t) => {
    const old = house.release("0.9.0", 1, makeRelease(`${ARM}/app-f407.bin`));
    const board = house.addBoard("f407", old, { chip: "f407" }).start();
    t.after(() => board.end("SIGKILL"));
    await board.says("enrolled");
    const version = nextVersion();
    const image = house.release(version, 2, makeRelease(`${ARM}/app-f407.bin`));
    await house.reaches(house.rollout(version, board), "completed");
    assert.deepEqual(await board.story(), ["installed", "trial", "confirmed"], board.said());
    assert.ok(board.holds(image));
  });

  whenFull("is known by its certificate, without a token", async (t) => {
    const board = house.addBoard("certified", first, { certified: true }).start();
    t.after(() => board.end("SIGKILL"));
    const version = nextVersion();
    house.release(version, 2, makeRelease(APPLICATION, 110 * 1024));
    await house.reaches(house.rollout(version, board), "completed");
    assert.deepEqual(await board.story(), ["installed", "trial", "confirmed"], board.said());
    assert.doesNotMatch(board.said(), /enrolled/);
  });

  const bad = { hang: ["hangs until the watchdog bites", "watchdog"], crash: ["crashes", "fault"] };
  for (const [name, [what, reason]] of Object.entries(bad)) {
    test(`goes back when a release ${what}, and says so`, async (t) => {
      const board = await aBoard(t, name);
      const version = nextVersion();
      house.release(version, 2, makeRelease(`${APPS}/${name}.bin`, 64 * 1024));
      await house.reaches(house.rollout(version, board), "halted");
      assert.deepEqual(await board.story(), ["installed", `reverted: ${reason}`], board.said());
      const known = await board.known();
      assert.equal(known.version, "1.0.0");
      assert.equal(known.deployment.reason, reason);
      assert.ok(board.holds(first));
      assert.equal(board.said().match(new RegExp(`starts ${version}, attempt`, "g")).length, 3);
    });
  }

  test("goes back when the power fails in each trial of a good release, and does not blame the release", async (t) => {
    const board = await aBoard(t, "unpowered");
    const version = nextVersion();
    house.release(version, 2, makeRelease(APPLICATION, 110 * 1024));
    await board.end("SIGKILL");
    const rollout = house.rollout(version, board);
    for (const attempt of [1, 2, 3]) {
      board.start("--until", `starts ${version}, attempt ${attempt}`);
      assert.equal(await board.ended(), STATUS.done, board.said());
    }
    board.start();
    await house.reaches(rollout, "halted");
    assert.deepEqual(await board.story(), ["installed", "reverted: power"], board.said());
    assert.ok(board.holds(first));
  });

  whenFull("goes back when a release can't reach the server, and says so", async (t) => {
    const board = await aBoard(t, "cut-off");
    const version = nextVersion();
    house.release(version, 2, makeRelease());
    const rollout = house.rollout(version, board);
    await board.says("install, counter 2");
    await board.end("SIGKILL");
    const from = board.said().length;
    board.start("--link-down", "0-240000", "--speed", "20");
    await board.says("reverted: not_confirmed");
    await house.reaches(rollout, "halted");
    assert.deepEqual(await board.story(), ["installed", "trial", "reverted: not_confirmed"], board.said());
    assert.equal(board.said().slice(from).match(/trial: timeout/g).length, 3);
    assert.ok(board.holds(first));
  });

  test("speaks to nobody whose certificate is not the server's", async (t) => {
    const front = new Wire();
    front.target = house.wire.target;
    await front.open();
    t.after(() => front.close());
    const board = await aBoard(t, "wary", { port: front.port });
    const base = (name) => house.file(`wary/${name}`);
    makeAuthority(base("stranger"), "somebody else's CA");
    makeCertificate(base("foreign"), base("stranger"));
    makeAuthority(base("alone"), "ota.test");
    makeCertificate(base("other"), house.file("ca"), { names: ["other.test"] });
    makeCertificate(base("old"), house.file("ca"), { days: -1 });
    // "expired" is judged by the server's last signed time: a few polls must have been answered.
    const had = front.toDevices;
    await board.comesTo("answers to its polls", () => front.toDevices > had + 3000);
    for (const [name, word] of [["foreign", "untrusted"], ["alone", "untrusted"], ["other", "name"], ["old", "expired"]]) {
      const wire = await new TlsWire(house, base(name)).open();
      t.after(() => wire.close());
      const from = board.said().length;
      front.redirect(wire.port);
      await board.says(`tls: ${word}`, from);
      assert.equal(wire.requests.length, 0, `${name}: nothing was asked`);
    }
    front.redirect(house.wire.target);
    const version = nextVersion();
    house.release(version, 2, makeRelease());
    await house.reaches(house.rollout(version, board), "completed");
    assert.match(JSON.stringify(await board.events()), /poll: tls/, "the reason is in the history");
  });
});
