// What may happen on the way of one update: resets, power cuts, a bad network, a server that lies.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { BoardHouse, FULL, makeRelease, STATUS, whenFull } from "./board-house.mjs";
import { TlsWire } from "./tls-wire.mjs";

const CHUNK_LEN = 512; // OTA_CLIENT_CHUNK_LEN: what the client holds in RAM before it is in flash
const DOWNLOAD_OPERATIONS = 65536; // 256 KB in words
const RUN_OPERATIONS = 197000; // of a whole update: download, swap of two images, records

describe("an update", { concurrency: 3 }, () => {
  let house;
  let first;
  let minor = 0;

  before(async () => {
    house = await BoardHouse.open();
    first = house.release("1.0.0", 1, makeRelease());
  });
  after(() => house?.close());

  function aRelease() {
    const version = `1.${++minor}.0`;
    return { version, image: house.release(version, 2, makeRelease()) };
  }

  // A board that has enrolled, behind a wire that reads along.
  async function aBoard(t, id) {
    const wire = await new TlsWire(house, house.file("server")).open();
    t.after(() => wire.close());
    const board = house.addBoard(id, first, { port: wire.port }).start();
    t.after(() => board.end("SIGKILL"));
    await board.says("enrolled");
    return { wire, board };
  }

  async function assertUpdated(board, { image }, rollout) {
    await house.reaches(rollout, "completed");
    assert.deepEqual(await board.story(), ["installed", "trial", "confirmed"], board.said());
    assert.ok(board.holds(image));
  }

  const resets = FULL ? 20 : 3;
  test(`goes on after ${resets} resets spread over its download, and fetches little again`, async (t) => {
    const { wire, board } = await aBoard(t, "reset");
    const release = aRelease();
    const len = fs.statSync(release.image).size;
    await board.end("SIGKILL");
    const rollout = house.rollout(release.version, board);
    const places = [];
    for (let i = 0; i < resets; i++) {
      board.start("--cut", String(Math.floor(DOWNLOAD_OPERATIONS / (resets + 1))));
      assert.equal(await board.ended(), STATUS.powerLost, board.said());
      places.push({ place: board.downloaded(), asked: wire.ranges().length });
    }
    board.start();
    await assertUpdated(board, release, rollout);
    const ranges = wire.ranges();
    let again = 0;
    for (const { place, asked } of places) {
      const start = ranges[asked]?.[0];
      assert.ok(start <= place && start > place - CHUNK_LEN, `${place} bytes in flash, then asked from ${start}`);
      again += place + CHUNK_LEN - start; // what was in RAM counts as whole chunks
    }
    assert.equal(new Set(places.map(({ place }) => place)).size, resets, "each reset met another place");
    assert.ok(again <= len * 0.05, `${again} of ${len} bytes were fetched again`);
  });

  const cuts = FULL ? 12 : 1;
  for (let i = 0; i < cuts; i++) {
    const operation = Math.round((i + 0.5) * RUN_OPERATIONS / cuts) + (i % 7);
    const fault = i % 2 === 0 ? "--tear" : "--cut";
    const when = i % 2 === 0 ? "in" : "before";
    test(`survives a power cut ${when} flash operation ${operation}`, async (t) => {
      const board = house.addBoard(`power-${i}`, first).start();
      t.after(() => board.end("SIGKILL"));
      await board.says("enrolled");
      await board.end("SIGKILL");
      const release = aRelease();
      const rollout = house.rollout(release.version, board);
      board.start(fault, String(operation), "--seed", String(i + 1));
      assert.equal(await board.ended(), STATUS.powerLost, board.said());
      board.start();
      await assertUpdated(board, release, rollout);
    });
  }

  test("gets through frames lost, broken, changed and doubled", async (t) => {
    const { board } = await aBoard(t, "noise");
    const release = aRelease();
    await board.end("SIGKILL");
    const rollout = house.rollout(release.version, board);
    board.start("--drop", "2", "--corrupt", "2", "--reorder", "2", "--duplicate", "1", "--seed", "5");
    await assertUpdated(board, release, rollout);
    const { frames } = await board.stop();
    /* Each alone may not come up in a few hundred frames. */
    assert.ok(frames.dropped + frames.corrupted + frames.reordered > 0);
  });

  whenFull("waits for a cable that was pulled out in the middle", async (t) => {
    const { wire, board } = await aBoard(t, "cable");
    const release = aRelease();
    await board.end("SIGKILL");
    const rollout = house.rollout(release.version, board);
    const before = wire.handshakes;
    wire.hostile = (request) => request.path.startsWith("/device/v1/firmware/") && request.range[0] >= 65536;
    board.start("--link-down", "8000-40000");
    await board.says("download: ");
    wire.hostile = () => false;
    await assertUpdated(board, release, rollout);
    assert.ok(wire.handshakes >= before + 2);
  });

  const head = (from, to, len) => `HTTP/1.1 206 x\r\nContent-Range: bytes ${from}-${to}/${len}\r\n` +
    `Content-Length: ${to - from + 1}\r\n\r\n`;
  const lies = {
    "a range that starts a byte later": ["http_range", (socket, [from, to], bytes) => {
      socket.write(head(from + 1, to + 1, bytes.length));
      socket.write(bytes.subarray(from, to + 1));
    }],
    "a bit that is not the signed one": ["hash", (socket, [from, to], bytes) => {
      const part = Buffer.from(bytes.subarray(from, to + 1));
      part[part.length >> 1] ^= from === 0 ? 0x10 : 0;
      socket.write(head(from, to, bytes.length));
      socket.write(part);
    }],
    "a head without end": ["http", (socket) => {
      socket.write("HTTP/1.1 206 x\r\nX-Long: ");
      socket.write(Buffer.alloc(1 << 18, "x"));
    }],
    "a page for everything": ["size", (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>");
    }],
  };
  for (const [i, [lie, [reason, answer]]] of Object.entries(lies).entries()) {
    (i === 0 ? test : whenFull)(`fails with the true reason on ${lie}, the old image untouched`, async (t) => {
      const { wire, board } = await aBoard(t, `lie-${i}`);
      const release = aRelease();
      const bytes = fs.readFileSync(release.image);
      wire.hostile = ({ path, range }, socket) => {
        if (!path.startsWith("/device/v1/firmware/")) return false;
        answer(socket, range, bytes);
        return true;
      };
      await house.reaches(house.rollout(release.version, board), "halted");
      assert.deepEqual(await board.story(), [`failed: ${reason}`], board.said());
      assert.ok(board.holds(first));
      assert.equal((await board.known()).version, "1.0.0");
    });
  }

  whenFull("ends an endless body at the image's size, and gets over a stall", async (t) => {
    const { wire, board } = await aBoard(t, "endless");
    const release = aRelease();
    const bytes = fs.readFileSync(release.image);
    let stalls = 2;
    wire.hostile = ({ path, range }, socket) => {
      if (!path.startsWith("/device/v1/firmware/")) return false;
      if (stalls-- > 0) return true; // no answer at all
      socket.write(`HTTP/1.1 206 x\r\nContent-Range: bytes ${range[0]}-${range[1]}/${bytes.length}\r\nTransfer-Encoding: chunked\r\n\r\n`);
      const chunk = (data) => socket.write(Buffer.concat([
        Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")]));
      chunk(bytes.subarray(range[0], range[1] + 1));
      const more = () => {
        while (!socket.destroyed && chunk(Buffer.alloc(4096, 0x55)));
      };
      socket.on("drain", more);
      more();
      return true;
    };
    const rollout = house.rollout(release.version, board);
    await assertUpdated(board, release, rollout);
    assert.match(board.said(), /download: timeout/);
  });
});
