// Runs build/.../board and gives back what it said, its exit status and its counters.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const BUILD = process.env.BUILD_DIR ?? "build/host";
export const ARM = "build/arm";
export const BOARD = resolve("build/board"); // without sanitizers

export const STATUS = {
  done: 0,
  usage: 2,
  powerLost: 3,
  timeUp: 4,
  misuse: 5,
  lockedUp: 6,
  broken: 7,
  wrong: 8,
};

const scratch = mkdtempSync(join(tmpdir(), "board-"));
let files = 0;

/** A path for a new file; `bytes`, when given, are written to it. */
export function file(name, bytes) {
  const path = join(scratch, `${++files}-${name}`);
  if (bytes !== undefined) writeFileSync(path, bytes);
  return path;
}

/** A program as an image that build/arm/boot-*.elf believes; the path of it. */
export function signImage(program, version, counter) {
  const image = file(`${version}.img`);
  execFileSync(join(BUILD, "otactl"), ["release", "sign", program, "--key", "tests/keys/release.pem",
    "--version", version, "--counter", String(counter), "--product", "demo", "--hardware", "stm32f4", "-o", image]);
  return image;
}

/**
 * One power-on of a board. `args` as of `board --help`; flash and stats files are added when they
 * are not named; `fast` takes the build without sanitizers. Resolves to { status, lines, errors, stats, flash }.
 */
export function runBoard(args, { onLine, fast } = {}) {
  const flashAt = args.indexOf("--flash");
  const flash = flashAt >= 0 ? args[flashAt + 1] : file("flash.bin");
  const statsPath = file("stats.json");
  const all = [...(flashAt >= 0 ? [] : ["--flash", flash]), "--stats", statsPath, ...args];
  const child = spawn(fast ? BOARD : join(BUILD, "board"), all, { stdio: ["ignore", "pipe", "pipe"] });
  const result = { status: -1, lines: [], errors: "", stats: undefined, flash, child };
  let rest = "";
  child.stdout.on("data", (data) => {
    const pieces = (rest + data).split("\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const line = piece.replace(/^\[ *[0-9.]+\] /, "");
      result.lines.push(line);
      onLine?.(line, child);
    }
  });
  child.stderr.on("data", (data) => (result.errors += data));
  return new Promise((done, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      result.status = code;
      try {
        result.stats = JSON.parse(readFileSync(statsPath, "utf8"));
      } catch {
        // it did not get that far
      }
      done(result);
    });
  });
}

/** The "ok - x" and "not ok - x" lines of test firmware. */
export function checks(lines) {
  return lines
    .map((line) => /^(not )?ok - (.*)$/.exec(line))
    .filter(Boolean)
    .map(([, not, name]) => ({ name, good: !not }));
}
