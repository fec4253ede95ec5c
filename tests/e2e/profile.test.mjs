// otactl login, profiles and completion.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterEach, test } from "node:test";

import { fakeApi } from "./lib/otactl.mjs";

const { api, file, url, run, remote, cleanEnv, OTACTL } = fakeApi();
const PROFILES = () => path.join(file("config"), "otactl", "profiles.json");
const isKnown = (request) => request.headers.authorization === "Bearer ota_good";

api.answer = (request) => {
  if (!isKnown(request)) return [401, { detail: "This token has expired.", code: "token_expired" }];
  return [200, request.url.endsWith("/session") ? { name: "ci", kind: "token", role: "operator", expires_at: null } : { items: [], next: null }];
};

const login = (...args) => run(["login", "--server", url(), ...args], {}, { input: "ota_good\n" });

afterEach(() => fs.rmSync(file("config"), { recursive: true, force: true }));

test("login keeps server and token for its owner only, and the next call uses them", async () => {
  const done = await login();
  assert.equal(done.code, 0, done.err);
  assert.match(done.out, /logged in at http:\/\/127\.0\.0\.1:\d+ as ci \(operator\), profile default\n/);
  assert.equal(fs.statSync(PROFILES()).mode & 0o777, 0o600);
  assert.equal(fs.statSync(path.dirname(PROFILES())).mode & 0o777, 0o700);
  const list = await run(["device", "list"], {});
  assert.equal(list.code, 0, list.err);
  assert.ok(isKnown(api.requests[0]));
  assert.equal((await run(["logout"], {})).code, 0);
  assert.equal((await run(["device", "list"], {})).code, 4);
  assert.doesNotMatch(fs.readFileSync(PROFILES(), "utf8"), /ota_good/);
});

test("a token that the server refuses is not kept, and one line says what to do", async () => {
  const done = await run(["login", "--server", url()], {}, { input: "ota_old\n" });
  assert.equal(done.code, 4);
  assert.equal(done.err,
    "otactl: This token has expired. (401 token_expired) otactl login takes another.\n");
  assert.ok(!fs.existsSync(PROFILES()));
  assert.equal((await run(["login", "--server", url()], {})).code, 2, "no token on standard input");
});

test("a server that is no otad is no profile", async () => {
  const before = api.answer;
  api.answer = () => [200, { hello: "world" }];
  const done = await login();
  api.answer = before;
  assert.equal(done.code, 1);
  assert.match(done.err, /is no otad/);
  assert.ok(!fs.existsSync(PROFILES()));
});

test("on a terminal the token is asked for and not echoed", async () => {
  const child = spawn("script", ["-qec", `${OTACTL} login --server ${url()}`, "/dev/null"],
    { env: cleanEnv({}), stdio: ["pipe", "pipe", "inherit"], timeout: 60000 });
  let out = "";
  let typed = false;
  child.stdout.on("data", (data) => {
    out += data;
    if (!typed && out.includes("): ")) {
      typed = true;
      // The prompt is printed before the echo goes off, and what was typed before that is dropped.
      const again = setInterval(() => child.stdin.write("ota_good\n"), 200);
      child.on("exit", () => clearInterval(again));
    }
  });
  child.stdin.on("error", () => {});
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, out);
  assert.match(out, /API token .*: \r?\nlogged in/);
});

test("a profile's token never goes to another server", async () => {
  await login();
  const other = await run(["device", "list", "--server", url().replace("127.0.0.1", "localhost")], {});
  assert.equal(other.code, 4);
  assert.match(other.err, /no token/);
  assert.equal(api.requests.length, 0);
});

test("flags win over the environment, the environment over the profile in use, --profile over both", async () => {
  await login();
  const bearer = async (args, env) => {
    await run(["device", "list", ...args], env);
    return api.requests[0]?.headers.authorization;
  };
  assert.equal(await bearer([], { OTACTL_TOKEN: "ota_env" }), "Bearer ota_env");
  assert.equal(await bearer(["--profile", "default"], { OTACTL_TOKEN: "ota_env" }), "Bearer ota_good");
  assert.equal(await bearer([], { OTACTL_SERVER: url() }), "Bearer ota_good", "the same server");
  const none = await run(["device", "list", "--profile", "prod"], {});
  assert.equal(none.code, 2);
  assert.match(none.err, /there is no profile prod: .*otactl login --profile prod/);
});

