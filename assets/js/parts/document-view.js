// The text of a document as the models will see it, and search inside it.
import { get } from "../api.js";
import { button, el, fill } from "../dom.js";
import { count, plural, sentence } from "../format.js";
import { openDialog } from "./dialog.js";
import { Field } from "./field.js";
import { Failure, Loading } from "./states.js";

// A page of this many characters is shown at once; the rest on demand, so that a book does not freeze the browser.
const SHOWN = 60_000;

/** Opens the text of a document. */
export function openDocument(stored) {
  const stop = new AbortController();
  const text = el("div", { class: "document-text" }, Loading("Fetching the text"));
  const hits = el("div", { class: "hits", role: "status" });
  const search = Field("Search inside", { type: "search", autocomplete: "off", maxLength: 200 });
  const form = el("form", { class: "inline-form", role: "search", on: { submit: (event) => {
    event.preventDefault();
    find(stored, search.input.value.trim(), hits, stop.signal);
  } } }, search.node, button("Search", { type: "submit", class: "secondary" }));
  openDialog(nameOf(stored), [
    el("p", { class: "fine" }, `${plural(stored.words ?? 0, "word")} on ${plural(stored.pages ?? 1, "page")}. This is what the models will see.`),
    form, hits, text,
  ], { kind: "wide" }).then(() => stop.abort());
  show(stored, text, stop.signal);
}

/** The file name of a stored document. */
export function nameOf(stored) {
  return stored.filename ?? stored.name;
}

/** Its id. */
export function idOf(stored) {
  return stored.document_id ?? stored.id;
}

async function show(stored, text, signal) {
  try {
    const told = await get(`/api/documents/${idOf(stored)}/text`, { signal });
    const pages = Array.isArray(told.pages) ? told.pages : [{ number: 1, text: told.text ?? "" }];
    fill(text, pages.map((page) => Page(page, pages.length)));
  } catch (problem) {
    if (!signal.aborted) fill(text, Failure(problem));
  }
}

function Page(page, of) {
  const body = el("pre", { class: "page-text", dir: "auto" }, page.text.slice(0, SHOWN));
  const rest = page.text.length - SHOWN;
  const more = rest > 0 && button(`Show ${count(rest)} more characters`, { class: "secondary", on: { click: () => {
    body.textContent = page.text;
    more.remove();
  } } });
  return el("section", null, of > 1 && el("h3", null, page.title ? `Page ${page.number}: ${page.title}` : `Page ${page.number}`), body, more);
}

async function find(stored, words, hits, signal) {
  if (!words) return fill(hits);
  try {
    const told = await get(`/api/documents/${idOf(stored)}/search`, { query: { q: words }, signal });
    const found = told.results ?? told.hits ?? told.passages ?? [];
    fill(hits,
      el("p", { class: "fine" }, found.length === 0 ? `Nothing found for “${words}”.` : plural(found.length, "passage") + " found."),
      found.map((hit) => el("blockquote", { class: "hit", dir: "auto" },
        el("p", { class: "fine" }, [hit.heading, hit.page ? `page ${hit.page}` : ""].filter(Boolean).join(", ")),
        ...marked(hit.text ?? hit.passage ?? "", words))));
  } catch (problem) {
    if (!signal.aborted) fill(hits, el("p", { class: "error-message", role: "alert" }, sentence(problem.message)));
  }
}

/** The text with the searched words marked. */
function marked(text, words) {
  const terms = words.split(/\s+/).map((word) => word.replace(/[^\p{L}\p{N}]/gu, "")).filter((word) => word.length > 1);
  if (terms.length === 0) return [text];
  const pattern = new RegExp(`(${terms.join("|")})`, "giu");
  return text.split(pattern).map((part, index) => (index % 2 ? el("mark", null, part) : part));
}
