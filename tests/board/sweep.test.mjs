// A power cut at every flash operation of an update on the board: the real bootloader, and images so
// small (tests/board/apps/small.c) that there are few enough operations.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { APPS, FULL } from "./board-house.mjs";
import { ARM, file, runBoard, signImage, STATUS } from "./run-board.mjs";

const DOWNLOAD = "0x08140000";
const EVERY = Number(process.env.SWEEP_EVERY ?? (FULL ? 31 : 331)); // odd: both kinds of cut are met
const TIME_MS = "120000"; // emulated
const SETTLED = ["--offline", "--time", TIME_MS, "--until", "starts 1.1.0", "--until", "settled"];

test(`power may go at ${EVERY === 1 ? "every" : `each ${EVERY}th`} flash operation of an update between two small images`, async (t) => {
  const flash = file("flash.bin");
  const waiting = signImage(`${APPS}/small.bin`, "1.1.0", 2);
  const swept = await runBoard(["--flash", flash, "--boot", `${ARM}/boot-f429.elf`,
    "--app", signImage(`${APPS}/small.bin`, "1.0.0", 1), "--load", `${waiting}@${DOWNLOAD}`, ...SETTLED,
    "--sweep", String(EVERY), "--holds", waiting], { fast: true });
  const said = `${swept.errors}\n${swept.lines.join("\n")}`;
  assert.equal(swept.status, STATUS.done, said);
  const { operations } = swept.stats.flash;
  assert.ok(operations > 1000, said);
  const summary = `sweep: ${Math.ceil(operations / EVERY)} power cuts, 0 not survived`;
  assert.equal(swept.lines.at(-1), summary);
  t.diagnostic(`${operations} operations, ${summary}`);
});

test("a sweep sees a cut that is not survived", async () => {
  const image = signImage(`${APPS}/small.bin`, "1.1.0", 2);
  const bytes = fs.readFileSync(image);
  const other = file("other.bin", bytes.fill(0, bytes.length - 1));
  const swept = await runBoard(["--boot", `${ARM}/boot-f429.elf`, "--app", signImage(`${APPS}/small.bin`, "1.0.0", 1),
    "--load", `${image}@${DOWNLOAD}`, ...SETTLED, "--sweep", "3001", "--holds", other], { fast: true });
  assert.equal(swept.status, STATUS.wrong);
  assert.equal(swept.lines.at(-1), "sweep: 2 power cuts, 2 not survived");
});
