// Writes the seeds of one fuzz target from tests/vectors/: node tests/fuzz/seeds.mjs TARGET DIR
//
// A seed is a vector as it is; for the manifest target the payloads as well.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const VECTORS = "tests/vectors";
const [target, out] = process.argv.slice(2);

function lines(name) {
  return readFileSync(join(VECTORS, name), "latin1")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

const restOf = (line) => line.slice(line.indexOf(" ") + 1);
const unescape = (text) =>
  text.replace(/\\x([0-9a-f]{2})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));

function fromLines(name) {
  lines(name).forEach((line, i) => writeFileSync(join(out, `line-${i}`), unescape(restOf(line)), "latin1"));
}

function fromFiles(directory) {
  const paths = lines(`${directory}/index.txt`).map((line) => join(VECTORS, restOf(line)));
  for (const path of paths) copyFileSync(path, join(out, basename(path)));
  return paths;
}

/* A patch as it is, and its coded stream without header and CRCs, behind the four bytes that choose the way. */
function fromPatch(path) {
  const patch = readFileSync(path);
  const blocks = [];
  for (let at = 0; at < patch.length; at += 512) blocks.push(patch.subarray(at, Math.min(at + 512, patch.length) - 4));
  const payload = Buffer.concat(blocks);
  const mode = (payload[2] & 15) << 2;
  let at = 11;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      value |= (payload[at] & 127) << shift;
      if (payload[at++] < 128) return value;
    }
  };
  number(); // the patch's length
  const [base, longer] = [number(), number()];
  if (mode) number();
  const length = (base + (longer >> 1 ^ -(longer & 1)) - 1) % 20480;
  const head = (way) => Buffer.from([0xf8 | mode | way, length & 255, length >> 8, 0]);
  writeFileSync(join(out, "patch"), Buffer.concat([head(0), patch]));
  writeFileSync(join(out, "stream"), Buffer.concat([head(1), payload.subarray(at)]));
  writeFileSync(join(out, "stream-resets"), Buffer.concat([head(2), payload.subarray(at)]));
}

const targets = {
  delta: () => fromPatch(join(VECTORS, "delta/old-new.patch")),
  json: () => fromLines("json.txt"),
  report: () => fromLines("reports.txt"),
  image: () => fromFiles("images"),
  manifest: () => {
    for (const path of fromFiles("manifests")) {
      const payload = /^\{"payload":"([A-Za-z0-9_-]*)"/.exec(readFileSync(path, "latin1"))?.[1];
      if (payload) writeFileSync(join(out, `${basename(path)}.payload`), payload, "base64url");
    }
  },
};

mkdirSync(out, { recursive: true });
// A target without vectors of its own starts from nothing.
targets[target]?.();
