/*
 * make bench-delta: patches beside bsdiff, xdelta3 and xz, and what the decoder costs on a Cortex-M4.
 *
 *   node tests/bench/delta/run.mjs --build build/host --arm build/arm --pairs build/bench-delta
 *
 * Compared are the raw firmware images as they are released, for all tools alike. Each patch is applied
 * and the result compared; ours on the emulated board as well. The images come from npm, with a cache.
 * Ends with 1 past a limit. BENCH_QUICK=1: one hub.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: { build: { type: "string", default: "build/host" }, arm: { type: "string", default: "build/arm" },
    pairs: { type: "string", default: "build/bench-delta" } },
});
const QUICK = process.env.BENCH_QUICK === "1";
const LIMITS = { code: 8192, ram: 8192, ratio: 1.0, seconds: 5, kilobytes: 256 * 1024, big: 320 * 1024 };
const GOAL = 0.25; /* of the geometric mean of FOUR */
const FOUR = ["same-day fix", "beta to beta", "minor", "major"];
const BUILT_MEAN_MAX = 0.45;

const PACKAGE = "@pybricks/firmware";
const PACKAGES = ["4.13.0-alpha.5", "4.17.0", "6.2.0", "7.2.0", "7.22.0", "7.27.0", "7.28.0", "4.0.0", "4.0.1"];
const HUBS = ["movehub", "cityhub", "technichub", "essentialhub", "primehub"];
/* Not looked at while the format was made: no Cortex-M, no Thumb-2. */
const OTHERS = ["nxt", "ev3"];
/* Kind, the old version, the new one; the geometric mean of the kind must stay below the limit. */
const KINDS = [
  ["same-day fix", "v4.0.0", "v4.0.1", 0.10],
  ["beta to beta", "v4.0.0b4", "v4.0.0b5", 0.15],
  ["beta to release", "v4.0.0b5", "v4.0.0", 0.37],
  ["two betas", "v3.2.0b3", "v3.2.0b5", 0.48],
  ["minor", "v3.2.0b5", "v3.3.0b3", 0.50],
  ["several minors", "v3.1.0a4", "v3.2.0b3", 0.75],
  ["several minors", "v3.3.0b3", "v3.6.0b5", 0.72],
  ["major", "v3.6.0b5", "v4.0.0b4", 0.75],
];

