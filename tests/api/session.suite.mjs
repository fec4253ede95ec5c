// Signing in to the dashboard: users and passwords, sessions, what a cookie may do, and limits.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

const OTAD = path.resolve(process.env.BUILD_DIR ?? "build", "otad");
const PASSWORD = "correct horse battery";
const HERE = { "sec-fetch-site": "same-origin" };

// Node 18 has no Headers.getSetCookie(): one line then, joined by commas as those within dates are.
const cookieLines = (answer) => (answer.headers.get("set-cookie") ?? "").split(/, (?=[\w-]+=)/);
const cookiesOf = (answer) => cookieLines(answer).map((line) => line.split(";")[0]);

describe("sessions", () => {
  let otad;
  let alice; // her row
  before(async () => {
    otad = await Otad.start();
    alice = await otad.expect(201, "POST", "/api/v1/users", { body: { name: "alice", role: "operator", password: PASSWORD } });
  });
  after(() => otad.stop());

  const signIn = (body, headers = {}) => otad.call("POST", "/api/v1/session", { token: null, body, headers: { ...HERE, ...headers } });
  const by = (cookie, more = {}) => ({ token: null, ...more, headers: { ...HERE, cookie, ...more.headers } });
  const session = async (body = { user: "alice", password: PASSWORD }) => {
    const answer = await signIn(body);
    assert.equal(answer.status, 201, answer.bytes.toString());
    return cookiesOf(answer).find((cookie) => cookie.startsWith("otad_session="));
  };

  test("a user signs in, acts with their role and under their name, and signs out", async () => {
    const answer = await signIn({ user: "alice", password: PASSWORD });
    assert.equal(answer.status, 201);
    const { expires_at: end, ...who } = answer.body;
    assert.deepEqual(who, { name: "alice", kind: "user", role: "operator" });
    assert.ok(Date.parse(end) > Date.now() + 11 * 3600e3);
    const [line] = cookieLines(answer);
    assert.match(line, /^otad_session=ots_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    const cookie = line.split(";")[0];
    assert.equal((await otad.expect(200, "GET", "/api/v1/session", by(cookie))).name, "alice");
    await otad.expect(201, "POST", "/api/v1/groups", by(cookie, { body: { name: "by alice" } }));
    await otad.refused(403, "role_insufficient", "GET", "/api/v1/users", by(cookie));
    await otad.expect(204, "DELETE", "/api/v1/session", by(cookie));
    await otad.refused(401, "session_ended", "GET", "/api/v1/session", by(cookie));
  });

  test("an API token signs in as itself, and its session ends when it is revoked", async () => {
    const made = await otad.expect(201, "POST", "/api/v1/tokens", { body: { name: "laptop", role: "viewer" } });
    const cookie = await session({ token: made.token });
    const who = await otad.expect(200, "GET", "/api/v1/session", by(cookie));
    assert.deepEqual([who.name, who.kind, who.role], ["laptop", "token", "viewer"]);
    await otad.expect(204, "DELETE", `/api/v1/tokens/${made.id}`);
    await otad.refused(401, "session_ended", "GET", "/api/v1/devices", by(cookie));
    assert.equal((await signIn({ token: made.token })).body.code, "sign_in_failed");
    assert.equal((await signIn({ token: "ota_" + "x".repeat(43) })).status, 401);
    assert.equal((await signIn({ token: "otd_x" })).status, 401);
  });

  test("a change by cookie is made only for pages of this server", async () => {
    const cookie = await session();
    const call = (headers) => otad.call("POST", "/api/v1/groups", { token: null, body: { name: `g${Math.random()}` }, headers: { cookie, ...headers } });
    const own = otad.url;
    for (const headers of [{}, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { "sec-fetch-site": "none" }, { "sec-fetch-site": "cross-site", origin: own }, { origin: "http://127.0.0.1:1" }, { origin: "null" }, { origin: `${own}.evil.example` }, { origin: "evil" }]) {
      const answer = await call(headers);
      assert.equal(answer.status, 403, JSON.stringify(headers));
      assert.equal(answer.body.code, "cross_site");
    }
    assert.equal((await call({ origin: own })).status, 201);
    assert.equal((await call({ "sec-fetch-site": "same-origin" })).status, 201);
    const foreign = await otad.call("POST", "/api/v1/session", { token: null, body: { user: "alice", password: PASSWORD }, headers: { origin: "http://evil.example" } });
    assert.equal(foreign.body.code, "cross_site");
  });

  test("a cookie opens no device route, and a session's secret is no Bearer token", async () => {
    const cookie = await session();
    await otad.refused(401, "token_missing", "GET", "/device/v1/manifest", by(cookie));
    await otad.refused(401, "token_malformed", "GET", "/api/v1/devices", { token: cookie.split("=")[1] });
    await otad.refused(401, "session_ended", "GET", "/api/v1/devices", by("otad_session=ots_" + "x".repeat(43)));
    await otad.refused(401, "session_ended", "GET", "/api/v1/devices", by("otad_session=x"));
    // A token in the header goes before the cookie.
    assert.equal((await otad.call("GET", "/api/v1/session", { headers: { cookie } })).body.kind, "token");
  });

  test("a new password ends the sessions; so does deleting the user", async () => {
    const made = await otad.expect(201, "POST", "/api/v1/users", { body: { name: "bob", role: "viewer", password: PASSWORD } });
    const old = await session({ user: "bob", password: PASSWORD });
    const changed = await otad.expect(200, "PATCH", `/api/v1/users/${made.id}`, { body: { role: "admin", password: "another one 2" } });
    assert.equal(changed.role, "admin");
    await otad.refused(401, "session_ended", "GET", "/api/v1/session", by(old));
    assert.equal((await signIn({ user: "bob", password: PASSWORD })).body.code, "sign_in_failed");
    const cookie = await session({ user: "bob", password: "another one 2" });
    await otad.expect(200, "GET", "/api/v1/users", by(cookie));
    await otad.expect(204, "DELETE", `/api/v1/users/${made.id}`);
    await otad.refused(401, "session_ended", "GET", "/api/v1/session", by(cookie));
    await otad.refused(404, "not_found", "DELETE", `/api/v1/users/${made.id}`);
    await otad.refused(404, "not_found", "PATCH", `/api/v1/users/${made.id}`, { body: { role: "viewer" } });
  });

  test("a user gives themselves a new password, and keeps only the session they did it in", async () => {
    await otad.expect(201, "POST", "/api/v1/users", { body: { name: "erin", role: "viewer", password: PASSWORD } });
    const other = await session({ user: "erin", password: PASSWORD });
    const here = await session({ user: "erin", password: PASSWORD });
    const path = "/api/v1/session/password";
    const body = { password: PASSWORD, new_password: "a longer one still" };
    await otad.refused(403, "password_wrong", "POST", path, by(here, { body: { ...body, password: "not it" } }));
    await otad.refused(400, "field_invalid", "POST", path, by(here, { body: { ...body, new_password: "short" } }));
    await otad.refused(409, "not_a_user", "POST", path, { body });
    await otad.refused(403, "cross_site", "POST", path, by(here, { body, headers: { "sec-fetch-site": "same-site" } }));
    const answer = await otad.call("POST", path, by(here, { body }));
    assert.equal(answer.status, 200);
    const fresh = cookiesOf(answer).find((cookie) => cookie.startsWith("otad_session="));
    assert.equal((await otad.expect(200, "GET", "/api/v1/session", by(fresh))).name, "erin");
    for (const old of [here, other]) await otad.refused(401, "session_ended", "GET", "/api/v1/session", by(old));
    assert.equal((await signIn({ user: "erin", password: PASSWORD })).body.code, "sign_in_failed");
    await session({ user: "erin", password: "a longer one still" });
    // Whoever finds a session open can't try passwords for ever.
    let limited;
    for (let i = 0; i < 20 && !limited; i++) {
      const tried = await otad.call("POST", path, by(fresh, { body: { ...body, password: "guess" } }));
      if (tried.status === 429) limited = tried;
    }
    assert.equal(limited?.body.code, "sign_in_limited");
    const [entry] = (await otad.expect(200, "GET", "/api/v1/audit?limit=1&action=session.password")).items;
    assert.ok(entry.actor === "erin" && !entry.detail.includes("longer"), entry.detail);
  });

  test("users have distinct names, and are checked field by field", async () => {
    await otad.refused(409, "user_exists", "POST", "/api/v1/users", { body: { name: "alice", role: "viewer", password: PASSWORD } });
    for (const body of [{}, { name: "x", role: "viewer" }, { name: "x", role: "root", password: PASSWORD }, { name: "x", role: "viewer", password: "too short" }, { name: "x", role: "viewer", password: "x".repeat(201) }, { name: "<x>", role: "viewer", password: PASSWORD }])
      await otad.refused(400, "field_invalid", "POST", "/api/v1/users", { body });
    await otad.refused(400, "field_unknown", "PATCH", `/api/v1/users/${alice.id}`, { body: { name: "y" } });
    await otad.refused(400, "query_invalid", "GET", "/api/v1/users?limit=0");
    assert.deepEqual((await otad.expect(200, "GET", "/api/v1/users")).items[0], alice);
    for (const body of [{}, { user: "alice" }, { password: "x" }, { user: "alice", password: PASSWORD, token: "x" }]) assert.equal((await signIn(body)).status, 400);
  });

  test("passwords that are tried are limited by account and address, and the operator gets in", async () => {
    const known = cookiesOf(await signIn({ user: "alice", password: PASSWORD })).find((cookie) => cookie.startsWith("otad_known="));
    const wrong = (user) => signIn({ user, password: "wrong password" });
    let limited;
    for (let i = 0; i < 30 && !limited; i++) {
      const answer = await wrong("alice");
      if (answer.status === 429) limited = answer;
      else assert.equal(answer.body.code, "sign_in_failed");
    }
    assert.ok(limited, "30 failures in a row");
    assert.equal(limited.body.code, "sign_in_limited");
    assert.ok(Number(limited.headers.get("retry-after")) > 0);
    // Not even the right password helps from this address, for any user: nothing is told about it.
    assert.equal((await signIn({ user: "alice", password: PASSWORD })).status, 429);
    assert.equal((await wrong("nobody")).status, 429);
    // But the browser that she uses always, and API tokens, are let in.
    assert.equal((await signIn({ user: "alice", password: PASSWORD }, { cookie: known })).status, 201);
    assert.equal((await signIn({ token: otad.admin })).status, 201);
    assert.equal((await signIn({ user: "alice", password: PASSWORD }, { cookie: "otad_known=" + "x".repeat(43) })).status, 429);
  });

  test("neither passwords nor cookies are in the database or the log", async () => {
    const cookie = (await session({ token: otad.admin })).split("=")[1];
    await otad.restart();
    const store = ["otad.db", "otad.db-wal"].map((name) => `${otad.dir}/data/${name}`).filter(fs.existsSync).map((name) => fs.readFileSync(name, "latin1")).join("");
    assert.ok(store.includes("scrypt$15$8$3$"));
    for (const secret of [PASSWORD, "another one 2", cookie.slice(4)]) {
      assert.ok(!store.includes(secret));
      assert.ok(!otad.log.includes(secret));
    }
    // A session survives a restart.
    assert.equal((await otad.expect(200, "GET", "/api/v1/session", by(`otad_session=${cookie}`))).kind, "token");
  });

  test("`otad user` adds, lists, gives passwords and removes, beside a running server", async () => {
    const run = (...args) => execFileSync(OTAD, ["user", ...args, "--data", `${otad.dir}/data`], { encoding: "utf8" });
    const fails = (...args) => spawnSync(OTAD, ["user", ...args, "--data", `${otad.dir}/data`], { encoding: "utf8" });
    const made = run("add", "--name", "carol", "--role", "viewer").trim();
    await session({ user: "carol", password: made });
    assert.match(run("list"), /viewer +carol/);
    fs.writeFileSync(`${otad.dir}/new`, "a chosen password\n");
    assert.equal(run("password", "--name", "carol", "--password-file", `${otad.dir}/new`), "");
    await session({ user: "carol", password: "a chosen password" });
    assert.match(fails("add", "--name", "carol", "--role", "viewer").stderr, /carol: there is such a user/);
    assert.match(fails("password", "--name", "dave").stderr, /no such user/);
    assert.equal(fails("add", "--name", "dave", "--role", "root").status, 2);
    run("remove", "--name", "carol");
    assert.ok(!run("list").includes("carol"));
  });
});

describe("sessions behind a proxy that speaks HTTPS", () => {
  test("the cookie is for HTTPS alone, and the public address is an origin of ours", async () => {
    const otad = await Otad.start({ flags: ["--public-url", "https://ota.example.com"] });
    try {
      const call = (origin) => otad.call("POST", "/api/v1/session", { token: null, body: { token: otad.admin }, headers: { origin } });
      assert.equal((await call("https://ota.example.org")).body.code, "cross_site");
      const made = await call("https://ota.example.com");
      const [line] = made.headers.getSetCookie();
      assert.match(line, /^__Host-otad_session=ots_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$/);
      const cookie = line.split(";")[0];
      assert.equal((await otad.expect(200, "GET", "/api/v1/session", { token: null, headers: { cookie } })).kind, "token");
      await otad.refused(401, "token_missing", "GET", "/api/v1/session", { token: null, headers: { cookie: cookie.replace("__Host-", "") } });
    } finally {
      await otad.stop();
    }
  });
});

describe("the dashboard's files", () => {
  let otad;
  before(async () => (otad = await Otad.start()));
  after(() => otad.stop());
  const get = (target, headers = {}, method = "GET") => otad.call(method, target, { token: null, headers, check: false });

  test("are served with their type and a policy that lets no foreign or inline script run", async () => {
    const page = await get("/");
    assert.equal(page.status, 200);
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    const policy = page.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'; script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /require-trusted-types-for 'script'/);
    assert.ok(!/unsafe|\*|data:/.test(policy));
    for (const name of fs.readdirSync("server/web")) {
      const file = await get(`/web/${name}`);
      assert.ok(file.bytes.equals(fs.readFileSync(`server/web/${name}`)), name);
      assert.equal(file.headers.get("x-content-type-options"), "nosniff");
    }
    const text = page.bytes.toString();
    assert.ok(!/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:/i.test(text), "nothing inline");
  });

  test("are asked for again by ETag, and only read", async () => {
    const page = await get("/");
    const again = await get("/", { "if-none-match": page.headers.get("etag") });
    assert.equal(again.status, 304);
    assert.equal(again.bytes.length, 0);
    const head = await get("/", {}, "HEAD");
    assert.equal(head.headers.get("content-length"), String(page.bytes.length));
    const post = await get("/", {}, "POST");
    assert.equal(post.status, 405);
    assert.equal(post.headers.get("allow"), "GET, HEAD");
    for (const target of ["/web/", "/web/nothing.js", "/web/..%2frequest.c", "/index.html", "//"]) assert.ok([400, 404].includes((await get(target)).status), target);
  });
});
