// One device: why it is or is not updated, what it is, what happened to it.
import { allOrNone, get, patch, post, put, query, remove } from "./api.js";
import { bar } from "./chart.js";
import { fill, h, part } from "./dom.js";
import { date, logLines, words } from "./format.js";
import { listen } from "./live.js";
import { deviceBadges, tagList } from "./page_devices.js";
import { badge, box, card, confirm, dialog, empty, field, form, head, moreButton, say, select, showSecret, table, when } from "./ui.js";

const LOOK_MS = 5000;

// ---- what can be done ----

async function changeTags(device, path, after) {
  const text = Object.entries(device.tags).map(([key, value]) => `${key}=${value}`).join("\n");
  const input = h("textarea", { rows: 6, value: text, spellcheck: "false", autocapitalize: "none" });
  const done = await dialog(`Tags of ${device.id}`, (close) => form({
    submit: "Save tags", oncancel: () => close(false),
    onsubmit: async () => {
      const tags = {};
      for (const line of input.value.split("\n").map((each) => each.trim()).filter(Boolean)) {
        const at = line.indexOf("=");
        if (at < 1) throw new Error(`"${line}" is no tag: write key=value, one a line.`);
        tags[line.slice(0, at).trim()] = line.slice(at + 1).trim();
      }
      await put(`${path}/tags`, tags);
      close(true);
    },
  }, field("Tags", input, { hint: "key=value, one a line. Rollouts choose devices by them." })));
  if (done) await after();
}

async function changeGroup(device, path, after) {
  const groups = await allOrNone("/groups");
  const input = select([["", "No group"], ...groups.map(({ name }) => [name, name])], device.group ?? "");
  const done = await dialog(`Group of ${device.id}`, (close) => form({ submit: "Save group", oncancel: () => close(false), onsubmit: async () => { await patch(path, { group: input.value || null }); close(true); } },
    field("Group", input, { hint: "A device is in one group at most. Rollouts can have a group as a stage." })));
  if (done) await after();
}

async function newToken(device, path) {
  let made;
  const done = await confirm({ title: `A new token for ${device.id}?`, text: ["The old one stops working at once: the device can't poll until it has the new one."], submit: "Replace the token of 1 device", act: async () => { made = await post(`${path}/token`); } });
  if (done) await showSecret("The new token", `Put it on ${device.id}. It is shown once.`, made.token);
}

async function forget(device, path) {
  const done = await confirm({ title: `Delete ${device.id}?`, text: ["The device, its history and its token are gone for good. It can't poll any more."], submit: "Delete 1 device", act: () => remove(path) });
  if (!done) return;
  say(`${device.id} is deleted.`);
  location.hash = "#/devices";
}

async function checkNow(device, path) {
  const { long_poll: waited, mqtt } = await post(`${path}/notify`);
  say(waited ? `${device.id} was waiting for news and checks now.`
    : mqtt ? `${device.id} is notified over the broker.`
    : `${device.id} can't be reached now. It checks at its next poll.`);
}

async function setState(device, path, state, after) {
  if (state === "rejected") {
    const done = await confirm({ title: `Turn ${device.id} away?`, text: ["Its polls are refused until you accept it."], submit: "Reject 1 device", act: () => patch(path, { state }) });
    if (done) await after();
    return;
  }
  await patch(path, { state });
  say(`${device.id} is accepted.`);
  await after();
}

function actions(device, path, session, after) {
  if (session.role === "viewer") return [];
  const act = (run) => () => run().catch((error) => say(error.message));
  return [
    device.state !== "accepted" && h("button.main", { "data-key": "accept", onclick: act(() => setState(device, path, "accepted", after)) }, "Accept"),
    device.state === "accepted" && h("button", { "data-key": "check", onclick: act(() => checkNow(device, path)) }, "Check now"),
    h("button", { "data-key": "tags", onclick: act(() => changeTags(device, path, after)) }, "Tags"),
    h("button", { "data-key": "group", onclick: act(() => changeGroup(device, path, after)) }, "Group"),
    h("button", { "data-key": "token", onclick: act(() => newToken(device, path)) }, "New token"),
    device.state !== "rejected" && h("button.danger", { "data-key": "reject", onclick: act(() => setState(device, path, "rejected", after)) }, "Reject"),
    h("button.danger", { "data-key": "delete", onclick: act(() => forget(device, path)) }, "Delete"),
  ];
}

// ---- what is shown ----

// How it would hear of a release before its next poll.
function reach(device) {
  const ways = [device.waiting && "waits for news", device.online && "listens on the broker"].filter(Boolean);
  return ways.length > 0 ? ways.join(", ") : "at its next poll";
}

