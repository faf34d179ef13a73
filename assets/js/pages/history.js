// The search page over all threads and documents: search, open, pin, archive, export, and delete threads.
import { get } from "../api.js";
import { announce, button, el, fill, link } from "../dom.js";
import { excerpt, plural, sentence } from "../format.js";
import { addressOf, filterOf, Filters, isNarrow, isShown, queryOf } from "../history/filters.js";
import { Groups } from "../history/groups.js";
import { listenForKeys } from "../history/keys.js";
import { Leaving } from "../history/leaving.js";
import { Passages } from "../history/passages.js";
import { Preview } from "../history/preview.js";
import { pathOf, Row } from "../history/row.js";
import { isGoing } from "../parts/owed.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { knownProjects, refresh } from "../shell/threads.js";
import { styled } from "../styles.js";

const PAGE = 30;

const EMPTY = {
  pinned: ["Nothing pinned", "Pin a thread from its menu to keep it at the top of the sidebar."],
  archived: ["Nothing archived", "Archived threads leave the sidebar; a search still finds them."],
  shared: ["Nothing shared", "Threads with a public link are listed here, so that you can take the link back."],
};

export async function load(params, signal) {
  const filter = filterOf(params);
  const [told, patterns, models, projects] = await Promise.all([
    fetchPage(filter, "", signal),
    get("/api/orchestrator/patterns", { query: { brief: true }, signal }),
    get("/api/available-models", { signal }),
    knownProjects(signal),
    styled("results"), styled("sheets"), styled("history"),
  ]);
  return { filter, told, patterns, models, projects };
}

async function fetchPage(filter, cursor, signal) {
  if (filter.in === "documents") return { threads: [], next_cursor: null };
  return get("/api/threads", { query: { ...queryOf(filter), cursor, limit: PAGE }, signal });
}

export function view({ filter, told, patterns, models, projects }, { signal, note }) {
  const below = el("div", { class: "rows-below" });
  const keysHelp = el("p", { class: "fine history-keys" }, el("kbd", null, "j"), " next, ", el("kbd", null, "k"), " previous, ", el("kbd", null, "Enter"), " open, ", el("kbd", null, "Delete"), " delete");
  const groups = Groups();
  const preview = Preview({ signal });
  const { leave, flush } = Leaving(signal);
  const known = [];
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort(), { once: true });
  const filters = Filters({ filter, patterns, models, projects, onChange: find });
  const passages = Passages({ signal, onAll: () => button("All documents", { class: "secondary", on: { click: () => filters.take("in", "documents") } }) });
  show(told);
  findPassages();
  preview.watch(groups.node);
  preview.first(groups.node, filter.q);
  listenForKeys({ rows: groups.rows, remove: (row) => row.drop?.(), signal });

  function row(thread) {
    return Row(thread, { projects, drop, moved });
  }

  async function find() {
    asked.abort();
    asked = new AbortController();
    const mine = asked.signal;
    note(addressOf(filter));
    known.length = 0;
    groups.clear();
    findPassages();
    if (filter.in === "documents") {
      fill(below);
      preview.first(groups.node, filter.q);
      keysHelp.hidden = true;
      return;
    }
    fill(below, Loading("Searching"));
    try {
      await flush();
      show(await fetchPage(filter, "", mine));
      preview.first(groups.node, filter.q);
      announce(known.length > 0 ? `${plural(known.length, "thread")} found.` : "Nothing found.");
    } catch (problem) {
      if (!mine.aborted) fill(below, Failure(problem, find));
    }
  }

  // The documents below the threads, or alone; a search of questions or answers has none.
  async function findPassages() {
    if (!filter.q || filter.in === "questions" || filter.in === "answers") return passages.clear();
    const alone = filter.in === "documents";
    const count = await passages.find(filter.q, alone);
    if (alone) announce(count > 0 ? `${plural(count, "document")} found.` : "Nothing found.");
  }

  function show(page) {
    const there = page.threads.filter((one) => !isGoing(pathOf(one)));
    known.push(...there);
    groups.add(there, row, Boolean(filter.q));
    fill(below);
    keysHelp.hidden = groups.rows().length === 0;
    if (page.next_cursor) fill(below, button("Show more", { class: "secondary", on: { click: () => more(page.next_cursor) } }));
    else if (groups.rows().length === 0 && filter.in !== "documents") fill(below, Nothing());
  }

  function Nothing() {
    if (!isNarrow(filter)) return Empty("No threads yet", "Every question you ask is kept here with all its answers, until you delete it.", link("/", "New question", { class: "button primary" }));
    const all = button("Show all", { class: "secondary", on: { click: filters.clear } });
    if (EMPTY[filter.show] && !isNarrow({ ...filter, show: "" })) return Empty(...EMPTY[filter.show], all);
    const place = { questions: "question", answers: "answer" }[filter.in] ?? "question or answer";
    const words = filter.q ? `No ${place} has “${filter.q}” in it${isNarrow({ ...filter, q: "" }) ? " and fits the filters" : ""}.` : "No thread fits these filters.";
    return Empty("Nothing found", words, all);
  }

  async function more(cursor) {
    fill(below, Loading("Loading"));
    try {
      show(await fetchPage(filter, cursor, asked.signal));
    } catch (problem) {
      if (!asked.signal.aborted) fill(below, Failure(problem, () => more(cursor)));
    }
  }

  function moved(thread, node) {
    if (isShown(thread, filter)) return;
    forget(thread);
    node.remove();
    rest();
  }

  function forget(thread) {
    const at = known.indexOf(thread);
    if (at >= 0) known.splice(at, 1);
  }

  function rest() {
    groups.tidy();
    if (known.length === 0 && !signal.aborted) find();
  }

  function drop(thread, node) {
    forget(thread);
    leave(node, `“${excerpt(thread.title, 80)}”`, {
      path: pathOf(thread),
      gone() {
        refresh();
        rest();
      },
      kept(problem) {
        known.push(thread);
        if (problem) toast(sentence(problem.message), "failed");
      },
    });
  }

  return el("section", { class: "page history-page" },
    el("header", { class: "page-head" }, el("h1", null, "Search")),
    el("div", { class: "history-columns" },
      el("div", { class: "history-list" }, filters.node, groups.node, below, passages.node, keysHelp),
      preview.node));
}
