// One rollout: how its stages fill, and what can be done with it.
import { get, post, query } from "./api.js";
import { bar } from "./chart.js";
import { fill, h, part } from "./dom.js";
import { bytes, capital, count, date, duration, isoTime, localTime, number, percent, words } from "./format.js";
import { isLive, listen } from "./live.js";
import { counts, eventText, stageName, stageParts, sumOf, totals } from "./rollout_view.js";
import { badge, box, card, confirm, dot, empty, field, head, moreButton, say, select, table, when } from "./ui.js";

// ---- what can be done ----

// Only if the rollout is still as it was shown.
const order = (rollout, command, body) => post(`/rollouts/${rollout.id}/${command}`, body ?? {}, { headers: { "If-Match": `"${rollout.revision}"` } });

// Each says before what it does, and to how many devices.
const COMMANDS = {
  start: {
    button: "Start", main: true, done: "was started",
    ask: (rollout, reach) => ({ title: `Start ${rollout.name}?`, text: [`${count(reach, "device")} will be offered ${rollout.product} ${rollout.version}, stage by stage.`, `Stage 1 of ${rollout.stages.length}: ${stageName(rollout.stages[0])}.`], submit: "Start rollout", danger: false }),
  },
  resume: {
    button: "Resume", done: "goes on",
    ask: (rollout, reach, sum) => ({ title: `Resume ${rollout.name}?`, text: [rollout.state === "halted" ? `It was halted: ${rollout.halt_reason} Going on sets its failures aside.` : "New offers go out again.", `${count(sum.waiting, "device")} of ${number(sum.targeted)} still wait.`], submit: rollout.state === "halted" ? "Resume in spite of the halt" : "Resume", danger: rollout.state === "halted" }),
    body: (rollout) => (rollout.state === "halted" ? { force: true } : {}),
  },
  advance: {
    button: "Next stage", done: "went on to its next stage",
    ask: (rollout, reach, sum) => ({ title: "Go on to the next stage?", text: [`Stage ${rollout.current_stage} is taken as it is; stage ${rollout.current_stage + 1} begins. ${count(sum.waiting, "device")} of the rollout still wait.`], submit: "Go on", danger: false }),
    body: () => ({ force: true }),
  },
  schedule: {
    button: "Schedule", done: "is scheduled",
    input: () => h("input", { type: "datetime-local", required: true, value: localTime(Date.now() + 3600e3) }), label: "Start at", hint: "In your own time zone.",
    ask: (rollout, reach) => ({ title: `Schedule ${rollout.name}`, text: [`It starts by itself, and offers ${rollout.product} ${rollout.version} to ${count(reach, "device")} as of now.`], submit: "Schedule", danger: false }),
    body: (rollout, value) => ({ start_at: isoTime(value) }),
  },
  pause: {
    button: "Pause", done: "is paused",
    ask: (rollout, reach, sum) => ({ title: `Pause ${rollout.name}?`, text: [`${count(sum.waiting, "device")} that wait get no offer until you resume.`, `${count(sum.busy, "device")} under way may finish.`], submit: "Pause", danger: false }),
  },
  halt: {
    button: "Halt", danger: true, done: "is halted",
    input: () => h("input", { required: true, maxlength: 160, placeholder: "What you saw" }), label: "Reason", hint: "Everybody who looks at this rollout reads it.",
    ask: (rollout, reach, sum) => ({ title: `Halt ${rollout.name}?`, text: [`${count(sum.waiting, "device")} that wait get no offer, and the rollout counts as bad.`, `${count(sum.busy, "device")} under way may finish; ${count(sum.succeeded, "device")} keep ${rollout.version}.`], submit: `Halt for ${count(sum.waiting + sum.busy, "device")}` }),
    body: (rollout, value) => ({ reason: value }),
  },
  cancel: {
    button: "Cancel", danger: true, done: "is cancelled",
    ask: (rollout, reach, sum) => ({ title: `Cancel ${rollout.name}?`, text: ["This ends it for good.", rollout.state === "draft" ? "It was never started: no device is touched." : `${count(sum.busy, "device")} under way: those that have not booted it yet drop it. ${count(sum.succeeded, "device")} keep ${rollout.version}, ${count(sum.waiting, "device")} never get it.`], submit: "Cancel for good" }),
  },
};

