// Who changed what.
import { get, query } from "./api.js";
import { fill, h } from "./dom.js";
import { capital, date, words } from "./format.js";
import { box, card, empty, head, moreButton, table } from "./ui.js";

const DONE = { create: "made", change: "changed", set: "set", delete: "deleted", start: "started", pause: "paused", resume: "resumed", cancel: "cancelled", halt: "halted", advance: "moved on", rollback: "rolled back", import: "imported", token: "given a new token", tags: "tagged" };
const ONE = { devices: "device", rollouts: "rollout", groups: "group", tokens: "API token", users: "person", "release-keys": "release key", "enrolment-keys": "enrolment key" };

// devices.change -> Device changed
function what(action) {
  const [subject, verb] = action.split(".");
  if (subject === "session") return verb === "create" ? "Signed in" : "Signed out";
  return capital(`${ONE[subject] ?? words(subject)} ${DONE[verb] ?? words(verb)}`);
}

const COLUMNS = [
  { label: "When", cell: (entry) => h("time.nowrap", { datetime: entry.time }, date(entry.time)) },
  { label: "Who", cell: (entry) => h("span", entry.actor, h("span.sub", `${entry.kind}, ${entry.role}`)) },
  { label: "What", cell: (entry) => h("strong", what(entry.action)) },
  { label: "On", cell: (entry) => (entry.subject ? h("span.mono.wrap", entry.subject) : null) },
  { label: "Sent", cell: (entry) => (entry.detail && entry.detail !== "{}" ? h("details", h("summary", "Show"), h("pre", entry.detail)) : null) },
  { label: "From", cell: (entry) => h("span.mono.small", entry.peer) },
];

export async function audit(page, { params, signal, session }) {
  if (session.role !== "admin") {
    fill(page, head("Audit log"), box("warn", "The audit log needs the role admin; you have the role ", session.role, "."));
    return;
  }
  const actor = h("input", { type: "search", placeholder: "Name of a user or token", "aria-label": "Who", value: params.actor ?? "" });
  const list = h("div");
  let rows = [];
  async function show(more) {
    const data = await get(query("/audit", { limit: 50, cursor: more, actor: actor.value.trim() }), { signal });
    rows = more ? [...rows, ...data.items] : data.items;
    fill(list, rows.length > 0 ? table(COLUMNS, rows, { label: "Changes" }) : empty("audit", "No change fits", "Every change that is made through the API or the program is written down here."), moreButton(data.next, () => show(data.next)));
  }
  let timer;
  actor.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => show().catch(() => {}), 300); });
  signal.addEventListener("abort", () => clearTimeout(timer));
  await show();
  fill(page, head("Audit log", { note: "Every change, who made it, and from where. It can't be edited." }), card(null, { flush: true }, h("div.filters", actor), list));
}
