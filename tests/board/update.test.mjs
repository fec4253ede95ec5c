// The real bootloader and application on the emulated board, against the real server over TLS.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, afterEach, before, test } from "node:test";

import { until } from "../e2e/house.mjs";
import { BoardHouse, makeRelease } from "./board-house.mjs";

const ROLLOUT_MS = 200000;

let house;
let first; // what every board is born with

before(async () => {
  house = await BoardHouse.open();
  first = house.release("1.0.0", 1, makeRelease());
});

afterEach(() => house.stopDevices());

after(() => house?.close());

test("a board boots for the first time, enrols, installs a release and confirms it", async () => {
  const board = house.addBoard("lamp-a", first);
  board.start();
  await board.runs("1.0.0", ROLLOUT_MS);
  const image = house.release("1.1.0", 2, makeRelease());
  const rollout = house.rollout("1.1.0", board);
  await until("the rollout's end", ROLLOUT_MS, () => house.rolloutState(rollout) === "completed");
  assert.deepEqual(board.story(), ["installed", "trial", "confirmed"], board.said());
  assert.ok(board.holds(image));
  assert.ok(house.wire.toDevices > fs.statSync(image).size);
  assert.equal(house.wire.connections, 2, "one handshake a boot, for polls, ranges and reports");
});