const ALLOWED = {
  draft: ["start", "schedule", "cancel"],
  scheduled: ["start", "schedule", "cancel"],
  running: ["advance", "pause", "halt", "cancel"],
  paused: ["resume", "halt", "cancel"],
  halted: ["resume", "cancel"],
  completed: [],
  cancelled: [],
};

async function reachOf(rollout) {
  const plan = await get(`/rollouts/${rollout.id}/plan`);
  return plan.updated;
}

async function run(rollout, name, after) {
  const command = COMMANDS[name];
  const reach = ["start", "schedule"].includes(name) ? await reachOf(rollout) : 0;
  const input = command.input?.();
  const done = await confirm({
    ...command.ask(rollout, reach, totals(rollout)),
    content: input && field(command.label, input, { hint: command.hint }),
    act: () => order(rollout, name, command.body?.(rollout, input?.value.trim())),
  });
  if (!done) return;
  say(`${rollout.name} ${command.done}.`);
  await after();
}

async function rollBack(rollout) {
  const firmware = (await get("/firmware?limit=500")).items.filter((one) => one.product === rollout.product && one.hardware === rollout.hardware && one.id !== rollout.firmware);
  const sum = totals(rollout);
  const has = sum.succeeded + sum.unhealthy;
  const ended = rollout.state === "completed";
  if (firmware.length === 0) {
    await confirm({ title: "Nothing to roll back to", text: [`There is no other release of ${rollout.product} for ${rollout.hardware} on this server. Upload the one that devices should go back to.`], submit: "OK", danger: false, act: async () => {} });
    return;
  }
  const to = select([["", "the release before it"], ...firmware.reverse().map((one) => [one.id, `${one.product} ${one.version}`])], "", { name: "to" });
  let made;
  const done = await confirm({
    title: `Roll ${rollout.name} back?`,
    text: [`${count(has, "device")} that run ${rollout.version} go back to the release below, at once and in a rollout of its own.`, !ended && `This rollout ends: ${count(sum.waiting + sum.busy, "device")} no longer get ${rollout.version}.`].filter(Boolean),
    submit: `Roll ${count(has, "device")} back`,
    content: field("Go back to", to),
    act: async () => { made = await post(`/rollouts/${rollout.id}/rollback`, to.value ? { firmware: Number(to.value) } : {}); },
  });
  if (!done) return;
  say("The rollback has begun.");
  location.hash = `#/rollouts/${made.id}`;
}

function actions(rollout, session, after) {
  if (session.role === "viewer") return [];
  const names = ALLOWED[rollout.state].filter((name) => name !== "advance" || rollout.current_stage < rollout.stages.length);
  const buttons = names.map((name) => {
    const { button, main, danger } = COMMANDS[name];
    return h(main ? "button.main" : danger ? "button.danger" : "button", { type: "button", "data-key": name, onclick: (event) => guard(event.target, () => run(rollout, name, after)) }, button);
  });
  if (["running", "paused", "halted", "completed"].includes(rollout.state) && totals(rollout).succeeded > 0)
    buttons.push(h("button.danger", { type: "button", "data-key": "rollback", onclick: (event) => guard(event.target, () => rollBack(rollout)) }, "Roll back"));
  return buttons;
}

// What goes wrong before the dialog is there is told as well.
async function guard(button, act) {
  button.disabled = true;
  try {
    await act();
  } catch (error) {
    say(error.message);
  } finally {
    button.disabled = false;
  }
}

// ---- what is shown ----

