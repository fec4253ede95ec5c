// Planning a rollout: the release, who gets it, in which stages; and a preview before anything is made.
import { all, allOrNone, post } from "./api.js";
import { fill, h } from "./dom.js";
import { count, number } from "./format.js";
import { icon } from "./icons.js";
import { stageName } from "./rollout_view.js";
import { box, card, empty, field, head, problem, say, select } from "./ui.js";

const DRAFT = "new-rollout";
const STAGES_MAX = 16;
const FIRST_STAGES = [{ who: "percent", percent: "5", success: "100", failures: "1", soak: "10" }, { who: "percent", percent: "25", success: "95", failures: "", soak: "30" }, { who: "percent", percent: "100", success: "95", failures: "", soak: "" }];

// ---- what was typed, kept in this tab ----

function load(params, groups) {
  let saved = {};
  try {
    saved = JSON.parse(sessionStorage.getItem(DRAFT) ?? "{}");
  } catch {
    // begin anew
  }
  const stages = structuredClone(FIRST_STAGES);
  if (groups.some(({ name }) => name === "canary")) stages[0] = { who: "group:canary", percent: "5", success: "100", failures: "1", soak: "10" };
  const draft = { name: "", firmware: "", groups: [], tags: "", downgrade: false, stages, ...saved };
  if (params.firmware) draft.firmware = params.firmware;
  return draft;
}

function save(draft) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // not kept
  }
}

// ---- as the API takes it ----

const whole = (text) => (text === "" ? undefined : Number(text));

function bodyOf(draft) {
  const stages = draft.stages.map((stage) => ({
    ...(stage.who === "percent" ? { percent: whole(stage.percent) } : { group: stage.who.slice("group:".length) }),
    success_percent: whole(stage.success),
    failure_count: whole(stage.failures),
    soak_seconds: stage.soak === "" ? undefined : Math.round(Number(stage.soak) * 60),
  }));
  return { name: draft.name.trim(), firmware: Number(draft.firmware), groups: draft.groups.length > 0 ? draft.groups : undefined, tags: draft.tags.trim() || undefined, stages, allow_downgrade: draft.downgrade || undefined };
}

// ---- the stages ----

function stageEditor(draft, groups, changed) {
  const place = h("div");
  function draw() {
    fill(place, draft.stages.map((stage, i) => row(stage, i)),
      h("div.row", h("button.small", { type: "button", "data-key": "add", disabled: draft.stages.length >= STAGES_MAX, onclick: add }, icon("plus", 16), "Add a stage")));
  }
  function add() {
    const { stages } = draft;
    const shares = stages.filter((stage) => stage.who === "percent").map((stage) => Number(stage.percent));
    const below = shares.filter((share) => share < 100).at(-1) ?? 0;
    // The whole fleet stays the last stage; the new one takes half of what is left.
    if (shares.at(-1) === 100) stages.splice(stages.length - 1, 0, { who: "percent", percent: String(Math.ceil((below + 100) / 2)), success: "95", failures: "", soak: "30" });
    else stages.push({ who: "percent", percent: "100", success: "95", failures: "", soak: "" });
    update();
    draw();
  }
  function update() {
    changed();
  }
  function input(stage, i, key, label, props) {
    const element = h("input", { type: "number", inputmode: "numeric", min: "0", step: "1", value: stage[key], "data-key": `${key}${i}`, ...props, oninput: (event) => { stage[key] = event.target.value; update(); } });
    return field(label, element);
  }
  function row(stage, i) {
    const options = [["percent", "Percent of devices"], ...groups.map(({ name, devices }) => [`group:${name}`, `Group ${name} (${number(devices)})`])];
    const who = select(options, stage.who, { "data-key": `who${i}`, onchange: (event) => { stage.who = event.target.value; update(); draw(); } });
    return h(stage.who === "percent" ? "div.stage-edit" : "div.stage-edit.by-group", { role: "group", "aria-label": `Stage ${i + 1}` },
      h("span.n", { "aria-hidden": "true" }, i + 1),
      field("Who", who),
      stage.who === "percent" ? input(stage, i, "percent", "Percent", { min: "1", max: "100" }) : null,
      input(stage, i, "success", "Success %", { max: "100", title: "So many must have succeeded before the next stage begins" }),
      input(stage, i, "failures", "Failures", { min: "1", placeholder: "any", title: "At so many failed devices the rollout halts" }),
      input(stage, i, "soak", "Wait, min", { placeholder: "0", title: "So long the success must have stood before the next stage begins" }),
      h("button.quiet.icon", { type: "button", title: `Remove stage ${i + 1}`, disabled: draft.stages.length === 1, onclick: () => { draft.stages.splice(i, 1); update(); draw(); } }, icon("trash"), h("span.hidden-text", `Remove stage ${i + 1}`)));
  }
  draw();
  return place;
}

// ---- the preview ----

const samples = (ids, devices) => ids.length > 0 && h("span.sub.mono.wrap", `${ids.join(", ")}${devices > ids.length ? ", …" : ""}`);

