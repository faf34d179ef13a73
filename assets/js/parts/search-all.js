// Search across all documents: hits grouped by document, each linked to its page.
import { get } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { plural } from "../format.js";
import { addressOf } from "./document-link.js";
import { Field } from "./field.js";
import { snippet } from "./spans.js";
import { Failure, Loading } from "./states.js";

// Hits shown per document; the rest can be found by searching within it.
const HITS_PER_DOCUMENT = 3;

/** Returns `{node}`; searches for `words` immediately, if there are any. `onSearch(words)` is called on every search. */
export function SearchAll({ words = "", signal, onSearch }) {
  const hits = el("div", { class: "hits", role: "status" });
  const field = Field("Search all documents", { type: "search", autocomplete: "off", maxLength: 200, value: words });
  const node = el("div", { class: "search-all" },
    el("form", { class: "inline-form", role: "search", on: { submit: (event) => {
      event.preventDefault();
      search();
    } } }, field.node, button("Search", { type: "submit", class: "secondary" })),
    hits);
  let controller = new AbortController();
  if (words) search();

  async function search() {
    controller.abort();
    controller = new AbortController();
    const requestSignal = AbortSignal.any([signal, controller.signal]);
    const q = field.input.value.trim();
    onSearch(q);
    if (!q) return fill(hits);
    fill(hits, Loading("Searching"));
    try {
      const response = await get("/api/search", { query: { q }, signal: requestSignal });
      fill(hits,
        el("p", { class: "fine" }, response.count === 0 ? `Nothing found for “${q}”.` : `${plural(response.count, "passage")} in ${plural(response.documents.length, "document")}.`),
        response.meaning?.error && el("p", { class: "fine warn" }, `Searched by words only: ${response.meaning.error}`),
        response.documents.map(DocumentHits));
    } catch (problem) {
      if (!requestSignal.aborted) fill(hits, Failure(problem, search));
    }
  }
  return { node };
}

function DocumentHits({ document_id: id, name, results }) {
  const more = results.length - HITS_PER_DOCUMENT;
  return el("section", { class: "found", "aria-label": name },
    el("h2", { dir: "auto" }, name),
    results.slice(0, HITS_PER_DOCUMENT).map((hit) => el("blockquote", { class: "hit", dir: "auto" },
      link(addressOf(id, hit.page, hit), [`Page ${hit.page}`, hit.heading].filter(Boolean).join(" · ")),
      el("p", null, snippet(hit.text, hit.matches)))),
    more > 0 && el("p", { class: "fine" }, link(addressOf(id), plural(more, "more passage"))));
}
