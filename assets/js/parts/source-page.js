// The document page that an answer cites, with the span highlighted, in a dialog over the answer.
import { get } from "../api.js";
import { el, fill, icon, link } from "../dom.js";
import { user } from "../state.js";
import { openDialog } from "./dialog.js";
import { addressOf } from "./document-link.js";
import { PageReader } from "./page-reader.js";
import { nameOf } from "./reading.js";
import { placeName } from "./sources.js";
import { Loading } from "./states.js";

/**
 * Opens a page of a document with a span marked. `span` is in bytes of the page's text, `sources` are the
 * passages that were given to the models, `remark` is the result of the citation's check, `analysis` the ID of the
 * analysis that cites it.
 */
export function showSourcePage({ id, page, span = null, sources = [], remark = "", doubtful = false, analysis = "" }) {
  const controller = new AbortController();
  const body = el("div", { class: "source-page" }, Loading("Loading the page"));
  const title = sources[0] ? placeName(sources[0]) : `Page ${page}`;
  openDialog(title, [
    remark && el("p", { class: doubtful ? "notice suspicious" : "notice verified-words" }, icon(doubtful ? "warning" : "check"), el("span", null, `${remark[0].toUpperCase()}${remark.slice(1)}.`)),
    body,
  ], { kind: "sheet" }).then(() => controller.abort());
  show();

  async function show() {
    const spans = span ? [span] : sources.filter((source) => source.page === page && source.end > source.start);
    try {
      if (!id || !user.get()) return fill(body, StoredPassages(sources, ""));
      const stored = await get(`/api/documents/${encodeURIComponent(id)}`, { signal: controller.signal });
      if (stored.status !== "processed") return fill(body, StoredPassages(sources, "The document cannot be opened at the moment. These are the passages the models were given."));
      const reader = PageReader(stored, { signal: controller.signal, level: 3 });
      fill(body, reader.node, link(addressOf(id, page, spans[0] ?? null, analysis), `Open ${nameOf(stored)}`, { target: "_blank" }));
      reader.go(page, spans[0] ?? null, spans.slice(1));
    } catch (problem) {
      if (controller.signal.aborted) return;
      fill(body, StoredPassages(sources, problem.status === 404
        ? "The document was deleted. These are the passages the models were given."
        : "The document could not be opened. These are the passages the models were given."));
    }
  }
}

// The passages stored with the analysis, for pages that are no longer available.
function StoredPassages(sources, reason) {
  const texts = sources.filter((source) => source.text);
  return [
    reason && el("p", { class: "notice" }, reason),
    texts.map((source) => el("blockquote", { class: "source-text", dir: "auto" }, source.text)),
    texts.length === 0 && el("p", { class: "fine" }, "The passage was not stored."),
  ];
}
