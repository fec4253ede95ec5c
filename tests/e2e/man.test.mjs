// The manual pages know every command and flag, and mandoc has nothing to say about them.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const BUILD = path.resolve(process.env.BUILD_DIR ?? "build/host");
const page = (name) => path.join(BUILD, "man", name);
const say = (program, ...args) => execFileSync(path.join(BUILD, program), args, { encoding: "utf8" });
const text = (name) => execFileSync("mandoc", ["-Tascii", page(name)], { encoding: "utf8" })
  .replace(/.\x08/g, "").replace(/\s+/g, " ");

test("mandoc finds nothing wrong", () => {
  const { stdout, stderr } = spawnSync("mandoc", ["-Tlint", page("otactl.1"), page("otad.8")], { encoding: "utf8" });
  const found = `${stdout}${stderr}`.split("\n").filter((line) => line && !line.includes("referenced manual not found"));
  assert.deepEqual(found, []);
});

test("every command of otactl is in its page, with every flag", () => {
  const manual = text("otactl.1");
  const lines = say("otactl", "--help").split("\ncommands:\n")[1].split("\n\n")[0].split("\n");
  const commands = lines.filter((line) => /^ {2}[a-z]/.test(line)).map((line) => line.match(/^ {2}((?:[a-z-]+ ?)+)/)[1].trim());
  const names = commands.map((name) => name.split(" ").slice(0, 2).join(" "));
  assert.ok(names.length > 30);
  for (const name of names) {
    const help = spawnSync(path.join(BUILD, "otactl"), [...name.split(" "), "--help"], { encoding: "utf8" });
    assert.equal(help.status, 0, name);
    const usage = help.stdout.split("\n")[0].replace("usage: otactl ", "").replace("[options] ", "").replace(" [options]", "");
    assert.ok(manual.includes(usage.replace(/\s+/g, " ").trim()), usage);
    for (const [, flag] of help.stdout.matchAll(/^ {2}(--?[a-z-]+)/gm)) assert.ok(manual.includes(`${flag} `), `${name} ${flag}`);
  }
});

test("every flag of otad serve is in its page, with its environment variable", () => {
  const manual = text("otad.8");
  const flags = [...say("otad", "serve", "--help").matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag);
  assert.ok(flags.length >= 12);
  for (const flag of flags) {
    assert.ok(manual.includes(`--${flag}`), flag);
    assert.ok(manual.includes(`OTAD_${flag.toUpperCase().replaceAll("-", "_")}`), flag);
  }
  for (const [, command] of say("otad", "--help").matchAll(/^ {2}otad ([a-z-]+(?: [a-z]+)?)/gm))
    assert.ok(manual.includes(command), command);
});
