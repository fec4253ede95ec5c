// A whole update over TLS, with certificates as scripts/make-tls makes them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { after, before, test } from "node:test";

import { House, makeBody, until } from "./house.mjs";

const makeTls = (dir, ...names) => execFileSync("scripts/make-tls", [dir, ...names], { stdio: "pipe" });

class TlsHouse extends House {
  scheme = "https";

  makeKeys() {
    super.makeKeys();
    makeTls(this.file("tls"), "localhost", "127.0.0.1");
    this.serverOptions = ["--tls-cert", this.file("tls/cert.pem"), "--tls-key", this.file("tls/key.pem")];
    this.otactlEnvironment = { OTACTL_CACERT: this.file("tls/ca.pem") };
    this.ca = this.file("tls/ca.pem");
  }

  deviceServer() {
    return ["--server", `https://localhost:${this.wire.port}`, "--cacert", this.ca];
  }
}

let house;

before(async () => {
  house = await TlsHouse.open();
});

after(() => house?.close());

test("a device updates over TLS, and again after the certificate was renewed", async () => {
  const first = house.release("1.0.0", 1, makeBody(60000));
  const device = house.addDevice("lamp-a", first);
  await device.runs("1.0.0", 60000);
  house.release("1.1.0", 1, makeBody(60000));
  const rollout = house.rollout("1.1.0", device);
  await until("the rollout's end", 60000, () => house.rolloutState(rollout) === "completed");

  const before = fs.readFileSync(house.file("tls/cert.pem"), "utf8");
  fs.rmSync(house.file("tls/cert.pem"));
  makeTls(house.file("tls"), "localhost", "127.0.0.1");
  assert.notEqual(fs.readFileSync(house.file("tls/cert.pem"), "utf8"), before);
  await house.server.end("SIGTERM");
  await house.startServer();
  house.release("1.2.0", 1, makeBody(60000));
  const next = house.rollout("1.2.0", device);
  await until("the rollout's end", 60000, () => house.rolloutState(next) === "completed");
});

test("a device with another CA says why it does not talk, and sends nothing", async () => {
  makeTls(house.file("other"), "localhost");
  house.ca = house.file("other/ca.pem");
  const device = house.addDevice("lamp-b", house.images.get("1.0.0"));
  await until("the device's complaint", 60000, () => /tls|trust/i.test(device.said()));
  assert.equal(house.otactl("device", "show", "lamp-b", "--json").last_seen, null);
});
