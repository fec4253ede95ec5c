// What most rollouts leave as it is: folded away, each field with what holds when it is empty.
import { fill, h } from "./dom.js";
import { capital, localTime } from "./format.js";
import { DAYS, TIMEOUTS } from "./rollout_draft.js";
import { IN_SECONDS } from "./rollout_fields.js";

const TIMEOUT_LABELS = { offered: "To begin", downloading: "Downloading", installing: "Installing", trial: "On trial", retry: "To try again" };

function setInside(draft) {
  return [(draft.from || draft.to) && `from ${draft.from || "?"} to ${draft.to || "?"}`, draft.startAt && "starts by itself",
    TIMEOUTS.some((name) => draft.timeouts[name]) && "timeouts", draft.retries && "retries", draft.health && "watched after the update",
    (draft.runningMin || draft.runningMax) && "by version", draft.postpone && "postponing ends"].filter(Boolean).join(" · ");
}

export function advanced(draft, fields, changed) {
  const summary = h("span.muted");
  const tell = () => fill(summary, setInside(draft) || "maintenance window, start time, timeouts, retries");
  function keep(object, key, value) {
    object[key] = value;
    tell();
    changed();
  }
  function input(key, member, label, { note, hint, type = "number", ...props } = {}, object = draft) {
    const more = type === "number" ? { inputmode: "decimal", min: "0", step: "any" } : {};
    return fields.add(member, label, h("input", { type, name: member, value: object[key] ?? "", ...more, ...props, oninput: (event) => keep(object, key, event.target.value) }), { note, hint });
  }
  const minutes = (key, member, label, props, object) => input(key, member, `${label}, min`, { note: IN_SECONDS, ...props }, object);

  function days() {
    const wrong = h("span.wrong");
    const boxes = DAYS.map((day) => h("label.check", h("input", { type: "checkbox", checked: draft.days.includes(day), onchange: (event) => keep(draft, "days", DAYS.filter((one) => (one === day ? event.target.checked : draft.days.includes(one)))) }), capital(day)));
    const element = h("fieldset.field", h("legend.label", "Days on which it opens"), h("div.choices", boxes), wrong);
    element.complain = (text) => { wrong.textContent = text; };
    return fields.addGroup("window.days", "Days", element, boxes[0].firstChild);
  }

  tell();
  return h("details.fold", { open: Boolean(draft.open), ontoggle: (event) => { draft.open = event.target.open; changed.quietly(); } },
    h("summary", h("h2", "Advanced"), " ", summary),
    h("div.stack.gap",
      h("fieldset", h("legend", "When"),
        h("div.fields", input("startAt", "start_at", "Start at", { type: "datetime-local", min: localTime(Date.now()), hint: "In your own time zone. Empty: you start it by hand." }))),
      h("fieldset", h("legend", "Maintenance window"),
        h("p.hint", "Devices are updated inside it only, in their own local time. Empty: at any time."),
        h("div.fields", input("from", "window.from", "From", { type: "time" }), input("to", "window.to", "To", { type: "time", hint: "Past midnight when it is before From." })),
        days()),
      h("fieldset", h("legend", "Only devices that run"),
        h("div.fields", input("runningMin", "running_min", "This version or newer", { type: "text", placeholder: "any", spellcheck: "false" }), input("runningMax", "running_max", "This version or older", { type: "text", placeholder: "any", spellcheck: "false" }))),
      h("fieldset", h("legend", "Silence"),
        h("p.hint", "A device that says nothing for so long counts as failed. Empty: 60 minutes each."),
        h("div.fields", TIMEOUTS.map((name) => minutes(name, `timeouts.${name}`, TIMEOUT_LABELS[name], { placeholder: "60" }, draft.timeouts)))),
      h("fieldset", h("legend", "Retries and health"),
        h("div.fields",
          input("retries", "retries", "Further tries", { placeholder: "0", hint: "Of a device that failed before it booted the release." }),
          minutes("retryWait", "retry_wait_seconds", "Wait between tries", { placeholder: "0" }),
          minutes("health", "health_seconds", "Watch afterwards", { placeholder: "0", hint: "So long crashes count as failures. Let the stages wait as long." }),
          input("healthEvents", "health_events", "Crashes that count", { placeholder: "1", hint: "So many make a device unhealthy." }),
          minutes("postpone", "postpone_seconds_max", "Devices may postpone", { placeholder: "no end", hint: "At most so long after the start." })))));
}
