// Requests that no honest client sends: framing, headers, paths, JSON, slowness.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { after, before, describe, test } from "node:test";

import { Otad, sleep, until } from "./lib/otad.mjs";
import { exchange, request } from "./lib/wire.mjs";

const host = "Host: x";

describe("wire", () => {
  let otad;
  let auth;
  before(async () => {
    otad = await Otad.start();
    auth = `Authorization: Bearer ${otad.admin}`;
    await otad.group("g");
  });
  after(() => otad.stop());

  const send = (text, options) => exchange(otad.port, text, { ms: 600, ...options });
  const groups = async () => (await otad.expect(200, "GET", "/api/v1/groups?limit=500")).items.length;

  // A second request hidden in the body of the first must never be answered as one of its own.
  const hidden = request(["POST /api/v1/groups HTTP/1.1", host, "Content-Length: 17"], '{"name":"smuggle"}');
  const smuggling = {
    "Content-Length with Transfer-Encoding": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "Transfer-Encoding with Content-Length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "two Content-Lengths that differ": ["Content-Length: 5", "Content-Length: 0"],
    "two equal Content-Lengths": ["Content-Length: 5", "Content-Length: 5"],
    "a list as Content-Length": ["Content-Length: 5, 5"],
    "a signed Content-Length": ["Content-Length: +5"],
    "a negative Content-Length": ["Content-Length: -5"],
    "a hexadecimal Content-Length": ["Content-Length: 0x5"],
    "a Content-Length over 64 bits": ["Content-Length: 99999999999999999999999"],
    "an empty Content-Length": ["Content-Length:"],
    "two Transfer-Encodings": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "an unknown Transfer-Encoding": ["Transfer-Encoding: gzip, chunked"],
    "Transfer-Encoding identity": ["Transfer-Encoding: identity", "Content-Length: 5"],
    "Transfer-Encoding xchunked": ["Transfer-Encoding: xchunked"],
    "a folded Transfer-Encoding": ["Transfer-Encoding:\r\n chunked", "Content-Length: 5"],
    "two Hosts": ["Host: y", "Content-Length: 5"],
    "a blank before the colon": ["Content-Length : 5"],
    "a blank before the colon of Transfer-Encoding": ["Transfer-Encoding : chunked", "Content-Length: 5"],
    "a tab in the name": ["Transfer-Encoding\t: chunked", "Content-Length: 5"],
    "Transfer-Encoding chunked twice in one": ["Transfer-Encoding: chunked, chunked"],
    "Transfer-Encoding with a vertical tab": ["Transfer-Encoding: \x0bchunked", "Content-Length: 5"],
    "Transfer-Encoding in quotes": ['Transfer-Encoding: "chunked"', "Content-Length: 5"],
    "a bare carriage return before Transfer-Encoding": ["X: y\rTransfer-Encoding: chunked", "Content-Length: 5"],
    "a first header that begins with a blank": [" Transfer-Encoding: chunked", "Content-Length: 5"],
    "a Content-Length with a fraction": ["Content-Length: 5.0"],
    "a Content-Length with an exponent": ["Content-Length: 5e0"],
    "a Content-Length with a low line": ["Content-Length: 1_0"],
    "a Content-Length with words": ["Content-Length: 5 bytes"],
  };
  for (const [name, headers] of Object.entries(smuggling))
    test(`${name} is refused, and nothing behind it is run`, async () => {
      const before = await groups();
      const { statuses, text } = await send(request(["POST /api/v1/groups HTTP/1.1", host, auth, ...headers], "0\r\n\r\n" + hidden.replace("17", "18").replace("\r\n\r\n", `\r\n${auth}\r\n\r\n`)));
      assert.ok(statuses.length <= 1 || statuses.every((status) => status >= 400), text);
      assert.ok(statuses.length === 0 || (statuses[0] >= 400 && statuses[0] < 500), text);
      assert.equal(await groups(), before);
    });

  const chunks = {
    "a size that is no number": "x\r\nabc\r\n0\r\n\r\n",
    "a negative size": "-1\r\nabc\r\n0\r\n\r\n",
    "a size with 0x": "0x3\r\nabc\r\n0\r\n\r\n",
    "a size over 64 bits": "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a size that wraps to 0": "10000000000000000\r\n\r\n",
    "more bytes than its size": "2\r\nabcdef\r\n0\r\n\r\n",
    "a blank before the size": " 3\r\nabc\r\n0\r\n\r\n",
    "no size": "\r\nabc\r\n0\r\n\r\n",
  };
  for (const [name, body] of Object.entries(chunks))
    test(`a chunk with ${name} makes nothing, nor does what stands behind it`, async () => {
      const before = await groups();
      const behind = request(["POST /api/v1/groups HTTP/1.1", host, auth, "Content-Length: 18"], '{"name":"smuggle"}');
      const { statuses, text } = await send(request(["POST /api/v1/groups HTTP/1.1", host, auth, "Transfer-Encoding: chunked"], body + behind));
      assert.ok(statuses.every((status) => status >= 400 && status < 500), text);
      assert.equal(await groups(), before);
    });

  test("a body in chunks, with an extension and a trailer, is taken once", async () => {
    const { statuses } = await send(request(["POST /api/v1/groups HTTP/1.1", host, auth, "Transfer-Encoding: chunked"], '8;a=b\r\n{"name":\r\nA\r\n"chunked"}\r\n0\r\nX-Trailer: a\r\n\r\n') + request(["GET /healthz HTTP/1.1", host, "Connection: close"]));
    assert.deepEqual(statuses, [201, 200]);
  });

  test("a request without Host, or with a control character in a header, is refused", async () => {
    for (const lines of [["GET /healthz HTTP/1.1"], ["GET /healthz HTTP/1.1", host, "X: a\x01b"], ["GET /healthz HTTP/1.1", host, "X: a\x7fb"], ["GET /healthz HTTP/1.1", host, "X y: a"], ["GET /healthz HTTP/1.1", host, "X:"], ["GET /healthz HTTP/1.1", host, "X:", " a: b"], ["GET /healthz HTTP/1.1", host, auth, auth]]) {
      const { statuses, closed } = await send(request(lines));
      assert.ok(statuses.every((status) => status === 400 || status === 431), `${JSON.stringify(lines)}: ${statuses}`);
      assert.ok(statuses.length === 1 || closed);
    }
  });

  test("other protocols and broken request lines are refused or dropped", async () => {
    for (const line of ["GET /healthz HTTP/2.0", "GET /healthz HTTP/0.9", "GET /healthz", "GET", "/healthz", "GET  /healthz  HTTP/1.1", "\x16\x03\x01\x02\x00\x01", "GET /healthz HTTP/1.1 x", "G\x00T /healthz HTTP/1.1"]) {
      const { statuses } = await send(request([line, host]));
      assert.ok(statuses.length === 0 || (statuses[0] >= 400 && statuses[0] < 600), `${JSON.stringify(line)}: ${statuses}`);
    }
  });

  test("header bombs are refused within bounded memory", async () => {
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${otad.process.pid}/status`, "utf8"))[1]);
    const before = rss();
    const bombs = [request(["GET /healthz HTTP/1.1", host, `X: ${"a".repeat(1 << 20)}`]), request(["GET /healthz HTTP/1.1", host, ...Array.from({ length: 100000 }, (_, i) => `X${i}: a`)]), `GET /${"a".repeat(1 << 20)} HTTP/1.1\r\n${host}\r\n\r\n`, request([`GET /healthz?${"a=b&".repeat(200000)} HTTP/1.1`, host]), "A".repeat(1 << 20)];
    for (const bomb of bombs) {
      const { statuses } = await send(bomb);
      assert.ok(statuses.length === 0 || [400, 413, 414, 431].includes(statuses[0]), String(statuses));
    }
    await otad.expect(200, "GET", "/healthz", { token: null });
    assert.ok(rss() - before < 40000, `${rss() - before} KB more`);
  });

  test("headers of a kilobyte pass", async () => {
    const { statuses } = await send(request(["GET /healthz HTTP/1.1", host, `User-Agent: ${"a".repeat(1100)}`, `Cookie: ${"b".repeat(600)}`, "Connection: close"]));
    assert.deepEqual(statuses, [200]);
  });

  test("a raw NUL ends what it stands in, and hides nothing", async () => {
    const before = await groups();
    for (const lines of [["GET /healthz\x00/../x HTTP/1.1", host], ["GET /healthz HTTP/1.1", host, "X: a\x00b"], ["POST /api/v1/groups HTTP/1.1", host, auth, "Content-Length: 0\x005"]]) {
      const { statuses } = await send(request(lines, "GET /x"));
      assert.ok(statuses.length <= 2 && statuses.every((status) => status === 200 || (status >= 400 && status < 500)), `${JSON.stringify(lines)}: ${statuses}`);
    }
    assert.equal(await groups(), before);
  });

  const paths = ["/device/v1/firmware/..%2f..%2fetc%2fpasswd", "/device/v1/firmware/%2e%2e", "/device/v1/firmware/../../../etc/passwd", "/api/v1/devices/a%00b", "/api/v1/devices/%00", "/api/v1/devices/a%0d%0aX:y", "/api/v1/devices/a%", "/api/v1/devices/a%4", "/api/v1/devices/a%zz", "/api/v1/devices/..", "/api/v1/devices/..\\..", "//api/v1/devices", "/api/v1/devices/", "/api/v1//devices", "/api/v1/devices/a/b/c", "/api/v1/devices%00/x", "/%61pi/v1/devices/%7f", "/api/v1/devices/%ff%fe", "/api/v1/devices?x=%00", "*", "http://other/api/v1/devices/nobody", "/api/v1/devices/nobody;a=b"];
  test("odd paths are refused or not found, and reach no file", async () => {
    for (const path of paths) {
      const { statuses, text } = await send(request([`GET ${path} HTTP/1.1`, host, auth, "Connection: close"]));
      assert.equal(statuses.length, 1, path);
      assert.ok([400, 404, 405].includes(statuses[0]) || (statuses[0] === 401 && path.startsWith("/device")), `${path}: ${text}`);
      assert.ok(!/root:/.test(text));
      if (statuses[0] !== 401) assert.match(text, /"code":"/);
    }
  });

  test("an escaped path finds what the plain one does", async () => {
    await otad.device("esc:1");
    const { statuses } = await send(request(["GET /%61pi/v1/devices/esc%3a1 HTTP/1.1", host, auth, "Connection: close"]));
    assert.deepEqual(statuses, [200]);
  });

  test("methods that a path does not take are told, with those that it takes", async () => {
    const answer = await otad.call("PUT", "/api/v1/devices");
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get("allow"), "GET, HEAD, POST");
    for (const method of ["OPTIONS", "TRACE", "FOO"]) {
      const { statuses } = await send(request([`${method} /api/v1/devices HTTP/1.1`, host, "Connection: close"]));
      assert.deepEqual(statuses, [405], method);
    }
    assert.equal((await otad.call("GET", "/nothing")).body.code, "route_unknown");
    assert.equal((await otad.call("POST", "/api/v1/groups/1/x", { body: {} })).status, 404);
  });

  test("a body where none is taken is refused", async () => {
    await otad.refused(400, "body_unexpected", "DELETE", "/api/v1/groups/1", { body: { a: 1 } });
    const { statuses } = await send(request(["GET /healthz HTTP/1.1", host, "Content-Length: 3", "Connection: close"], "abc"));
    assert.deepEqual(statuses, [400]);
  });

  test("JSON bombs and JSON that readers differ on are refused", async () => {
    const post = (body) => otad.call("POST", "/api/v1/groups", { body });
    const cases = ["", " ", "{", "}", "[]", "null", "1", '"a"', "{}x", '{"name":"a"}{"name":"b"}', '{"name":"a","name":"b"}', '{"Name":"a"}', '{"name":"a\\u0000b"}', '{"name":"a\u0000b"}', '{"name":"a\nb"}', "{'name':'a'}", '{"name":"a",}', '{"name":NaN}', '{"name":1e999}', '{"name":"\\ud800"}', '{"name":"\xff"}', '{"na\\u006de":7}', `{"name":${"[".repeat(30000)}`, `{"name":${"[".repeat(9)}${"]".repeat(9)}}`, `{"a":${'{"a":'.repeat(5000)}1`, `{"name":"${"\\".repeat(30001)}`];
    const before = await groups();
    for (const body of cases) {
      const answer = await post(Buffer.from(body, "latin1"));
      assert.equal(answer.status, 400, `${body.slice(0, 80)}: ${answer.status}`);
    }
    const large = await post(`{"name":"${"x".repeat(70000)}"}`);
    assert.equal(large.status, 413);
    assert.equal(await groups(), before);
    await otad.refused(400, "field_invalid", "POST", "/api/v1/rollouts", { body: '{"name":"a","firmware":9007199254740993,"stages":[]}' });
    await otad.refused(400, "field_invalid", "POST", "/api/v1/rollouts", { body: '{"name":"a","firmware":1.5,"stages":[]}' });
  });

  test("requests on one connection are answered in order, pipelined as well", async () => {
    const one = (path, more = []) => request([`GET ${path} HTTP/1.1`, host, ...more]);
    const { statuses } = await send(one("/healthz") + one("/nothing") + one("/api/v1/groups", [auth]) + one("/healthz", ["Connection: close"]));
    assert.deepEqual(statuses, [200, 404, 200, 200]);
    const body = '{"name":"piped"}';
    const post = request(["POST /api/v1/groups HTTP/1.1", host, auth, `Content-Length: ${body.length}`], body);
    assert.deepEqual((await send(post + post + one("/healthz", ["Connection: close"]))).statuses, [201, 409, 200]);
  });

  test("a request that comes byte by byte is served; a body that stops half way leaves nothing", async () => {
    const text = request(["GET /healthz HTTP/1.1", host, "Connection: close"]);
    assert.deepEqual((await send([...text], { pause: 2 })).statuses, [200]);
    const before = await groups();
    const socket = net.connect(otad.port, "127.0.0.1");
    socket.write(request(["POST /api/v1/groups HTTP/1.1", host, auth, "Content-Length: 20"], '{"name":'));
    await sleep(100);
    socket.destroy();
    const upload = net.connect(otad.port, "127.0.0.1");
    upload.write(request(["POST /api/v1/firmware HTTP/1.1", host, auth, "Content-Length: 5000"], "x".repeat(100)));
    await sleep(200);
    upload.destroy();
    await until(() => fs.readdirSync(`${otad.dir}/data/tmp`).length === 0, "the temporary file to go");
    assert.equal(await groups(), before);
  });

  test("a large body of somebody without rights is not read", async () => {
    const socket = net.connect(otad.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk));
    socket.on("error", () => {});
    socket.write(request(["POST /api/v1/firmware HTTP/1.1", host, "Content-Length: 16000000"]));
    await until(() => answer.includes(" 401 "), "the refusal, before any of the body");
    socket.destroy();
  });

  test("Expect: 100-continue is answered before the body, or with the refusal", async () => {
    const large = await send(request(["POST /api/v1/firmware HTTP/1.1", host, auth, "Content-Length: 999999999", "Expect: 100-continue"]));
    assert.deepEqual(large.statuses, [413]);
    const fine = await send(request(["POST /api/v1/groups HTTP/1.1", host, auth, "Content-Length: 5", "Expect: 100-continue"]));
    assert.deepEqual(fine.statuses, [100]);
  });

  // The machine may be busy with other things: with and without take turns, what is short is not told
  // apart, and one good comparison of three is enough. Slow connections that do keep others waiting spoil all.
  test("500 connections at one byte a second do not double what others wait", { timeout: 120000 }, async () => {
    const device = await otad.device("swift");
    const floor = 25; // ms
    const text = request(["POST /api/v1/groups HTTP/1.1", host, auth, "Content-Length: 1000"], "x".repeat(1000));
    const slow = Array.from({ length: 500 }, () => net.connect(otad.port, "127.0.0.1").on("error", () => {}));
    let sent = 0;
    const drip = () => {
      for (const socket of slow) if (socket.writable) socket.write(text[sent % text.length]);
      sent++;
    };
    const sample = async (times, isSlow) => {
      const timer = isSlow ? setInterval(drip, 1000) : undefined;
      if (isSlow) drip();
      for (let i = 0; i < 100; i++) {
        const start = process.hrtime.bigint();
        await device.poll();
        times.push(Number(process.hrtime.bigint() - start) / 1e6);
      }
      clearInterval(timer);
    };
    const p99 = (times) => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)];
    const seen = [];
    let good = false;
    for (let attempt = 0; attempt < 3 && !good; attempt++) {
      const [without, among] = [[], []];
      for (let turn = 0; turn < 3; turn++) {
        await sample(without, false);
        await sample(among, true);
      }
      seen.push(`${p99(without).toFixed(1)} ms, ${p99(among).toFixed(1)} ms among slow ones`);
      good = p99(among) <= Math.max(floor, 2 * p99(without));
    }
    for (const socket of slow) socket.destroy();
    assert.ok(good, seen.join("; "));
  });
});

