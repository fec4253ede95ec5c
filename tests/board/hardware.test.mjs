// The emulated hardware, by small firmware of its own: what the chip does and what it refuses.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ARM, STATUS, checks, file, runBoard } from "./run-board.mjs";

const firmware = (name) => `${ARM}/firmware/${name}.elf`;
const whole = ["--offline", "--time", "20000", "--until", "# end"];

async function runFirmware(name, ...args) {
  return runBoard(["--boot", firmware(name), ...whole, ...args]);
}

// How many checks each program makes, so that one which ends early is seen.
for (const [name, count] of [["flash_rules", 32], ["time", 14], ["reset", 10]]) {
  const result = await runFirmware(name);
  for (const { name: sentence, good } of checks(result.lines)) {
    test(`${name}: ${sentence}`, () => assert.ok(good, result.lines.join("\n")));
  }
  test(`${name}: all of it ran`, () => {
    assert.equal(result.status, STATUS.done, result.errors);
    assert.equal(checks(result.lines).length, count);
  });
}

const MISUSES = [
  [0, /clock is off/],
  [1, /where nothing is/],
  [2, /not ready/],
  [3, /0 flash wait states/],
  [4, /over the limit/],
  [5, /VCO/],
  [6, /option bytes/],
  [7, /mass erase/],
  [8, /stale caches/],
  [9, /without its key/],
  [10, /160000 baud/],
  [11, /before DRDY/],
  [12, /1 byte access/],
  [13, /AIRCR/],
  [14, /clock that runs the chip/],
];
for (const [choice, sentence] of MISUSES) {
  test(`misuse ${choice} stops the board: ${sentence.source}`, async () => {
    const load = `${file("choice.bin", Uint8Array.of(choice, 0, 0, 0))}@0x08004000`;
    const result = await runFirmware("misuse", "--load", load);
    assert.equal(result.status, STATUS.misuse);
    assert.match(result.errors, sentence);
  });
}

const word = (flash, addr) => readFileSync(flash).readUInt32LE(addr - 0x08000000);

test("a cut before the first word leaves the flash as it was", async () => {
  const result = await runFirmware("flash_rules", "--cut", "1");
  assert.equal(result.status, STATUS.powerLost);
  assert.equal(word(result.flash, 0x08010000), 0xffffffff);
});

test("a cut after the first word leaves it programmed", async () => {
  const result = await runFirmware("flash_rules", "--cut", "2");
  assert.equal(word(result.flash, 0x08010000), 0xf0f0a5a5);
});

test("a torn word has some of its bits", async () => {
  const found = new Set();
  for (let seed = 1; seed <= 8; seed++) {
    const result = await runFirmware("flash_rules", "--tear", "1", "--seed", String(seed));
    assert.equal(result.status, STATUS.powerLost);
    assert.equal(result.stats.flash.torn, 1);
    const value = word(result.flash, 0x08010000);
    assert.equal((value | 0xf0f0a5a5) >>> 0, value, "no bit is cleared that was not asked for");
    found.add(value);
  }
  assert.ok(found.size > 4);
});

test("a torn erase may leave some of the sector's bits", async () => {
  const words = new Set();
  for (let seed = 1; seed <= 8; seed++) {
    const result = await runFirmware("flash_rules", "--tear", "6", "--seed", String(seed));
    assert.equal(result.status, STATUS.powerLost);
    words.add(word(result.flash, 0x08010000));
  }
  assert.ok(words.has(0xffffffff), "begun");
  assert.ok(words.size > 1, "not finished");
});

test("a refused operation sets a flag and changes nothing", async () => {
  const result = await runFirmware("flash_rules", "--refuse", "1");
  assert.ok(result.lines.includes("not ok - a word is programmed without an error"));
  assert.ok(result.lines.includes("not ok - and reads back"));
});

test("a weak operation sets no flag and leaves a wrong bit", async () => {
  const result = await runFirmware("flash_rules", "--weak", "1");
  assert.ok(result.lines.includes("ok - a word is programmed without an error"));
  assert.ok(result.lines.includes("not ok - and reads back"));
});

test("the flash is what the process before left in it", async () => {
  const first = await runFirmware("flash_rules", "--cut", "2");
  const second = await runBoard(["--flash", first.flash, ...whole]);
  assert.ok(second.lines.includes("not ok - and changes nothing"), "the word is programmed already");
});

test("a watchdog that never bites lets a starved program go on", async () => {
  const result = await runFirmware("reset", "--no-watchdog");
  assert.ok(result.lines.includes("not ok - a starved watchdog resets the chip"));
});

test("seed errors of the RNG are reported and can be cleared", async () => {
  const result = await runFirmware("time", "--bad-seeds", "3");
  assert.ok(result.lines.includes("ok - the RNG gives one word after another"));
  assert.ok(result.lines.includes("seed errors survived"));
});

test("the same seed gives the same run", async () => {
  const runs = [];
  for (let i = 0; i < 2; i++) runs.push(await runFirmware("time", "--seed", "7"));
  assert.equal(runs[0].stats.seconds, runs[1].stats.seconds);
  assert.equal(runs[0].stats.blocks, runs[1].stats.blocks);
});
