// The fleet at a glance.
import { all, allOrNone, get } from "./api.js";
import { areaChart, bar, legend, paint, versionBars } from "./chart.js";
import { fill, h, part } from "./dom.js";
import { count, duration, number, percent } from "./format.js";
import { isLive, listen } from "./live.js";
import { eventText, stageParts, totals } from "./rollout_view.js";
import { badge, card, dot, empty, head, when } from "./ui.js";

const RANGES = [["24 hours", 24], ["7 days", 168], ["90 days", 2160]];

function stat(label, tone, value, note, href) {
  return h("a.stat", { href }, h("span.label", dot(tone), label), h("span.number", number(value)), h("span.note", note));
}

function numbers(fleet) {
  const of = (value) => `${percent(value, fleet.devices)} of the fleet`;
  return [
    stat("Devices", "idle", fleet.devices, fleet.pending > 0 ? `${number(fleet.pending)} wait to be accepted` : fleet.updating > 0 ? `${number(fleet.updating)} updating now` : "accepted", fleet.pending > 0 ? "#/devices?show=pending" : "#/devices"),
    stat("Online", "good", fleet.online, of(fleet.online), "#/devices?show=online"),
    stat("Stale", fleet.stale > 0 ? "warn" : "idle", fleet.stale, `not heard for ${duration(fleet.online_seconds)}`, "#/devices?show=stale"),
    stat("Failing", fleet.failing > 0 ? "bad" : "idle", fleet.failing, "failed in a live rollout", "#/devices?show=failing"),
    stat("Not seen yet", "idle", fleet.never_seen, "registered, never polled", "#/devices?show=never"),
  ];
}

// ---- first steps ----

function firstSteps({ keys, firmware, fleet, rollouts }) {
  const steps = [
    [keys.length > 0, "Register your release key", ["Make one with ", h("code", "otactl keygen release.pem"), " and add its public half. Only firmware that it signed is accepted."], ["#/access", "Add a key"]],
    [firmware.length > 0, "Upload a release", ["Sign your build with ", h("code", "otactl release sign"), ", then drop the image here."], ["#/releases", "Upload"]],
    [fleet.devices + fleet.pending > 0, "Connect a device", ["Register devices one by one, by CSV, or let them enrol themselves with a product's key."], ["#/devices", "Add devices"]],
    [rollouts.length > 0, "Roll it out", ["A few devices first, then the rest in stages. It halts by itself when devices fail."], ["#/rollouts/new", "Plan a rollout"]],
  ];
  return card("First steps", {}, h("ol.steps", steps.map(([done, title, text, [href, action]], i) =>
    h(done ? "li.done" : "li", h("span.mark", { "aria-hidden": "true" }, done ? "✓" : i + 1),
      h("div", h("h3", title, done && h("span.hidden-text", " (done)")), h("p.muted", text), !done && h("a.button.small", { href }, action))))));
}

// ---- rollouts ----

function rolloutLine(rollout) {
  const sum = totals(rollout);
  return h("li.stack.tight",
    h("div.row", h("a", { href: `#/rollouts/${rollout.id}` }, h("strong", rollout.name)), h("span.mono.muted", `${rollout.product} ${rollout.version}`), badge(rollout.state)),
    bar(stageParts(sum), sum.targeted),
    h("div.counts", h("span", `${number(sum.succeeded)} of ${count(sum.targeted, "device")} done`), h("span", `stage ${rollout.current_stage} of ${rollout.stages.length}`), sum.bad > 0 && h("span", `${number(sum.bad)} failed`)),
    rollout.halt_reason && h("p.small", rollout.halt_reason));
}

function liveRollouts(rollouts) {
  const live = rollouts.filter((rollout) => ["scheduled", "running", "paused", "halted"].includes(rollout.state)).reverse();
  if (live.length === 0)
    return empty("rollouts", "No rollout is under way", rollouts.length > 0 ? "Everything that was started has ended." : "Plan one to bring a release to your devices, a few first.", h("a.button", { href: "#/rollouts/new" }, "New rollout"));
  return h("ul.lines", live.map((rollout) => {
    const line = rolloutLine(rollout);
    line.classList.add("stack");
    return line;
  }));
}

// ---- versions ----

// Rows come sorted by product.
function byProduct(rows) {
  const products = new Map();
  for (const row of rows) products.set(row.product, [...(products.get(row.product) ?? []), row]);
  return [...products];
}

