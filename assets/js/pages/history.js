// The search page over all threads and documents: search, open, pin, archive, export, and delete threads.
import { get } from "../api.js";
import { announce, button, el, fill, link } from "../dom.js";
import { excerpt, plural, sentence } from "../format.js";
import { addressOf, filterOf, Filters, isNarrow, isShown, queryOf } from "../history/filters.js";
import { Groups } from "../history/groups.js";
import { listenForKeys } from "../history/keys.js";
import { PendingDeletions } from "../history/leaving.js";
import { Passages } from "../history/passages.js";
import { Preview } from "../history/preview.js";
import { pathOf, Row } from "../history/row.js";
import { isBeingDeleted } from "../parts/owed.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { knownProjects, refresh } from "../shell/threads.js";
import { styled } from "../styles.js";

const PAGE_SIZE = 30;

const EMPTY = {
  pinned: ["Nothing pinned", "Pin a thread from its menu to keep it at the top of the sidebar."],
  archived: ["Nothing archived", "Archived threads leave the sidebar; a search still finds them."],
  shared: ["Nothing shared", "Threads with a public link are listed here, so that you can revoke the link."],
};

export async function load(params, signal) {
  const filter = filterOf(params);
  const [firstPage, patterns, models, projects] = await Promise.all([
    fetchPage(filter, "", signal),
    get("/api/orchestrator/patterns", { query: { brief: true }, signal }),
    get("/api/available-models", { signal }),
    knownProjects(signal),
    styled("sheets"), styled("history"),
  ]);
  return { filter, firstPage, patterns, models, projects };
}

async function fetchPage(filter, cursor, signal) {
  if (filter.in === "documents") return { threads: [], next_cursor: null };
  return get("/api/threads", { query: { ...queryOf(filter), cursor, limit: PAGE_SIZE }, signal });
}

export function view({ filter, firstPage, patterns, models, projects }, { signal, note }) {
  const footer = el("div", { class: "rows-below" });
  const keysHelp = el("p", { class: "fine history-keys" }, el("kbd", null, "j"), " next, ", el("kbd", null, "k"), " previous, ", el("kbd", null, "Enter"), " open, ", el("kbd", null, "Delete"), " delete");
  const groups = Groups();
  const preview = Preview({ signal });
  const { leave, flush } = PendingDeletions(signal);
  const shownThreads = [];
  let controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort(), { once: true });
  const filters = Filters({ filter, patterns, models, projects, onChange: search });
  const passages = Passages({ signal, onAll: () => button("All documents", { class: "secondary", on: { click: () => filters.take("in", "documents") } }) });
  show(firstPage);
  findPassages();
  preview.watch(groups.node);
  preview.first(groups.node, filter.q);
  listenForKeys({ rows: groups.rows, remove: (row) => row.drop?.(), signal });

  function row(thread) {
    return Row(thread, { projects, drop: deleteThread, moved });
  }

  async function search() {
    controller.abort();
    controller = new AbortController();
    const requestSignal = controller.signal;
    note(addressOf(filter));
    shownThreads.length = 0;
    groups.clear();
    findPassages();
    if (filter.in === "documents") {
      fill(footer);
      preview.first(groups.node, filter.q);
      keysHelp.hidden = true;
      return;
    }
    fill(footer, Loading("Searching"));
    try {
      await flush();
      show(await fetchPage(filter, "", requestSignal));
      preview.first(groups.node, filter.q);
      announce(shownThreads.length > 0 ? `${plural(shownThreads.length, "thread")} found.` : "Nothing found.");
    } catch (problem) {
      if (!requestSignal.aborted) fill(footer, Failure(problem, search));
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
    const listed = page.threads.filter((thread) => !isBeingDeleted(pathOf(thread)));
    shownThreads.push(...listed);
    groups.add(listed, row, Boolean(filter.q));
    fill(footer);
    keysHelp.hidden = groups.rows().length === 0;
    if (page.next_cursor) fill(footer, button("Show more", { class: "secondary", on: { click: () => loadMore(page.next_cursor) } }));
    else if (groups.rows().length === 0 && filter.in !== "documents") fill(footer, EmptyResult());
  }

  function EmptyResult() {
    if (!isNarrow(filter)) return Empty("No threads yet", "Every question you ask is kept here with all its answers, until you delete it.", link("/", "New question", { class: "button primary" }));
    const all = button("Show all", { class: "secondary", on: { click: filters.clear } });
    if (EMPTY[filter.show] && !isNarrow({ ...filter, show: "" })) return Empty(...EMPTY[filter.show], all);
    const place = { questions: "question", answers: "answer" }[filter.in] ?? "question or answer";
    const words = filter.q ? `No ${place} contains “${filter.q}”${isNarrow({ ...filter, q: "" }) ? " and matches the filters" : ""}.` : "No thread matches these filters.";
    return Empty("Nothing found", words, all);
  }

  async function loadMore(cursor) {
    fill(footer, Loading("Loading"));
    try {
      show(await fetchPage(filter, cursor, controller.signal));
    } catch (problem) {
      if (!controller.signal.aborted) fill(footer, Failure(problem, () => loadMore(cursor)));
    }
  }

  function moved(thread, node) {
    if (isShown(thread, filter)) return;
    forget(thread);
    node.remove();
    updateEmptyState();
  }

  function forget(thread) {
    const index = shownThreads.indexOf(thread);
    if (index >= 0) shownThreads.splice(index, 1);
  }

  function updateEmptyState() {
    groups.tidy();
    if (shownThreads.length === 0 && !signal.aborted) search();
  }

  function deleteThread(thread, node) {
    forget(thread);
    leave(node, `“${excerpt(thread.title, 80)}”`, {
      path: pathOf(thread),
      gone() {
        refresh();
        updateEmptyState();
      },
      kept(problem) {
        shownThreads.push(thread);
        if (problem) toast(sentence(problem.message), "failed");
      },
    });
  }

  return el("section", { class: "page history-page" },
    el("header", { class: "page-head" }, el("h1", null, "Search")),
    el("div", { class: "history-columns" },
      el("div", { class: "history-list" }, filters.node, groups.node, footer, passages.node, keysHelp),
      preview.node));
}
