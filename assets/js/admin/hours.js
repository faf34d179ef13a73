// Charts of the server's activity in recent hours. Minutes in which the server was not running are marked instead
// of drawn as idle.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { count, plural, sentence } from "../format.js";
import { section } from "../account/parts.js";
import { Columns } from "../charts/columns.js";
import { Choice } from "../parts/field.js";

const NEWS_MS = 60_000;
// Minutes per column, by the number of hours shown.
const SPANS = { 1: { name: "The last hour", step: 1 }, 6: { name: "The last 6 hours", step: 5 }, 24: { name: "The last day", step: 20 } };

const sum = (values) => values.reduce((all, value) => all + value, 0);
const most = (values) => Math.max(...values, 0);
const mean = (values) => {
  const some = values.filter((value) => value > 0);
  return some.length > 0 ? sum(some) / some.length : 0;
};

const FIGURES = {
  requests: { name: "Requests", of: sum, show: (value) => plural(value, "request") },
  failed: { name: "Failed requests", of: sum, show: (value) => plural(value, "request") },
  analyses: { name: "Running analyses", of: most, show: (value) => plural(value, "analysis", "analyses") },
  calls: { name: "Running model calls", of: most, show: (value) => plural(value, "call") },
  memory_mb: { name: "Memory", of: most, show: (value) => `${count(Math.round(value * 10) / 10)} MB` },
  commit_ms: { name: "Database commit time", of: mean, show: (value) => `${count(Math.round(value * 100) / 100)} ms` },
};

/** The activity section. `first` is the initial response of `/api/admin/metrics`. */
export function Hours(first, signal) {
  let told = first;
  const picture = el("div", { class: "card" });
  const span = Choice("Time", { value: "6", on: { change: fetchAgain } }, Object.entries(SPANS).map(([id, { name }]) => [id, name]));
  const figure = Choice("Show", { value: "requests", on: { change: draw } }, Object.entries(FIGURES).map(([id, { name }]) => [id, name]));
  const timer = setInterval(() => !document.hidden && !picture.contains(document.activeElement) && fetchAgain(), NEWS_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  draw();

  async function fetchAgain() {
    try {
      told = await get("/api/admin/metrics", { query: { hours: span.input.value }, signal });
      draw();
    } catch (problem) {
      if (!signal.aborted) fill(picture, el("p", { class: "fine" }, sentence(problem.message)));
    }
  }

  function draw() {
    const shown = FIGURES[figure.input.value];
    const parts = columnsOf(told, figure.input.value, SPANS[span.input.value].step);
    const missing = parts.filter((part) => part.values.length === 0).length;
    const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
    const columns = parts.map(({ from, values }) => {
      const [label, value] = [time.format(from), shown.of(values)];
      return { label, value, words: `${label}: ${values.length === 0 ? "the server did not run" : shown.show(value)}` };
    });
    fill(picture, Columns({
      title: shown.name, columns, show: (value) => count(value),
      about: missing > 0 ? `The server was not running in ${missing} of these ${plural(parts.length, "column")}, or the minute has not ended.` : "The server ran the whole time.",
      table: () => ({ heads: ["From", ...Object.values(FIGURES).map(({ name }) => name)], rows: rowsOf(told, SPANS[span.input.value].step, time) }),
    }));
  }

  return section("Recent activity", "Counted since the server started. Not stored.",
    el("div", { class: "usage-choices" }, span.node, figure.node), picture);
}

/** Groups the minutes into columns, from the oldest to the current one. */
function columnsOf(told, name, step) {
  const wide = step * 60_000;
  const begin = Math.floor(Date.parse(told.from) / wide) * wide + wide;
  const parts = [];
  for (let from = begin; from < Date.parse(told.to); from += wide) parts.push({ from, values: [] });
  told.at.forEach((at, place) => parts[Math.floor((Date.parse(at) - begin) / wide)]?.values.push(told[name][place]));
  return parts;
}

function rowsOf(told, step, time) {
  const all = Object.entries(FIGURES).map(([name, { of, show }]) => columnsOf(told, name, step).map(({ values }) => (values.length === 0 ? "–" : show(of(values)))));
  return columnsOf(told, "requests", step).map(({ from }, place) => [time.format(from), ...all.map((column) => column[place])]);
}
