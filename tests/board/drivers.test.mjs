// The STM32F4 drivers on the emulated hardware, when it works and when it fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ARM, STATUS, checks, runBoard, signImage } from "./run-board.mjs";

const FLASH_ERROR = "0xffffffd8"; // OTA_E_FLASH
const STATE_ERROR = "0xffffffd5"; // OTA_E_STATE

async function runDrivers(...args) {
  const boot = `${ARM}/firmware/drivers.elf`;
  const all = ["--boot", boot, "--offline", "--time", "30000", "--until", "# end", ...args];
  const result = await runBoard(all);
  assert.equal(result.status, STATUS.done, result.errors);
  result.said = new Map(result.lines.map((line) => line.split(": ")));
  return result;
}

test("every driver does its work, and misuses nothing", async () => {
  const { said, lines } = await runDrivers();
  for (const what of ["erase", "program", "compare", "random", "program in bank 2"])
    assert.equal(said.get(what), "good", what);
  assert.equal(said.get("clock"), "external");
  assert.deepEqual(checks(lines).filter(({ good }) => !good), []);
  assert.equal(checks(lines).length, 3);
  assert.ok(lines.includes("the log of the port works too"));
});

test("the flash driver refuses what flash can't do", async () => {
  const { said } = await runDrivers();
  const wrong = ["set bits", "unaligned", "odd length", "beyond the end", "before the start"];
  for (const what of [...wrong, "erase inside a sector"])
    assert.equal(said.get(what), FLASH_ERROR, what);
});

test("without its external clock the chip runs from the internal one", async () => {
  const { said, lines } = await runDrivers("--no-hse");
  assert.equal(said.get("clock"), "internal");
  assert.equal(said.get("random"), "good");
  assert.deepEqual(checks(lines).filter(({ good }) => !good), []);
});

test("an erase that the controller refuses is reported", async () => {
  const { said } = await runDrivers("--refuse", "1");
  assert.equal(said.get("erase"), FLASH_ERROR);
});

test("a program that the controller refuses is reported, at the first and the last word", async () => {
  for (const operation of ["2", "9"]) {
    const { said } = await runDrivers("--refuse", operation);
    assert.equal(said.get("erase"), "good");
    assert.equal(said.get("program"), FLASH_ERROR);
  }
});

test("a word that reads back wrong is reported, though no flag tells", async () => {
  const { said } = await runDrivers("--weak", "5");
  assert.equal(said.get("program"), FLASH_ERROR);
  assert.equal(said.get("compare"), FLASH_ERROR);
});

test("the driver goes on after an error", async () => {
  const { said } = await runDrivers("--refuse", "2");
  assert.equal(said.get("erase in bank 2"), "good");
  assert.equal(said.get("program in bank 2"), "good");
});

test("seed errors of the RNG are overcome, and reported when they do not end", async () => {
  assert.equal((await runDrivers("--bad-seeds", "3")).said.get("random"), "good");
  assert.equal((await runDrivers("--bad-seeds", "9")).said.get("random"), STATE_ERROR);
});

test("an application that crashes in its first instruction says so at the log's own speed", async () => {
  const image = signImage(`${ARM}/apps/fault.bin`, "1.0.0", 1);
  const result = await runBoard(["--boot", `${ARM}/boot-f429.elf`, "--app", image, "--offline", "--time", "30000",
    "--until", "starts 1.0.0", "--until", "fault", "--until", "starts 1.0.0"], { fast: true });
  assert.equal(result.status, STATUS.done, result.errors);
});
