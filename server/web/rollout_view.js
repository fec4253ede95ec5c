// How a rollout is shown: sums of its stages, and its parts as a bar.
import { number, words } from "./format.js";
import { dot } from "./ui.js";
import { h } from "./dom.js";

const BUSY = ["offered", "downloading", "installing", "trial", "retry"];
const BAD = ["failed", "reverted", "timed_out", "unhealthy"];
const ALL = ["targeted", "excluded", "waiting", "succeeded", "skipped", ...BUSY, ...BAD];

export function sumOf(stage) {
  const add = (names) => names.reduce((sum, name) => sum + stage[name], 0);
  return { ...stage, busy: add(BUSY), bad: add(BAD) };
}

export function totals(rollout) {
  const sum = Object.fromEntries(ALL.map((name) => [name, rollout.stages.reduce((total, stage) => total + stage[name], 0)]));
  return sumOf(sum);
}

export const stageParts = (sum) => [["good", sum.succeeded, "succeeded"], ["busy", sum.busy, "under way"], ["bad", sum.bad, "failed"]];

// The numbers below a bar, with a colour and a word each; zeros are left out.
export function counts(sum) {
  const rows = [["good", sum.succeeded, "succeeded"],
    ["busy", sum.offered, "offered"], ["busy", sum.downloading, "downloading"], ["busy", sum.installing, "installing"], ["busy", sum.trial, "on trial"], ["warn", sum.retry, "to try again"],
    ["bad", sum.failed, "failed"], ["bad", sum.reverted, "went back"], ["bad", sum.timed_out, "timed out"], ["bad", sum.unhealthy, "unhealthy"],
    ["idle", sum.waiting, "waiting"], ["idle", sum.skipped, "skipped"], ["idle", sum.excluded, "not to be updated"]];
  return h("div.counts", rows.filter(([, value]) => value > 0).map(([tone, value, word]) => h("span", dot(tone), `${number(value)} ${word}`)));
}

export const stageName = (stage) => (stage.group ? `group ${stage.group}` : `${stage.percent} % of the devices`);

const EVENTS = {
  created: "was created", schedule: "was scheduled", start: "was started", started: "began by its schedule", pause: "was paused", resume: "was resumed", cancel: "was cancelled", halt: "was halted by hand", advance: "was moved on by hand", rollback: "was rolled back",
  met: "has enough successes in stage", unmet: "no longer has enough successes in stage", advanced: "went on to stage", halted: "halted", completed: "is complete",
};
const WITH_STAGE = ["met", "unmet", "advanced"];

// An event of a rollout as the rest of a sentence that begins with its name.
export function eventText({ event, stage, detail }) {
  const text = EVENTS[event] ?? words(event);
  const what = WITH_STAGE.includes(event) ? `${text} ${stage}` : text;
  return detail ? `${what}: ${detail}` : what;
}
