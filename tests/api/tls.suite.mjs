// HTTPS with certificate files.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Otad, sleep } from "./lib/otad.mjs";

describe("tls", () => {
  let otad;
  let dir;
  const file = (name) => path.join(dir, name);
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), "otad-tls-"));
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("key.pem"), "-out", file("cert.pem"), "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "ignore" });
    otad = await Otad.start({ tls: true, flags: ["--tls-cert", file("cert.pem"), "--tls-key", file("key.pem")] });
  });
  after(async () => {
    await otad.stop();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const ca = () => fs.readFileSync(file("cert.pem"));
  function get(target, { agent, method = "GET", body, token = otad.admin } = {}) {
    return new Promise((resolve, reject) => {
      const request = https.request(otad.url + target, { method, ca: ca(), agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
        const chunks = [];
        const protocol = response.socket.getProtocol();
        const reused = response.socket.isSessionReused();
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString(), protocol, reused }));
      });
      request.on("error", reject);
      request.end(body);
    });
  }

  test("requests, changes included, are served over TLS 1.3 with the certificate given", async () => {
    assert.equal((await get("/healthz")).status, 200);
    assert.equal((await get("/healthz")).protocol, "TLSv1.3");
    assert.equal((await get("/api/v1/groups", { method: "POST", body: '{"name":"g"}' })).status, 201);
    assert.match((await get("/api/v1/groups")).text, /"name":"g"/);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => get("/api/v1/groups", { method: "POST", body: `{"name":"g${i}"}` })));
    assert.ok(answers.every((answer) => answer.status === 201));
  });

  test("TLS 1.1 and older are refused, 1.2 is taken", () => {
    const connect = (version) => spawnSync("openssl", ["s_client", "-connect", `127.0.0.1:${otad.port}`, `-${version}`, "-cipher", "DEFAULT@SECLEVEL=0"], { input: "", encoding: "utf8", timeout: 10000 });
    assert.match(connect("tls1_2").stdout, /Protocol {2}: TLSv1\.2|New, TLSv1\.2/);
    for (const version of ["tls1_1", "tls1"]) assert.notEqual(connect(version).status, 0, version);
  });

  test("a session is resumed by its ticket", async () => {
    const agent = new https.Agent({ keepAlive: false, maxCachedSessions: 10 });
    await get("/healthz", { agent });
    await sleep(100);
    assert.equal((await get("/healthz", { agent })).reused, true);
    agent.destroy();
  });

  test("a handshake that stops half way costs no processor time", async () => {
    const ticks = () => {
      const fields = fs.readFileSync(`/proc/${otad.process.pid}/stat`, "utf8").split(") ")[1].split(" ");
      return Number(fields[11]) + Number(fields[12]); // hundredths of a second
    };
    const sockets = Array.from({ length: 5 }, () => {
      const socket = net.connect(otad.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
      return socket;
    });
    await sleep(200);
    const before = ticks();
    await sleep(1500);
    const used = ticks() - before;
    for (const socket of sockets) socket.destroy();
    assert.ok(used < 30, `${used} hundredths of a second in 1.5 s`);
    assert.equal((await get("/healthz")).status, 200);
  });

  test("plain HTTP to the HTTPS port gets nothing", async () => {
    const socket = net.connect(otad.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await sleep(300);
    socket.destroy();
    assert.ok(!text.includes("HTTP/1.1 200"));
  });

  test("--healthcheck speaks HTTPS", () => {
    const binary = path.resolve(process.env.BUILD_DIR ?? "build", "otad");
    assert.equal(spawnSync(binary, ["--healthcheck", otad.url], { timeout: 10000 }).status, 0);
  });

  test("certificate files that are none, or no pair, are told", () => {
    const binary = path.resolve(process.env.BUILD_DIR ?? "build", "otad");
    const start = (cert, key) => spawnSync(binary, ["serve", "--data", file("d"), "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key], { encoding: "utf8", timeout: 10000 });
    fs.writeFileSync(file("junk.pem"), "junk");
    execFileSync("openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file("other.pem")]);
    for (const [cert, key, message] of [
      [file("none.pem"), file("key.pem"), /none\.pem cannot be read/],
      [file("junk.pem"), file("key.pem"), /not a certificate and its key/],
      [file("cert.pem"), file("junk.pem"), /not a certificate and its key/],
      [file("cert.pem"), file("other.pem"), /not a certificate and its key/],
    ]) {
      const { status, stderr } = start(cert, key);
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
  });

  describe("with --tls-client-ca", { concurrency: 1 }, () => {
    const openssl = (...args) => execFileSync("openssl", args, { stdio: "ignore" });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const authority = (name) => openssl("req", "-x509", ...key, "-keyout", file(`${name}.key`), "-out", file(`${name}.crt`), "-days", "30", "-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:TRUE");
    const certificate = (name, by, { subject = name, days = 30, purpose = "clientAuth" } = {}) => {
      fs.writeFileSync(file("ext"), `basicConstraints=CA:FALSE\nextendedKeyUsage=${purpose}\n`);
      openssl("req", ...key, "-keyout", file(`${name}.key`), "-out", file(`${name}.csr`), "-subj", `/CN=${subject}`);
      openssl("x509", "-req", "-in", file(`${name}.csr`), "-CA", file(`${by}.crt`), "-CAkey", file(`${by}.key`), "-CAcreateserial", "-out", file(`${name}.crt`), "-days", String(days), "-extfile", file("ext"));
    };
    let house;
    before(async () => {
      for (const name of ["fleet-ca", "stranger-ca"]) authority(name);
      certificate("lamp-1", "fleet-ca");
      certificate("old", "fleet-ca", { subject: "lamp-1", days: -1 });
      certificate("server-only", "fleet-ca", { subject: "lamp-1", purpose: "serverAuth" });
      certificate("foreign", "stranger-ca", { subject: "lamp-1" });
      certificate("nobody", "fleet-ca");
      house = await Otad.start({ tls: true, flags: ["--tls-cert", file("cert.pem"), "--tls-key", file("key.pem"), "--tls-client-ca", file("fleet-ca.crt")] });
      await ask("POST", "/api/v1/devices", { token: house.admin, body: '{"id":"lamp-1","product":"lamp","hardware":"r1"}' });
    });
    after(() => house.stop());

    function ask(method, target, { token, show, body } = {}) {
      const identity = show ? { cert: fs.readFileSync(file(`${show}.crt`)), key: fs.readFileSync(file(`${show}.key`)) } : {};
      return new Promise((resolve, reject) => {
        const request = https.request(house.url + target, { method, ca: ca(), agent: false, headers: token ? { authorization: `Bearer ${token}` } : {}, ...identity }, (response) => {
          const chunks = [];
          response.on("data", (chunk) => chunks.push(chunk));
          response.on("end", () => resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString() || "{}") }));
        });
        request.on("error", reject);
        request.end(body);
      });
    }
    const poll = (show, token) => ask("GET", `/device/v1/manifest?nonce=000102030405060708090a0b0c0d0e0f&product=lamp&hardware=r1&version=1.0.0&counter=1&hash=${"00".repeat(32)}`, { show, token });

    test("a device's certificate stands for its token", async () => {
      const { status, body } = await poll("lamp-1");
      assert.equal(status, 200);
      assert.equal(JSON.parse(Buffer.from(body.payload, "base64url")).device, "lamp-1");
      const { status: reported } = await ask("POST", "/device/v1/reports", { show: "lamp-1", body: '{"deployment":"1","seq":1,"event":"trial","version":"1.0.0"}' });
      assert.notEqual(reported, 401);
    });

    test("who shows none, or another's, is refused with the reason", async () => {
      for (const [show, code] of [[undefined, "token_missing"], ["foreign", "certificate_refused"], ["old", "certificate_refused"], ["server-only", "certificate_refused"], ["nobody", "certificate_unknown"]]) {
        const { status, body } = await poll(show);
        assert.equal(`${status} ${body.code}`, `401 ${code}`, show);
      }
      assert.match((await poll("old")).body.detail, /expired/);
      assert.match((await poll("foreign")).body.detail, /no client CA/);
    });

    test("it opens nothing but the device's own routes, and a token counts before it", async () => {
      assert.equal((await ask("GET", "/api/v1/devices", { show: "lamp-1" })).body.code, "token_missing");
      assert.equal((await poll("lamp-1", `otd_${"A".repeat(43)}`)).body.code, "token_unknown");
    });

    test("a deleted device's certificate opens nothing any more", async () => {
      await ask("DELETE", "/api/v1/devices/lamp-1", { token: house.admin });
      assert.equal((await poll("lamp-1")).body.code, "certificate_unknown");
    });
  });

  test("a CA file that is none is told, and so is one without HTTPS", () => {
    const binary = path.resolve(process.env.BUILD_DIR ?? "build", "otad");
    const start = (...flags) => spawnSync(binary, ["serve", "--data", file("d"), "--listen", "127.0.0.1:0", ...flags], { encoding: "utf8", timeout: 10000 });
    const https_flags = ["--tls-cert", file("cert.pem"), "--tls-key", file("key.pem")];
    assert.match(start(...https_flags, "--tls-client-ca", file("junk.pem")).stderr, /holds no certificate/);
    assert.match(start(...https_flags, "--tls-client-ca", file("none.pem")).stderr, /cannot be read/);
    assert.match(start("--tls-client-ca", file("cert.pem")).stderr, /needs HTTPS/);
  });

  test("a device's whole connection can be held open and used again", async () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i++) assert.equal((await get("/healthz", { agent })).status, 200);
    agent.destroy();
  });
});