const run = (command, ...args) => execFileSync(command, args, { encoding: "latin1", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
const size = (file) => fs.statSync(file).size;
const file = (name) => path.join(options.pairs, name);
const otactl = path.join(options.build, "otactl");

/* The images of all packages: hub-version.bin. */
function fetchImages() {
  const images = file("images");
  if (fs.existsSync(file("complete"))) return images;
  fs.mkdirSync(images, { recursive: true });
  for (const version of PACKAGES) {
    run("npm", "pack", `${PACKAGE}@${version}`, "--silent", "--pack-destination", options.pairs);
    const unpacked = file(`unpacked-${version}`);
    fs.mkdirSync(unpacked, { recursive: true });
    run("tar", "xzf", file(`pybricks-firmware-${version}.tgz`), "-C", unpacked);
    for (const hub of [...HUBS, ...OTHERS]) {
      const zip = path.join(unpacked, "package/build", `${hub}.zip`);
      if (!fs.existsSync(zip)) continue;
      run("unzip", "-qo", zip, "-d", path.join(unpacked, hub));
      const about = JSON.parse(fs.readFileSync(path.join(unpacked, hub, "firmware.metadata.json"), "utf8"));
      const name = /v[0-9].*$/.exec(about["firmware-version"])[0];
      fs.copyFileSync(path.join(unpacked, hub, "firmware-base.bin"), path.join(images, `${hub}-${name}.bin`));
    }
    fs.rmSync(unpacked, { recursive: true });
  }
  fs.writeFileSync(file("complete"), "");
  return images;
}

function releasePairs(images, hubs) {
  const pairs = [];
  for (const [kind, from, to] of KINDS)
    for (const hub of hubs) {
      const [old, fresh] = [from, to].map((version) => path.join(images, `${hub}-${version}.bin`));
      if (fs.existsSync(old) && fs.existsSync(fresh)) pairs.push({ kind, name: `${hub} ${from.slice(1)} ${to.slice(1)}`, old, fresh });
    }
  return pairs;
}

const builtPairs = () => [["lwIP, a constant", "constant"], ["lwIP, code in front", "front"]].map(([name, variant]) =>
  ({ kind: "built here", name, old: path.join(options.arm, "delta-base.bin"), fresh: path.join(options.arm, `delta-${variant}.bin`) }));

/* Ours, within its limits of processor time and memory when the image is of the size that they are for. */
function make(pair, patch) {
  const bounds = size(pair.fresh) <= LIMITS.big ? `ulimit -t ${LIMITS.seconds} -v ${LIMITS.kilobytes}; ` : "";
  run("sh", "-c", `${bounds}exec "$@"`, "sh", otactl, "delta", "make", pair.old, pair.fresh, patch);
  run(otactl, "delta", "apply", pair.old, patch, file("again"));
  assert.deepEqual(fs.readFileSync(file("again")), fs.readFileSync(pair.fresh), pair.name);
  return size(patch);
}

function others(pair) {
  run("bsdiff", pair.old, pair.fresh, file("bsdiff"));
  run("xdelta3", "-9", "-e", "-f", "-s", pair.old, pair.fresh, file("xdelta3"));
  fs.writeFileSync(file("xz"), execFileSync("xz", ["-9e", "-c", pair.fresh], { maxBuffer: 1 << 26 }));
  return { bsdiff: size(file("bsdiff")), xdelta3: size(file("xdelta3")), xz: size(file("xz")) };
}

/* Milliseconds at 168 MHz, of the board's clock: a cycle a halfword of code. NaN when it has no room. */
function decodeOnBoard(pair, patch) {
  const most = 512 * 1024;
  if ([pair.old, pair.fresh, patch].some((name) => size(name) > most)) return { ms: NaN, ram: 0 };
  fs.rmSync(file("flash"), { force: true });
  const text = run(path.join(options.build, "board"), "--flash", file("flash"), "--load", path.join(options.arm, "firmware/delta.elf"),
    "--load", `${pair.old}@0x08100000`, "--load", `${pair.fresh}@0x08180000`, "--load", `${patch}@0x08080000`,
    "--until", "# end", "--no-watchdog", "--offline");
  assert.match(text, /\bok - the patch gives the result/, text);
  const number = (name) => Number(new RegExp(`# ${name} (0x[0-9a-f]+)`).exec(text)[1]);
  return { ms: (number("us") * 16) / 168 / 1000, ram: number("ram") };
}

/* Bytes of code and constants in a program that has the decoder alone. */
const codeSize = () => Number(/\n\s*([0-9]+)/.exec(run("arm-none-eabi-size", path.join(options.arm, "size-delta.elf")))[1]);

const mean = (rows) => Math.exp(rows.reduce((sum, row) => sum + Math.log(row.ratio), 0) / rows.length);
const print = (name, ...cells) => console.log(name.padEnd(44) + cells.map((cell) => String(cell).padStart(9)).join(""));
let failed = false;
function must(good, sentence) {
  if (good) return;
  failed = true;
  console.log(`FAILED: ${sentence}`);
}

function measure(pairs) {
  const rows = [];
  for (const pair of pairs) {
    const patch = file("patch");
    const ours = make(pair, patch);
    const { bsdiff, xdelta3, xz } = others(pair);
    const { ms, ram } = decodeOnBoard(pair, patch);
    const row = { ...pair, ours, ratio: ours / bsdiff, ram };
    print(pair.name, size(pair.fresh), xz, xdelta3, bsdiff, ours, row.ratio.toFixed(3), Number.isNaN(ms) ? "" : ms.toFixed(0));
    must(row.ratio <= LIMITS.ratio, `${pair.name}: larger than bsdiff's patch`);
    rows.push(row);
  }
  return rows;
}

const images = fetchImages();
print("", "image", "xz", "xdelta3", "bsdiff", "otad", "ratio", "ms on M4");
const rows = measure([...releasePairs(images, QUICK ? ["cityhub"] : HUBS), ...builtPairs()]);
console.log("\nOther processors, not looked at while the format was made:");
const unseen = QUICK ? [] : measure(releasePairs(images, OTHERS));

console.log("\nGeometric means of the ratio to bsdiff:");
for (const kind of new Set(rows.map((row) => row.kind))) {
  const most = KINDS.find(([name]) => name === kind)?.[3] ?? BUILT_MEAN_MAX;
  const of = rows.filter((row) => row.kind === kind);
  print(kind, of.length, mean(of).toFixed(3));
  must(QUICK || mean(of) <= most, `${kind}: the mean is over ${most}`);
}
if (unseen.length > 0) print("other processors", unseen.length, mean(unseen).toFixed(3));
print("all", rows.length + unseen.length, mean([...rows, ...unseen]).toFixed(3));
const four = rows.filter(({ kind }) => FOUR.includes(kind));
print(FOUR.join(", "), four.length, mean(four).toFixed(3));
must(QUICK || mean(four) <= GOAL, `the mean over ${FOUR.join(", ")} is over ${GOAL}`);

const code = codeSize();
const ram = Math.max(...rows.map((row) => row.ram));
console.log(`\ndecoder: ${code} bytes of code and constants, ${ram} bytes of RAM (limits ${LIMITS.code}, ${LIMITS.ram})`);
console.log(`encoder: every pair of up to 320 KB within ${LIMITS.seconds} s of processor time and ${LIMITS.kilobytes / 1024} MB`);
must(code <= LIMITS.code && ram <= LIMITS.ram, "the decoder is over its limits");
process.exitCode = failed ? 1 : 0;
