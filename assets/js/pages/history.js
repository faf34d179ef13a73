// The history: search, open, export, and delete analyses.
import { get } from "../api.js";
import { announce, button, el, fill, link } from "../dom.js";
import { excerpt, plural, sentence } from "../format.js";
import { addressOf, filterOf, Filters, isNarrow, queryOf } from "../history/filters.js";
import { Found } from "../history/found.js";
import { Groups, WAYS } from "../history/groups.js";
import { listenForKeys } from "../history/keys.js";
import { Leaving } from "../history/leaving.js";
import { Preview } from "../history/preview.js";
import { idOf, Row } from "../history/row.js";
import { Choice } from "../parts/field.js";
import { isGoing } from "../parts/owed.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { recall, remember } from "../state.js";
import { styled } from "../styles.js";

const PAGE = 30;

export async function load(params, signal) {
  const filter = filterOf(params);
  const [told, patterns, models] = await Promise.all([
    fetchPage(filter, "", signal),
    get("/api/orchestrator/patterns", { signal }),
    get("/api/available-models", { signal }),
    styled("results"), styled("history"),
  ]);
  return { filter, told, patterns, models };
}

function fetchPage(filter, cursor, signal) {
  return get("/api/analyses", { query: { ...queryOf(filter), cursor, limit: PAGE }, signal });
}

const pathOf = (analysis) => `/api/analyses/${encodeURIComponent(idOf(analysis))}`;

export function view({ filter, told, patterns, models }, { signal, note }) {
  const below = el("div", { class: "rows-below" });
  const place = el("div", null);
  const threads = Found();
  const preview = Preview({ signal });
  let inThreads = 0;
  const { leave, flush } = Leaving(signal);
  const known = [];
  let groups;
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort(), { once: true });
  const filters = Filters({ filter, patterns, models, onChange: find });
  const grouping = Choice("Grouped", { value: recall("history-groups") ?? "day", on: { change: () => {
    remember("history-groups", grouping.input.value);
    regroup();
  } } }, WAYS);
  regroup();
  show(told);
  threads.find(filter.q, signal).then((number) => {
    inThreads = number;
    if (number > 0 && groups.rows().length === 0) fill(below);
    preview.first(threads.node, place);
  });
  preview.watch(threads.node);
  preview.watch(place);
  listenForKeys({ rows: () => groups.rows(), remove: (row) => row.querySelector(".row-delete")?.click(), signal });

  function regroup() {
    groups = Groups({ way: grouping.input.value, patterns });
    groups.add(known, row);
    fill(place, groups.node);
  }

  function row(analysis) {
    return Row(analysis, { patterns, drop });
  }

  async function find() {
    asked.abort();
    asked = new AbortController();
    const mine = asked.signal;
    note(addressOf(filter));
    known.length = 0;
    groups.clear();
    fill(below, Loading("Searching"));
    try {
      await flush();
      inThreads = await threads.find(filter.q, mine);
      show(await fetchPage(filter, "", mine));
      preview.first(threads.node, place);
      announce(known.length + inThreads > 0 ? `${plural(known.length, "question")} and ${plural(inThreads, "thread")} found.` : "Nothing found.");
    } catch (problem) {
      if (!mine.aborted) fill(below, Failure(problem, find));
    }
  }

  function show(page) {
    const there = page.analyses.filter((one) => !isGoing(pathOf(one)));
    known.push(...there);
    groups.add(there, row);
    fill(below);
    if (page.next_cursor) fill(below, button("Show earlier ones", { class: "secondary", on: { click: () => more(page.next_cursor) } }));
    else if (groups.rows().length === 0 && inThreads === 0) fill(below, Nothing());
  }

  function Nothing() {
    if (!isNarrow(filter)) return Empty("No analyses yet", "Every question you ask is kept here with all its answers, until you delete it.", link("/", "Ask the first one", { class: "button primary" }));
    const words = filter.q ? `None of your questions contains “${filter.q}”${isNarrow({ ...filter, q: "" }) ? " and fits the filters" : ""}.` : "No analyses match these filters.";
    return Empty("Nothing found", words, button("Show all", { class: "secondary", on: { click: filters.clear } }));
  }

  async function more(cursor) {
    fill(below, Loading("Loading"));
    try {
      show(await fetchPage(filter, cursor, asked.signal));
    } catch (problem) {
      if (!asked.signal.aborted) fill(below, Failure(problem, () => more(cursor)));
    }
  }

  function drop(analysis, node) {
    const at = known.indexOf(analysis);
    known.splice(at, 1);
    leave(node, `“${excerpt(analysis.prompt, 80)}”`, {
      path: pathOf(analysis),
      gone() {
        groups.tidy();
        if (known.length === 0 && !signal.aborted) find();
      },
      kept(problem) {
        known.splice(at, 0, analysis);
        if (problem) toast(sentence(problem.message), "failed");
      },
    });
  }

  return el("section", { class: "page history-page" },
    el("header", { class: "page-head history-head" }, el("h1", null, "History"), grouping.node),
    el("div", { class: "history-columns" },
      el("div", { class: "history-list" }, filters.node, threads.node, place, below,
        el("p", { class: "fine history-keys" }, el("kbd", null, "j"), " next, ", el("kbd", null, "k"), " previous, ", el("kbd", null, "Enter"), " open, ", el("kbd", null, "Delete"), " delete")),
      preview.node));
}
