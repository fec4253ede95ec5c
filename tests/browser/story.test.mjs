// From nothing to a completed and a halted rollout, by hand in the browser, with real devices.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";

import { House, makeBody } from "../e2e/house.mjs";
import { go, launch, openTab, shot } from "./browser.mjs";

const FLEET = ["lamp-1", "lamp-2", "lamp-3"];

describe("the story in the browser", () => {
  let house;
  let browser;
  let tab;
  let page;
  const images = {};
  before(async () => {
    house = await House.open();
    house.api = async (method, path, body) => {
      const response = await fetch(`${house.url}/api/v1${path}`, { method, headers: { authorization: `Bearer ${fs.readFileSync(house.file("otad/admin-token"), "utf8").trim()}`, "content-type": "application/json" }, body: body && JSON.stringify(body) });
      return response.status === 204 ? null : response.json();
    };
    for (const key of (await house.api("GET", "/release-keys")).items) await house.api("DELETE", `/release-keys/${key.id}`);
    images.old = house.release("1.0.0", 1, makeBody(20000), { product: "lamp", hardware: "r1", upload: false });
    images.good = house.release("1.1.0", 1, makeBody(20000), { product: "lamp", hardware: "r1", upload: false });
    images.bad = house.release("1.2.0", 1, makeBody(20000, { works: false }), { product: "lamp", hardware: "r1", upload: false });
    browser = await launch();
    tab = await openTab(browser, house.url);
    page = tab.page;
  });
  after(async () => {
    await browser?.close();
    await house?.close();
  });

  // A step stands on those before it: after one that failed the others fail at once.
  let broken = false;
  const step = (name, run) => test(name, async () => {
    assert.ok(!broken, "an earlier step failed");
    broken = true;
    await run();
    broken = false;
  });

  const dialog = () => page.getByRole("dialog");
  const press = (name) => page.getByRole("button", { name, exact: true }).click();

  step("a wrong token is told so and stays in its field; the right one opens the overview", async () => {
    const token = fs.readFileSync(house.file("otad/admin-token"), "utf8").trim();
    await page.goto("/");
    const input = page.getByLabel("API token", { exact: true });
    await input.fill("ota_" + "x".repeat(43));
    await press("Sign in");
    await page.getByText("This is no API token of this server").waitFor();
    assert.equal(await input.inputValue(), "ota_" + "x".repeat(43));
    await shot(page, "sign-in-wrong");
    await input.fill(token);
    await input.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await page.getByRole("heading", { name: "First steps" }).waitFor();
    await shot(page, "first-steps");
    const cookie = (await tab.context.cookies()).find(({ name }) => name === "otad_session");
    assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
  });

  step("a release whose key is not known is refused with what to do; with the key it is read out", async () => {
    await go(page, "#/releases", "Releases");
    await page.setInputFiles("#image-file", images.good);
    await page.getByText(/signed by key [0-9a-f]{16}, which is not registered/).waitFor();
    await page.getByRole("link", { name: "Register it under Access" }).waitFor();
    await go(page, "#/access", "Access");
    await page.getByRole("button", { name: "Register key" }).first().click();
    await dialog().getByLabel("Name").fill("house");
    await dialog().getByLabel("Public key").fill(fs.readFileSync(house.file("release.pub.pem"), "utf8"));
    await dialog().getByRole("button", { name: "Register key" }).click();
    await page.getByRole("cell", { name: "house", exact: true }).waitFor();
    await go(page, "#/releases", "Releases");
    // By drag and drop.
    for (const [image, version] of [[images.old, "1.0.0"], [images.good, "1.1.0"], [images.bad, "1.2.0"]]) {
      const data = await page.evaluateHandle((text) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], "app.img"));
        return transfer;
      }, fs.readFileSync(image).toString("base64"));
      await page.locator(".drop").dispatchEvent("drop", { dataTransfer: data });
      await page.getByText(`lamp ${version} is here.`).waitFor();
    }
    await page.getByText("good, by").waitFor();
    await shot(page, "release-read-out");
  });

  step("devices are added by hand, and show up when they poll", async () => {
    await go(page, "#/devices", "Devices");
    await page.getByRole("button", { name: "New group" }).click();
    await dialog().getByLabel("Name").fill("canary");
    await dialog().getByRole("button", { name: "Make group" }).click();
    await page.getByText("The group canary is made.").waitFor();
    for (const id of FLEET) {
      await page.getByRole("button", { name: "Add device" }).click();
      await dialog().getByLabel("Id").fill(id);
      await dialog().getByLabel("Product").fill("lamp");
      await dialog().getByLabel("Hardware").fill("r1");
      await dialog().getByLabel("Group").selectOption(id === FLEET[0] ? "canary" : "");
      await dialog().getByRole("button", { name: "Add device" }).click();
      const token = await dialog().locator("code").textContent();
      assert.match(token, /^otd_/);
      await press("I have it");
      house.addDevice(id, images.old, { product: "lamp", hardware: "r1", token });
      await page.getByRole("link", { name: id, exact: true }).waitFor();
    }
    for (const id of FLEET) await page.getByRole("row").filter({ hasText: id }).filter({ hasText: "online" }).filter({ hasText: "1.0.0" }).waitFor();
    await page.getByLabel("Search by id").fill("LAMP-2");
    await page.getByRole("link", { name: "lamp-1", exact: true }).waitFor({ state: "detached" });
    assert.equal(await page.getByRole("link", { name: /^lamp-/ }).count(), 1);
    await page.getByLabel("Search by id").fill("no such device");
    await page.getByText("No device fits").waitFor();
    await press("Clear the filters");
    await page.getByRole("link", { name: "lamp-3", exact: true }).waitFor();
  });

  async function plan(version, name) {
    await go(page, "#/rollouts/new", "New rollout");
    await page.getByLabel("Release", { exact: true }).selectOption({ label: `lamp ${version} · r1` });
    await page.getByLabel("Name", { exact: true }).fill(name);
    for (const wait of await page.getByLabel("Wait, min").all()) await wait.fill("");
    while ((await page.getByRole("group", { name: /^Stage \d/ }).count()) > 2) await page.getByRole("button", { name: "Remove stage 2" }).click();
  }

  step("a rollout is planned with a preview, started knowingly, and seen to fill up until it is complete", async () => {
    await plan("1.1.0", "lamp 1.1");
    await page.getByText("3 devices of 3 will get it.").waitFor();
    await page.getByText("Stage 1: group canary").waitFor();
    await shot(page, "rollout-plan");
    await press("Create as a draft");
    await page.getByRole("heading", { level: 1, name: "lamp 1.1" }).waitFor();
    await press("Start");
    await dialog().getByText("3 devices will be offered lamp 1.1.0").waitFor();
    await shot(page, "rollout-start");
    await press("Start rollout");
    await page.getByText("running", { exact: true }).first().waitFor();
    // Nobody reloads the page: the stream tells.
    await page.locator(".head").getByText("completed", { exact: true }).waitFor({ timeout: 120000 });
    await page.getByText("3 of 3", { exact: false }).or(page.getByText("2 of 2", { exact: false })).first().waitFor();
    await shot(page, "rollout-completed");
    await go(page, "#/devices/lamp-1", "lamp-1");
    await page.getByText("confirmed", { exact: true }).first().waitFor();
    await page.locator("dd").getByText("1.1.0").waitFor();
    await shot(page, "device-updated");
  });

  step("a release that can't start halts by itself; the failed device tells its reason; it is ended knowingly", async () => {
    await plan("1.2.0", "lamp 1.2");
    await press("Create as a draft");
    await page.getByRole("heading", { level: 1, name: "lamp 1.2" }).waitFor();
    await press("Start");
    await press("Start rollout");
    await page.getByText("Halted. ").waitFor({ timeout: 120000 });
    await page.locator(".head").getByText("halted", { exact: true }).waitFor();
    await shot(page, "rollout-halted");
    await go(page, "#/", "Overview");
    await page.getByRole("link", { name: /Failing\s*1/ }).waitFor();
    await shot(page, "overview-halted");
    const waits = (await house.api("GET", "/devices")).items.find((device) => device.version === "1.1.0" && device.progress !== "failing");
    await go(page, `#/devices/${waits.id}`, waits.id);
    await page.getByText("lamp 1.2: The rollout has halted in stage 1: 1 of 1 devices failed; the limit is 1.").waitFor();
    await shot(page, "device-of-halted-rollout");
    await page.locator(".note-box").getByRole("link", { name: "lamp 1.2", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "lamp 1.2" }).waitFor();
    await press("Cancel");
    await dialog().getByText("This ends it for good.").waitFor();
    await dialog().getByText("2 devices never get it", { exact: false }).waitFor();
    await press("Cancel for good");
    await page.locator(".head").getByText("cancelled", { exact: true }).waitFor();
    for (const id of FLEET) assert.equal((await house.api("GET", `/devices/${id}`)).version, "1.1.0");
  });

  step("a release is taken back from the devices that run it, and they go back", async () => {
    await go(page, "#/rollouts", "Rollouts");
    await page.getByRole("link", { name: "lamp 1.1", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "lamp 1.1" }).waitFor();
    await press("Roll back");
    await dialog().getByText("3 devices that run 1.1.0 go back").waitFor();
    await shot(page, "rollout-roll-back");
    await press("Roll 3 devices back");
    await page.getByRole("heading", { level: 1, name: "rollback of lamp 1.1" }).waitFor();
    await page.locator(".head").getByText("completed", { exact: true }).waitFor({ timeout: 120000 });
    for (const id of FLEET) assert.equal((await house.api("GET", `/devices/${id}`)).version, "1.0.0");
    const again = await house.api("POST", `/rollouts/${(await house.api("GET", "/rollouts")).items.find((one) => one.name === "lamp 1.1").id}/rollback`);
    await go(page, `#/rollouts/${again.id}`, "rollback of lamp 1.1");
    await page.getByText("No device had to be updated.").waitFor();
  });

  step("a rollout is paused, resumed and halted with a reason, each knowing how many devices wait", async () => {
    await plan("1.1.0", "lamp 1.1 again");
    await page.getByLabel("Wait, min").first().fill("60");
    await press("Create as a draft");
    await page.getByRole("heading", { level: 1, name: "lamp 1.1 again" }).waitFor();
    await press("Start");
    await press("Start rollout");
    await page.getByText("1 of 1").waitFor({ timeout: 120000 });
    const state = (name) => page.locator(".head").getByText(name, { exact: true }).waitFor();
    await press("Pause");
    await dialog().getByText("2 devices that wait get no offer until you resume.").waitFor();
    await dialog().getByRole("button", { name: "Pause" }).click();
    await state("paused");
    await press("Resume");
    await dialog().getByText("2 devices of 3 still wait.").waitFor();
    await dialog().getByRole("button", { name: "Resume" }).click();
    await state("running");
    await press("Halt");
    await press("Halt for 2 devices");
    await dialog().getByText("This is needed.").waitFor();
    await dialog().getByLabel("Reason").fill("The fan is loud since 1.1");
    await press("Halt for 2 devices");
    await state("halted");
    await page.locator(".note-box").getByText("The fan is loud since 1.1").waitFor();
    await shot(page, "rollout-halted-by-hand");
    assert.equal((await house.api("GET", "/devices/lamp-2")).version, "1.0.0");
  });

  step("the audit log names who did it, and nobody was complained of", async () => {
    await go(page, "#/audit", "Audit log");
    await page.getByRole("row").filter({ hasText: "Rollout cancelled" }).filter({ hasText: "first" }).waitFor();
    await page.getByRole("row").filter({ hasText: "Release key made" }).first().waitFor();
    assert.deepEqual(tab.complaints, []);
  });

  step("signing out takes the session away", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto("/#/devices");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal((await tab.context.cookies()).some(({ name }) => name === "otad_session"), false);
  });
});
