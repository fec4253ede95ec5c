/*
 * What each part of the firmware costs, and whether that is within its limits.
 *
 *   node tests/size/size.mjs --build build/arm [--size arm-none-eabi-size] [--nm arm-none-eabi-nm]
 *       [--objdump arm-none-eabi-objdump]
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
    objdump: { type: "string", default: "arm-none-eabi-objdump" },
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

/* Client core and HTTP: with the codecs, the journal and the slots that they stand on, and by themselves. */
const core = () => sections(path.join(options.build, "size-core.elf"));
const client = () => sections(path.join(options.build, "size-client.elf"));

const decoder = () => sections(path.join(options.build, "size-delta.elf"));

/* The stack is what app.ld keeps free for it; tests/board measures that less is used. */
const application = (name) => ({ ...sections(path.join(options.build, `${name}.elf`)), stack: 8192 });

const BOOT_LIMITS = { flash: 16384, text: 10000, ram: 1536, stack: 1500 };
const CORE_LIMITS = { flash: 19 * 1024, ram: 3 * 1024 };
const CLIENT_LIMITS = { flash: 12 * 1024, ram: 3 * 1024 };
const DECODER_LIMITS = { text: 8192, ram: 8192 };
const APPLICATION_LIMITS = { flash: 110 * 1024, ram: 64 * 1024 };
const MQTT_LIMITS = { flash: 116 * 1024, ram: 64 * 1024 };

const parts = [
  { name: "bootloader f407", measure: () => bootloader("f407"), limits: BOOT_LIMITS },
  { name: "bootloader f429", measure: () => bootloader("f429"), limits: BOOT_LIMITS },
  { name: "client core + HTTP", measure: core, limits: CORE_LIMITS },
  { name: "  without codecs, journal, slots", measure: client, limits: CLIENT_LIMITS },
  { name: "decoder of patches", measure: decoder, limits: DECODER_LIMITS },
  { name: "application nucleo-f429zi", measure: () => application("nucleo-f429zi"), limits: APPLICATION_LIMITS },
  { name: "the same with MQTT", measure: () => application("nucleo-f429zi-mqtt"), limits: MQTT_LIMITS },
];

/* Whose code the application is, by the source file that each instruction comes from. */
const modules = [
  ["client (device/core/client*)", /^device\/core\/client/],
  ["journal, slots", /^device\/core\//],
  ["codecs (protocol/)", /^protocol\//],
  ["HTTP and its transport over lwIP", /^device\/net\/(http|transport)/],
  ["TLS over altcp, X.509 without a clock", /^device\/net\/tls/],
  ["BearSSL, TLS and signatures", /\/bearssl-/],
  ["lwIP", /\/lwip-/],
  ["drivers, provisioning, crypto seam", /^device\/port\//],
  ["the example itself", /^device\/examples\//],
];

/* Bytes of code by source file: the line table says where each address comes from, inlined or not. */
function code_by_file(elf) {
  const table = execFileSync(options.objdump, ["--dwarf=decodedline", elf], { encoding: "utf8", maxBuffer: 1 << 28 });
  const bytes = new Map();
  let file;
  let last; // { file, address } of the line before
  for (const line of table.split("\n")) {
    const name = /^(\S.*):(?:\[\+\+\])?$/.exec(line);
    if (name)
      file = path.normalize(name[1]).replace(/^(\.\.\/)+[^/]+\//, ""); // ccache: of another checkout
    const place = /^\S+\s+(\d+|-)\s+(0x[0-9a-f]+)/.exec(line);
    if (!place)
      continue;
    const address = Number(place[2]);
    if (last && address > last.address)
      bytes.set(last.file, (bytes.get(last.file) ?? 0) + address - last.address);
    last = place[1] === "-" ? undefined : { file, address };
  }
  return bytes;
}

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
  row(part.name, cost.text, cost.data, cost.bss, cost.stack ?? "");
  const { flash, text, ram, stack } = part.limits;
  const reserved = stack === undefined ? cost.stack ?? 0 : 0; // a stack without a limit of its own is RAM
  for (const [what, have, most] of [["flash", cost.text + cost.data, flash],
    ["text", cost.text, text], ["RAM", cost.data + cost.bss + reserved, ram], ["stack", cost.stack, stack]]) {
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
row("limits of client core + HTTP, flash and RAM", CORE_LIMITS.flash, "", CORE_LIMITS.ram);
row("  without codecs, journal, slots", CLIENT_LIMITS.flash, "", CLIENT_LIMITS.ram);
row("limits of the decoder of patches", DECODER_LIMITS.text, "", DECODER_LIMITS.ram);
row("limits of the application, flash and RAM", APPLICATION_LIMITS.flash, "", APPLICATION_LIMITS.ram);
row("limits of the same with MQTT", MQTT_LIMITS.flash, "", MQTT_LIMITS.ram);
console.log("stack of the bootloader: bound over the whole call graph (gcc -fcallgraph-info), in bytes; the deepest chain:");
console.log(`  ${parts[0].path.join(" > ")}`);
console.log("stack of the application: what its linker script keeps free; make board-test paints it");

/* One row for each module that the program has code of. */
function print_modules(title, elf) {
  const left = code_by_file(elf);
  const sum_of = (files) => files.reduce((sum, file) => sum + left.get(file), 0);
  const tables = sections(elf).text - sum_of([...left.keys()]);
  row(`\n${title}`, "text");
  for (const [name, pattern] of modules) {
    const files = [...left.keys()].filter((file) => pattern.test(file));
    if (files.length > 0)
      row(`  ${name}`, sum_of(files));
    files.forEach((file) => left.delete(file));
  }
  row("  C library, compiler's helpers, glue", sum_of([...left.keys()]));
  row("  constants, tables, literals", tables);
}

print_modules("whose code client core + HTTP are", path.join(options.build, "size-core.elf"));
print_modules("whose code the application is", path.join(options.build, "nucleo-f429zi.elf"));
process.exit(failed ? 1 : 0);
