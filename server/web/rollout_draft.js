// A rollout as it is being typed: what is kept of it in this tab, and how the API takes it.

const KEY = "new-rollout";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const TIMEOUTS = ["offered", "downloading", "installing", "trial", "retry"];

// Numbers are kept as typed: what is no number of the right kind is for the server to say. Unless somebody
// chooses otherwise a large stage halts by its sequential test, and not when all of its devices have failed.
const STAGE = { who: "percent", percent: "", success: "95", failures: "", soak: "", failurePercent: "", offers: "", atOnce: "", byHand: false, allowed: "1", suspect: "5", confidence: "" };
const SETTINGS = { name: "", firmware: "", groups: [], tags: "", downgrade: false, runningMin: "", runningMax: "", from: "", to: "", days: DAYS, startAt: "", timeouts: {}, retries: "", retryWait: "", health: "", healthEvents: "", postpone: "" };

export const newStage = (more) => ({ ...STAGE, ...more });

function firstStages(groups) {
  const canary = { success: "100", failures: "1", soak: "10", allowed: "", suspect: "" };
  const hasGroup = groups.some(({ name }) => name === "canary");
  return [newStage({ ...canary, ...(hasGroup ? { who: "group:canary" } : {}), percent: "5" }), newStage({ percent: "25", soak: "30" }), newStage({ percent: "100" })];
}

export function loadDraft(groups) {
  let saved = {};
  try {
    saved = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  } catch {
    // begin anew
  }
  const draft = { ...structuredClone(SETTINGS), stages: firstStages(groups), ...saved };
  return { ...draft, stages: draft.stages.map(newStage) };
}

export function saveDraft(draft) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // not kept
  }
}

export function forgetDraft() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // nothing was kept
  }
}

// ---- as the API takes it ----

const text = (typed) => typed.trim() || undefined;
const times = (typed, factor) => (typed === "" ? undefined : Math.round(Number(typed) * factor * 1e6) / 1e6);
const whole = (typed) => times(typed, 1);
const minutes = (typed) => times(typed, 60);
const percents = (typed) => times(typed, 100);
// An object without members that were not given; undefined without any.
function some(object) {
  return Object.values(object).some((value) => value !== undefined) ? object : undefined;
}

function stageBody(stage) {
  return {
    ...(stage.who === "percent" ? { percent: whole(stage.percent) } : { group: stage.who.slice("group:".length) }),
    success_percent: whole(stage.success),
    failure_count: whole(stage.failures),
    failure_percent: whole(stage.failurePercent),
    sequential: some({ allowed_bp: percents(stage.allowed), suspect_bp: percents(stage.suspect), confidence_bp: percents(stage.confidence) }),
    soak_seconds: minutes(stage.soak),
    offers_a_minute: whole(stage.offers),
    in_flight_max: whole(stage.atOnce),
    by_hand: stage.byHand || undefined,
  };
}

function windowBody({ from, to, days }) {
  const everyDay = days.length === DAYS.length;
  if (from === "" && to === "" && everyDay) return undefined;
  return { from: text(from), to: text(to), days: everyDay ? undefined : days };
}

export function bodyOf(draft) {
  return {
    name: draft.name.trim(),
    firmware: Number(draft.firmware),
    groups: draft.groups.length > 0 ? draft.groups : undefined,
    tags: text(draft.tags),
    running_min: text(draft.runningMin),
    running_max: text(draft.runningMax),
    allow_downgrade: draft.downgrade || undefined,
    stages: draft.stages.map(stageBody),
    window: windowBody(draft),
    timeouts: some(Object.fromEntries(TIMEOUTS.map((name) => [name, minutes(draft.timeouts[name] ?? "")]))),
    retries: whole(draft.retries),
    retry_wait_seconds: minutes(draft.retryWait),
    health_seconds: minutes(draft.health),
    health_events: whole(draft.healthEvents),
    postpone_seconds_max: minutes(draft.postpone),
  };
}
