// ota-device through its whole network stack against a server that breaks every rule.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { Device, FakeServer, NEXT, OLD, head, makeImage } from "./lib/device.mjs";

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "hostile-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

let count = 0;

async function world(options, more) {
  const server = await new FakeServer(options).start();
  const device = new Device(path.join(dir, `device-${count++}`), server, more);
  return { server, device };
}

async function live({ server, device }, more) {
  const end = await device.run(more);
  server.stop();
  assert.deepEqual(end, { code: 0, signal: null }, device.log);
}

const UPDATED = ["installed", "trial", "confirmed"];

function assertUpdated({ server, device }, image = NEXT) {
  assert.deepEqual(server.events(), UPDATED, device.log);
  assert.ok(device.runs(image), "the new image is in the primary");
}

function assertFailed({ server, device }, reason) {
  assert.deepEqual(server.events(), ["failed"], device.log);
  const report = server.reports.at(-1);
  assert.equal(report.reason, reason, device.log);
  assert.equal(report.deployment, "7");
  assert.equal(report.version, OLD.version);
  assert.ok(device.runs(OLD), "the old image is untouched");
}

const asked = (server) => server.firmware.reduce((sum, [start, end]) => sum + end - start + 1, 0);

// Answers the first `n` firmware requests in a bad way.
const first = (n, bad) => (request, socket, server) =>
  server.firmware.length > n ? false : bad(request, socket, server);

test("images of this test with bodies of one length are of one length", () => {
  const lengths = Array.from({ length: 40 }, (_, minor) => makeImage({ minor, counter: 1 }).bytes.length);
  assert.deepEqual([...new Set(lengths)], [NEXT.bytes.length]);
});

