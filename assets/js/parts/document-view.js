// A document as the models see it: its properties, its problems, search inside it, and its pages.
import { get } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { excerpt, plural, sentence } from "../format.js";
import { Field } from "./field.js";
import { PageReader } from "./page-reader.js";
import { describe, idOf } from "./reading.js";
import { snippet } from "./spans.js";

/** Returns `{node, go(page, span)}`: the complete view of a processed document. */
export function DocumentView(stored, { page = 1, span = null, signal, onTurn, level = 2 }) {
  const reader = PageReader(stored, { signal, onTurn, level });
  const node = el("div", { class: "document-view" },
    el("p", { class: "fine" }, `${describe(stored)}. This is what the models see.`),
    Troubles(stored, reader.go), SearchInside(stored, { signal, go: reader.go, open: true }).node, reader.node);
  reader.go(page, span);
  return { node, go: reader.go };
}

/** `{node, toggle()}`: the search in a document with its hits. `toggle` shows or hides it and returns whether it is shown. */
export function SearchInside(stored, { signal, go, open = false }) {
  const hits = el("div", { class: "hits", role: "status" });
  const search = Field("Search this document", { type: "search", autocomplete: "off", maxLength: 200 });
  const form = el("form", { class: "inline-form", role: "search", on: { submit: (event) => {
    event.preventDefault();
    find(stored, search.input.value.trim(), hits, go, signal);
  } } }, search.node, button("Search", { type: "submit", class: "secondary" }));
  const node = el("div", { class: "search-inside", hidden: !open }, form, hits);
  return { node, toggle() {
    node.hidden = !node.hidden;
    if (!node.hidden) search.input.focus();
    return !node.hidden;
  } };
}

/** Pages without text and possible prompt injections, each linked to its page; null if there are neither. */
export function Troubles(stored, go) {
  const { gaps = [], flags = [] } = stored;
  const pageItem = (each, terms) => el("li", null,
    button(`Go to page ${each.page}`, { class: "link-button", on: { click: () => go(each.page, each.end ? each : null) } }, `Page ${each.page}`), `: ${terms}`);
  return [
    gaps.length > 0 && el("details", { class: "troubles" },
      el("summary", null, `${plural(gaps.length, "page")} without text`),
      el("ul", null, gaps.map((gap) => pageItem(gap, sentence(gap.why))))),
    flags.length > 0 && el("details", { class: "troubles suspicious" },
      el("summary", null, icon("warning"), ` ${plural(flags.length, "place")} that ${flags.length === 1 ? "reads" : "read"} like instructions to a model`),
      el("p", { class: "fine" }, "They are treated as text, never as instructions."),
      el("ul", null, flags.map((flag) => pageItem(flag, `${flag.why}: “${excerpt(flag.excerpt, 120)}”`)))),
  ];
}

async function find(stored, terms, hits, go, signal) {
  if (!terms) return fill(hits);
  try {
    const response = await get(`/api/documents/${encodeURIComponent(idOf(stored))}/search`, { query: { q: terms }, signal });
    const found = response.results ?? [];
    fill(hits,
      el("p", { class: "fine" }, found.length === 0 ? `Nothing found for “${terms}”.` : `${plural(found.length, "passage")} found.`),
      found.map((hit) => Hit(hit, () => go(hit.page, { start: hit.start, end: hit.end }))));
  } catch (problem) {
    if (!signal.aborted) fill(hits, el("p", { class: "error-message", role: "alert" }, sentence(problem.message)));
  }
}

function Hit(hit, open) {
  const label = [`Page ${hit.page}`, hit.heading].filter(Boolean).join(" · ");
  return el("blockquote", { class: "hit", dir: "auto" },
    button(label, { class: "link-button", on: { click: open } }),
    el("p", null, snippet(hit.text ?? "", hit.matches ?? [])));
}
