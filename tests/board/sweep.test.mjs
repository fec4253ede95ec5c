// A power cut at every flash operation of an update on the board: the real bootloader, and images so
// small (tests/board/apps/small.c) that there are few enough operations.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { before, test } from "node:test";

import { APPS, FULL } from "./board-house.mjs";
import { ARM, BUILD, file, runBoard, STATUS } from "./run-board.mjs";

const PRIMARY = 0x20000; // in the flash file
const DOWNLOAD = "0x08140000";
const EVERY = Number(process.env.SWEEP_EVERY ?? (FULL ? 1 : 331));
const TIME_MS = "120000"; // emulated
const SETTLED = ["--offline", "--time", TIME_MS, "--until", "starts 1.1.0", "--until", "settled"];

let start; // a flash file: version 1.0.0 in the primary, 1.1.0 waits in the secondary
let wanted; // the image of 1.1.0
let operations;

function sign(version, counter) {
  const image = file(`small-${version}.img`);
  const done = spawnSync(path.join(BUILD, "otactl"), ["release", "sign", `${APPS}/small.bin`, "--key",
    "tests/keys/release.pem", "--version", version, "--counter", String(counter), "--product", "demo",
    "--hardware", "stm32f4", "-o", image], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return image;
}

const run = (flash, ...args) => runBoard(["--flash", flash, ...SETTLED, ...args], { fast: true });
const primary = (flash) => fs.readFileSync(flash).subarray(PRIMARY, PRIMARY + wanted.length);

before(async () => {
  const image = sign("1.1.0", 2);
  wanted = fs.readFileSync(image);
  start = file("start.bin");
  await runBoard(["--flash", start, "--boot", `${ARM}/boot-f429.elf`, "--app", sign("1.0.0", 1),
    "--load", `${image}@${DOWNLOAD}`, "--offline", "--cut", "1", "--time", TIME_MS], { fast: true });
});

test("an update between two small images goes through", async () => {
  const flash = file("whole.bin", fs.readFileSync(start));
  const whole = await run(flash);
  assert.equal(whole.status, STATUS.done, whole.lines.join("\n"));
  assert.ok(primary(flash).equals(wanted));
  operations = whole.stats.flash.operations;
  assert.ok(operations > 1000);
});

// Cut before operation n, or in its middle when `tear`; then it must end as if nothing had been.
async function survives(n, tear) {
  const flash = file("cut.bin", fs.readFileSync(start));
  const cut = await run(flash, tear ? "--tear" : "--cut", String(n), "--seed", String(n));
  assert.equal(cut.status, STATUS.powerLost, `operation ${n}: ${cut.errors}`);
  const after = await run(flash);
  assert.equal(after.status, STATUS.done, `operation ${n}: ${after.errors}\n${after.lines.join("\n")}`);
  assert.ok(primary(flash).equals(wanted), `operation ${n}: the new image`);
  fs.rmSync(flash);
}

test(`power may go at ${EVERY === 1 ? "every" : `each ${EVERY}th`} flash operation of it`, async () => {
  let next = 1;
  let cuts = 0;
  const worker = async () => {
    while (next <= operations) {
      const n = next;
      next += EVERY;
      await survives(n, n % 2 === 0);
      cuts++;
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  assert.equal(cuts, Math.ceil(operations / EVERY));
});