function preview(plan) {
  return h("div.stack",
    h("p", h("strong", count(plan.updated, "device")), ` of ${number(plan.devices)} will get it.`),
    plan.updated === 0 && box("warn", "Nobody would get it now. The reasons are below."),
    h("ul.lines.pairs", plan.stages.map((stage, i) => h("li", h("div", `Stage ${i + 1}: ${stageName(stage)}`, samples(stage.samples, stage.devices)), h("strong", number(stage.devices))))),
    plan.others.length > 0 && h("div.stack.tight", h("h3", "Who will not, and why"),
      h("ul.lines.pairs", plan.others.map((other) => h("li", h("div", other.sentence, samples(other.samples, other.devices)), h("strong", number(other.devices)))))));
}

export async function newRollout(page, { params, signal, session }) {
  const [firmware, groups] = await Promise.all([all("/firmware"), allOrNone("/groups")]);
  if (firmware.length === 0) {
    fill(page, head("New rollout", { crumb: ["Rollouts", "#/rollouts"] }), card(null, {}, empty("releases", "There is no release yet", "Upload a signed image first; then plan who gets it.", h("a.button.main", { href: "#/releases" }, "Upload a release"))));
    return;
  }
  const draft = load(params, groups);
  if (!firmware.some((one) => String(one.id) === draft.firmware)) draft.firmware = String(firmware.at(-1).id);
  const side = h("div");
  const trouble = h("div", { "aria-live": "assertive" });
  let timer;
  let named = draft.name !== "";

  function changed() {
    save(draft);
    clearTimeout(timer);
    timer = setTimeout(look, 400);
  }
  let looking;
  async function look() {
    looking?.abort();
    looking = new AbortController();
    const body = { ...bodyOf(draft), name: bodyOf(draft).name || "preview" };
    try {
      fill(side, preview(await post("/rollouts/plan", body, { signal: looking.signal })));
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      fill(side, box("warn", error.message));
    }
  }
  signal.addEventListener("abort", () => { clearTimeout(timer); looking?.abort(); });

  const nameOf = (id) => { const one = firmware.find((each) => String(each.id) === id); return one ? `${one.product} ${one.version}` : ""; };
  const name = h("input", { name: "name", required: true, maxlength: 64, value: draft.name || nameOf(draft.firmware), oninput: (event) => { named = true; draft.name = event.target.value; changed(); } });
  draft.name = name.value;
  const release = select([...firmware].reverse().map((one) => [one.id, `${one.product} ${one.version} · ${one.hardware}`]), draft.firmware, {
    name: "firmware",
    onchange: (event) => { draft.firmware = event.target.value; if (!named) draft.name = name.value = nameOf(draft.firmware); changed(); },
  });
  const tags = h("input", { name: "tags", value: draft.tags, placeholder: "site=berlin,!lab", spellcheck: "false", autocapitalize: "none", oninput: (event) => { draft.tags = event.target.value; changed(); } });
  const nameField = field("Name", name, { hint: "Letters, digits, space and . _ : + @ -" });
  const chosen = groups.map((group) => h("label.check", h("input", { type: "checkbox", checked: draft.groups.includes(group.name), onchange: (event) => { draft.groups = event.target.checked ? [...draft.groups, group.name] : draft.groups.filter((each) => each !== group.name); changed(); } }), h("span", group.name, h("span.muted", ` ${number(group.devices)}`))));

  async function make(start, button) {
    fill(trouble);
    if (!draft.name.trim()) {
      nameField.complain("A name is needed.");
      name.focus();
      return;
    }
    button.disabled = true;
    try {
      const made = await post("/rollouts", bodyOf(draft));
      try {
        sessionStorage.removeItem(DRAFT);
      } catch {
        // nothing was kept
      }
      say(`${made.name} is made.`);
      location.hash = `#/rollouts/${made.id}`;
    } catch (error) {
      fill(trouble, problem(error));
      trouble.scrollIntoView({ block: "nearest" });
    } finally {
      button.disabled = false;
    }
  }

  fill(page,
    head("New rollout", { crumb: ["Rollouts", "#/rollouts"] }),
    session.role === "viewer" && box("warn", "You may look and plan, but not create rollouts: that needs the role operator."),
    h("div.columns",
      h("form.wide", { novalidate: true, onsubmit: (event) => { event.preventDefault(); make(false, event.submitter); } },
        card("Release", {}, h("div.fields", field("Release", release), nameField)),
        card("Who may get it", { note: "all devices of the product unless you choose" },
          h("div.stack",
            groups.length > 0 && h("fieldset", h("legend.label", "Only these groups"), h("div.choices", chosen)),
            field("Only devices with these tags", tags, { optional: true, hint: "All parts must hold: key=value, key in (a,b), !key." }),
            h("label.check", h("input", { type: "checkbox", checked: draft.downgrade, onchange: (event) => { draft.downgrade = event.target.checked; changed(); } }), h("span", "Also for devices that run a newer version ", h("span.muted", "(a step back; the security counter still holds)"))))),
        card("Stages", {},
          h("p.muted.small", "A stage begins when so many % of the one before have succeeded, and that has stood for the minutes to wait. The rollout halts at so many failures."),
          stageEditor(draft, groups, changed)),
        trouble,
        h("div.row", h("button.main", { type: "submit", disabled: session.role === "viewer" }, "Create as a draft"), h("span.muted.small", "You start it on the next page."))),
      h("div.third", card("Preview", {}, h("div", { "aria-live": "polite" }, side)))));
  fill(side, h("p.muted", "Looking who would get it…"));
  await look();
}
