// What must not be: text of devices that runs, changes by another site's page, lost input, pages that
// some people can't use.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { after, before, describe, test } from "node:test";

import { Otad, until } from "../api/lib/otad.mjs";
import { checkWidth, DESK, findings, go, launch, openTab, PHONE, shot, signInByToken } from "./browser.mjs";

const PASSWORD = "correct horse battery";
// ASCII without quotes and backslashes: what a report's log may hold.
const PROBE = "<img src=x onerror=complain(1)><svg onload=complain(2)><script>complain(3)</script>{{7*7}}${7*7}javascript:complain(4)";

describe("the dashboard's guards", () => {
  let otad;
  let browser;
  before(async () => {
    otad = await Otad.start({ flags: ["--poll-seconds", "60"] });
    await otad.releaseKey();
    await otad.group("canary");
    await otad.expect(201, "POST", "/api/v1/users", { body: { name: "mira", role: "operator", password: PASSWORD } });
    await otad.expect(201, "POST", "/api/v1/enrolment-keys", { body: { name: "line 3", product: "demo-hub", policy: "pending" } });
    const images = [await otad.upload({ version: "1.4.0" }), await otad.upload({ version: "1.5.0" })];
    const devices = [];
    for (let i = 0; i < 4; i++) devices.push((await otad.device(`hub-${i}`, { group: i === 0 ? "canary" : undefined })).runs(images[0]));
    await otad.device("hub-never");
    await otad.expect(200, "PUT", "/api/v1/devices/hub-0/tags", { body: { site: "berlin", "onerror": "javascript" } });
    for (const device of devices) await device.poll();
    await otad.rollout({ name: "hub 1.5", firmware: images[1].id, stages: [{ group: "canary", failure_count: 1 }, { percent: 100 }] });
    const manifest = await devices[0].offered();
    await devices[0].report(manifest.deployment, "downloading", { percent: 100 });
    await devices[0].report(manifest.deployment, "failed", { reason: "self_test", log: `boot 1 of 3|${PROBE}` });
    await otad.rollout({ name: "a draft", firmware: images[1].id, stages: [{ percent: 100 }] }, { start: false });
    await until(async () => (await otad.showRollout(1)).state === "halted", "the halt");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await otad?.stop();
  });

  const PAGES = [["#/", "Overview"], ["#/rollouts", "Rollouts"], ["#/rollouts/1", "hub 1.5"], ["#/rollouts/2", "a draft"], ["#/rollouts/new", "New rollout"],
    ["#/devices", "Devices"], ["#/devices/hub-0", "hub-0"], ["#/releases", "Releases"], ["#/audit", "Audit log"], ["#/access", "Access"]];
  const nameOf = (hash) => hash.replace("#/", "").replaceAll("/", "-") || "overview";

  async function signedIn(options) {
    const tab = await openTab(browser, otad.url, options);
    await signInByToken(tab.page, otad.admin);
    return tab;
  }

  test("what a device put into its log is shown as text", async () => {
    const { page, context, complaints } = await signedIn();
    await go(page, "#/devices/hub-0", "hub-0");
    await page.getByLabel("Last log lines").getByText(PROBE).waitFor();
    await page.locator("summary", { hasText: "Lines" }).click();
    await shot(page, "log-probe");
    assert.equal(await page.locator("img[src='x'], svg[onload], pre script").count(), 0);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  // Most fields are refused by the server unless they are harmless. Here the server is taken out of
  // the game: every text of every answer is hostile, and the pages must still show text alone.
  test("no field of any answer can run, whatever stands in it", async () => {
    const { page, context, complaints } = await signedIn();
    const RULES = /^(state|time|.*_at|last_seen|next|role|kind|event|presence|progress|expires_at|from)$/;
    const poison = (value, key) => {
      if (Array.isArray(value)) return value.map((each) => poison(each, key));
      if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, each]) => [key === "tags" ? `${name}${PROBE}` : name, poison(each, name)]));
      return typeof value === "string" && !RULES.test(key) ? `${value}"'\`</title></script>${PROBE}` : value;
    };
    let poisoned = 0;
    await context.route("**/api/v1/**", async (route) => {
      if (route.request().url().endsWith("/events") && !route.request().url().includes("/devices/") && !route.request().url().includes("/rollouts/")) return route.continue();
      const response = await route.fetch();
      if (!/json/.test(response.headers()["content-type"] ?? "")) return route.fulfill({ response });
      poisoned++;
      return route.fulfill({ response, json: poison(await response.json(), "") });
    });
    await page.reload();
    for (const [hash] of PAGES) {
      await go(page, hash, /./);
      assert.equal(await page.locator("img[src='x'], main script, [onload], [onerror], a[href^='javascript:']").count(), 0, hash);
    }
    assert.ok(poisoned > 20, `${poisoned} answers`);
    await go(page, "#/devices", "Devices");
    assert.ok((await page.locator("main").textContent()).includes(PROBE), "the probes are shown as text");
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test("the policy is in force: an inline script, a foreign one and markup from text do not run, and are noticed", async () => {
    const { page, context, complaints } = await signedIn();
    await page.evaluate(() => {
      const inline = document.createElement("script");
      try {
        inline.textContent = "window.complain('ran')";
        document.body.append(inline);
      } catch {
        // refused by trusted types
      }
      const image = document.createElement("img");
      image.src = "http://127.0.0.1:1/x.png";
      document.body.append(image);
      try {
        document.body.insertAdjacentHTML("beforeend", "<b>x</b>");
      } catch {
        // refused by trusted types
      }
    });
    await until(() => complaints.some((text) => /img-src/.test(text)) && complaints.some((text) => /trusted-types|script-src/.test(text)), "the violations");
    assert.ok(!complaints.includes("ran"));
    await context.close();
  });

  test("a page of another origin can't change anything, by fetch nor by form", async () => {
    let answer = "";
    const foreign = http.createServer((request, response) => {
      response.setHeader("content-type", "text/html");
      response.end(answer);
    });
    await new Promise((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    const { page, context } = await signedIn();
    const groups = async () => (await otad.expect(200, "GET", "/api/v1/groups")).items.map(({ name }) => name);
    const port = foreign.address().port;
    try {
      // Another port is the same site, so the cookie goes along; another host name is another site.
      for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
        answer = "<title>evil</title>";
        await page.goto(origin);
        const statuses = await page.evaluate(async (target) => {
          const send = (type, body) => fetch(`${target}/api/v1/groups`, { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": type }, body }).then(() => "sent", () => "stopped");
          return [await send("text/plain", '{"name":"evil-fetch"}'), await send("application/x-www-form-urlencoded", '{"name":"evil-fetch-2"}')];
        }, otad.url);
        assert.equal(statuses.length, 2);
        answer = `<form method="post" enctype="text/plain" action="${otad.url}/api/v1/groups"><input name='{"name":"evil-form","x":"' value='"}'></form>`;
        await page.goto(`${origin}/form`);
        await page.evaluate(() => document.querySelector("form").submit());
        await page.waitForURL(`${otad.url}/**`);
        assert.match(await page.locator("body").textContent(), /cross_site|token_missing/);
      }
      assert.deepEqual(await groups(), ["canary"]);
      // The same request of the dashboard's own page goes through, so that it was not refused for something else.
      await page.goto(otad.url);
      await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
      assert.equal(await page.evaluate(() => fetch("/api/v1/groups", { method: "POST", body: '{"name":"own"}' }).then((response) => response.status)), 201);
      assert.deepEqual(await groups(), ["canary", "own"]);
    } finally {
      foreign.close();
      foreign.closeAllConnections();
      await context.close();
    }
  });

  test("a form keeps what was typed when the server is away, the session ends, or the page is loaded anew", async () => {
    const { page, context } = await openTab(browser, otad.url);
    await page.goto("/");
    await page.getByRole("button", { name: "Password", exact: true }).click();
    await page.getByLabel("User").fill("mira");
    await page.getByLabel("Password").fill("not hers");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("User or password is wrong.").waitFor();
    assert.equal(await page.getByLabel("User").inputValue(), "mira");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();

    await go(page, "#/rollouts/new", "New rollout");
    const name = page.getByLabel("Name", { exact: true });
    await name.fill("kept: by mira");
    await page.getByLabel("Only devices with these tags").fill("site=berlin");
    await page.getByRole("button", { name: "Add a stage" }).click();
    const stages = () => page.getByRole("group", { name: /^Stage \d/ }).count();
    assert.equal(await stages(), 4);
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "New rollout" }).waitFor();
    assert.deepEqual([await name.inputValue(), await page.getByLabel("Only devices with these tags").inputValue(), await stages()], ["kept: by mira", "site=berlin", 4]);

    await context.setOffline(true);
    await page.getByRole("button", { name: "Create as a draft" }).click();
    await page.getByText("The server can't be reached.").first().waitFor();
    assert.equal(await name.inputValue(), "kept: by mira");
    await context.setOffline(false);

    await context.clearCookies({ name: "otad_session" });
    await page.getByRole("button", { name: "Create as a draft" }).click();
    const again = page.getByRole("dialog", { name: "You were signed out" });
    await again.getByLabel("User").fill("mira");
    await again.getByLabel("Password").fill(PASSWORD);
    await shot(page, "signed-out");
    await again.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "kept: by mira" }).waitFor();
    const entry = (await otad.expect(200, "GET", "/api/v1/audit?limit=1")).items[0];
    assert.deepEqual([entry.action, entry.actor, entry.kind], ["rollouts.create", "mira", "user"]);
    await context.close();
  });

  for (const [screen, viewport] of [["desk", DESK], ["phone", PHONE]]) {
    for (const theme of ["light", "dark"]) {
      test(`each page suits people and a ${screen} in the ${theme} theme`, async () => {
        const { page, context } = await openTab(browser, otad.url, { viewport, theme, bypassCSP: true });
        await page.goto("/");
        await page.getByRole("heading", { name: "Sign in" }).waitFor();
        // What axe finds does not depend on the screen, but for its time.
        const look = screen === "desk" ? findings : () => [];
        const found = await look(page, "sign-in");
        await checkWidth(page, "sign-in");
        await shot(page, `${screen}-${theme}-sign-in`);
        await signInByToken(page, otad.admin);
        for (const [hash, heading] of PAGES) {
          await go(page, hash, heading);
          if (hash === "#/rollouts/new") await page.getByText("will get it.").waitFor();
          await shot(page, `${screen}-${theme}-${nameOf(hash)}`);
          await checkWidth(page, hash);
          found.push(...(await look(page, hash)));
        }
        await page.getByRole("button", { name: "New token" }).click();
        await page.getByRole("dialog").waitFor();
        found.push(...(await look(page, "a dialog")));
        await shot(page, `${screen}-${theme}-dialog`);
        await context.close();
        assert.deepEqual(found, []);
      });
    }
  }

  test("the theme that was chosen stays, also after the page is loaded anew", async () => {
    const { page, context } = await signedIn({ theme: "light" });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.getByRole("button", { name: "Switch to the dark theme" }).click();
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload();
    await page.getByRole("button", { name: "Switch to the light theme" }).waitFor();
    assert.equal(await background(), dark);
    await context.close();
  });

  test("a viewer sees everything and is offered nothing to change", async () => {
    const { page, context, complaints } = await openTab(browser, otad.url);
    await signInByToken(page, await otad.token("viewer"));
    for (const [hash, heading] of PAGES) {
      await go(page, hash, heading);
      assert.equal(await page.getByRole("button", { name: /^(Start|Pause|Halt|Cancel|Resume|Roll back|Delete|Reject|New token|Add device|Register key)/ }).count(), 0, hash);
    }
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test("no page asks anything of another server", async () => {
    const { page, context } = await openTab(browser, otad.url);
    const strangers = [];
    page.on("request", (request) => request.url().startsWith(otad.url) || strangers.push(request.url()));
    await signInByToken(page, otad.admin);
    for (const [hash, heading] of PAGES) await go(page, hash, heading);
    assert.deepEqual(strangers, []);
    assert.ok(!fs.readFileSync("server/web/index.html", "utf8").includes("//"));
    await context.close();
  });
});