function facts(device) {
  const rows = [
    ["Version", device.version ? h("span.mono", device.version) : "not told yet"],
    ["Product", device.product],
    ["Hardware", device.hardware],
    ["Group", device.group ?? "none"],
    ["Tags", Object.keys(device.tags).length > 0 ? tagList(device.tags) : "none"],
    ["Security counter", device.counter ?? "not told yet"],
    ["Last seen", device.last_seen ? when(device.last_seen) : "never"],
    ["Reachable", reach(device)],
    ["Registered", date(device.created_at)],
    ["Image hash", device.hash ? h("span.mono.small", device.hash) : "not told yet"],
  ];
  return h("dl.facts", rows.map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

function deployment(current) {
  if (!current) return empty("rollouts", "No update yet", "Once a rollout offers it a release, its progress shows here.");
  const moving = ["offered", "downloading", "installing", "trial"].includes(current.state);
  return h("div.stack.tight",
    h("div.row", h("a", { href: `#/rollouts/${current.rollout}` }, `Rollout ${current.rollout}`), badge(current.state), h("span.small.muted", when(current.updated_at))),
    current.state === "downloading" && bar([["busy", current.percent, "percent"]], 100, { thin: true }),
    current.reason && h("p", "Reason: ", h("strong", words(current.reason))),
    current.attempt > 1 && h("p.small.muted", `Try ${current.attempt}`),
    moving && h("p.small.muted", "Under way."));
}

const COLUMNS = [
  { label: "When", cell: (event) => when(event.time) },
  { label: "What", cell: (event) => h("div.row", badge(event.event), event.event === "downloading" && h("span.small.muted", `${event.percent} %`)) },
  { label: "Reason", cell: (event) => (event.reason ? words(event.reason) : null) },
  { label: "Deployment", number: true, cell: (event) => event.deployment },
  { label: "Log", cell: (event) => (event.log ? h("details", h("summary", "Lines"), h("pre", logLines(event.log))) : null) },
];

function whyBox(device, why) {
  if (device.state === "pending") return box("warn", h("strong", "Waiting to be accepted. "), "It registered itself; accept it to let it poll for updates.");
  if (device.state === "rejected") return box("bad", h("strong", "Turned away. "), "Its polls are refused.");
  if (!why) return null;
  const link = (one) => h("a", { href: `#/rollouts/${one.rollout}` }, one.name);
  const named = why.rollouts.find((one) => one.rollout === why.rollout);
  const others = why.rollouts.filter((one) => one !== named);
  return box("", h("p", named && [link(named), ": "], h("strong", why.sentence)),
    others.length > 0 && h("details", h("summary.small", "What each rollout says"), h("ul", others.map((one) => h("li", link(one), ` (${one.state}): ${one.sentence}`)))));
}

export async function device(page, { id, signal, session }) {
  const path = `/devices/${encodeURIComponent(id)}`;
  let limit = 50;
  const top = part("div", (data) => head(data.id, { crumb: ["Devices", "#/devices"], beside: deviceBadges(data), actions: actions(data, path, session, show) }));
  const why = part("div", whyBox);
  const about = part("div", facts);
  const update = part("div", (data) => deployment(data));
  const log = part("div", (event) => (event ? [h("p.small.muted", words(event.event), " · ", date(event.time)), h("pre", { tabindex: "0", "aria-label": "Last log lines" }, logLines(event.log))] : empty("audit", "No log lines yet", "A device sends its last lines when an update fails.")));
  const list = part("div", (data) => data.items.length > 0
    ? [table(COLUMNS, data.items, { label: "History" }), moreButton(limit < 500 ? data.next : null, () => { limit = 500; show(); })]
    : empty("audit", "No history yet", "Every step of an update is written down here."));

  async function show() {
    const [data, events, reasons] = await Promise.all([
      get(path, { signal }),
      get(query(`${path}/events`, { limit }), { signal }),
      get(`${path}/explain`, { signal }).catch((error) => { if (error.status !== 404 && error.status !== 409) throw error; return null; }),
    ]);
    top.show(data);
    why.show(data, reasons);
    about.show(data);
    update.show(data.deployment);
    log.show(events.items.find((event) => event.log) ?? null);
    list.show(events);
  }
  await show();
  fill(page, top.element, why.element,
    h("div.columns",
      h("div.wide.stack.gap", card("About", {}, about.element), card("History", { flush: true }, list.element)),
      h("div.third.stack.gap", card("Last update", {}, update.element), card("Last log lines", {}, log.element))));
  let busy = false;
  const again = async () => {
    if (busy || document.hidden) return;
    busy = true;
    await show().catch(() => {});
    busy = false;
  };
  const timer = setInterval(again, LOOK_MS);
  const stop = listen(again);
  signal.addEventListener("abort", () => { clearInterval(timer); stop(); });
}
