// Links to the text of a document: its URL, or a dialog over the page, whose code is loaded on demand.
import { el, fill, link } from "../dom.js";
import { openDialog } from "./dialog.js";
import { idOf, nameOf } from "./reading.js";
import { Alert, Waiting } from "./states.js";

/** The URL of a position in a document; `span` is `{start, end}` in bytes of the page's text, `analysis` the one that cites it. */
export function addressOf(id, page = 1, span = null, analysis = "") {
  const pageQuery = page > 1 || span ? `&page=${page}` : "";
  const from = analysis ? `&analysis=${encodeURIComponent(analysis)}` : "";
  return `/documents?id=${encodeURIComponent(id)}${pageQuery}${span ? `&from=${span.start}&to=${span.end}` : ""}${from}`;
}

/** Opens the text of a document in a dialog over the page. */
export function openDocument(stored) {
  const controller = new AbortController();
  const place = el("div");
  openDialog(nameOf(stored), [place, link(addressOf(idOf(stored)), "Open on its own page", { target: "_blank" })], { kind: "wide" })
    .then(() => controller.abort());
  show(stored, place, controller.signal);
}

async function show(stored, place, signal) {
  const hideWaiting = Waiting(place, "Fetching the text");
  try {
    const { DocumentView } = await import("./document-view.js");
    hideWaiting();
    if (!signal.aborted) fill(place, DocumentView(stored, { signal, level: 3 }).node);
  } catch (problem) {
    hideWaiting();
    fill(place, Alert(problem));
  }
}
