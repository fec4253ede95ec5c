// The include rule: who may see whom. README.md and DESIGN draw it; this holds it.
//
//   server -> db, protocol      device/core -> device/port/*.h, protocol
//   db -> protocol              device/boot -> device/core, device/port/*.h, protocol
//   tests -> everything         device/net  -> lwIP, BearSSL, device/port/*.h, protocol
//   protocol -> nothing         device/port -> all of device, protocol

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";

const PLAIN = ["stdint.h", "stddef.h", "stdbool.h", "string.h"];
const FREESTANDING = [...PLAIN, "assert.h", "limits.h", "inttypes.h"];
const PARTS = ["protocol/", "db/", "server/", "device/", "tests/"];

// The first row whose `of` begins the file's path counts. `may` are prefixes of included paths
// (a RegExp where a prefix is not enough), `std` the headers of other origin, undefined for any.
const RULES = [
  { of: "protocol/", may: ["protocol/"], std: PLAIN },
  { of: "db/", may: ["db/", "protocol/"] },
  { of: "server/", may: ["server/", "db/", "protocol/"] },
  {
    of: "device/core/",
    may: ["device/core/", /^device\/port\/[^/]+\.h$/, "protocol/"],
    std: FREESTANDING,
  },
  {
    of: "device/boot/",
    may: ["device/boot/", "device/core/", /^device\/port\/[^/]+\.h$/, "protocol/"],
    std: FREESTANDING,
  },
  {
    of: "device/net/",
    may: ["device/net/", /^device\/port\/[^/]+\.h$/, "protocol/", "lwip/", "netif/", "bearssl"],
    std: FREESTANDING,
  },
  { of: "device/", may: ["device/", "protocol/"] },
  { of: "tests/", may: PARTS },
];

/* `ours`: base names of our headers, so that one is not reached by a path relative to the file. */
function isAllowed(path, rule, ours) {
  const matches = (may) => (may instanceof RegExp ? may.test(path) : path.startsWith(may));
  if (path.includes("..") || ours.has(path)) return false;
  if (rule.may.some(matches)) return true;
  if (PARTS.some((part) => path.startsWith(part))) return false;
  return rule.std === undefined || rule.std.includes(path);
}

/** Every include in `text`, the text of `file`, that the rule forbids. */
function violations(file, text, ours = new Set()) {
  const rule = RULES.find(({ of }) => file.startsWith(of));
  if (!rule) return [`${file}: is in no part of the house`];
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]/gm)]
    .filter(([, path]) => !isAllowed(path, rule, ours))
    .map(([, path]) => `${file}: may not include ${path}`);
}

function sources() {
  const files = ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.c", "*.h"];
  return execFileSync("git", files, { encoding: "utf8" })
    .split("\n")
    .filter((file) => file !== "" && existsSync(file));
}

test("no source file includes what its part may not see", () => {
  const files = sources();
  assert.ok(files.length > 20, `only ${files.length} files were found`);
  const ours = new Set(files.filter((file) => file.endsWith(".h")).map((file) => basename(file)));
  const found = files.flatMap((file) => violations(file, readFileSync(file, "utf8"), ours));
  assert.deepEqual(found, []);
});

const FORBIDDEN = [
  ["protocol/x.c", '#include "server/http.h"'],
  ["protocol/x.c", "#include <server/http.h>"],
  ["protocol/x.c", '#include "device/core/slots.h"'],
  ["protocol/x.c", "#include <stdlib.h>"],
  ["protocol/x.c", '  #  include "../server/http.h"'],
  ["protocol/x.c", '#include "protocol/../db/db.h"'],
  ["db/x.c", '#include "server/http.h"'],
  ["db/x.c", '#include "device/core/slots.h"'],
  ["server/x.c", '#include "device/core/slots.h"'],
  ["server/x.c", '#include "http.h"'],
  ["device/core/x.c", '#include "device/boot/boot.h"'],
  ["device/core/x.c", '#include "device/net/http.h"'],
  ["device/core/x.c", '#include "device/port/host/flash.h"'],
  ["device/core/x.c", "#include <stdio.h>"],
  ["device/boot/x.c", '#include "device/net/http.h"'],
  ["device/boot/x.c", '#include "device/port/stm32f4/registers.h"'],
  ["device/net/x.c", '#include "device/core/client.h"'],
  ["device/port/host/x.c", '#include "server/http.h"'],
  ["device/port/host/x.c", '#include "tests/support/support.h"'],
  ["elsewhere/x.c", '#include "protocol/json.h"'],
];

for (const [file, line] of FORBIDDEN) {
  test(`${file} with ${line.trim()} breaks the include rule`, () => {
    const found = violations(file, `#include <stdint.h>\n${line}\n`, new Set(["http.h"]));
    assert.equal(found.length, 1, JSON.stringify(found));
  });
}

test("what the drawing allows passes", () => {
  assert.deepEqual(violations("server/x.c", '#include "db/db.h"\n#include <microhttpd.h>\n'), []);
  assert.deepEqual(violations("device/net/x.c", '#include "lwip/tcp.h"\n#include <string.h>\n'), []);
  assert.deepEqual(violations("device/core/x.c", '#include "device/port/flash.h"\n'), []);
  assert.deepEqual(violations("tests/unit/x.c", '#include "server/http.h"\n'), []);
});
