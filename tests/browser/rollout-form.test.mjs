// Planning a rollout with every setting, what the server says of a wrong one, and what patches have saved.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { body } from "../api/lib/image.mjs";
import { Otad, until } from "../api/lib/otad.mjs";
import { checkWidth, DESK, findings, go, launch, openTab, PHONE, shot, signInByToken } from "./browser.mjs";

describe("the rollout form", () => {
  let otad;
  let browser;
  let tab;
  let page;
  let device;
  let images;
  before(async () => {
    otad = await Otad.start({ flags: ["--poll-seconds", "60"] });
    await otad.releaseKey();
    const code = Buffer.concat([body("1.0.0", 20000), Buffer.alloc(20000, "mov r0, r1; bx lr; ")]);
    const next = Buffer.from(code);
    next[3000] ^= 0x55;
    images = [await otad.upload({ version: "1.0.0", body: code }), await otad.upload({ version: "1.1.0", body: next })];
    device = (await otad.device("hub-1")).runs(images[0]);
    await device.poll();
    browser = await launch();
    tab = await openTab(browser, otad.url);
    page = tab.page;
    await signInByToken(page, otad.admin);
  });
  after(async () => {
    await browser?.close();
    await otad?.stop();
  });

  const label = (name) => page.getByLabel(name, { exact: true });
  const stage = (number) => page.getByRole("group", { name: `Stage ${number}`, exact: true });
  const unfold = (text) => page.locator("summary", { hasText: text }).click();
  const press = (name) => page.getByRole("button", { name, exact: true }).click();
  // The sentence that stands at a field.
  const wrongAt = (input) => input.locator("xpath=..").locator(".wrong");
  async function open() {
    await page.evaluate(() => sessionStorage.removeItem("new-rollout"));
    await go(page, "#/", "Overview");
    await go(page, "#/rollouts/new", "New rollout");
    await page.getByText("1 device of 1 will get it.").waitFor();
  }

  test("what the server says of a setting stands at its field, unfolded, in the form's units; nothing typed is lost", async () => {
    await open();
    const cases = [
      ["Advanced", label("To"), "", "Is required.", () => label("From").fill("01:00"), () => label("From").fill("")],
      ["Advanced", label("Downloading, min"), "0", "Must be a whole number from 1 to 31536000. That is in seconds; here are minutes."],
      ["Advanced", label("Further tries"), "11", "Must be a whole number from 0 to 10."],
      ["Advanced", label("This version or newer"), "new", "Must be a version such as 1.2.3."],
      ["More for stage 1", stage(1).getByLabel("Bad, % fail"), "2", "Is required.", null, null, stage(1).getByLabel("Fine, % fail")],
      ["More for stage 2", stage(2).getByLabel("Offers a minute"), "0", "Must be a whole number from 1 to 4294967295."],
      [null, stage(1).getByLabel("Percent", { exact: true }), "0.001", "Must be a number from 0.01 to 100.00 with at most two decimals."],
      [null, stage(2).getByLabel("Percent", { exact: true }), "5", "Stage 2: A stage's percentage is not above that of a stage before it, so it would take no device; percentages add up to the whole target."],
      [null, label("Only devices with these tags (optional)"), "site=", "tags: this is no selector from its character 6 on; one is site=berlin,ring in (canary,beta),!lab"],
    ];
    for (const [fold, input, text, sentence, prepare, undo, at] of cases) {
      const element = fold && page.locator("details.fold", { has: page.locator("summary", { hasText: fold }) });
      if (fold && (await element.getAttribute("open")) === null) await unfold(fold);
      const before = await input.inputValue();
      await prepare?.();
      await input.fill(text);
      await page.locator(".third .note-box").waitFor(); // the preview has heard it as well
      if (fold) await unfold(fold);
      await press("Create as a draft");
      const place = at ?? input;
      await until(async () => (await wrongAt(place).textContent()) === sentence, `${sentence} at its field, there is: ${await wrongAt(place).textContent()}`);
      assert.ok(await place.evaluate((one) => one === document.activeElement), "it has the focus");
      assert.ok(await place.isVisible());
      assert.equal(await input.inputValue(), text);
      await input.fill(before);
      await undo?.();
      await page.getByText("1 device of 1 will get it.").waitFor();
      assert.equal(await wrongAt(place).textContent(), "");
    }
    await label("Start at").fill("2020-01-01T04:00");
    await press("Create and schedule");
    await until(async () => (await wrongAt(label("Start at")).textContent()) === "This time is past.", "the sentence about the start");
    await label("Further tries").focus();
    await page.keyboard.type("1-1");
    await label("Start at").fill("");
    await press("Create as a draft");
    await until(async () => (await wrongAt(label("Further tries")).textContent()) === "This is no number.", "the sentence about what is no number");
    assert.equal((await otad.expect(200, "GET", "/api/v1/rollouts")).items.length, 0);
  });

  test("every setting that was typed is what the rollout has, and it is scheduled", async () => {
    await open();
    await label("Name").fill("all of it");
    await stage(1).getByLabel("Percent", { exact: true }).fill("0.5");
    await unfold("More for stage 1");
    await stage(1).getByLabel("Goes on by hand").check();
    await stage(1).getByLabel("Offers a minute").fill("100");
    await stage(1).getByLabel("Devices at once").fill("20");
    await stage(1).getByLabel("Halts at failures, %").fill("10");
    await stage(1).getByLabel("Fine, % fail").fill("1");
    await stage(1).getByLabel("Bad, % fail").fill("5.5");
    await stage(1).getByLabel("Confidence, %").fill("99");
    await page.getByText("goes on by hand · 100 offers a minute · 20 at once · halts at 10 % failures · sequential test").waitFor();
    await unfold("Advanced");
    const start = new Date(Math.ceil(Date.now() / 60e3) * 60e3 + 86400e3);
    await label("Start at").fill(new Date(start - start.getTimezoneOffset() * 60e3).toISOString().slice(0, 16));
    await label("From").fill("22:30");
    await label("To").fill("04:00");
    for (const day of ["Mon", "Tue", "Wed", "Thu", "Fri"]) await label(day).uncheck();
    await label("This version or newer").fill("1.0.0");
    await label("This version or older").fill("1.0.9");
    await label("On trial, min").fill("10");
    await label("Further tries").fill("2");
    await label("Wait between tries, min").fill("30");
    await label("Watch afterwards, min").fill("120");
    await label("Crashes that count").fill("3");
    await label("Devices may postpone, min").fill("1440");
    await page.reload();
    await page.getByText("1 device of 1 will get it.").waitFor();
    await page.getByText("Stage 1: 0.5 % of the devices").waitFor();
    await page.getByText("hub-1", { exact: true }).waitFor();
    assert.equal(await label("To").inputValue(), "04:00", "a reload has lost nothing");
    await shot(page, "rollout-form");
    await press("Create and schedule");
    await page.getByRole("heading", { level: 1, name: "all of it" }).waitFor();
    await page.locator(".head").getByText("scheduled", { exact: true }).waitFor();
    await page.getByText("22:30 to 04:00, Sat Sun, device time").waitFor();
    await shot(page, "rollout-scheduled");
    const [made] = (await otad.expect(200, "GET", "/api/v1/rollouts")).items;
    const { timeouts, window, stages: [first, second] } = made;
    assert.equal(Date.parse(made.start_at), start.getTime());
    assert.deepEqual(window, { days: ["sat", "sun"], from: "22:30", to: "04:00" });
    assert.deepEqual(timeouts, { offered: 3600, downloading: 3600, installing: 3600, trial: 600, retry: 3600 });
    assert.deepEqual([made.running_min, made.running_max, made.retries, made.retry_wait_seconds, made.health_seconds, made.health_events, made.postpone_seconds_max], ["1.0.0", "1.0.9", 2, 1800, 7200, 3, 86400]);
    assert.deepEqual([first.percent, first.by_hand, first.offers_a_minute, first.in_flight_max, first.failure_percent, first.sequential], [0.5, true, 100, 20, 10, { allowed_bp: 100, suspect_bp: 550, confidence_bp: 9900 }]);
    assert.deepEqual([second.failure_count, second.sequential], [null, { allowed_bp: 100, suspect_bp: 500, confidence_bp: 9500 }], "a stage that nobody touched halts, too");
    await otad.expect(200, "POST", `/api/v1/rollouts/${made.id}/cancel`);
  });

  test("a rollout tells how many devices took a patch, and the bytes that they saved", async () => {
    const rollout = await otad.rollout({ name: "by patch", firmware: images[1].id });
    await go(page, `#/rollouts/${rollout.id}`, "by patch");
    assert.equal(await page.getByText("By patch", { exact: true }).count(), 0);
    const manifest = await until(async () => {
      const envelope = await otad.expect(200, "GET", device.query({ nonce: randomBytes(16).toString("hex"), delta: "1" }), { token: device.token });
      const offered = JSON.parse(Buffer.from(envelope.payload, "base64url"));
      return offered.delta && offered;
    }, "a patch");
    await device.report(manifest.deployment, "installed", { fetched: manifest.delta.size });
    const saved = `${((manifest.size - manifest.delta.size) / 1024).toFixed(1)} KB`;
    await page.getByText(`1 device, ${saved} saved`).waitFor();
    await shot(page, "rollout-patches");
    await otad.expect(200, "POST", `/api/v1/rollouts/${rollout.id}/cancel`);
  });

  test("a stage that is done and goes on by hand says what it waits for, and goes on at a press", async () => {
    await otad.group("hand");
    const other = (await otad.device("hub-2", { group: "hand" })).runs(images[0]);
    await other.poll();
    const rollout = await otad.rollout({ name: "by hand", firmware: images[1].id, groups: ["hand"], stages: [{ group: "hand", by_hand: true }, { percent: 100 }] });
    await go(page, `#/rollouts/${rollout.id}`, "by hand");
    assert.equal(await page.getByText("Stage 1 is done.").count(), 0);
    await other.update(images[1]);
    await page.getByText("Stage 1 is done. It goes on by hand").waitFor();
    await shot(page, "rollout-by-hand");
    await press("Next stage");
    await press("Go on");
    await page.getByText("Stage 1 is done.").waitFor({ state: "detached" });
  });

  for (const [theme, viewport, name] of [["light", DESK, "desk"], ["dark", DESK, "desk-dark"], ["light", PHONE, "phone"], ["dark", PHONE, "phone-dark"]]) {
    test(`the unfolded form fits and can be used by everybody, ${name}`, async () => {
      const { page: other, context } = await openTab(browser, otad.url, { viewport, theme, bypassCSP: true });
      await signInByToken(other, otad.admin);
      await go(other, "#/rollouts/new", "New rollout");
      for (const summary of await other.locator("details.fold > summary").all()) await summary.click();
      await other.getByLabel("Further tries").fill("11");
      await other.getByText("Further tries: Must be a whole number from 0 to 10.").waitFor();
      assert.deepEqual(await findings(other, name), []);
      await checkWidth(other, name);
      await shot(other, `rollout-form-${name}`);
      await context.close();
    });
  }

  test("nothing was complained of", () => assert.deepEqual(tab.complaints, []));
});