describe("wire, files", () => {
  test("no path that is asked for opens a file outside of the data directory", async () => {
    const otad = await Otad.start({ env: { ASAN_OPTIONS: "detect_leaks=0" } }); // which strace would disturb
    const trace = `${otad.dir}/trace`;
    try {
      await otad.end();
      await otad.launch(["strace", "-f", "-qq", "-o", trace, "-e", "trace=open,openat,openat2,unlink,rename", "-e", "signal=none"]);
      const before = fs.readFileSync(trace, "utf8").length;
      const device = await otad.device("curious");
      const names = ["../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "%2fetc%2fpasswd", "..\\..\\etc\\passwd", "a%00/etc/passwd", "....//....//etc/passwd", "server-key.pem", "../server-key.pem", "0".repeat(64)];
      for (const name of names)
        for (const [prefix, token] of [["/device/v1/firmware/", device.token], ["/api/v1/firmware/", otad.admin], ["/api/v1/devices/", otad.admin], ["/", otad.admin]])
          for (const method of ["GET", "DELETE"]) {
            const { text } = await exchange(otad.port, request([`${method} ${prefix}${name} HTTP/1.1`, host, `Authorization: Bearer ${token}`, "Connection: close"]));
            assert.match(text, /^HTTP\/1\.1 4\d\d /, `${method} ${prefix}${name}`);
            assert.ok(!/root:|PRIVATE KEY/.test(text));
          }
      const data = fs.realpathSync(`${otad.dir}/data`);
      const opened = [...fs.readFileSync(trace, "utf8").slice(before).matchAll(/\b(?:open|openat|openat2|unlink|rename)\((?:AT_FDCWD, )?"([^"]*)"/g)].map((found) => found[1]);
      // The C library reads the time zone at the first line of the log, which may come after the first request.
      const asked = opened.filter((name) => name !== "/etc/localtime");
      const outside = asked.filter((name) => !`${name}/`.startsWith(`${data}/`) && !name.startsWith("/proc/self/") && !name.startsWith("/sys/") && name !== "/dev/urandom");
      assert.deepEqual(outside, []);
      assert.ok(opened.every((name) => !name.includes("..") && !name.endsWith("server-key.pem")), opened.join("\n"));
      assert.ok(opened.length > 0, "the trace saw the database's files");
    } finally {
      const { pid } = otad.process;
      const below = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0];
      process.kill(Number(below), "SIGTERM");
      await otad.exited;
      fs.rmSync(otad.dir, { recursive: true, force: true });
    }
  });
});
