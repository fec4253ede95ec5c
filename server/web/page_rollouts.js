// All rollouts, newest first.
import { all } from "./api.js";
import { bar } from "./chart.js";
import { fill, h, part } from "./dom.js";
import { count, number, percent } from "./format.js";
import { listen } from "./live.js";
import { stageParts, totals } from "./rollout_view.js";
import { badge, card, empty, head, table, when } from "./ui.js";

const COLUMNS = [
  { label: "Rollout", cell: (rollout) => h("a", { href: `#/rollouts/${rollout.id}` }, rollout.name) },
  { label: "Release", cell: (rollout) => h("span.mono", `${rollout.product} ${rollout.version}`) },
  { label: "State", cell: (rollout) => badge(rollout.state) },
  { label: "Progress", cell: progress },
  { label: "Created", cell: (rollout) => when(rollout.created_at) },
];

function progress(rollout) {
  if (rollout.state === "draft") return h("span.muted", "not started");
  const sum = totals(rollout);
  return h("div.stack.tight", bar(stageParts(sum), sum.targeted, { thin: true }),
    h("span.small.muted", `${percent(sum.succeeded, sum.targeted)} · ${number(sum.succeeded)} of ${count(sum.targeted, "device")}`, sum.bad > 0 && ` · ${number(sum.bad)} failed`));
}

export async function rollouts(page, { signal, session }) {
  const list = part("div", (items) =>
    items.length > 0
      ? table(COLUMNS, items, { label: "Rollouts" })
      : empty("rollouts", "No rollout yet", "A rollout brings a release to your devices in stages, and halts by itself when they fail.", session.role !== "viewer" && h("a.button.main", { href: "#/rollouts/new" }, "New rollout")));
  const show = async () => list.show((await all("/rollouts")).reverse());
  await show();
  fill(page,
    head("Rollouts", { actions: session.role !== "viewer" && h("a.button.main", { href: "#/rollouts/new" }, "New rollout") }),
    card(null, { flush: true }, list.element));
  signal.addEventListener("abort", listen(({ kind }) => (kind === "rollout" || kind === "hello") && show().catch(() => {})));
}
