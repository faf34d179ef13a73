// The history filters: search words, state, pattern, model, and dates. Kept in the URL, so that a reload or a link
// shows the same list.
import { button, el } from "../dom.js";
import { plural } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { nameOf } from "../parts/model-name.js";

const TYPING_MS = 250;
const NAMES = ["q", "status", "pattern", "model", "from", "to"];
const STATES = [["", "Any state"], ["completed", "Complete"], ["running", "Running"], ["queued", "Queued"], ["failed", "Failed"], ["cancelled", "Cancelled"]];

/** Reads the filter from URL parameters. */
export function filterOf(params) {
  return Object.fromEntries(NAMES.map((name) => [name, params[name] ?? ""]));
}

/** The URL for a filter. */
export function addressOf(filter) {
  const query = new URLSearchParams(NAMES.filter((name) => filter[name]).map((name) => [name, filter[name]]));
  return query.size > 0 ? `/history?${query}` : "/history";
}

/** The filter as the server expects it; dates are in the user's time zone. */
export function queryOf(filter) {
  const start = (day, later) => {
    const [year, month, date] = day.split("-").map(Number);
    const moment = new Date(year, month - 1, date + later);
    return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
  };
  return { ...filter, from: filter.from && start(filter.from, 0), to: filter.to && start(filter.to, 1) };
}

/** Whether the filter excludes anything. */
export function isNarrow(filter) {
  return NAMES.some((name) => filter[name]);
}

/** Returns `{node, clear()}`. Changes `filter` and calls `onChange`. */
export function Filters({ filter, patterns, models, onChange }) {
  let timer = 0;
  const search = Field("Search questions and answers", { type: "search", value: filter.q, autocomplete: "off", maxLength: 200, on: { input: () => {
    clearTimeout(timer);
    timer = setTimeout(() => take("q", search.input.value.trim()), TYPING_MS);
  } } });
  const pick = (name, label, options) => {
    // The value in an old link may no longer be an option.
    const known = options.some(([value]) => value === filter[name]) ? options : [...options, [filter[name], filter[name]]];
    const choice = Choice(label, { value: filter[name], on: { change: () => take(name, choice.input.value) } }, known);
    return choice;
  };
  const day = (name, label) => Field(label, { type: "date", value: filter[name], on: { change: ({ target }) => take(name, target.value) } });
  const fields = {
    status: pick("status", "State", STATES),
    pattern: pick("pattern", "Pattern", [["", "Any pattern"], ...patterns.map((each) => [each.id, each.name])]),
    model: pick("model", "Model", [["", "Any model"], ...models.map((each) => [each.id, nameOf(each.id, models).name])]),
    from: day("from", "From"),
    to: day("to", "Until"),
  };
  const summary = el("summary", null);
  const reset = button("Clear", { class: "link-button", on: { click: clear } });
  const more = el("details", { class: "filters", open: Object.keys(fields).some((name) => filter[name]) }, summary,
    el("div", { class: "filter-fields" }, Object.values(fields).map((field) => field.node), reset));
  const node = el("form", { class: "search-form history-search", role: "search", on: { submit: (event) => {
    event.preventDefault();
    clearTimeout(timer);
    take("q", search.input.value.trim());
  } } }, search.node, more);
  count();
  return { node, clear };

  function take(name, value) {
    filter[name] = value;
    count();
    onChange();
  }

  function count() {
    const set = Object.keys(fields).filter((name) => filter[name]).length;
    summary.textContent = set > 0 ? `Narrowed by ${plural(set, "filter")}` : "Filter";
    reset.hidden = set === 0;
  }

  function clear() {
    for (const name of NAMES) filter[name] = "";
    search.input.value = "";
    for (const field of Object.values(fields)) field.input.value = "";
    count();
    onChange();
  }
}
