// The list of documents beside the open one: upload, search by name and by text, and a menu for each.
import { get } from "../api.js";
import { button, el, fill, icon, link, uid } from "../dom.js";
import { plural, sentence, when } from "../format.js";
import { deleteDocument } from "../parts/document-delete.js";
import { addressOf } from "../parts/document-link.js";
import { FoundDocument } from "../parts/found-document.js";
import { MeaningSearch } from "../parts/meaning-search.js";
import { Menu } from "../parts/menu.js";
import { describe, follow, idOf, nameOf } from "../parts/reading.js";
import { Failure, Loading } from "../parts/states.js";
import { DocumentUpload } from "../parts/upload.js";
import { user } from "../state.js";

const TYPING_PAUSE_MS = 250;

/**
 * The list. `current` is the ID of the open document; `onEmpty(isEmpty)` is called when the list becomes empty or gets its
 * first document, `onGone()` when the open one is deleted; it returns a function that shows it again. `onSearch(words)`
 * is called for every search.
 */
export function DocumentList({ documents, projects, words, current, signal, onEmpty, onGone, onSearch }) {
  const rows = el("ul", { class: "rows document-rows" });
  const hits = el("div", { class: "hits", role: "status" });
  const upload = DocumentUpload({ onDone: addRow, signal });
  const choose = button("Upload", { class: "primary", on: { click: () => upload.querySelector("input").click() } }, icon("plus"), "Upload");
  const searchForm = SearchForm({ words, signal, onSubmit: search });
  const title = current ? el("p", { class: "documents-title" }, "Documents") : el("h1", { class: "documents-title" }, "Documents");
  const node = el("section", { class: "documents-list", "aria-label": "All documents" },
    el("header", { class: "documents-head" }, title, choose), searchForm.node,
    el("div", { class: "document-list" }, rows, hits), upload, user.get() && MeaningSearch({ signal }),
    el("p", { class: "fine documents-note" }, "Only you can open them. Administrators cannot."));
  let controller = new AbortController();
  for (const stored of documents) rows.append(Row(stored));
  updateEmptyState();
  if (words) search(words);
  return {
    node,
    /** Scrolls to the open document. */
    reveal: () => rows.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" }),
    /** Deletes the open document, after asking if an answer quotes it. */
    drop: () => [...rows.children].find((row) => row.dataset.id === current)?.drop(),
  };

  function updateEmptyState() {
    const isEmpty = rows.children.length === 0;
    searchForm.node.hidden = isEmpty;
    choose.hidden = isEmpty;
    onEmpty(isEmpty);
  }

  function Row(stored, isNew = false) {
    let row = buildRow(stored, isNew);
    follow(stored, { signal, onNews: (current) => {
      if (!row.isConnected) return;
      // Keep the focus in the row when an update replaces it.
      const focusedLabel = row.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
      const updated = buildRow(current, isNew);
      row.replaceWith(updated);
      row = updated;
      if (focusedLabel) [...row.querySelectorAll("[aria-label]")].find((item) => item.getAttribute("aria-label") === focusedLabel)?.focus();
    } });
    return row;
  }

  function buildRow(stored, isNew) {
    const drop = () => deleteDocument(stored, { signal, hide: () => hideRow(row, idOf(stored) === current) });
    const row = DocumentRow(stored, { projects, current, drop, isNew });
    row.drop = drop;
    return row;
  }

  // Hides a row, and returns a function that shows it again.
  function hideRow(row, isOpen) {
    const after = row.nextElementSibling;
    const next = after ?? row.previousElementSibling;
    const reopen = isOpen ? onGone() : null;
    row.remove();
    updateEmptyState();
    (next?.querySelector("a, button") ?? upload.querySelector("input")).focus();
    return () => {
      if (after?.isConnected) after.before(row);
      else rows.append(row);
      reopen?.();
      updateEmptyState();
    };
  }

  function addRow(stored) {
    [...rows.children].find((row) => row.dataset.id === idOf(stored))?.remove();
    rows.prepend(Row(stored, true));
    updateEmptyState();
  }

  // Names are matched at once; the texts are searched by the server.
  async function search(q) {
    controller.abort();
    controller = new AbortController();
    const requestSignal = AbortSignal.any([signal, controller.signal]);
    onSearch(q);
    for (const row of rows.children) row.hidden = !row.dataset.name.includes(q.toLowerCase());
    if (!q) return fill(hits);
    fill(hits, Loading("Searching"));
    try {
      const response = await get("/api/search", { query: { q }, signal: requestSignal });
      fill(hits,
        el("p", { class: "fine" }, response.count === 0 ? `Nothing found for “${q}”.` : `${plural(response.count, "passage")} in ${plural(response.documents.length, "document")}.`),
        response.meaning?.error && el("p", { class: "fine warn" }, `Searched by words only: ${response.meaning.error}`),
        response.documents.map((each) => FoundDocument(each)));
    } catch (problem) {
      if (!requestSignal.aborted) fill(hits, Failure(problem, () => search(q)));
    }
  }
}

