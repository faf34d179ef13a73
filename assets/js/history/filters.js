// History filters: search terms, segment, project, and a turn's state, pattern, model, and date. Kept in the URL,
// so that a reload or a link shows the same list. While searching, the segments select which texts are searched.
import { button, el, icon, uid } from "../dom.js";
import { plural } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { nameOf } from "../parts/model-name.js";

const TYPING_PAUSE_MS = 250;
const FILTER_NAMES = ["q", "in", "show", "project", "status", "pattern", "model", "from", "to"];
const STATES = [["", "Any state"], ["completed", "Complete"], ["running", "Running"], ["queued", "Queued"], ["failed", "Failed"], ["cancelled", "Stopped"]];
const SEGMENTS = [["", "All"], ["pinned", "Pinned"], ["archived", "Archived"], ["shared", "Shared"]];
const SCOPES = [["", "Everything"], ["questions", "Questions"], ["answers", "Answers"], ["documents", "Documents"]];

/** Reads the filter from URL parameters. */
export function filterOf(params) {
  const filter = Object.fromEntries(FILTER_NAMES.map((name) => [name, params[name] ?? ""]));
  if (!SEGMENTS.some(([name]) => name === filter.show)) filter.show = "";
  if (!filter.q || !SCOPES.some(([name]) => name === filter.in)) filter.in = "";
  return filter;
}

/** The URL for a filter. */
export function addressOf(filter) {
  const query = new URLSearchParams(FILTER_NAMES.filter((name) => filter[name]).map((name) => [name, filter[name]]));
  return query.size > 0 ? `/history?${query}` : "/history";
}

/** The filter as the server expects it; dates are in the user's time zone. */
export function queryOf({ show, ...filter }) {
  const start = (dateField, extraDays) => {
    const [year, month, date] = dateField.split("-").map(Number);
    const moment = new Date(year, month - 1, date + extraDays);
    return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
  };
  return { ...filter, ...(show && { [show]: true }), from: filter.from && start(filter.from, 0), to: filter.to && start(filter.to, 1) };
}

/** Whether the filter excludes anything. */
export function isNarrow(filter) {
  return FILTER_NAMES.some((name) => filter[name] && name !== "in");
}

/** Whether a thread still belongs to the segment. */
export function isShown(thread, { show, q }) {
  if (show === "pinned") return thread.pinned;
  if (show === "archived") return thread.archived;
  return show === "shared" || Boolean(q) || !thread.archived;
}

/** Returns `{node, clear(), take(name, value)}`. Changes `filter` and calls `onChange`. */
export function Filters({ filter, patterns, models, projects, onChange }) {
  let timer = 0;
  const id = uid("search");
  const search = el("input", { type: "search", id, value: filter.q, autocomplete: "off", maxlength: 200, "aria-label": "Search questions, answers, and documents", placeholder: "Search", on: { input: () => {
    clearTimeout(timer);
    timer = setTimeout(() => setFilter("q", search.value.trim()), TYPING_PAUSE_MS);
  } } });
  const segment = (field) => ([name, label]) => button(label, { class: "segment", data: { [field]: name }, on: { click: () => setFilter(field, name) } });
  const segments = el("div", { class: "segments", role: "group", "aria-label": "Threads" }, SEGMENTS.map(segment("show")));
  const scopes = el("div", { class: "segments", role: "group", "aria-label": "Search in" }, SCOPES.map(segment("in")));
  const project = projects.length > 0 && el("select", { class: "history-project", "aria-label": "Project", on: { change: () => setFilter("project", project.value) } },
    [["", "All projects"], ...projects.map((each) => [each.project_id, each.name])].map(([value, name]) => el("option", { value, selected: value === filter.project }, name)));
  const selectField = (name, label, options) => {
    // The value in an old link may no longer be an option.
    const choices = options.some(([value]) => value === filter[name]) ? options : [...options, [filter[name], filter[name]]];
    const choice = Choice(label, { value: filter[name], on: { change: () => setFilter(name, choice.input.value) } }, choices);
    return choice;
  };
  const dateField = (name, label) => Field(label, { type: "date", value: filter[name], on: { change: ({ target }) => setFilter(name, target.value) } });
  const fields = {
    status: selectField("status", "State", STATES),
    pattern: selectField("pattern", "Pattern", [["", "Any pattern"], ...patterns.map((each) => [each.id, each.name])]),
    model: selectField("model", "Model", [["", "Any model"], ...models.map((each) => [each.id, nameOf(each.id, models).name])]),
    from: dateField("from", "From"),
    to: dateField("to", "Until"),
  };
  const summary = el("summary", null);
  const reset = button("Clear", { class: "link-button", on: { click: clear } });
  const more = el("details", { class: "history-filters", open: Object.keys(fields).some((name) => filter[name]) }, summary,
    el("div", { class: "filter-fields" }, Object.values(fields).map((field) => field.node), reset));
  const node = el("form", { class: "history-search", role: "search", on: { submit: (event) => {
    event.preventDefault();
    clearTimeout(timer);
    setFilter("q", search.value.trim());
  } } }, el("div", { class: "search-box" }, icon("search"), search),
  el("div", { class: "history-segments" }, segments, scopes, project), more);
  updateControls();
  return { node, clear, take: setFilter };

  function setFilter(name, value) {
    if (filter[name] === value) return;
    filter[name] = value;
    if (name === "q" && !value) filter.in = "";
    // Every search covers all threads.
    if (name === "q" && value) filter.show = "";
    updateControls();
    onChange();
  }

  function updateControls() {
    const activeCount = Object.keys(fields).filter((name) => filter[name]).length;
    summary.textContent = activeCount > 0 ? plural(activeCount, "filter") : "Filter";
    reset.hidden = activeCount === 0;
    segments.hidden = Boolean(filter.q);
    scopes.hidden = !filter.q;
    for (const each of segments.children) each.setAttribute("aria-pressed", String(each.dataset.show === filter.show));
    for (const each of scopes.children) each.setAttribute("aria-pressed", String(each.dataset.in === filter.in));
    // Documents are not in threads, so the other filters do not apply to them.
    more.hidden = filter.in === "documents";
    if (project) project.hidden = filter.in === "documents";
  }

  function clear() {
    for (const name of FILTER_NAMES) filter[name] = "";
    search.value = "";
    if (project) project.value = "";
    for (const field of Object.values(fields)) field.input.value = "";
    updateControls();
    onChange();
  }
}
