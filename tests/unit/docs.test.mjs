// What the documentation says of the tree is true: files, tests, targets, links; and the Chinese page
// says what the English one says.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

const PAGES = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { encoding: "utf8" })
  .split("\n").filter((page) => page && fs.existsSync(page));
const read = (page) => fs.readFileSync(page, "utf8");
const withoutCode = (text) => text.replace(/^```.*?^```/gms, "").replace(/^(?: {4}|\t).*$/gm, "").replace(/`[^`]*`/g, "");

// As GitHub makes them.
function anchors(text) {
  const names = [];
  for (const [, heading] of text.replace(/^```.*?^```/gms, "").matchAll(/^#+ +(.*)$/gm)) {
    const name = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    const before = names.filter((other) => other === name || other.startsWith(`${name}-`) && /^\d+$/.test(other.slice(name.length + 1))).length;
    names.push(before ? `${name}-${before}` : name);
  }
  return names;
}

test("every link within the documentation leads somewhere", () => {
  assert.ok(PAGES.length > 10);
  for (const page of PAGES) {
    for (const [, target] of withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file, anchor] = target.split("#");
      const found = file ? path.join(path.dirname(page), file) : page;
      assert.ok(fs.existsSync(found), `${page} links to ${target}`);
      if (anchor) assert.ok(anchors(read(found)).includes(anchor), `${page} links to ${target}`);
    }
  }
});

test("every make target that a page names exists", () => {
  const makefiles = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "Makefile", "*.mk"], { encoding: "utf8" })
    .split("\n").filter((file) => file && fs.existsSync(file)).map(read).join("\n");
  const targets = new Set([...makefiles.matchAll(/^([a-z][a-z0-9 -]*):/gm)].flatMap(([, names]) => names.split(" ")));
  for (const name of fs.readdirSync("tests/fuzz").map((file) => /^fuzz_(.*)\.c$/.exec(file)?.[1])) if (name) targets.add(`fuzz-${name}`);
  for (const page of PAGES)
    for (const [, target] of read(page).matchAll(/`(?:sudo )?make ([a-z][a-z0-9-]*)`/g)) assert.ok(targets.has(target), `${page}: make ${target}`);
});

test("every file that the walk through the code names exists", () => {
  const names = [...read("docs/architecture.md").matchAll(/`((?:server|db|protocol|device|tests)\/[^`*]*)`/g)].map(([, name]) => name);
  assert.ok(names.length > 50);
  for (const name of names) assert.ok(fs.existsSync(name), name);
});

test("every row of the threat table names tests that exist", () => {
  const table = read("docs/security.md").split("\n").filter((line) => line.startsWith("| ")).slice(2);
  assert.ok(table.length >= 10);
  for (const row of table) {
    const shown = row.split("|").at(-2);
    if (shown.includes("as the row of")) continue;
    const files = shown.split(";").map((part) => ({
      file: /`(tests\/[^`]+)`/.exec(part)?.[1], names: [...part.matchAll(/"([^"]+)"/g)].map(([, name]) => name) }));
    for (const { file, names } of files) {
      assert.ok(file && names.length > 0, row);
      for (const name of names) assert.ok(read(file).includes(name), `${file}: "${name}"`);
    }
  }
});

test("the configuration that pages show is what is in packaging/", () => {
  for (const file of fs.readdirSync("packaging").filter((name) => !name.endsWith(".mk"))) assert.ok(read("docs/operations.md").includes(`packaging/${file}`), file);
});

const shape = (text) => ({
  headings: [...text.matchAll(/^(#+) /gm)].map(([, level]) => level),
  commands: [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code.replace(/#.*$/gm, "").replace(/[ \t]+$/gm, "")),
  blocks: [...text.matchAll(/^ {4}(sh scripts.*|make .*)$/gm)].map(([, line]) => line),
  links: [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target).filter((target) => !target.includes("README")),
  rows: (text.match(/^\| /gm) ?? []).length,
});

test("README.zh-CN.md has the headings, commands, tables and links of README.md", () => {
  const english = shape(read("README.md"));
  const chinese = shape(read("README.zh-CN.md"));
  assert.deepEqual(chinese.headings, english.headings);
  assert.deepEqual(chinese.commands, english.commands);
  assert.deepEqual(chinese.blocks, english.blocks);
  assert.deepEqual([...chinese.links].sort(), [...english.links].sort());
  assert.equal(chinese.rows, english.rows);
});
