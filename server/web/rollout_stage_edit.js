// The stages of a rollout that is being planned.
import { fill, h } from "./dom.js";
import { count, number } from "./format.js";
import { icon } from "./icons.js";
import { newStage } from "./rollout_draft.js";
import { IN_BASIS_POINTS, IN_SECONDS } from "./rollout_fields.js";
import { select } from "./ui.js";

const STAGES_MAX = 16;

// What is set in the folded part, for its summary.
function setInside(stage) {
  return [stage.byHand && "goes on by hand", stage.offers && `${count(Number(stage.offers), "offer")} a minute`, stage.atOnce && `${stage.atOnce} at once`,
    stage.failurePercent && `halts at ${stage.failurePercent} % failures`, (stage.allowed || stage.suspect) && "sequential test"].filter(Boolean).join(" · ");
}

// The whole fleet stays the last stage; the new one takes half of what is left.
function addStage(stages) {
  const shares = stages.filter((stage) => stage.who === "percent").map((stage) => Number(stage.percent));
  const below = shares.filter((share) => share < 100).at(-1) ?? 0;
  if (shares.at(-1) === 100) stages.splice(stages.length - 1, 0, newStage({ percent: String(Math.ceil((below + 100) / 2)), soak: "30" }));
  else stages.push(newStage({ percent: "100" }));
}

export function stageEditor(draft, groups, fields, changed) {
  const place = h("div");

  function draw() {
    fill(place, draft.stages.map(row),
      h("div.row", h("button.small", { type: "button", "data-key": "add", disabled: draft.stages.length >= STAGES_MAX, onclick: () => { addStage(draft.stages); changed(); draw(); } }, icon("plus", 16), "Add a stage")));
  }
  function remove(i) {
    draft.stages.splice(i, 1);
    changed();
    draw();
  }

  function row(stage, i) {
    const summary = h("span.muted");
    const tell = () => fill(summary, setInside(stage));
    function input(key, member, label, { note, hint, ...props } = {}) {
      const element = h("input", { type: "number", inputmode: "decimal", min: "0", step: "any", value: stage[key], "data-key": `${key}${i}`, ...props, oninput: (event) => { stage[key] = event.target.value; tell(); changed(); } });
      return fields.add(`stages[${i}].${member}`, label, element, { note, hint });
    }
    const options = [["percent", "Percent of devices"], ...groups.map(({ name, devices }) => [`group:${name}`, `Group ${name} (${number(devices)})`])];
    const who = select(options, stage.who, { "data-key": `who${i}`, onchange: (event) => { stage.who = event.target.value; changed(); draw(); } });
    const byHand = h("input", { type: "checkbox", checked: stage.byHand, "data-key": `byHand${i}`, onchange: (event) => { stage.byHand = event.target.checked; tell(); changed(); } });
    tell();
    return h(stage.who === "percent" ? "div.stage-edit" : "div.stage-edit.by-group", { role: "group", "aria-label": `Stage ${i + 1}` },
      h("span.n", { "aria-hidden": "true" }, i + 1),
      fields.add(`stages[${i}].group`, "Who", who),
      stage.who === "percent" ? input("percent", "percent", "Percent", { min: "0.01", max: "100", title: "Of all devices that may get it, earlier stages included; to two decimals" }) : null,
      input("success", "success_percent", "Success %", { placeholder: "100", title: "So many must have succeeded before the next stage begins" }),
      input("failures", "failure_count", "Failures", { placeholder: "any", title: "At so many failed devices the rollout halts" }),
      input("soak", "soak_seconds", "Wait, min", { placeholder: "0", note: IN_SECONDS, title: "So long the success must have stood before the next stage begins" }),
      h("button.quiet.icon", { type: "button", title: `Remove stage ${i + 1}`, disabled: draft.stages.length === 1, onclick: () => remove(i) }, icon("trash"), h("span.hidden-text", `Remove stage ${i + 1}`)),
      h("details.fold", { open: Boolean(stage.open), ontoggle: (event) => { stage.open = event.target.open; changed.quietly(); } },
        h("summary", `More for stage ${i + 1} `, summary),
        h("div.stack",
          h("label.check", byHand, h("span", "Goes on by hand ", h("span.muted", "(the next stage waits for you to press Next stage)"))),
          h("div.fields",
            input("offers", "offers_a_minute", "Offers a minute", { placeholder: "no limit", hint: "So that a fleet never downloads at once." }),
            input("atOnce", "in_flight_max", "Devices at once", { placeholder: "no limit", hint: "Under way at the same time." }),
            input("failurePercent", "failure_percent", "Halts at failures, %", { placeholder: "no such rule", hint: "Of all devices of the stage." })),
          h("fieldset", h("legend.label", "Sequential test"),
            h("p.hint", "Halts as soon as the results show, with the confidence, that more devices fail than is fine. Give both rates, or none for no such rule."),
            h("div.fields",
              input("allowed", "sequential.allowed_bp", "Fine, % fail", { placeholder: "such as 1", note: IN_BASIS_POINTS }),
              input("suspect", "sequential.suspect_bp", "Bad, % fail", { placeholder: "such as 5", note: IN_BASIS_POINTS }),
              input("confidence", "sequential.confidence_bp", "Confidence, %", { placeholder: "95", note: IN_BASIS_POINTS }))))));
  }
  draw();
  return place;
}