function rules(stage) {
  const parts = [`${stage.success_percent} % must succeed`];
  if (stage.failure_count) parts.push(`halts at ${count(stage.failure_count, "failure")}`);
  if (stage.failure_percent) parts.push(`halts at ${stage.failure_percent} % failures`);
  if (stage.sequential) parts.push(`halts when more than ${stage.sequential.allowed_bp / 100} % fail, by sequential test`);
  if (stage.offers_a_minute) parts.push(`${count(stage.offers_a_minute, "offer")} a minute`);
  if (stage.in_flight_max) parts.push(`${count(stage.in_flight_max, "device")} at once`);
  if (stage.soak_seconds) parts.push(`then waits ${duration(stage.soak_seconds)}`);
  if (stage.by_hand) parts.push("goes on by hand");
  return parts.join(" · ");
}

function stageBlock(rollout, stage, i) {
  const sum = sumOf(stage);
  return h("div.stage",
    h("div.top",
      h("div.row", h("h3", `Stage ${i + 1}: ${stageName(stage)}`), badge(stage.state === "active" && ["paused", "halted", "cancelled"].includes(rollout.state) ? rollout.state : stage.state)),
      rollout.state !== "draft" && h("span.small", `${number(sum.succeeded)} of ${number(sum.targeted)} · ${percent(sum.succeeded, sum.targeted)}`)),
    bar(stageParts(sum), sum.targeted),
    rollout.state !== "draft" && counts(sum),
    h("p.small.muted", rules(stage)));
}

const windowText = ({ from, to, days }) => `${from} to ${to}, ${days.length === 7 ? "every day" : days.map(capital).join(" ")}, device time`;