function SearchForm({ words, signal, onSubmit }) {
  const id = uid("find");
  let timer = 0;
  const input = el("input", { type: "search", id, autocomplete: "off", maxLength: 200, value: words, placeholder: "Find in documents", "aria-label": "Find in documents", on: { input: () => {
    clearTimeout(timer);
    timer = setTimeout(() => onSubmit(input.value.trim()), TYPING_PAUSE_MS);
  } } });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { node: el("form", { class: "documents-find", role: "search", on: { submit: (event) => {
    event.preventDefault();
    clearTimeout(timer);
    onSubmit(input.value.trim());
  } } }, icon("search"), input) };
}

function DocumentRow(stored, { projects, current, drop, isNew }) {
  const name = nameOf(stored);
  const id = idOf(stored);
  const usable = stored.status === "processed";
  const open = id === current;
  return el("li", { class: `row document-row${isNew ? " new" : ""}`, data: { status: stored.status, id, name: name.toLowerCase() } },
    stored.status === "processing" ? el("span", { class: "loading-spinner", "aria-hidden": "true" }) : icon(usable ? "document" : "warning"),
    el("div", { class: "row-words" },
      usable ? link(addressOf(id), name, { class: "row-title", dir: "auto", "aria-current": open && "true" }) : el("p", { class: "row-title", dir: "auto" }, name),
      el("p", { class: "fine", title: usable ? [describe(stored), when(stored.created_at)].join(" · ") : "" }, usable ? describeBriefly(stored, projects) : describe(stored)),
      usable && Troubles(stored)),
    usable && link(`/?document=${encodeURIComponent(id)}`, "Ask", { class: "button quiet row-ask", "aria-label": `Ask about ${name}` }),
    Menu(`Actions for ${name}`, [
      usable && { label: "View text", icon: "document", href: addressOf(id) },
      { label: "Delete", icon: "trash", look: "danger", act: drop },
    ], { class: "quiet icon-only row-menu", title: "More", content: icon("more") }));
}

// "14 pages · Vendor contracts"
function describeBriefly(stored, projects) {
  const project = projects.find((each) => each.document_ids?.includes(idOf(stored)));
  return [plural(stored.pages ?? 1, "page"), project?.name ?? stored.kind].filter(Boolean).join(" · ");
}

function Troubles({ gaps = [], flags = [] }) {
  const reasons = [...new Set(gaps.map((gap) => sentence(gap.why)))];
  return [
    gaps.length > 0 && el("p", { class: "fine warn" }, `${plural(gaps.length, "page")} without text (${pagesOf(gaps)}): ${reasons.slice(0, 2).join(" ")}`),
    flags.length > 0 && el("p", { class: "fine warn" }, `Reads like instructions to a model on ${pagesOf(flags)}: treated as text.`),
  ];
}

// "page 3", "pages 3, 4 and 12 more"
function pagesOf(places) {
  const pages = [...new Set(places.map((place) => place.page))];
  const listed = pages.slice(0, 4).join(", ");
  const more = pages.length > 4 ? ` and ${pages.length - 4} more` : "";
  return `${pages.length === 1 ? "page" : "pages"} ${listed}${more}`;
}
