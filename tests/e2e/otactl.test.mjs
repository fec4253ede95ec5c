// otactl as a process: files, flags and exit codes, against a server of the test's own that answers
// what a test wants. What it does against a real otad is in update.test.mjs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import { test } from "node:test";

import { fakeApi } from "./lib/otactl.mjs";

const { api, file, write, url, local, remote } = fakeApi();

const signFlags = (key, out) =>
  `--key ${key} --version 1.2.3 --counter 4 --product lamp --hardware r1 -o ${out}`.split(" ");

test("keygen makes a private key for its owner only, and keeps a file that is there", () => {
  const made = local("keygen", file("k.pem"), "--public", file("k.pub.pem"));
  assert.equal(made.code, 0, made.err);
  assert.equal(fs.statSync(file("k.pem")).mode & 0o777, 0o600);
  assert.match(fs.readFileSync(file("k.pem"), "utf8"), /^-----BEGIN PRIVATE KEY-----\n/);
  assert.match(fs.readFileSync(file("k.pub.pem"), "utf8"), /^-----BEGIN PUBLIC KEY-----\n/);

  const before = fs.readFileSync(file("k.pem"));
  const again = local("keygen", file("k.pem"), "--public", file("other.pub.pem"));
  assert.equal(again.code, 1);
  assert.match(again.err, /k\.pem is there already/);
  assert.deepEqual(fs.readFileSync(file("k.pem")), before);
  assert.ok(!fs.existsSync(file("other.pub.pem")), "no half a key pair is left");
});

test("a signed image inspects as good with its key and as bad with another", () => {
  const body = write("app.bin", Buffer.alloc(3000, 0x5a));
  assert.equal(local("keygen", file("a.pem"), "--public", file("a.pub")).code, 0);
  assert.equal(local("keygen", file("b.pem"), "--public", file("b.pub")).code, 0);
  const signed = local("release", "sign", body, ...signFlags(file("a.pem"), file("app.img")));
  assert.equal(signed.code, 0, signed.err);
  assert.match(signed.err, /does not start with a Cortex-M vector table/);

  const good = local("release", "inspect", file("app.img"), "--key", file("a.pub"));
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /version +1\.2\.3\n/);
  assert.match(good.out, /security counter +4 bytes +4\n/);
  assert.match(good.out, /signature +by key [0-9a-f]{16}: good\n/);
  assert.match(local("release", "inspect", file("app.img")).out, /not verified/);
  const json = JSON.parse(local("release", "inspect", file("app.img"), "--key", file("a.pub"), "--json").out);
  assert.equal(json.version, "1.2.3");
  assert.equal(json.product, "lamp");
  assert.equal(json.counter, 4);
  assert.match(json.hash, /^[0-9a-f]{64}$/);
  assert.deepEqual(json.signatures.map((signature) => signature.verdict), ["good"]);
  const bad = local("release", "inspect", file("app.img"), "--key", file("b.pub"));
  assert.equal(bad.code, 1);
  assert.match(bad.out, /signature .*: bad\n/);

  const image = fs.readFileSync(file("app.img"));
  image[1000] ^= 1;
  const changed = local("release", "inspect", write("changed.img", image), "--key", file("a.pub"));
  assert.equal(changed.code, 1);
  assert.match(changed.out, /hash .*: bad, the image claims another/);
  assert.equal(local("release", "inspect", write("cut.img", image.subarray(0, 2000))).code, 1);
});

