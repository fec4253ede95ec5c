// The real mosquitto on a free loopback port, with the configuration and the rules of docker/mosquitto
// and certificates made as docs/mqtt.md says.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

import { MqttClient } from "./mqtt.mjs";

const START_MS = 20000;
const openssl = (...args) => execFileSync("openssl", args, { stdio: "pipe" });

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class Mosquitto {
  // `authority`: the base name of a CA's .pem and .key, instead of one of its own.
  static async start(dir, { authority } = {}) {
    const broker = new Mosquitto();
    broker.dir = dir;
    fs.mkdirSync(dir, { recursive: true });
    if (authority) for (const type of ["pem", "key"]) fs.copyFileSync(`${authority}.${type}`, broker.file(`ca.${type}`));
    else broker.#makeAuthority();
    broker.certify("broker", "localhost");
    broker.certify("otad", "_otad");
    broker.port = await freePort();
    broker.#configure();
    await broker.launch();
    return broker;
  }

  file(name) {
    return path.join(this.dir, name);
  }

  #makeAuthority() {
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", this.file("ca.key"), "-out", this.file("ca.pem"), "-days", "30", "-subj", "/CN=fleet CA");
  }

  // A certificate for a device (its id is the CN), or for a server by the name `localhost`.
  certify(name, cn = name) {
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", this.file(`${name}.key`), "-out", this.file(`${name}.csr`), "-subj", `/CN=${cn}`);
    const extensions = cn === "localhost" ? "subjectAltName=DNS:localhost" : "extendedKeyUsage=clientAuth";
    fs.writeFileSync(this.file("extensions"), `${extensions}\n`);
    openssl("x509", "-req", "-in", this.file(`${name}.csr`), "-CA", this.file("ca.pem"), "-CAkey", this.file("ca.key"), "-CAcreateserial", "-out", this.file(`${name}.pem`), "-days", "30", "-extfile", this.file("extensions"));
  }

  #configure() {
    const shipped = fs.readFileSync("docker/mosquitto/mosquitto.conf", "utf8");
    const own = shipped
      .replace("listener 8883", `listener ${this.port} 127.0.0.1`)
      .replaceAll("/mosquitto/certs", this.dir)
      .replace("/mosquitto/config/acl", path.resolve("docker/mosquitto/acl"));
    assert.ok(!/\/mosquitto\/(certs|config)/.test(own.replaceAll(path.resolve("docker"), "")), "every path of the configuration is replaced");
    fs.writeFileSync(this.file("mosquitto.conf"), `${own}\nuser ${process.getuid() === 0 ? "root" : ""}\n`);
  }

  async launch() {
    this.log = "";
    this.process = spawn("/usr/sbin/mosquitto", ["-c", this.file("mosquitto.conf")], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (data) => (this.log += data));
    this.ended = once(this.process, "exit");
    const end = Date.now() + START_MS;
    for (;;) {
      const socket = net.connect(this.port, "127.0.0.1");
      const open = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
      socket.destroy();
      if (open) return;
      assert.ok(this.process.exitCode === null && Date.now() < end, `mosquitto does not start:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill("SIGKILL");
    await this.ended;
  }

  get otadFlags() {
    return ["--mqtt-broker", `mqtts://localhost:${this.port}`, "--mqtt-ca", this.file("ca.pem"), "--mqtt-cert", this.file("otad.pem"), "--mqtt-key", this.file("otad.key")];
  }

  // A connection with the certificate `name`.
  connect(name, more) {
    const read = (file) => fs.readFileSync(this.file(file));
    return MqttClient.connect({ host: "127.0.0.1", port: this.port, servername: "localhost", ca: read("ca.pem"), cert: read(`${name}.pem`), key: read(`${name}.key`) }, more);
  }
}
