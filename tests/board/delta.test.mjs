// Updates by patch on the emulated board: the application's own decoder, over TLS, with and without a power cut.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { until } from "../e2e/house.mjs";
import { BoardHouse, makeRelease, STATUS } from "./board-house.mjs";
import { TlsWire } from "./tls-wire.mjs";

const BUILD_MS = 120000;
const CUT_OPERATIONS = 20000; // of 65,536 that 256 KB in words are

class PatchHouse extends BoardHouse {
  patches = "on";

  // A patch between releases is ready.
  hasPatch() {
    return this.server.said().split("\n").some((line) => line.includes('"patch_made"') &&
      !/"base":"0{64}"|"size":0,/.test(line));
  }
}

describe("a patch", { concurrency: 2 }, () => {
  let house;
  let image;
  let rollout;
  before(async () => {
    house = await PatchHouse.open();
    const old = makeRelease();
    house.release("1.0.0", 1, old);
    const at = old.length - 100000; // in the rubbish: what runs stays what it is
    image = house.release("1.1.0", 2, Buffer.concat([old.subarray(0, at), Buffer.from("put in"), old.subarray(at)]));
    const pioneer = house.addBoard("pioneer", house.images.get("1.0.0")).start();
    await pioneer.says("enrolled");
    rollout = house.rollout("1.1.0");
    await until("a patch", BUILD_MS, () => house.hasPatch());
    await pioneer.end("SIGKILL");
  });
  after(() => house?.close());

  async function aBoard(t, id) {
    const wire = await new TlsWire(house, house.file("server")).open();
    t.after(() => wire.close());
    const board = house.addBoard(id, house.images.get("1.0.0"), { port: wire.port });
    t.after(() => board.end("SIGKILL"));
    return { wire, board };
  }

  async function assertPatched(board, wire) {
    await board.says("confirmed");
    await board.comesTo("its report", async () => (await board.story()).at(-1) === "confirmed");
    assert.deepEqual(await board.story(), ["installed", "trial", "confirmed"], board.said());
    assert.ok(board.holds(image));
    assert.deepEqual(wire.ranges(), [], `no byte of the image\n${board.said()}`);
    const patched = wire.requests.filter(({ path }) => path.startsWith("/device/v1/patches/"));
    assert.ok(patched.length > 0);
    return patched.reduce((sum, { range: [from, to] }) => sum + to - from + 1, 0);
  }

  test("makes a board the release, for a small part of its bytes", async (t) => {
    const { wire, board } = await aBoard(t, "patched");
    board.start();
    const bytes = await assertPatched(board, wire);
    assert.ok(bytes < fs.statSync(image).size / 50, `${bytes} bytes`);
    const shown = await house.ask("rollout", "show", String(rollout));
    assert.ok(shown.bytes_saved >= fs.statSync(image).size - bytes);
  });

  test("goes on after a power cut in its middle", async (t) => {
    const { wire, board } = await aBoard(t, "cut");
    board.start("--cut", String(CUT_OPERATIONS));
    assert.equal(await board.ended(), STATUS.powerLost, board.said());
    assert.ok(board.downloaded() > 16384, `${board.downloaded()} bytes were in flash`);
    board.start();
    const bytes = await assertPatched(board, wire);
    assert.ok(bytes < fs.statSync(image).size / 50, `${bytes} bytes`);
  });
});