function facts(rollout) {
  const rows = [
    ["Release", h("a.mono", { href: "#/releases" }, `${rollout.product} ${rollout.version}`)],
    ["Hardware", rollout.hardware],
    ["Only", [rollout.groups.length > 0 ? `groups ${rollout.groups.join(", ")}` : null, rollout.tags ? `tags ${rollout.tags}` : null, rollout.running_min ? `from version ${rollout.running_min}` : null, rollout.running_max ? `up to version ${rollout.running_max}` : null].filter(Boolean).join("; ") || "all of the product"],
    rollout.state === "scheduled" ? ["Starts", date(rollout.start_at)] : ["Started", rollout.started_at ? date(rollout.started_at) : "not yet"],
    ["Ended", rollout.ended_at ? date(rollout.ended_at) : "–"],
    rollout.window && ["Window", windowText(rollout.window)],
    rollout.retries > 0 && ["Further tries", `${number(rollout.retries)}, after ${duration(rollout.retry_wait_seconds)}`],
    rollout.health_seconds > 0 && ["Watched afterwards", `${duration(rollout.health_seconds)}; unhealthy at ${count(rollout.health_events, "crash", "crashes")}`],
    rollout.patched_devices > 0 && ["By patch", `${count(rollout.patched_devices, "device")}, ${bytes(rollout.bytes_saved)} saved`],
  ].filter(Boolean);
  return h("dl.facts", rows.map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

const DEVICE_COLUMNS = [
  { label: "Device", cell: (row) => h("a.mono", { href: `#/devices/${encodeURIComponent(row.device)}` }, row.device) },
  { label: "State", cell: (row) => h("div.row", badge(row.state), row.state === "downloading" && h("span.small.muted", `${row.percent} %`)) },
  { label: "Stage", number: true, cell: (row) => row.stage },
  { label: "Try", number: true, cell: (row) => row.attempt },
  { label: "Reason", cell: (row) => (row.reason ? words(row.reason) : null) },
  { label: "Since", cell: (row) => when(row.updated_at) },
];

const STATES = ["offered", "downloading", "installing", "trial", "retry", "succeeded", "failed", "reverted", "timed_out", "unhealthy", "skipped"];

function eventLine(event) {
  return h("li", h("div", capital(eventText(event).replace(/^(was|is) /, "")), event.actor && h("span.muted", ` · by ${event.actor}`)), when(event.time));
}

// Whether devices will be offered it, while none was.
const OFFERS = {
  draft: "Start the rollout to make the first offers.", scheduled: "Offers begin when its time comes.", running: "Devices are offered it when they poll next.",
  paused: "Resume the rollout to make the first offers.", halted: "No new offers go out.", completed: "No device had to be updated.", cancelled: "The rollout ended before.",
};

// Without a word, a stage that is done and goes on by hand looks like one that hangs.
function waitsForHand(rollout) {
  const stage = rollout.stages[rollout.current_stage - 1];
  return rollout.state === "running" && stage.by_hand && stage.targeted > 0 && 100 * stage.succeeded >= stage.success_percent * stage.targeted;
}

function banner(rollout) {
  if (rollout.state === "halted") return box("bad", h("strong", "Halted. "), rollout.halt_reason, h("p.small", `No new device is offered this release. Look at the failed devices below, then ${totals(rollout).succeeded > 0 ? "roll back, resume or cancel" : "resume or cancel"}.`));
  if (rollout.state === "paused") return box("warn", h("strong", "Paused. "), "No new offers go out; devices under way may finish.");
  if (waitsForHand(rollout)) return box("warn", h("strong", `Stage ${rollout.current_stage} is done. `), "It goes on by hand: press Next stage when you are content with it.");
  if (rollout.state === "draft") return box("", "A draft: no device is offered anything before you start it.");
  return null;
}

export async function rollout(page, { id, signal, session }) {
  let current;
  const path = `/rollouts/${encodeURIComponent(id)}`;
  const top = part("div", (data) => [head(data.name, { crumb: ["Rollouts", "#/rollouts"], beside: badge(data.state), actions: [live, ...actions(data, session, show)] })]);
  const notice = part("div", (data) => banner(data));
  const stages = part("div", (data) => data.stages.map((stage, i) => stageBlock(data, stage, i)));
  const about = part("div", facts);
  const events = part("ul.lines.pairs", (items) => items.map(eventLine));
  const list = h("div");
  const live = h("span.live");
  const state = select([["", "All states"], ...STATES.map((name) => [name, words(name)])], "", { "aria-label": "Devices in state", onchange: () => showDevices().catch((error) => say(error.message)) });
  let limit = 50;

  async function showDevices() {
    const data = await get(query(`${path}/devices`, { limit, state: state.value }), { signal });
    if (data.items.length === 0) fill(list, state.value ? empty("devices", "None in this state", "Choose another state above.") : empty("devices", "No device was offered it", OFFERS[current.state]));
    else fill(list, table(DEVICE_COLUMNS, data.items, { label: "Devices of this rollout" }), moreButton(data.next !== null && limit < 500 ? data.next : null, () => { limit = 500; showDevices(); }));
  }
  async function show() {
    current = await get(path, { signal });
    top.show(current);
    notice.show(current);
    stages.show(current);
    about.show(current);
    events.show((await get(`${path}/events?limit=30`, { signal })).items);
    await showDevices();
  }
  const tell = () => fill(live, dot(isLive() ? "good" : "idle"), isLive() ? "Live" : "Connecting…");

  tell();
  await show();
  fill(page, top.element, notice.element,
    card("Stages", { flush: true, note: current.counted ? null : "still counting" }, stages.element),
    h("div.columns",
      h("div.wide", card("Devices", { flush: true, actions: state }, list)),
      h("div.third.stack.gap", card("About", {}, about.element), card("What happened", {}, events.element))));
  let again = Promise.resolve();
  signal.addEventListener("abort", listen((event) => {
    tell();
    if (event.kind === "hello" || (event.kind === "rollout" && String(event.id) === String(id))) again = again.then(show).catch(() => {});
  }));
}
