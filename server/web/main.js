// The frame around the pages: sign-in, navigation, theme, and which page an address is.
import { call, get, onSignedOut, post } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { reconnect } from "./live.js";
import { access } from "./page_access.js";
import { audit } from "./page_audit.js";
import { device } from "./page_device.js";
import { devices } from "./page_devices.js";
import { overview } from "./page_overview.js";
import { releases } from "./page_releases.js";
import { rollout } from "./page_rollout.js";
import { newRollout } from "./page_rollout_new.js";
import { rollouts } from "./page_rollouts.js";
import { signIn, signInForm } from "./page_signin.js";
import { dialog, field, form, head, problem, say } from "./ui.js";

// `parts` of an address behind the first are given to the page, with its query.
const PAGES = [
  { path: "", name: "Overview", icon: "overview", page: overview },
  { path: "rollouts/new", page: newRollout },
  { path: "rollouts/*", page: rollout },
  { path: "rollouts", name: "Rollouts", icon: "rollouts", page: rollouts },
  { path: "devices/*", page: device },
  { path: "devices", name: "Devices", icon: "devices", page: devices },
  { path: "releases", name: "Releases", icon: "releases", page: releases },
  { path: "audit", name: "Audit log", icon: "audit", page: audit },
  { path: "access", name: "Access", icon: "access", page: access },
];

const app = document.getElementById("app");
let session = null;
let leave = null; // aborted when its page is left

// ---- theme ----

const isDark = () => document.documentElement.dataset.theme === "dark";

function themeButton() {
  const button = h("button.quiet.icon", { type: "button", onclick: toggle });
  function draw() {
    const next = isDark() ? "light" : "dark";
    fill(button, icon(isDark() ? "sun" : "moon"), h("span.hidden-text", `Switch to the ${next} theme`));
    button.title = `Switch to the ${next} theme`;
  }
  function toggle() {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // chosen for this page only
    }
    draw();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  return button;
}

// ---- which page ----

function find(address) {
  const [path, query] = address.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter((part) => part !== "");
  for (const entry of PAGES) {
    const wanted = entry.path.split("/").filter((part) => part !== "");
    if (wanted.length === parts.length && wanted.every((part, i) => part === "*" || part === parts[i])) {
      const params = Object.fromEntries(new URLSearchParams(query ?? ""));
      return { entry, context: { id: wanted.at(-1) === "*" ? decodeURIComponent(parts.at(-1)) : undefined, params, section: parts[0] ?? "" } };
    }
  }
  return null;
}

async function show(main, nav) {
  const found = find(location.hash);
  leave?.abort();
  leave = new AbortController();
  const { signal } = leave;
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.section === (found?.context.section ?? "-")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!found) {
    main.removeAttribute("aria-busy");
    fill(main, h("div.page", head("Nothing is here"), h("p", "The address leads nowhere. ", h("a", { href: "#/" }, "Go to the overview"))));
    return;
  }
  // The page before stays until this one has what it shows.
  const page = h("div.page");
  main.setAttribute("aria-busy", "true");
  try {
    await found.entry.page(page, { ...found.context, signal, session });
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    fill(page, head("This page can't be shown"), problem(error), h("div", h("button", { onclick: () => show(main, nav) }, "Try again")));
  }
  if (signal.aborted) return;
  main.removeAttribute("aria-busy");
  fill(main, page);
  window.scrollTo(0, 0);
  const title = page.querySelector("h1")?.textContent;
  document.title = title ? `${title} · otad` : "otad";
}

// ---- the frame ----

async function changePassword() {
  const password = h("input", { type: "password", required: true, autocomplete: "current-password" });
  const wanted = h("input", { type: "password", required: true, minlength: 10, maxlength: 200, autocomplete: "new-password" });
  const made = await dialog("Change your password", (close) => form({
    submit: "Change password", oncancel: () => close(),
    onsubmit: async () => close(await post("/session/password", { password: password.value, new_password: wanted.value })),
  }, field("Present password", password), field("New password", wanted, { hint: "At least 10 characters. Your other sessions end." })));
  if (made) say("Your password is changed.");
}

async function signOut() {
  await call("DELETE", "/session", { again: false }).catch(() => {});
  session = null;
  location.hash = "#/";
  start();
}

function frame() {
  const main = h("main", { id: "main", tabindex: "-1" });
  const links = PAGES.filter((entry) => entry.name).map((entry) => h("a", { href: `#/${entry.path}`, "data-section": entry.path }, icon(entry.icon), h("span", entry.name)));
  const nav = h("nav", { "aria-label": "Pages" }, links);
  fill(app,
    h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "Skip to the page"),
    h("div.frame",
      h("div.side",
        h("a.brand", { href: "#/" }, h("img", { src: "/web/icon.svg", alt: "" }), "otad"),
        nav,
        h("div.account",
          h("div.who", session.kind === "user" ? h("button.quiet.name", { type: "button", title: "Change your password", onclick: changePassword }, session.name) : h("strong", session.name), h("span.muted.small", session.kind === "token" ? `${session.role} · token` : session.role)),
          h("div.buttons", themeButton(), h("button.quiet.icon", { type: "button", title: "Sign out", onclick: signOut }, icon("out"), h("span.hidden-text", "Sign out"))))),
      main));
  window.onhashchange = () => show(main, nav);
  show(main, nav);
}

// The session ended while somebody works: they sign in above the page, and nothing of it is lost.
let asking = null;
onSignedOut(() => {
  asking ??= dialog("You were signed out", (close) => h("div.stack", h("p", "The session has ended. Sign in to go on where you are; what you typed is still there."),
    signInForm(async (made) => {
      session = made;
      reconnect();
      close();
    }))).finally(() => (asking = null));
  return asking;
});

async function start() {
  leave?.abort();
  try {
    session ??= await get("/session", { again: false });
  } catch (error) {
    window.onhashchange = null;
    if (error.status === 401) {
      document.title = "Sign in · otad";
      fill(app, signIn(async (made) => {
        session = made;
        frame();
      }));
    } else {
      fill(app, h("main.signin", h("div.card.stack", h("h1", "otad"), problem(error), h("button", { onclick: start }, "Try again"))));
    }
    return;
  }
  frame();
}

start();
