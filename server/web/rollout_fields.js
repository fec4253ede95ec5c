// The fields of a form by the path that the API calls them by, so that what it says of one stands there.
import { capital } from "./format.js";
import { field } from "./ui.js";

export function formFields() {
  const places = new Map(); // path -> { label, element, input, note }

  // `note` follows the API's sentence where the form counts in another unit.
  function add(path, label, input, { note = "", ...options } = {}) {
    const element = field(label, input, options);
    places.set(path, { label, element, input, note });
    return element;
  }
  // The same for several inputs that have one place for what is wrong.
  function addGroup(path, label, element, input) {
    places.set(path, { label, element, input, note: "" });
    return element;
  }
  const shown = () => [...places.values()].filter(({ input }) => input.isConnected);

  // The field that is meant, or the one that it is in: stages[0].sequential.allowed_bp, stages[0].sequential, ...
  function find(path) {
    for (let at = path; at !== ""; at = at.replace(/(^|\.)[^.]*$/, "")) {
      if (places.get(at)?.input.isConnected) return places.get(at);
      const inside = [...places].find(([name, { input }]) => name.startsWith(`${at}.`) && input.isConnected);
      if (inside) return inside[1];
    }
    return null;
  }

  function complainAt(place, sentence, focus) {
    const { element, input } = place;
    element.complain(sentence);
    if (!focus) return;
    for (let fold = input.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    input.focus();
  }

  function clear() {
    for (const { element } of shown()) element.complain("");
  }

  // What is wrong and at which field, for elsewhere; "" when there is no field for it.
  function complain(error, focus) {
    const path = error.field ?? "";
    const place = path && find(path);
    if (!place) return "";
    const sentence = error.message.startsWith(`${path} `) ? capital(error.message.slice(path.length + 1)) : error.message;
    const whole = place.note && / \d/.test(sentence) ? `${sentence} ${place.note}` : sentence;
    complainAt(place, whole, focus);
    return `${place.label}: ${whole}`;
  }

  // What the browser could not read as a number is empty to a script: it must not pass as not given.
  function unreadable(focus) {
    const bad = shown().find(({ input }) => input.validity?.badInput);
    if (bad) complainAt(bad, bad.input.type === "number" ? "This is no number." : "This is not complete.", focus);
    return Boolean(bad);
  }

  return { add, addGroup, clear, complain, unreadable, complainOf: (path, sentence) => complainAt(places.get(path), sentence, true) };
}

export const IN_SECONDS = "That is in seconds; here are minutes.";
export const IN_BASIS_POINTS = "That is in hundredths of a percent; here are percent.";
