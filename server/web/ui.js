// The parts that pages are made of.
import { fill, h } from "./dom.js";
import { ago, date, words } from "./format.js";
import { icon } from "./icons.js";

// ---- words with a colour ----

const TONES = {
  running: "busy", scheduled: "idle", draft: "idle", paused: "warn", halted: "bad", completed: "good", cancelled: "idle",
  offered: "busy", downloading: "busy", installing: "busy", installed: "busy", trial: "busy", retry: "warn", succeeded: "good", confirmed: "good",
  failed: "bad", reverted: "bad", timed_out: "bad", unhealthy: "bad", skipped: "idle",
  online: "good", stale: "warn", "not seen yet": "idle", pending: "warn", rejected: "bad", failing: "bad", updating: "busy",
  waiting: "idle", active: "busy", done: "good", expired: "warn", revoked: "bad", "in force": "good",
};

export function badge(word, tone = TONES[word] ?? "idle") {
  return h(`span.badge.${tone}`, words(word));
}

export function when(time) {
  return h("time", { datetime: time ?? "", title: date(time), class: "nowrap" }, ago(time));
}

export const dot = (tone) => h(`span.dot.${tone}`, { "aria-hidden": "true" });

// ---- the page ----

export function head(title, { crumb, beside, note, actions = [] } = {}) {
  return h("div.head",
    h("div.title",
      crumb && h("a.crumb", { href: crumb[1] }, `← ${crumb[0]}`),
      h("div", h("h1", title), beside),
      note && h("p.muted", note)),
    h("div.actions", actions));
}

export function card(title, { actions, flush, note } = {}, ...children) {
  return h(flush ? "section.card.flush" : "section.card",
    title && h("header", h("div", h("h2", title), note && h("span.muted.small", note)), actions && h("div", actions)),
    children);
}

export function box(tone, ...children) {
  const name = { bad: "alert", warn: "alert", good: "check" }[tone] ?? "info";
  return h(`div.note-box.${tone}`, tone === "bad" ? { role: "alert" } : {}, icon(name), h("div", children));
}

export function problem(error) {
  return box("bad", h("p", error.message), error.request && h("p.small", `Request ${error.request} in the server's log.`));
}

export function empty(name, title, text, action) {
  return h("div.empty", icon(name, 32), h("h3", title), h("p", text), action);
}

// columns: [{ label, number, cell(row), act }]
export function table(columns, rows, { stacks = true, compact, label } = {}) {
  return h("div.scroll", { tabindex: stacks ? null : "0", role: stacks ? null : "region", "aria-label": stacks ? null : label },
    h(compact ? "table.stacks.compact" : stacks ? "table.stacks" : "table", { "aria-label": label },
      h("thead", h("tr", columns.map((column) => h(column.number ? "th.number" : "th", { scope: "col" }, column.label || h("span.hidden-text", column.hidden ?? "Actions"))))),
      h("tbody", rows.map((row) => h("tr", columns.map((column) => {
        const content = column.cell(row);
        return h(column.act ? "td.act" : column.number ? "td.number" : "td", { "data-label": column.label ?? "" }, content);
      }))))));
}

// A list that is read a page at a time: rows below each other, and a button for more.
export function moreButton(next, onMore) {
  if (next === null) return null;
  return h("div.more", h("button.small", { onclick: (event) => { event.target.disabled = true; onMore(); }, "data-key": "more" }, "Show more"));
}

// ---- forms ----

let ids = 0;

export function field(label, input, { hint, optional } = {}) {
  const id = `f${++ids}`;
  input.id = id;
  const wrong = h("span.wrong", { id: `${id}-wrong` });
  const about = [hint && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(" ");
  input.setAttribute("aria-describedby", about);
  const element = h("div.field", h("label", { for: id }, label, optional && h("span.muted", " (optional)")), input, hint && h("span.hint", { id: `${id}-hint` }, hint), wrong);
  element.complain = (text) => {
    wrong.textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  input.addEventListener("input", () => element.complain(""));
  return element;
}

export function select(options, value, props = {}) {
  return h("select", props, options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
}

// A form that keeps what was typed: on an error everything stays, and the error is shown and read out.
export function form({ submit, done, danger, onsubmit, oncancel }, ...children) {
  const trouble = h("div.trouble", { "aria-live": "assertive" });
  const button = h(danger ? "button.main.danger" : "button.main", { type: "submit" }, submit);
  const element = h("form", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      fill(trouble);
      const missing = [...element.querySelectorAll("[required]")].find((input) => !input.value.trim());
      if (missing) {
        missing.closest(".field").complain("This is needed.");
        missing.focus();
        return;
      }
      button.disabled = true;
      button.textContent = done ?? submit;
      try {
        await onsubmit();
      } catch (error) {
        if (error.name !== "AbortError") fill(trouble, problem(error));
      } finally {
        button.disabled = false;
        button.textContent = submit;
      }
    },
  }, children, trouble, h("div.ends.row", oncancel && h("button", { type: "button", onclick: oncancel }, "Cancel"), button));
  return element;
}

// Remembers the named fields of a form in this tab until forget(): a reload loses nothing.
export function remember(key, element) {
  const fields = () => [...element.querySelectorAll("[name]")].filter((input) => input.type !== "password");
  try {
    const saved = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    for (const input of fields()) {
      if (!(input.name in saved)) continue;
      if (input.type === "checkbox") input.checked = saved[input.name];
      else input.value = saved[input.name];
    }
    element.addEventListener("input", () => sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(fields().map((input) => [input.name, input.type === "checkbox" ? input.checked : input.value])))));
  } catch {
    // storage is turned off
  }
  return () => sessionStorage.removeItem(key);
}

// ---- dialogs ----

// `make(close)` gives the content. A promise of what close() was given, undefined by Escape.
export function dialog(title, make) {
  return new Promise((resolve) => {
    const element = h("dialog", { "aria-label": title });
    const close = (value) => {
      element.close();
      element.remove();
      resolve(value);
    };
    element.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(undefined);
    });
    element.append(h("div.inside", h("h2", title), make(close)));
    document.body.append(element);
    element.showModal();
  });
}

// Ask before something is done; `act` runs in the dialog, which stays open when that fails.
export function confirm({ title, text, list = [], submit, danger = true, content, act }) {
  return dialog(title, (close) =>
    form({ submit, danger, oncancel: () => close(false), onsubmit: async () => { await act(); close(true); } },
      h("div.stack.tight", text.map((line) => h("p", line)), list.length > 0 && h("ul", list.map((line) => h("li", line)))), content));
}

// Something that is shown once.
export function showSecret(title, text, secret) {
  const copied = h("span.small.muted", { role: "status" });
  return dialog(title, (close) => h("div.stack",
    h("p", text),
    h("div.secret", h("code", secret),
      h("button", { type: "button", onclick: async () => {
        try {
          await navigator.clipboard.writeText(secret);
          copied.textContent = "Copied.";
        } catch {
          copied.textContent = "This browser doesn't let pages copy here: select the text instead.";
        }
      } }, "Copy")),
    copied,
    h("div.ends", h("button.main", { type: "button", onclick: () => close() }, "I have it"))));
}

// A sentence that passes.
export function say(text) {
  const element = h("div.passing", text);
  const notes = document.getElementById("notes");
  notes.append(element);
  setTimeout(() => element.remove(), 6000);
}