describe("ota-device", { concurrency: 6 }, () => {
  test("updates from a server that behaves, on one connection a boot", async () => {
    const w = await world();
    await live(w);
    assertUpdated(w);
    assert.equal(asked(w.server), NEXT.bytes.length);
    assert.equal(w.server.connections, 2);
    assert.deepEqual(w.server.reports.filter((r) => r.event === "downloading").map((r) => r.percent), [0, 32, 64, 96]);
    for (const request of w.server.requests) assert.equal(request.fields["accept-encoding"], "identity");
    for (const request of w.server.requests.filter((r) => r.url.pathname === "/firmware").slice(1))
      assert.equal(request.fields["if-range"], NEXT.etag);
  });

  test("does nothing for a manifest that another key signed", async () => {
    const w = await world({ sign: "release" });
    const end = await w.device.run(["--once"]);
    w.server.stop();
    assert.equal(end.code, 1);
    assert.equal(w.server.firmware.length, 0);
    assert.ok(w.device.downloadIsBlank());
    assert.match(w.device.log, /poll: signature/);
  });

  const lies = {
    "a range that starts a byte later": [(request, socket, server) => {
      const [start, end] = request.range;
      socket.write(head(206, { "Content-Range": `bytes ${start + 1}-${end + 1}/${server.image.bytes.length}`, "Content-Length": end - start + 1 }));
      socket.write(server.rangeBody(request));
    }, "http_range"],
    "another total size": [(request, socket, server) => {
      const [start, end] = request.range;
      socket.write(head(206, { "Content-Range": `bytes ${start}-${end}/${server.image.bytes.length + 1}`, "Content-Length": end - start + 1 }));
      socket.write(server.rangeBody(request));
    }, "http_range"],
    "a multipart answer": [(request, socket) => {
      socket.write(head(206, { "Content-Type": "multipart/byteranges; boundary=x", "Content-Length": 4 }) + "--x-");
    }, "http_range"],
    "a compressed body": [(request, socket, server) => {
      socket.write(server.rangeHead(request, { "Content-Encoding": "gzip" }));
      socket.write(server.rangeBody(request));
    }, "http"],
    "Content-Length with Transfer-Encoding": [(request, socket, server) => {
      socket.write(server.rangeHead(request, { "Transfer-Encoding": "chunked" }));
    }, "http"],
    "a header line without end": [(request, socket) => {
      socket.write("HTTP/1.1 206 Partial\r\nX-Long: ");
      socket.write(Buffer.alloc(1 << 20, "x"));
    }, "http"],
    "100,000 headers": [(request, socket) => {
      socket.write("HTTP/1.1 206 Partial\r\n" + "X: y\r\n".repeat(100000));
    }, "http"],
    "an HTML page for everything": [(request, socket) => {
      socket.write(head(200, { "Content-Length": 13 }) + "<html></html>");
    }, "size"],
    "404": [(request, socket) => {
      socket.write(head(404, { "Content-Length": 0 }));
    }, "gone"],
    "416": [(request, socket, server) => {
      socket.write(head(416, { "Content-Range": `bytes */${server.image.bytes.length}`, "Content-Length": 0 }));
    }, "http_range"],
    "a redirect to another host": [(request, socket) => {
      socket.write(head(302, { Location: "http://198.51.100.1/firmware", "Content-Length": 0 }));
    }, "http_status"],
  };
  for (const [lie, [hostile, reason]] of Object.entries(lies))
    test(`gives up on ${lie}, with nothing erased`, async () => {
      const w = await world({ hostile });
      await live(w);
      assertFailed(w, reason);
      assert.ok(w.device.downloadIsBlank());
    });

  test("stops an endless body at the size", async () => {
    const w = await world({
      hostile: (request, socket, server) => {
        const body = server.rangeBody(request);
        const chunk = (bytes) => Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
        const more = () => {
          while (!socket.destroyed && socket.write(chunk(Buffer.alloc(4096, 0x55))));
        };
        socket.write(server.rangeHead(request, { "Content-Length": undefined }).replace(/Content-Length: undefined\r\n/, "Transfer-Encoding: chunked\r\n"));
        socket.write(chunk(body));
        socket.on("drain", more);
        more();
      },
    });
    await live(w);
    assertUpdated(w);
    const beyond = w.device.flash(0xa0000 + 0x20000, 0x40000);
    assert.ok(beyond.every((byte) => byte === 0xff), "no sector behind the image was written");
  });

  test("takes a 200 in answer to a range from byte 0", async () => {
    let n = 0;
    const w = await world({
      hostile: (request, socket, server) => {
        if (n++ < 2) {
          socket.write(head(200, { "Content-Length": server.image.bytes.length, ETag: server.image.etag }));
          socket.end(server.image.bytes.subarray(0, 10000 * n));
        } else {
          server.sendWhole(socket);
        }
      },
    });
    await live(w);
    assertUpdated(w);
    assert.equal(w.server.firmware.length, 3);
  });

  test("starts over when the file changes mid-way", async () => {
    const w = await world({
      hostile: (request, socket, server) => {
        if (server.firmware.length === 3) server.image = { ...server.image, etag: '"another"' };
        return false;
      },
    });
    await live(w);
    assertUpdated(w);
    assert.match(w.device.log, /download from 0/);
  });

  test("refuses pieces of two files", async () => {
    const other = makeImage({ minor: 2, counter: 2 });
    const w = await world({
      hostile: (request, socket, server) => {
        if (request.range[0] < 20000) return false;
        socket.write(server.rangeHead(request));
        return socket.write(other.bytes.subarray(request.range[0], request.range[1] + 1));
      },
    });
    await live(w);
    assert.deepEqual(w.server.events(), ["failed"]);
    assert.ok(w.device.runs(OLD));
    assert.equal(asked(w.server), 2 * NEXT.bytes.length);
  });

  test("goes on at the byte when answers are cut off", async () => {
    const w = await world({
      hostile: first(6, (request, socket, server) => {
        socket.write(server.rangeHead(request));
        socket.end(server.rangeBody(request).subarray(0, 5001));
      }),
    });
    await live(w);
    assertUpdated(w);
    const starts = w.server.firmware.map(([start]) => start);
    assert.deepEqual(starts.slice(0, 7), [0, 5000, 10000, 15000, 20000, 25000, 30000]);
  });

  test("overcomes stalls in head and body", async () => {
    const w = await world({
      hostile: first(2, (request, socket, server) => {
        if (server.firmware.length === 1) return socket.write("HTTP/1.1 206 Par");
        return socket.write(Buffer.concat([Buffer.from(server.rangeHead(request)), server.rangeBody(request).subarray(0, 999)]));
      }),
    }, ["--timeout-seconds", "3"]);
    await live(w);
    assertUpdated(w);
    assert.match(w.device.log, /download: timeout/);
    assert.equal(w.server.firmware[2][0], 996);
  });

  test("goes on after power cuts in the download", async () => {
    let cuts = 0;
    const w = await world({
      hostile: (request, socket, server) => {
        if (cuts < 5 && server.firmware.length === cuts + 1) {
          socket.write(server.rangeHead(request));
          socket.write(server.rangeBody(request).subarray(0, 7000));
          const timer = setInterval(() => {
            if (w.device.downloaded(NEXT) < request.range[0] + 6900) return;
            clearInterval(timer);
            w.device.kill();
          }, 20);
          return cuts++;
        }
        return false;
      },
    });
    for (let i = 0; i < 5; i++) assert.equal((await w.device.run()).signal, "SIGKILL");
    await live(w);
    assertUpdated(w);
    const starts = w.server.firmware.map(([start]) => start);
    for (let i = 1; i <= 5; i++)
      assert.ok(starts[i] >= starts[i - 1] + 6900 && starts[i] <= starts[i - 1] + 7000, `${starts}`);
  });

  test("goes back to the old image when the new one can't start", async () => {
    const w = await world({ image: makeImage({ minor: 3, counter: 2, bootable: false }) });
    await live(w);
    assert.deepEqual(w.server.events(), ["installed", "trial", "reverted"], w.device.log);
    assert.equal(w.server.reports.at(-1).reason, "self_test");
    assert.equal(w.server.reports.at(-1).version, OLD.version);
    assert.match(w.server.reports.at(-1).log, /(^|\|)boot phase 5\|boot: self_test(\||$)/); // OTA_BOOT_REVERTED
    assert.ok(w.device.runs(OLD));
  });

  test("enrols once and keeps its token", async () => {
    fs.writeFileSync(path.join(dir, "key"), "ote_key\n");
    const w = await world({ action: "none" }, ["--enrolment-key-file", path.join(dir, "key")]);
    assert.equal((await w.device.run()).code, 0, w.device.log);
    await live(w);
    assert.equal(w.server.requests.filter((r) => r.url.pathname === "/device/v1/enroll").length, 1);
    assert.doesNotMatch(w.device.log, /ot[de]_/);
  });
});
