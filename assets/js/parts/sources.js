// The passages that an answer cites: the list, and opening the page of one of them.
import { button, el } from "../dom.js";
import { excerpt, plural, sentence } from "../format.js";
import { toast } from "./toast.js";

/** Opens a page of a document with a span highlighted; takes the arguments of `showSourcePage`, whose code is loaded on first use. */
export async function openPlace(place) {
  try {
    const { showSourcePage } = await import("./source-page.js");
    showSourcePage(place);
  } catch (problem) {
    toast(sentence(problem.message), "failed");
  }
}

/** All sources, collapsed; null if there are none. */
export function SourceList(sources) {
  if (sources.length === 0) return null;
  return el("details", { class: "source-list" },
    el("summary", null, `Sources (${plural(sources.length, "passage")} from your documents)`),
    el("ol", null, sources.map((source) => el("li", { value: source.number },
      button(`Source ${source.number}: ${placeName(source)}`, { class: "link-button", on: { click: () => openSource(source) } }, placeName(source)),
      source.text && el("p", { class: "fine", dir: "auto" }, excerpt(source.text, 160))))));
}

function openSource(source) {
  openPlace({ id: source.document_id, page: source.page, sources: [source] });
}

/** A passage's location: document name and page. */
export function placeName(source) {
  return source.page > 1 ? `${source.document}, page ${source.page}` : source.document;
}
