// A whole update through nginx and Caddy, configured by the files in packaging/. Run by tests/ops/run.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { after, before, describe, test } from "node:test";

import { House, makeBody, until } from "../e2e/house.mjs";

const LARGE = 6 << 20; // bytes: above what nginx takes by default

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const PROXIES = {
  nginx: (site, dir) => {
    fs.writeFileSync(`${dir}/nginx.conf`, `daemon off; master_process off; pid ${dir}/nginx.pid; error_log ${dir}/proxy.log;
      events {}
      http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fcgi;
        uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi; ${site} }`);
    return ["nginx", "-c", `${dir}/nginx.conf`];
  },
  caddy: (site, dir) => {
    fs.writeFileSync(`${dir}/Caddyfile`, `{\n admin off\n auto_https disable_redirects\n}\n${site}`);
    return ["caddy", "run", "--adapter", "caddyfile", "--config", `${dir}/Caddyfile`];
  },
};

const FILES = { nginx: "packaging/nginx.conf", caddy: "packaging/Caddyfile" };

class ProxyHouse extends House {
  deviceServer() {
    return ["--server", `https://localhost:${this.port}`, "--cacert", this.file("tls/ca.pem")];
  }

  // otad itself stays on HTTP; everybody goes through the proxy from here on.
  async enter(name) {
    execFileSync("scripts/make-tls", [this.file("tls"), "localhost"], { stdio: "pipe" });
    this.port = await freePort();
    const site = fs.readFileSync(FILES[name], "utf8").replaceAll("/etc/otad", this.dir)
      .replace("127.0.0.1:8080", `127.0.0.1:${this.wire.target}`).replace("listen 443", `listen 127.0.0.1:${this.port}`)
      .replace("server_name ota.example.com", "server_name localhost").replace(/^ota\.example\.com/m, `localhost:${this.port}`);
    const [program, ...args] = PROXIES[name](site, this.dir);
    const log = fs.openSync(this.file("proxy.log"), "a");
    this.proxy = spawn(program, args, { stdio: ["ignore", log, log], env: { ...process.env, HOME: this.dir, XDG_DATA_HOME: this.dir } });
    this.otactlEnvironment = { OTACTL_SERVER: `https://localhost:${this.port}`, OTACTL_CACERT: this.file("tls/ca.pem") };
    await until(`${name} to serve: ${fs.readFileSync(this.file("proxy.log"))}`, 20000,
      () => this.tryOtactl("device", "list").status === 0);
  }

  async leave() {
    const ended = new Promise((resolve) => this.proxy.on("close", resolve));
    this.proxy.kill("SIGTERM");
    await ended;
  }
}

for (const name of Object.keys(PROXIES)) {
  describe(name, () => {
    let house;
    before(async () => {
      house = await ProxyHouse.open();
      await house.enter(name);
    });
    after(async () => {
      await house?.leave();
      await house?.close();
    });

    test(`a device updates through ${name}`, async () => {
      const first = house.release("1.0.0", 1, makeBody(60000));
      const device = house.addDevice("lamp", first);
      house.release("1.1.0", 1, makeBody(60000));
      const rollout = house.rollout("1.1.0", device);
      await until("the rollout's end", 90000, () => house.rolloutState(rollout) === "completed");
    });

    test(`a large image is taken through ${name}, and one that is too large is refused by otad`, () => {
      house.release("2.0.0", 1, makeBody(LARGE));
      const image = house.release("2.1.0", 1, makeBody(16 << 20), { upload: false });
      const refused = house.tryOtactl("firmware", "upload", image);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /firmware_too_large|too_large/);
    });
  });
}
