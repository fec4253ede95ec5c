/*
 * What each part of the firmware costs, and whether that is within its limits.
 *
 *   node tests/size/size.mjs --build build/arm [--size arm-none-eabi-size] [--nm arm-none-eabi-nm]
 *
 * A part is a row of `parts`: how it is measured, and its limits in bytes. Ends with 1 past a limit.
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { deepest_stack, plain, read_call_graph } from "./callgraph.mjs";

const { values: options } = parseArgs({
  options: { build: { type: "string", default: "build/arm" },
    size: { type: "string", default: "arm-none-eabi-size" },
    nm: { type: "string", default: "arm-none-eabi-nm" } },
});

/* text, data and bss of an ELF file. */
function sections(elf) {
  const lines = execFileSync(options.size, [elf], { encoding: "utf8" }).trim().split("\n");
  const [text, data, bss] = lines[1].trim().split(/\s+/).map(Number);
  return { text, data, bss };
}

/* The names of the functions that the program has. */
function functions(elf) {
  return new Set(execFileSync(options.nm, [elf], { encoding: "utf8" }).trim().split("\n")
    .map((line) => line.split(" ").pop()).map(plain));
}

/* The files *.ci of a program: those that the link wrote, and those of objects left out of it. */
function call_graph_files(elf, objects) {
  const directory = path.dirname(elf);
  const linked = fs.readdirSync(directory)
    .filter((name) => name.startsWith(path.basename(elf)) && name.endsWith(".ci"))
    .map((name) => path.join(directory, name));
  return [...linked, ...objects];
}

function bootloader(board) {
  const elf = path.join(options.build, `boot-${board}.elf`);
  const objects = [path.join(options.build, "boot/obj/device/port/stm32f4/mem.ci")];
  const graph = read_call_graph(call_graph_files(elf, objects));
  const stack = deepest_stack(graph, "boot_reset", functions(elf));
  return { ...sections(elf), stack: stack.bytes, path: stack.path };
}

const BOOT_LIMITS = { flash: 16384, text: 10000, ram: 1536, stack: 1500 };

const parts = [
  { name: "bootloader f407", measure: () => bootloader("f407"), limits: BOOT_LIMITS },
  { name: "bootloader f429", measure: () => bootloader("f429"), limits: BOOT_LIMITS },
];

/* What others need for the same, measured with the same compiler and -Os: docs/bootloader.md. */
const others = [
  ["MCUboot, P-256 by tinycrypt, swap-scratch", 12403, "1.8 KB", 1300],
  ["wolfBoot, ECC256", 13800, "", ""],
];

const row = (name, ...cells) => console.log(name.padEnd(44) +
  cells.map((cell) => String(cell).padStart(9)).join(""));

let failed = false;
row("", "text", "data", "bss", "stack");
for (const part of parts) {
  const cost = part.measure();
  row(part.name, cost.text, cost.data, cost.bss, cost.stack);
  const { flash, text, ram, stack } = part.limits;
  for (const [what, have, most] of [["flash", cost.text + cost.data, flash],
    ["text", cost.text, text], ["static RAM", cost.data + cost.bss, ram], ["stack", cost.stack, stack]]) {
    if (have > most) {
      console.log(`${part.name}: ${what} is ${have} bytes, over the limit of ${most}`);
      failed = true;
    }
  }
  part.path = cost.path;
}
for (const [name, text, ram, stack] of others)
  row(name, text, "", ram, stack);
row("limits of the bootloader", BOOT_LIMITS.text, "", BOOT_LIMITS.ram, BOOT_LIMITS.stack);
console.log("stack: bound over the whole call graph (gcc -fcallgraph-info), in bytes; the deepest chain:");
console.log(`  ${parts[0].path.join(" > ")}`);
process.exit(failed ? 1 : 0);