test("an ELF file becomes what objcopy would make of it", () => {
  write("app.c", `
    extern unsigned _stack; void reset(void); unsigned counter = 42; unsigned zeroed[100];
    __attribute__((section(".isr_vector"), used)) void *const vectors[2] = {&_stack, (void *)reset};
    __attribute__((section(".far"), used)) const char far_away[] = "behind a gap";
    void reset(void) { for (;;) zeroed[counter++ % 100]++; }`);
  write("app.ld", `
    MEMORY { FLASH (rx): ORIGIN = 0x08020200, LENGTH = 384K  RAM (rwx): ORIGIN = 0x20000000, LENGTH = 128K }
    _stack = ORIGIN(RAM) + LENGTH(RAM);
    SECTIONS {
      .text : { KEEP(*(.isr_vector)) *(.text*) *(.rodata*) . = ALIGN(4); } > FLASH
      .data : { *(.data*) . = ALIGN(4); } > RAM AT > FLASH
      .far 0x08021000 : { *(.far) }
      .bss : { *(.bss*) } > RAM
    }`);
  execFileSync("arm-none-eabi-gcc", ["-mcpu=cortex-m4", "-mthumb", "-Os", "-nostdlib",
    "-nostartfiles", "-T", file("app.ld"), "-o", file("app.elf"), file("app.c")], { stdio: "pipe" });
  execFileSync("arm-none-eabi-objcopy",
    ["-O", "binary", "--gap-fill", "0xff", file("app.elf"), file("app.objcopy")]);

  assert.equal(local("keygen", file("e.pem")).code, 0);
  const signed = local("release", "sign", file("app.elf"), ...signFlags(file("e.pem"), file("e.img")));
  assert.equal(signed.code, 0, signed.err);
  assert.doesNotMatch(signed.err, /vector table/);
  const want = fs.readFileSync(file("app.objcopy"));
  const image = fs.readFileSync(file("e.img"));
  assert.equal(image.readUInt32LE(12), want.length);
  assert.deepEqual(image.subarray(0x200, 0x200 + want.length), want);
});

test("release sign refuses what it cannot sign, and says what is allowed", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsa = write("rsa.pem", privateKey.export({ type: "pkcs8", format: "pem" }));
  const p384 = write("p384.pem", generateKeyPairSync("ec", { namedCurve: "P-384" })
    .privateKey.export({ type: "pkcs8", format: "pem" }));
  assert.equal(local("keygen", file("s.pem"), "--public", file("s.pub")).code, 0);
  const body = write("s.bin", Buffer.alloc(64));
  const out = file("s.img");
  const flags = signFlags(file("s.pem"), out);
  const swap = (from, to) => flags.map((flag) => (flag === from ? to : flag));
  const cases = [
    [["release", "sign", body, ...swap(file("s.pem"), rsa)], 1, /not of the curve P-256/],
    [["release", "sign", body, ...swap(file("s.pem"), p384)], 1, /not of the curve P-256/],
    [["release", "sign", body, ...swap(file("s.pem"), file("s.pub"))], 1, /the private one signs/],
    [["release", "sign", body, ...swap(file("s.pem"), body)], 1, /no key in PEM form/],
    [["release", "sign", body, ...swap("1.2.3", "1.2")], 2, /MAJOR\.MINOR\.REVISION/],
    [["release", "sign", body, ...swap("1.2.3", "1.2.3-rc1")], 2, /MAJOR\.MINOR\.REVISION/],
    [["release", "sign", body, ...swap("4", "-1")], 2, /a number from 0 to 4294967295/],
    [["release", "sign", body, ...swap("lamp", "la mp")], 2, /characters of A-Z/],
    [["release", "sign", body, ...flags, "--header-size", "16"], 2, /from 32 to 4096/],
    [["release", "sign", body, ...flags, "--header-size", "33"], 2, /multiple of 4/],
    [["release", "sign", body, ...flags.slice(2)], 2, /needs --key/],
    [["release", "sign", ...flags], 2, /takes IN\.bin\|IN\.elf, 0 given/],
    [["release", "sign", file("none.bin"), ...flags], 1, /cannot be opened: No such file/],
    [["release", "sign", write("empty.bin", ""), ...flags], 1, /it is empty/],
    [["release", "sign", write("bad.elf", "\x7fELF not really"), ...flags], 1, /no whole ELF file/],
    [["release", "sign", write("twice.img", Buffer.from("3db8f396", "hex")), ...flags], 1, /an image already/],
    [["release", "sgin", body], 2, /release sgin is no command; did you mean release sign\?/],
    [["release", "frob", body], 2, /release frob is no command; those of release are above/],
    [["relase"], 2, /relase is no command/],
    [["release", "sign", body, ...flags, "--colour"], 2, /unknown option --colour; it takes: --key/],
  ];
  for (const [args, code, message] of cases) {
    const done = local(...args);
    assert.equal(done.code, code, `${args.join(" ")}: ${done.err}`);
    assert.match(done.err, message);
    assert.ok(!fs.existsSync(out), "nothing was written");
  }
});

test("help and version go to stdout and end with 0, a bare call ends with 2", () => {
  assert.match(local("--help").out, /rollout watch ID/);
  assert.equal(local("--help").code, 0);
  assert.match(local("rollout", "create", "--help").out, /--stage STAGE/);
  assert.match(local("rollout", "--help").out, /rollout pause ID/);
  assert.match(local("--version").out, /^otactl \d+\.\d+\.\d+\n$/);
  const bare = local();
  assert.equal(bare.code, 2);
  assert.equal(bare.out, "");
});

