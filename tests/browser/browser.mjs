// A browser for the tests: chromium without a window, what its pages complain of, and screenshots.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

const SHOTS = path.resolve("build/browser");
const WAIT_MS = 60000; // of a condition, on a slow machine
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

export const DESK = { width: 1360, height: 900 };
export const PHONE = { width: 390, height: 844 };

export async function launch() {
  fs.mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS, timeout: WAIT_MS });
}

/*
 * A tab of its own context (cookies, storage). `complaints` has what must not be: errors of scripts,
 * violations of the policy, markup that ran.
 */
export async function openTab(browser, url, { viewport = DESK, theme = "light", bypassCSP = false } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: theme, bypassCSP, baseURL: url });
  const page = await context.newPage();
  const complaints = [];
  page.setDefaultTimeout(WAIT_MS);
  await page.exposeFunction("complain", (text) => complaints.push(text));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.complain(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on("pageerror", (error) => complaints.push(`script: ${error.stack}`));
  page.on("dialog", (dialog) => {
    complaints.push(`a script opened a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return { context, page, complaints };
}

export async function signInByToken(page, token) {
  await page.goto("/");
  await page.getByRole("button", { name: "API token" }).click();
  await page.getByLabel("API token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
}

// Go to a page of the dashboard, and wait until it is all there.
export async function go(page, hash, heading) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await page.locator("main:not([aria-busy])").waitFor();
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
}

export async function shot(page, name) {
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
}

// The serious findings of axe. The context needs bypassCSP: axe runs in the page.
export async function findings(page, where) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}

export async function checkWidth(page, where) {
  const [inside, shown] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(inside <= shown, `${where} is ${inside} wide on a screen of ${shown}`);
}
