// How things are written.

const NUMBER = new Intl.NumberFormat("en");
const DATE = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

export const number = (value) => NUMBER.format(value);
export const date = (time) => (time ? DATE.format(new Date(time)) : "–");
export const clock = (time) => CLOCK.format(new Date(time));
export const day = (time) => DAY.format(new Date(time));
export const count = (value, word, words = `${word}s`) => `${number(value)} ${value === 1 ? word : words}`;

export function percent(part, whole) {
  if (!whole) return "0 %";
  const value = (100 * part) / whole;
  if (value > 0 && value < 1) return "< 1 %";
  if (value < 100 && value > 99) return "> 99 %";
  return `${Math.round(value)} %`;
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function duration(seconds) {
  for (const [word, size] of UNITS) {
    const value = Math.floor(seconds / size);
    if (value >= 1 && seconds % size < size / 20) return count(value, word);
    if (value >= 2) return count(Math.round(seconds / size), word);
  }
  return seconds >= 60 ? count(Math.round(seconds / 60), "minute") : count(Math.round(seconds), "second");
}

export function ago(time) {
  if (!time) return "never";
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  if (seconds < 10) return "just now";
  for (const [word, size] of UNITS) if (seconds >= size) return `${count(Math.floor(seconds / size), word)} ago`;
  return `${count(Math.floor(seconds), "second")} ago`;
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 * 1024) return `${(value / 1024).toFixed(1)} KB`;
  return `${(value / 1024 / 1024).toFixed(1)} MB`;
}

// As an input of the kind datetime-local has it, and back for the API.
export function localTime(time) {
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);
}
export const isoTime = (local) => new Date(local).toISOString().replace(/\.\d+Z$/, "Z");

// timed_out -> timed out; the words of the API as a person reads them.
export const words = (text) => String(text).replaceAll("_", " ");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
// A device's log comes as one line; its own lines are joined by bars.
export const logLines = (log) => log.split("|").join("\n");