test("without a token, or with one the server does not know, the exit code is 4", async () => {
  const none = await remote(["device", "list"], { OTACTL_TOKEN: "" });
  assert.equal(none.code, 4);
  assert.match(none.err, /no token: set OTACTL_TOKEN/);
  assert.equal(api.requests.length, 0);

  api.answer = () => [401, { title: "Unauthorized", status: 401, code: "token_revoked",
    detail: "This token was revoked; ask an admin for a new one." }];
  const revoked = await remote(["device", "list"]);
  assert.equal(revoked.code, 4);
  assert.equal(revoked.err,
    "otactl: This token was revoked; ask an admin for a new one. (401 token_revoked) otactl login takes another.\n");
  assert.equal(api.requests[0].headers.authorization, "Bearer ota_test");
  api.answer = () => [403, { title: "Forbidden", code: "role", detail: "Needs admin." }];
  assert.equal((await remote(["token", "list"])).code, 4);
});

test("the token comes from --token-file, then OTACTL_TOKEN, then OTACTL_TOKEN_FILE", async () => {
  api.answer = () => [200, { items: [], next: null }];
  const flag = write("flag.token", "ota_flag\n");
  const env = write("env.token", "ota_env\n");
  const bearer = () => api.requests[0].headers.authorization;
  await remote(["device", "list", "--token-file", flag], { OTACTL_TOKEN_FILE: env });
  assert.equal(bearer(), "Bearer ota_flag");
  await remote(["device", "list"], { OTACTL_TOKEN_FILE: env });
  assert.equal(bearer(), "Bearer ota_test");
  await remote(["--json", "device", "list"], { OTACTL_TOKEN: "", OTACTL_TOKEN_FILE: env });
  assert.equal(bearer(), "Bearer ota_env");
});

test("a server that is not there, or is none, is told in one line with exit code 3 or 2", async () => {
  const closed = await remote(["group", "list"], { OTACTL_SERVER: "http://127.0.0.1:1" });
  assert.equal(closed.code, 3);
  assert.match(closed.err, /^otactl: nothing answers at http:\/\/127\.0\.0\.1:1 .*\n$/);
  const odd = await remote(["group", "list", "--server", "ftp://127.0.0.1"]);
  assert.equal(odd.code, 2);
  const tls = await remote(["group", "list"], { OTACTL_SERVER: url().replace("http", "https") });
  assert.equal(tls.code, 3);
  assert.match(tls.err, /^otactl: no TLS with https:.*: does it speak http:\/\/ there\?\n$/);
});

test("a certificate counts only when its CA is trusted and it names the host", async () => {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", file("tls.key"), "-out", file("tls.crt"), "-days", "2", "-subj", "/CN=otad",
    "-addext", "subjectAltName=IP:127.0.0.1"], { stdio: "pipe" });
  const secure = https.createServer(
    { key: fs.readFileSync(file("tls.key")), cert: fs.readFileSync(file("tls.crt")) },
    (request, response) => response.end('{"items":[],"next":null}'));
  await new Promise((resolve) => secure.listen(0, "127.0.0.1", resolve));
  const { port } = secure.address();
  const list = (host, ...more) => remote(["group", "list", "--server", `https://${host}:${port}`, ...more]);
  try {
    const trusted = await list("127.0.0.1", "--cacert", file("tls.crt"));
    assert.equal(trusted.code, 0, trusted.err);
    const env = await remote(["group", "list"],
      { OTACTL_SERVER: `https://127.0.0.1:${port}`, OTACTL_CACERT: file("tls.crt") });
    assert.equal(env.code, 0, env.err);
    const unknown = await list("127.0.0.1");
    assert.equal(unknown.code, 3);
    assert.match(unknown.err, /certificate of .* is not trusted .*--cacert\n$/);
    const other = await list("localhost", "--cacert", file("tls.crt"));
    assert.equal(other.code, 3);
    assert.match(other.err, /certificate of .* is for another host .*\n$/);
    const missing = await list("127.0.0.1", "--cacert", file("none.crt"));
    assert.equal(missing.code, 2);
    assert.match(missing.err, /the CA file .*none\.crt cannot be read/);
    const plain = await remote(["group", "list", "--server", `http://127.0.0.1:${port}`]);
    assert.equal(plain.code, 3);
    assert.match(plain.err, /: is it https:\/\/ there\?\n$/);
  } finally {
    secure.closeAllConnections();
    secure.close();
  }
});