function history(data, names, hours) {
  const colour = paint(names);
  const known = new Set(names);
  const samples = data.samples.map(({ time, versions }) => {
    const counts = new Map();
    for (const { version, devices } of versions) {
      const name = known.has(version) ? version : "others";
      counts.set(name, (counts.get(name) ?? 0) + devices);
    }
    return { time: Date.parse(time), counts };
  });
  if (samples.length === 0) return empty("overview", "Nothing recorded yet", "The first sample comes with the first device.");
  const seen = [...new Set(samples.flatMap(({ counts }) => [...counts.keys()]))];
  const order = [...names, "others"].filter((name) => seen.includes(name));
  const to = Date.now();
  const from = Math.max(to - hours * 3600e3, Math.min(samples[0].time, to - 1800e3));
  return [areaChart(samples, order, colour, from, to), legend(order, colour)];
}

export async function overview(page, { signal, session }) {
  let hours = 24;
  const live = h("span.live");
  const stats = part("div.stats", numbers);
  const going = part("div", liveRollouts);
  const now = part("div", (rows) => {
    if (rows.length === 0) return empty("devices", "No device yet", "Versions show here once devices poll.");
    return versionBars(byProduct(rows), paint(versionNames(rows).slice(0, 7)));
  });
  const over = part("div", (data, names) => history(data, names, data.hours));
  const steps = h("div");
  const ranges = h("div.segments", { role: "group", "aria-label": "Range of the chart" });
  const activity = part("div", (events) => {
    if (events.length === 0) return empty("audit", "Nothing happened yet", "Starts, halts and completions of rollouts show here.");
    return h("ul.lines.pairs", events.map((event) => h("li", h("div", h("a", { href: `#/rollouts/${event.rollout}` }, event.name), " ", event.text), when(event.time))));
  });

  function versionNames(rows) {
    const sums = new Map();
    for (const { version, devices } of rows) sums.set(version, (sums.get(version) ?? 0) + devices);
    return [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  }
  let fleet;
  async function showFleet() {
    fleet = await get("/fleet", { signal });
    stats.show(fleet);
    now.show(fleet.versions);
  }
  async function showHistory() {
    const data = await get(`/fleet/history?hours=${hours}`, { signal });
    if (fleet.devices > 0) data.samples.push({ time: fleet.time, versions: fleet.versions });
    const past = data.samples.flatMap((sample) => sample.versions).reverse();
    over.show({ ...data, hours, from: null }, [...new Set([...versionNames(fleet.versions), ...past.map((row) => row.version)])].slice(0, 7));
  }
  let rollouts = [];
  async function showRollouts() {
    rollouts = await all("/rollouts");
    going.show(rollouts);
    const newest = rollouts.slice(-5);
    const events = await Promise.all(newest.map(async (rollout) =>
      (await get(`/rollouts/${rollout.id}/events?limit=8`, { signal })).items.map((event) => ({ ...event, rollout: rollout.id, name: rollout.name, text: eventText(event) }))));
    activity.show(events.flat().sort((a, b) => b.time.localeCompare(a.time) || b.id - a.id).slice(0, 8));
  }
  function showRanges() {
    fill(ranges, RANGES.map(([name, value]) => h("button", { type: "button", "data-key": name, "aria-pressed": String(value === hours), onclick: () => { hours = value; showRanges(); showHistory().catch(() => {}); } }, name)));
  }

  showRanges();
  await Promise.all([showFleet(), showRollouts()]);
  await showHistory();
  const [keys, firmware] = await Promise.all([allOrNone("/release-keys"), allOrNone("/firmware")]);
  if (keys.length === 0 || firmware.length === 0 || fleet.devices + fleet.pending === 0 || rollouts.length === 0) fill(steps, firstSteps({ keys, firmware, fleet, rollouts, session }));

  fill(page,
    head("Overview", { actions: [live] }),
    stats.element,
    steps.hasChildNodes() && steps,
    h("div.columns",
      h("div.wide.stack.gap", card("Rollouts under way", { actions: h("a.small", { href: "#/rollouts" }, "All rollouts") }, going.element),
        card("Versions over time", { actions: ranges }, over.element)),
      h("div.third.stack.gap", card("Versions now", {}, now.element), card("Latest", {}, activity.element))));

  const tell = () => fill(live, dot(isLive() ? "good" : "idle"), isLive() ? "Live" : "Connecting…");
  tell();
  const stop = listen(({ kind }) => {
    tell();
    if (kind === "fleet" || kind === "hello") showFleet().then(showHistory).catch(() => {});
    if (kind === "rollout" || kind === "hello") showRollouts().catch(() => {});
  });
  signal.addEventListener("abort", stop);
}
