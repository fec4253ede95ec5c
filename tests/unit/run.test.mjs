// The runner itself: what it must call a failure.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const directory = mkdtempSync(join(tmpdir(), "run-"));
let count = 0;

/** A program of shell lines; its path. */
function program(lines, name = `program-${count++}`) {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return path;
}

function run(...args) {
  const { status, stdout } = spawnSync("tests/run", args, { encoding: "utf8" });
  assert.ok(stdout.endsWith("failed\n"), stdout);
  return { status, stdout, last: stdout.trimEnd().split("\n").at(-1) };
}

const good = program("echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b'");

const cases = [
  ["a good program passes", "echo 1..1; echo 'ok 1 - a'", "1 passed, 0 failed"],
  ["a failed test fails", "echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1", "1 passed, 1 failed"],
  ["a failed test fails although the status is 0", "echo 1..1; echo 'not ok 1 - a'", "0 passed, 1 failed"],
  ["a bad end without a failed test fails", "echo 1..1; echo 'ok 1 - a'; exit 3", "1 passed, 1 failed"],
  ["a crash fails", "echo 1..1; echo 'ok 1 - a'; kill -ABRT $$", "1 passed, 1 failed"],
  ["an end before the plan is done fails", "echo 1..3; echo 'ok 1 - a'", "1 passed, 1 failed"],
  ["a skipped test fails", "echo 1..1; echo 'ok 1 - a # SKIP no time'", "0 passed, 1 failed"],
  ["a program without tests fails", "true", "0 passed, 1 failed"],
  [
    "of nested tests the leaves are counted",
    "echo '    ok 1 - a'; echo '    ok 2 - b'; echo 'ok 1 - both'; echo 1..1",
    "2 passed, 0 failed",
  ],
  [
    "a failed leaf is counted once",
    "echo '    ok 1 - a'; echo '    not ok 2 - b'; echo 'not ok 1 - both'; echo 1..1; exit 1",
    "1 passed, 1 failed",
  ],
  [
    "a parent that fails by itself is counted",
    "echo '    ok 1 - a'; echo 'not ok 1 - hook'; echo 1..1; exit 1",
    "1 passed, 1 failed",
  ],
];

for (const [name, lines, expected] of cases) {
  test(name, () => {
    const { status, last } = run(program(lines));
    assert.equal(last, expected);
    assert.equal(status, expected.endsWith(" 0 failed") ? 0 : 1);
  });
}

test("a program that hangs is ended with what it started, and fails", () => {
  const marker = join(directory, "late");
  const hanging = program(`echo 1..1; (sleep 3; touch ${marker}) & sleep 60`);
  const started = Date.now();
  const { status, last, stdout } = run("--timeout", "1", hanging, good);
  assert.equal(last, "2 passed, 1 failed");
  assert.equal(status, 1);
  assert.match(stdout, /still running after 1 s/);
  assert.ok(Date.now() - started < 30000);
  assert.equal(spawnSync("sh", ["-c", `sleep 3; test -e ${marker}`]).status, 1);
});

test("nothing to run is a failure", () => {
  assert.deepEqual(run().status, 1);
  assert.equal(run("--only", "no such", good).last, "0 passed, 0 failed");
  assert.equal(run("--only", "no such", good).status, 1);
});

test("a program that can't be run is a failure", () => {
  assert.equal(run(join(directory, "absent")).last, "0 passed, 1 failed");
});

test("node tests are counted one by one", () => {
  const path = join(directory, "x.test.mjs");
  writeFileSync(
    path,
    `import { describe, it, test } from "node:test";
     test("a", () => {});
     describe("s", () => { it("b", () => {}); it("c", () => { throw new Error("no"); }); });`,
  );
  const { last, stdout } = run(path, good);
  assert.equal(last, "4 passed, 1 failed");
  assert.match(stdout, /- c$/m);
});
