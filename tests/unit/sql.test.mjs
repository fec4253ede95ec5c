// SQL stays inside db/, and the library that speaks it inside its driver.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const sources = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"], { encoding: "utf8" }).split("\n").filter(Boolean);
const SQL = /"\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET|DELETE\s+FROM\s|CREATE\s+(TABLE|INDEX)|PRAGMA\s|BEGIN\b|COMMIT\b)/;

const withSql = (file) => SQL.test(readFileSync(file, "utf8"));

test("no file outside of db/ holds SQL", () => {
  const outside = sources.filter((file) => !file.startsWith("db/") && !file.startsWith("tests/") && withSql(file));
  assert.deepEqual(outside, []);
});

test("the search finds SQL where it is", () => {
  for (const file of ["db/devices.c", "db/migrations.c", "db/driver_sqlite.c"]) assert.ok(withSql(file), file);
});

test("SQLite is known to its driver alone", () => {
  const users = sources.filter((file) => !file.startsWith("tests/") && /sqlite3\.h|sqlite3_/.test(readFileSync(file, "utf8")));
  assert.deepEqual(users, ["db/driver_sqlite.c"]);
});
