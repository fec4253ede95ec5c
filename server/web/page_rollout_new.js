// Planning a rollout: the release, who gets it, in which stages; and a preview before anything is made.
import { all, allOrNone, post } from "./api.js";
import { fill, h } from "./dom.js";
import { count, isoTime, number } from "./format.js";
import { advanced } from "./rollout_advanced.js";
import { bodyOf, forgetDraft, loadDraft, saveDraft } from "./rollout_draft.js";
import { formFields } from "./rollout_fields.js";
import { stageEditor } from "./rollout_stage_edit.js";
import { stageName } from "./rollout_view.js";
import { box, card, empty, head, problem, say, select } from "./ui.js";

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
  const draft = loadDraft(groups);
  if (params.firmware) draft.firmware = params.firmware;
  if (!firmware.some((one) => String(one.id) === draft.firmware)) draft.firmware = String(firmware.at(-1).id);
  const fields = formFields();
  const side = h("div");
  const trouble = h("div", { "aria-live": "assertive" });
  let timer;
  let named = draft.name !== "";

  function changed() {
    saveDraft(draft);
    tellSubmit();
    clearTimeout(timer);
    timer = setTimeout(look, 400);
  }
  changed.quietly = () => saveDraft(draft);
  let looking;
  async function look() {
    looking?.abort();
    looking = new AbortController();
    fields.clear();
    if (fields.unreadable(false)) return;
    const body = { ...bodyOf(draft), name: bodyOf(draft).name || "preview" };
    try {
      fill(side, preview(await post("/rollouts/plan", body, { signal: looking.signal })));
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      fill(side, box("warn", fields.complain(error, false) || error.message));
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
  const chosen = groups.map((group) => h("label.check", h("input", { type: "checkbox", checked: draft.groups.includes(group.name), onchange: (event) => { draft.groups = event.target.checked ? [...draft.groups, group.name] : draft.groups.filter((each) => each !== group.name); changed(); } }), h("span", group.name, h("span.muted", ` ${number(group.devices)}`))));
  const submit = h("button.main", { type: "submit", disabled: session.role === "viewer" });
  const next = h("span.muted.small");
  function tellSubmit() {
    fill(submit, draft.startAt ? "Create and schedule" : "Create as a draft");
    fill(next, draft.startAt ? "It starts by itself; until then you may change your mind on the next page." : "You start it on the next page.");
  }

  // What can be said before the server is asked. True when the form may be sent.
  function checked() {
    fields.clear();
    if (!draft.name.trim()) fields.complainOf("name", "A name is needed.");
    else if (fields.unreadable(true)) return false;
    else if (draft.startAt && new Date(draft.startAt) <= new Date()) fields.complainOf("start_at", "This time is past.");
    else return true;
    return false;
  }
  // A rollout that was made and not scheduled stays a draft, and its page says so.
  async function schedule(made) {
    try {
      await post(`/rollouts/${made.id}/schedule`, { start_at: isoTime(draft.startAt) });
      say(`${made.name} is scheduled.`);
    } catch (error) {
      say(`${made.name} is made, but not scheduled: ${error.message}`);
    }
  }
  async function make() {
    fill(trouble);
    if (!checked()) return;
    submit.disabled = true;
    try {
      const made = await post("/rollouts", bodyOf(draft));
      forgetDraft();
      if (draft.startAt) await schedule(made);
      else say(`${made.name} is made.`);
      location.hash = `#/rollouts/${made.id}`;
    } catch (error) {
      if (fields.complain(error, true)) return;
      fill(trouble, problem(error));
      trouble.scrollIntoView({ block: "nearest" });
    } finally {
      submit.disabled = false;
    }
  }

  fill(page,
    head("New rollout", { crumb: ["Rollouts", "#/rollouts"] }),
    session.role === "viewer" && box("warn", "You may look and plan, but not create rollouts: that needs the role operator."),
    h("div.columns",
      h("form.wide", { novalidate: true, onsubmit: (event) => { event.preventDefault(); make(); } },
        card("Release", {}, h("div.fields", fields.add("firmware", "Release", release), fields.add("name", "Name", name, { hint: "Letters, digits, space and . _ : + @ -" }))),
        card("Who may get it", { note: "all devices of the product unless you choose" },
          h("div.stack",
            groups.length > 0 && h("fieldset", h("legend.label", "Only these groups"), h("div.choices", chosen)),
            fields.add("tags", "Only devices with these tags", tags, { optional: true, hint: "All parts must hold: key=value, key in (a,b), !key." }),
            h("label.check", h("input", { type: "checkbox", checked: draft.downgrade, onchange: (event) => { draft.downgrade = event.target.checked; changed(); } }), h("span", "Also for devices that run a newer version ", h("span.muted", "(a step back; the security counter still holds)"))))),
        card("Stages", {},
          h("p.muted.small", "A stage begins when so many % of the one before have succeeded, and that has stood for the minutes to wait. The rollout halts at so many failures, or by a stage's sequential test."),
          stageEditor(draft, groups, fields, changed)),
        h("section.card", advanced(draft, fields, changed)),
        trouble,
        h("div.row", submit, next)),
      h("div.third", card("Preview", {}, h("div", { "aria-live": "polite" }, side)))));
  tellSubmit();
  fill(side, h("p.muted", "Looking who would get it…"));
  await look();
}
