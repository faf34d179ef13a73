// Earlier analyses: find one, open it, take it along, delete it.
import { get, remove } from "../api.js";
import { button, el, fill, icon, link } from "../dom.js";
import { duration, exactly, excerpt, money, plural, sentence, when } from "../format.js";
import { confirm } from "../parts/dialog.js";
import { AnalysisExports } from "../parts/exports.js";
import { Field } from "../parts/field.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const PAGE = 30;
const TYPING_MS = 250;

export async function load(params, signal) {
  const q = params.q ?? "";
  return { q, ...(await fetchPage({ q }, signal)) };
}

function fetchPage({ q, cursor }, signal) {
  return get("/api/analyses", { query: { q, cursor, limit: PAGE }, signal });
}

export function view(data, { signal, note }) {
  const list = el("ul", { class: "rows" });
  const below = el("div", { class: "rows-below" });
  let asked = new AbortController();
  let timer = 0;
  const search = Field("Search your questions", { type: "search", value: data.q, autocomplete: "off", maxLength: 200, on: { input: () => {
    clearTimeout(timer);
    timer = setTimeout(find, TYPING_MS);
  } } });
  show(data, search.input.value);

  async function find() {
    asked.abort();
    asked = new AbortController();
    signal.addEventListener("abort", () => asked.abort(), { once: true });
    const mine = asked.signal;
    const q = search.input.value.trim();
    note(q ? `/history?q=${encodeURIComponent(q)}` : "/history");
    fill(list);
    fill(below, Loading("Searching"));
    try {
      show(await fetchPage({ q }, mine), q);
    } catch (problem) {
      if (!mine.aborted) fill(below, Failure(problem, find));
    }
  }

  function show(told, q) {
    list.append(...told.analyses.map((each) => Row(each, drop)));
    fill(below);
    if (told.next_cursor) fill(below, button("Show earlier ones", { class: "secondary", on: { click: () => more(told.next_cursor, q) } }));
    else if (list.children.length === 0) fill(below, q
      ? Empty("Nothing found", `No question of yours has “${q}” in it.`)
      : Empty("No analyses yet", "Every question you ask is kept here with all its answers, until you delete it.", link("/analyze", "Ask the first one", { class: "button primary" })));
  }

  async function more(cursor, q) {
    fill(below, Loading("Fetching"));
    try {
      show(await fetchPage({ q, cursor }, signal), q);
    } catch (problem) {
      if (!signal.aborted) fill(below, Failure(problem, () => more(cursor, q)));
    }
  }

  async function drop(analysis, row) {
    if (!(await confirm("Delete this analysis?", `“${excerpt(analysis.prompt, 120)}” and all its answers are deleted for good.`, "Delete"))) return;
    try {
      await remove(`/api/analyses/${idOf(analysis)}`, { signal });
      row.remove();
      if (list.children.length === 0) find();
      toast("The analysis is deleted.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  return el("section", { class: "page history-page" },
    el("header", { class: "page-head" }, el("h1", null, "History")),
    el("form", { class: "search-form", role: "search", on: { submit: (event) => {
      event.preventDefault();
      find();
    } } }, search.node), list, below);
}

const STATUS = { queued: "Queued", running: "Running", completed: "Complete", failed: "Failed", cancelled: "Cancelled" };

function idOf(analysis) {
  return encodeURIComponent(analysis.analysis_id ?? analysis.id);
}

function Row(analysis, drop) {
  const words = excerpt(analysis.prompt, 160);
  const exporting = el("details", { class: "row-export" }, el("summary", null, "Export"), AnalysisExports(analysis.analysis_id ?? analysis.id));
  const row = el("li", { class: "row", data: { status: analysis.status } },
    el("div", { class: "row-words" },
      link(`/analyze?id=${idOf(analysis)}`, words, { class: "row-title", dir: "auto" }),
      el("p", { class: "fine" },
        el("span", { class: `status-word ${analysis.status}` }, STATUS[analysis.status] ?? analysis.status),
        ` · ${facts(analysis)}`,
        el("time", { datetime: analysis.created_at, title: exactly(analysis.created_at) }, ` · ${when(analysis.created_at)}`))),
    el("div", { class: "row-actions" }, exporting,
      button(`Delete the analysis “${excerpt(analysis.prompt, 60)}”`, { class: "quiet icon-only", title: "Delete", on: { click: () => drop(analysis, row) } }, icon("trash"))));
  return row;
}

function facts(analysis) {
  const took = Date.parse(analysis.finished_at) - Date.parse(analysis.started_at);
  return [
    analysis.pattern,
    plural(analysis.models?.length ?? 0, "model"),
    took > 0 && duration(took),
    analysis.cost_usd > 0 && money(analysis.cost_usd),
  ].filter(Boolean).join(" · ");
}