test("an answer that is not JSON, or a refusal without a reason, asks whether that is otad", async () => {
  api.answer = () => [502, undefined];
  const refused = await remote(["group", "list"]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /answered 502 without a reason: is it really otad\?/);
});

test("text from a device never reaches the terminal raw", async () => {
  api.answer = () => [200, { items: [{ time: 1700000000, event: "failed", log: "\u001b[2J\u009b31m" }], next: null }];
  const events = await remote(["device", "events", "a"]);
  assert.equal(events.code, 0);
  assert.doesNotMatch(events.out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  api.answer = () => [409, { detail: "no \u001b]0;title\u0007" }];
  assert.doesNotMatch((await remote(["device", "delete", "a"])).err, /[\u0000-\u0009\u000b-\u001f]/);
});

test("every page of a list is fetched, and --json prints them as one", async () => {
  api.answer = (request) => {
    const cursor = new URL(request.url, url()).searchParams.get("cursor");
    return [200, cursor === null
      ? { items: [{ id: "a/1", group: "canary" }], next: "x y" }
      : { items: [{ id: "b", group: null }], next: null }];
  };
  const table = await remote(["device", "list", "--group", "a&b"]);
  assert.equal(table.code, 0, table.err);
  assert.deepEqual(api.requests.map((r) => r.url), [
    "/api/v1/devices?group=a%26b&limit=500",
    "/api/v1/devices?group=a%26b&limit=500&cursor=x%20y"]);
  assert.match(table.out, /^DEVICE +PRODUCT +HARDWARE +GROUP/);
  const json = JSON.parse((await remote(["device", "list", "--json"])).out);
  assert.deepEqual(json.items.map((item) => item.id), ["a/1", "b"]);
});

test("an id in a path is escaped", async () => {
  api.answer = () => [404, { detail: "no such device" }];
  await remote(["device", "show", "../tokens?x#y%00"]);
  assert.equal(api.requests[0].url, "/api/v1/devices/..%2Ftokens%3Fx%23y%2500");
});

test("a redirect is not followed: the token stays with the server that was named", async () => {
  api.answer = () => [307, { detail: "elsewhere" }];
  const moved = await remote(["group", "list"]);
  assert.equal(moved.code, 1);
  assert.equal(api.requests.length, 1);
});

test("an upload sends the file with its length, and a refusal before its end is told", async () => {
  const image = write("up.img", Buffer.alloc(300000, 7));
  api.answer = () => [201, { id: 3, product: "lamp", version: "1.0.0", hash: "ab".repeat(32) }];
  const done = await remote(["firmware", "upload", image]);
  assert.equal(done.code, 0, done.err);
  assert.equal(api.requests[0].headers["content-length"], "300000");
  assert.equal(api.requests[0].headers["content-type"], "application/octet-stream");
  assert.equal(api.requests[0].body.length, 300000);
  assert.match(done.out, /image hash +(ab){32}/);
  api.answer = () => [422, { detail: "Its signature is by no registered key.", code: "image_unknown_key" }];
  const refused = await remote(["firmware", "upload", image]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /by no registered key\. \(422 image_unknown_key\)/);
});

test("a secret that is shown once goes to stdout alone, or to a file for its owner only", async () => {
  api.answer = () => [201, { id: "d1", token: "otd_secret" }];
  const add = ["device", "add", "d1", "--product", "lamp", "--hardware", "r1"];
  assert.equal((await remote(add)).out, "otd_secret\n");
  const kept = await remote([...add, "-o", file("d1.token")]);
  assert.equal(kept.code, 0, kept.err);
  assert.doesNotMatch(kept.out, /otd_secret/);
  assert.equal(fs.readFileSync(file("d1.token"), "utf8"), "otd_secret\n");
  assert.equal(fs.statSync(file("d1.token")).mode & 0o777, 0o600);
});

test("key add never sends a private key", async () => {
  assert.equal(local("keygen", file("p.pem"), "--public", file("p.pub")).code, 0);
  api.answer = () => [201, { id: 1, name: "p", key_id: "0".repeat(16) }];
  assert.equal((await remote(["key", "add", "p", file("p.pem")])).code, 0);
  assert.equal(JSON.parse(api.requests[0].body).public_key, fs.readFileSync(file("p.pub"), "utf8"));
});

test("rollout create finds the firmware by PRODUCT@VERSION and sends its stages", async () => {
  const firmware = [
    { id: 1, product: "lamp", hardware: "r1", version: "1.0.0", hash: "aa".repeat(32) },
    { id: 2, product: "lamp", hardware: "r1", version: "1.1.0", hash: "bb".repeat(32) },
    { id: 3, product: "lamp", hardware: "r2", version: "1.1.0", hash: "cc".repeat(32) }];
  api.answer = (request) => request.url.includes("/firmware")
    ? [200, { items: firmware, next: null }]
    : [201, { id: 9, name: "n", state: "draft", stages: [] }];
  const create = (name, ...more) => remote(["rollout", "create", "--name", "n", "--firmware", name,
    "--stage", "group=canary,failures=1", "--stage", "percent=100", ...more]);
  const sent = () => JSON.parse(api.requests.at(-1).body);

  assert.equal((await create("lamp@1.0.0", "--timeout", "90", "--allow-downgrade")).code, 0);
  assert.deepEqual(sent(), { name: "n", firmware: 1, timeout_seconds: 90, allow_downgrade: true,
    stages: [{ group: "canary", failure_count: 1 }, { percent: 100 }] });
  assert.equal((await create("lamp/r2@1.1.0")).code, 0);
  assert.equal(sent().firmware, 3);
  assert.equal((await create("bbbbbbbb")).code, 0);
  assert.equal(sent().firmware, 2);
  const several = await create("lamp@1.1.0");
  assert.equal(several.code, 1);
  assert.match(several.err, /names 2 firmwares/);
  const none = await create("lamp@9.9.9");
  assert.equal(none.code, 1);
  assert.match(none.err, /no firmware is named lamp@9\.9\.9/);
  assert.equal((await remote(["rollout", "create", "--name", "n", "--firmware", "1", "--stage", "20%"])).code, 2);
});

test("rollout watch prints a line per change and ends as the rollout does", async () => {
  const stage = (succeeded) => [{ group: "canary", state: "active", targeted: 2, succeeded }];
  const states = [["running", 0], ["running", 0], ["running", 1], ["completed", 2]];
  let n = 0;
  api.answer = () => {
    const [state, succeeded] = states[Math.min(n++, states.length - 1)];
    return [200, { id: 5, name: "w", state, halt_reason: null, stages: stage(succeeded) }];
  };
  const done = await remote(["rollout", "watch", "5"]);
  assert.equal(done.code, 0, done.err);
  assert.deepEqual(done.out.trim().split("\n"), [
    "rollout 5 w: running; stage 1 of 1 (group canary): 0 of 2 succeeded",
    "rollout 5 w: running; stage 1 of 1 (group canary): 1 of 2 succeeded",
    "rollout 5 w: completed; stage 1 of 1 (group canary): 2 of 2 succeeded"]);

  api.answer = () => [200, { id: 5, name: "w", state: "halted", halt_reason: "1 device failed", stages: stage(0) }];
  const halted = await remote(["rollout", "watch", "5"]);
  assert.equal(halted.code, 1);
  assert.match(halted.out, /: halted; .*0 of 2 succeeded\. 1 device failed\. See otactl rollout devices 5; then otactl rollout rollback 5, resume 5 --force or cancel 5\n$/);
  api.answer = () => [404, { detail: "There is no rollout 6." }];
  assert.equal((await remote(["rollout", "watch", "6"])).code, 1);
});

test("on a terminal the stages are drawn over in place, and a bar shows an upload", async () => {
  let n = 0;
  api.answer = (request) => request.method === "POST" ? [201, { id: 3 }]
    : [200, { id: 5, name: "w", state: n++ > 0 ? "completed" : "running", halt_reason: null,
      stages: [{ percent: 100, state: "active", targeted: 2, succeeded: 1 }] }];
  const onTerminal = (command) => remote(command.split(" "), {}, { terminal: true });
  const watch = await onTerminal("rollout watch 5");
  assert.equal(watch.code, 0, watch.out);
  assert.match(watch.out, /running\r\n.*\[#{16} {16}\] 1 of 2 succeeded\r\n(\x1b\[A\x1b\[2K){2}rollout 5 w: completed/s);
  const upload = await onTerminal(`firmware upload ${write("bar.img", Buffer.alloc(400000))}`);
  assert.equal(upload.code, 0, upload.out);
  assert.match(upload.out, /\[#{40}\] 100 %/);
});
