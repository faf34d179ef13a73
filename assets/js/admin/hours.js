// Charts of the server's activity in recent hours. Minutes in which the server was not running are marked instead
// of drawn as idle.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { count, plural, sentence } from "../format.js";
import { section } from "../account/parts.js";
import { Columns } from "../charts/columns.js";
import { Choice } from "../parts/field.js";

const REFRESH_MS = 60_000;
// Minutes per column, by the number of hours shown.
const SPANS = { 1: { name: "The last hour", step: 1 }, 6: { name: "The last 6 hours", step: 5 }, 24: { name: "The last day", step: 20 } };

const sum = (values) => values.reduce((all, value) => all + value, 0);
const maximum = (values) => Math.max(...values, 0);
const mean = (values) => {
  const positive = values.filter((value) => value > 0);
  return positive.length > 0 ? sum(positive) / positive.length : 0;
};

const METRICS = {
  requests: { name: "Requests", of: sum, show: (value) => plural(value, "request") },
  failed: { name: "Failed requests", of: sum, show: (value) => plural(value, "request") },
  analyses: { name: "Running analyses", of: maximum, show: (value) => plural(value, "analysis", "analyses") },
  calls: { name: "Running model calls", of: maximum, show: (value) => plural(value, "call") },
  memory_mb: { name: "Memory", of: maximum, show: (value) => `${count(Math.round(value * 10) / 10)} MB` },
  commit_ms: { name: "Database commit time", of: mean, show: (value) => `${count(Math.round(value * 100) / 100)} ms` },
};

/** The activity section. `initial` is the response of `/api/admin/metrics`. */
export function ActivityCharts(initial, signal) {
  let stats = initial;
  const chart = el("div", { class: "card" });
  const rangeChoice = Choice("Time", { value: "6", on: { change: fetchAgain } }, Object.entries(SPANS).map(([id, { name }]) => [id, name]));
  const metricChoice = Choice("Show", { value: "requests", on: { change: draw } }, Object.entries(METRICS).map(([id, { name }]) => [id, name]));
  const timer = setInterval(() => !document.hidden && !chart.contains(document.activeElement) && fetchAgain(), REFRESH_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  draw();

  async function fetchAgain() {
    try {
      stats = await get("/api/admin/metrics", { query: { hours: rangeChoice.input.value }, signal });
      draw();
    } catch (problem) {
      if (!signal.aborted) fill(chart, el("p", { class: "fine" }, sentence(problem.message)));
    }
  }

  function draw() {
    const metric = METRICS[metricChoice.input.value];
    const buckets = bucketsOf(stats, metricChoice.input.value, SPANS[rangeChoice.input.value].step);
    const missing = buckets.filter((part) => part.values.length === 0).length;
    const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
    const columns = buckets.map(({ from, values }) => {
      const [label, value] = [time.format(from), metric.of(values)];
      return { label, value, words: `${label}: ${values.length === 0 ? "the server was not running" : metric.show(value)}` };
    });
    fill(chart, Columns({
      title: metric.name, columns, show: (value) => count(value),
      about: missing > 0 ? `The server was not running in ${missing} of these ${plural(buckets.length, "column")}, or the minute has not ended.` : "The server was running the whole time.",
      table: () => ({ heads: ["From", ...Object.values(METRICS).map(({ name }) => name)], rows: tableRows(stats, SPANS[rangeChoice.input.value].step, time) }),
    }));
  }

  return section("Recent activity", "Counted since the server started. Not stored.",
    el("div", { class: "usage-choices" }, rangeChoice.node, metricChoice.node), chart);
}

/** Groups the minutes into columns, from the oldest to the current one. */
function bucketsOf(stats, name, step) {
  const bucketMs = step * 60_000;
  const firstBucket = Math.floor(Date.parse(stats.from) / bucketMs) * bucketMs + bucketMs;
  const buckets = [];
  for (let from = firstBucket; from < Date.parse(stats.to); from += bucketMs) buckets.push({ from, values: [] });
  stats.at.forEach((at, place) => buckets[Math.floor((Date.parse(at) - firstBucket) / bucketMs)]?.values.push(stats[name][place]));
  return buckets;
}

function tableRows(stats, step, time) {
  const all = Object.entries(METRICS).map(([name, { of, show }]) => bucketsOf(stats, name, step).map(({ values }) => (values.length === 0 ? "–" : show(of(values)))));
  return bucketsOf(stats, "requests", step).map(({ from }, place) => [time.format(from), ...all.map((column) => column[place])]);
}
