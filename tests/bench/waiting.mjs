#!/usr/bin/env node
/*
 * Holds long polls at one otad and prints what each costs it, and how long it takes to wake them.
 *
 *   BUILD_DIR=build tests/bench/waiting.mjs [COUNT]          20000 unless given
 *
 * A process may have so many open files and no more (`ulimit -Hn`), server and clients alike: the
 * clients are several processes, and when the server may not have COUNT connections, as many as it
 * may are held and the line says so. Ends with 1 when one costs more than 4 KB.
 */
import { fork, execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";

import { Otad, until } from "../api/lib/otad.mjs";

const PER_CLIENT = 5000;
const SPARE_FILES = 60; // the server's own: database, loops, log
const LIMIT_BYTES = 4096;
const ZEROS = "0".repeat(64);

// One process of clients: polls for each token, tells when all wait, and when each was answered.
async function runClient() {
  const { port, address, tokens } = await new Promise((resolve) => process.once("message", resolve));
  let answered = 0;
  let opened = 0;
  const open = (token) =>
    new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: "127.0.0.1", localAddress: address });
      socket.on("error", reject);
      socket.on("connect", () => {
        const query = `product=lamp&hardware=r1&version=1.0.0&counter=0&hash=${ZEROS}&nonce=${ZEROS.slice(32)}`;
        socket.write(`GET /device/v1/manifest?${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nPrefer: wait=300\r\n\r\n`);
        opened++;
        resolve();
      });
      socket.once("data", (data) => {
        if (!/^HTTP\/1\.1 200/.test(data.toString("latin1"))) process.send({ odd: data.toString("latin1") });
        if (++answered === tokens.length) process.send({ done: Date.now() });
      });
    });
  for (let i = 0; i < tokens.length; i += 50) await Promise.all(tokens.slice(i, i + 50).map(open));
  process.send({ opened });
}

const status = (pid, name) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const rss = (pid) => status(pid, "VmRSS") * 1024;
const hardLimit = () => {
  const text = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  return text === "unlimited" ? Infinity : Number(text);
};

async function metric(otad, name) {
  const { bytes } = await otad.call("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(bytes.toString())[1]);
}

async function makeDevices(otad, count) {
  const tokens = [];
  for (let i = 0; i < count; i += 5000) {
    const rows = Array.from({ length: Math.min(5000, count - i) }, (_, j) => `w-${i + j},lamp,r1\n`);
    const made = await otad.expect(201, "POST", "/api/v1/devices/import", { body: "id,product,hardware\n" + rows.join("") });
    tokens.push(...made.devices.map((device) => device.token));
  }
  return tokens;
}

// The first poll of each device brings news and is written; so that it is not counted, poll once.
async function warmUp(otad, tokens) {
  const query = `product=lamp&hardware=r1&version=1.0.0&counter=0&hash=${ZEROS}`;
  for (let i = 0; i < tokens.length; i += 64)
    await Promise.all(tokens.slice(i, i + 64).map((token) => otad.call("GET", `/device/v1/manifest?${query}`, { token, check: false })));
}

async function main() {
  const wanted = Number(process.argv[2] ?? 20000);
  const count = Math.min(wanted, hardLimit() - SPARE_FILES);
  const otad = await Otad.start({ flags: ["--connections-max", String(count + 200), "--waiting-max", String(count), "--log-level", "warn"] });
  const clients = [];
  try {
    await otad.releaseKey();
    const image = await otad.upload({ version: "1.1.0", product: "lamp", hardware: "r1" });
    const tokens = await makeDevices(otad, count);
    await warmUp(otad, tokens);
    const before = rss(otad.process.pid);
    for (let i = 0; i < count; i += PER_CLIENT) {
      const client = fork(process.argv[1], ["--client"]);
      clients.push(client);
      client.on("message", (message) => {
        if (message.odd) throw new Error(`an answer that is none: ${message.odd}`);
        Object.assign(client, message);
      });
      client.send({ port: otad.port, address: `127.0.0.${2 + clients.length}`, tokens: tokens.slice(i, i + PER_CLIENT) });
    }
    await until(() => clients.every((client) => client.opened), "all clients to connect", 120000);
    await until(async () => (await metric(otad, "otad_polls_waiting")) === count, "all polls to be held", 120000);
    const each = (rss(otad.process.pid) - before) / count;
    const rollout = await otad.rollout({ firmware: image.id }, { start: false });
    const start = Date.now();
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/start`);
    await until(() => clients.every((client) => client.done), "all to be woken", 120000);
    const last = Math.max(...clients.map((client) => client.done));
    console.log(`held long polls: ${count}${count < wanted ? ` (of ${wanted}: a process may open ${hardLimit()} files)` : ""}, ${each.toFixed(0)} B of RSS each; an offer, written to disk and signed, for each of them ${last - start} ms after the start`);
    if (each > LIMIT_BYTES) {
      console.log(`held long polls: more than ${LIMIT_BYTES} B each`);
      process.exitCode = 1;
    }
  } finally {
    for (const client of clients) client.kill();
    await otad.stop();
  }
}

await (process.argv[2] === "--client" ? runClient() : main());
