// make bench: how otad does beside nginx, SQLite and openssl on this machine, against the goals.
//
//   node tests/bench/run.mjs [--only STEP,...]
//
// Everything that is compared runs interleaved, A B B A A B, on the same cores, and the medians of the
// rounds' ratios are told: a machine that is busy with other things shifts both. Servers that are compared
// with nginx have one thread on core 0, the client has core 1. Prints a table and writes
// build/bench/results.json with every round, and results.md with the table. BENCH_QUICK=1 takes a tenth of the fleet and a fifth of the time.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Bench, STEPS } from "./rows.mjs";
import { FLEET, QUICK } from "./tools.mjs";

function missing() {
  return ["nginx", "wrk", "taskset", "openssl"].filter((name) => {
    try {
      execFileSync("sh", ["-c", `command -v ${name}`]);
      return false;
    } catch {
      return true;
    }
  });
}

function version(command) {
  try {
    return execFileSync("sh", ["-c", `${command} 2>&1`]).toString().split("\n")[0].trim();
  } catch {
    return "";
  }
}

function goalText({ min, max }) {
  return min !== undefined ? `>= ${min}` : `<= ${max}`;
}

function verdict({ value, goal, pass }) {
  if (pass) return "pass";
  const limit = goal.min ?? goal.max;
  return limit === 0 ? `${value} too many` : `${Math.abs(Math.round((value / limit - 1) * 100))} % away`;
}

function print(rows) {
  const lines = [["measured", "value", "goal", ""], ...rows.map((row) => [row.name, String(row.value), goalText(row.goal), verdict(row)])];
  const widths = [0, 1, 2].map((i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines) console.log(`${line[0].padEnd(widths[0])}  ${line[1].padStart(widths[1])}  ${line[2].padEnd(widths[2])}  ${line[3]}`);
}

// The table of docs/performance.md.
function markdown(rows, machine, load) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const table = [line(["measured", "goal", "here", ""]), line(["---", "---", "---", "---"]), ...rows.map((row) => line([row.name, goalText(row.goal).replace(/[<>]/g, "\\$&"), row.value, verdict(row)]))];
  return `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, load average before ${load.toFixed(1)}:\n\n${table.join("\n")}\n`;
}

async function main() {
  const only = process.argv[2] === "--only" ? process.argv[3].split(",") : STEPS;
  const lacking = missing();
  if (lacking.length > 0) {
    console.error(`make bench needs ${lacking.join(", ")}: run \`scripts/setup bench\``);
    return 1;
  }
  if (os.availableParallelism() < 2) console.error("bench: one core only; client and server share it, so rates mean little");
  const results = path.resolve("build", "bench");
  const dir = path.join(results, "run");
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir, { recursive: true });
  const began = Date.now();
  const before = os.loadavg()[0];
  const bench = new Bench(dir);
  const failures = [];
  // A step that fails is told at the end, and the others run all the same.
  const attempt = async (step) => {
    try {
      await bench[step]();
    } catch (error) {
      failures.push(`${step}: ${error.message}`);
      console.error(`  ${step} failed`);
    }
  };
  if (only.some((step) => step !== "tls")) await attempt("prepare");
  for (const step of STEPS.filter((name) => only.includes(name))) await attempt(step);
  await attempt("close");
  fs.rmSync(dir, { recursive: true, force: true });
  const machine = { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), kernel: os.release(), load_before: before, nginx: version("nginx -v"), openssl: version("openssl version") };
  fs.writeFileSync(path.join(results, "results.json"), `${JSON.stringify({ date: new Date().toISOString(), machine, devices: FLEET, quick: QUICK, seconds: (Date.now() - began) / 1000, rows: bench.rows }, null, 1)}\n`);
  fs.writeFileSync(path.join(results, "results.md"), markdown(bench.rows, machine, before));
  print(bench.rows);
  const passed = bench.rows.filter((row) => row.pass).length;
  console.log(`${passed} of ${bench.rows.length} goals met, ${Math.round((Date.now() - began) / 1000)} s, load average before ${before.toFixed(1)}; build/bench/results.json has the rounds`);
  if (before > 0.5) console.log("This machine was busy before the bench began: ratios hold roughly, absolute numbers do not.");
  for (const failure of failures) console.error(failure);
  return failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();
