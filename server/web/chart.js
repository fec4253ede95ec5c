// Charts as SVG and bars; each says its numbers in words as well.
import { h, s } from "./dom.js";
import { clock, count, day, number, percent } from "./format.js";

const SERIES = 8; // colours; the last is for all others

// ---- a bar of parts ----

// parts: [[tone, value, word]]; what is missing to `total` stays grey.
export function bar(parts, total, { thin } = {}) {
  const words = parts.filter(([, value]) => value > 0).map(([, value, word]) => `${number(value)} ${word}`);
  const width = (value) => (total > 0 ? (100 * value) / total : 0);
  return h(thin ? "div.bar.thin" : "div.bar", { role: "img", "aria-label": words.length > 0 ? `${words.join(", ")} of ${number(total)}` : `none of ${number(total)}` },
    parts.filter(([, value]) => value > 0).map(([tone, value]) => h(`span.${tone}`, { "width%": width(value) })));
}

// ---- colours of versions ----

// The same version has the same colour in every chart of a page: by order of size.
export function paint(names) {
  const places = new Map(names.slice(0, SERIES - 1).map((name, i) => [name, i + 1]));
  return (name) => `s${places.get(name) ?? SERIES}`;
}

export function versionBars(products, colour) {
  return h("div.bars", products.map(([product, rows]) => {
    const total = rows.reduce((sum, row) => sum + row.devices, 0);
    return [
      products.length > 1 && h("h3", product),
      rows.map((row) => [
        h("span.mono", row.version ?? "not told yet"),
        h("div.bar", { "aria-hidden": "true" }, h(`span.${colour(row.version)}`, { "width%": (100 * row.devices) / total })),
        h("span.count", number(row.devices), h("span.muted.small", ` · ${percent(row.devices, total)}`)),
      ]),
    ];
  }));
}

// ---- versions over time ----

const LEFT = 44;
const BOTTOM = 22;
const TOP = 8;

function niceMax(value) {
  const scale = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 4, 5, 10].map((step) => step * scale).find((step) => step >= value);
}

function timeTicks(from, to, narrow) {
  const hours = (to - from) / 3600e3;
  const fine = hours <= 1 ? 0.25 : hours <= 3 ? 0.5 : hours <= 8 ? 1 : hours <= 30 ? 4 : hours <= 200 ? 24 : 24 * 15;
  const step = narrow ? fine * 2 : fine;
  const ticks = [];
  const start = new Date(from);
  start.setHours(0, 0, 0, 0);
  for (let at = start.getTime(); at <= to; at += step * 3600e3) if (at >= from) ticks.push([at, hours <= 30 ? clock(at) : day(at)]);
  return ticks;
}

// samples: [{ time, counts: Map(name -> devices) }], oldest first. A sample stands until the next.
export function areaChart(samples, names, colour, from, to) {
  const narrow = matchMedia("(max-width: 760px)").matches;
  const [width, height] = narrow ? [340, 190] : [760, 240];
  const top = niceMax(Math.max(...samples.map(({ counts }) => [...counts.values()].reduce((sum, value) => sum + value, 0))));
  const x = (time) => LEFT + ((width - LEFT) * (Math.max(time, from) - from)) / (to - from);
  const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - value / top);
  const base = samples.map(() => 0);
  const areas = names.map((name) => {
    const values = samples.map(({ counts }) => counts.get(name) ?? 0);
    const up = [];
    const down = [];
    samples.forEach(({ time }, i) => {
      const until = i + 1 < samples.length ? samples[i + 1].time : to;
      up.push(`${x(time).toFixed(1)},${y(base[i] + values[i]).toFixed(1)}`, `${x(until).toFixed(1)},${y(base[i] + values[i]).toFixed(1)}`);
      down.unshift(`${x(until).toFixed(1)},${y(base[i]).toFixed(1)}`, `${x(time).toFixed(1)},${y(base[i]).toFixed(1)}`);
      base[i] += values[i];
    });
    return s(`path.${colour(name)}`, { d: `M${up.join("L")}L${down.join("L")}Z` }, s("title", `${name ?? "not told yet"}: ${count(values.at(-1), "device")} now`));
  });
  const levels = top >= 4 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1];
  const last = samples.at(-1).counts;
  const words = names.map((name) => `${name ?? "no version told yet"}: ${number(last.get(name) ?? 0)}`).join(", ");
  return s("svg.chart", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Devices by version over time. Now ${words}.` },
    levels.filter((level) => Number.isInteger(level * top)).map((level) => [
      s("line.grid", { x1: LEFT, x2: width, y1: y(level * top), y2: y(level * top) }),
      s("text", { x: LEFT - 8, y: y(level * top) + 4, "text-anchor": "end" }, number(level * top)),
    ]),
    areas,
    timeTicks(from, to, narrow).filter(([at]) => x(at) > LEFT + 16 && x(at) < width - 16).map(([at, text]) => s("text", { x: x(at), y: height - 5, "text-anchor": "middle" }, text)));
}

export function legend(names, colour) {
  return h("div.legend", names.map((name) => h("span", h(`span.swatch.${colour(name)}`, { "aria-hidden": "true" }), h("span.mono", name ?? "not told yet"))));
}