test("several profiles are listed without their tokens, and one is in use", async () => {
  await login();
  await login("--profile", "lab");
  const list = await run(["profile", "list"], {});
  assert.match(list.out, /^default .* no$/m);
  assert.match(list.out, /^lab .* yes$/m);
  assert.doesNotMatch(list.out + (await run(["profile", "list", "--json"], {})).out, /ota_good/);
  assert.equal((await run(["profile", "use", "default"], {})).code, 0);
  assert.match((await run(["profile", "list"], {})).out, /^default .* yes$/m);
  assert.equal((await run(["profile", "use", "x"], {})).code, 1);
  assert.equal((await login("--profile", "a/b")).code, 2);
});

test("profiles that others can read, or that are torn, are refused and kept", async () => {
  await login();
  fs.chmodSync(PROFILES(), 0o644);
  const open = await run(["device", "list"], {});
  assert.equal(open.code, 1);
  assert.match(open.err, /holds tokens and others may open it: chmod 600/);
  fs.writeFileSync(PROFILES(), '{"profiles"');
  fs.chmodSync(PROFILES(), 0o600);
  const torn = await login();
  assert.equal(torn.code, 1);
  assert.match(torn.err, /is no JSON object: mend or remove it/);
  assert.equal(fs.readFileSync(PROFILES(), "utf8"), '{"profiles"');
});

test("a mistyped command or flag is told with the one that was meant", async () => {
  const said = async (...args) => {
    const done = await remote(args);
    assert.equal(done.code, 2);
    return done.err;
  };
  assert.match(await said("rolout", "list"), /rolout is no command; did you mean rollout\?/);
  assert.match(await said("rollout", "crate"), /did you mean rollout create\?/);
  assert.match(await said("device", "list", "--gruop=x"), /unknown option --gruop=x, did you mean --group\?/);
  assert.match(await said("device", "list", "--josn"), /did you mean --json\?/);
  assert.match(await said("token", "add", "x", "--role", "root"),
    /--role root: one of viewer\|operator\|admin is needed/);
});

const SHELLS = {
  bash: (line) => `source <(${OTACTL} completion bash); COMP_WORDS=(${line}); ` +
    'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _otactl; printf "%s\\n" "${COMPREPLY[@]}"',
  fish: (line) => `${OTACTL} completion fish | source; complete -C ${line}`,
};
const isHere = (shell) => spawnSync(shell, ["-c", "true"]).status === 0;

test("completion offers commands, flags and values in each shell that is here", async () => {
  const env = cleanEnv({ PATH: `${path.dirname(OTACTL)}:${process.env.PATH}`, HOME: file("home") });
  const complete = (shell, line) => {
    const done = spawnSync(shell, ["-c", SHELLS[shell](line)], { encoding: "utf8", env, timeout: 60000 });
    assert.equal(done.stderr, "", shell);
    return done.stdout.split("\n").map((word) => word.split("\t")[0]).filter(Boolean);
  };
  for (const shell of Object.keys(SHELLS).filter(isHere)) {
    const line = (...words) => shell === "fish" ? `'${words.join(" ")}'` : words.map((w) => `'${w}'`).join(" ");
    assert.deepEqual(complete(shell, line("otactl", "rollo")), ["rollout"], shell);
    assert.ok(complete(shell, line("otactl", "rollout", "")).includes("create"), shell);
    assert.ok(complete(shell, line("otactl", "--json", "rollout", "create", "--sta")).includes("--stage"), shell);
    assert.deepEqual(complete(shell, line("otactl", "token", "add", "ci", "--role", "op")), ["operator"], shell);
  }
  if (isHere("zsh")) {
    const script = spawnSync(OTACTL, ["completion", "zsh"], { encoding: "utf8" }).stdout;
    assert.equal(spawnSync("zsh", ["-n"], { input: script, encoding: "utf8" }).stderr, "");
  }
  assert.equal((await run(["completion", "csh"], {})).code, 2);
});
