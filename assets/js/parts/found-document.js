// One document of a search with its passages, each linked to its page.
import { el, link } from "../dom.js";
import { plural } from "../format.js";
import { addressOf } from "./document-link.js";
import { snippet } from "./spans.js";

// Passages shown per document; the rest can be found by searching within it.
const HITS_PER_DOCUMENT = 3;

/** `found` is an entry of `documents` in the response of GET /api/search. */
export function FoundDocument({ document_id: id, name, results }, { length = 200 } = {}) {
  const more = results.length - HITS_PER_DOCUMENT;
  return el("section", { class: "found", "aria-label": name },
    el("h2", { dir: "auto" }, name),
    results.slice(0, HITS_PER_DOCUMENT).map((hit) => el("blockquote", { class: "hit", dir: "auto" },
      link(addressOf(id, hit.page, hit), [`Page ${hit.page}`, hit.heading].filter(Boolean).join(" · ")),
      el("p", null, snippet(hit.text, hit.matches, length)))),
    more > 0 && el("p", { class: "fine" }, link(addressOf(id), plural(more, "more passage"))));
}
