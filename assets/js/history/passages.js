// Passages of the user's documents that contain the words of a search, below the threads or alone.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { plural } from "../format.js";
import { FoundDocument } from "../parts/found-document.js";
import { Empty, Failure, Loading } from "../parts/states.js";

// Documents shown below threads.
const BESIDE = 3;

/** `{node, find(words, alone), clear()}`. `find` resolves to the number of documents; `alone` if no threads are shown. */
export function Passages({ signal, onAll }) {
  const node = el("section", { class: "history-documents", "aria-label": "Documents", hidden: true });
  let asked = new AbortController();
  return { node, find, clear };

  function clear() {
    asked.abort();
    node.hidden = true;
    fill(node);
  }

  async function find(words, alone) {
    clear();
    asked = new AbortController();
    const mine = AbortSignal.any([signal, asked.signal]);
    if (alone) {
      node.hidden = false;
      fill(node, Loading("Searching"));
    }
    try {
      const { documents, meaning } = await get("/api/search", { query: { q: words }, signal: mine });
      node.hidden = !alone && documents.length === 0;
      if (alone && documents.length === 0) {
        fill(node, Empty("Nothing found", `No document has “${words}” in it.`));
        return 0;
      }
      const shown = alone ? documents : documents.slice(0, BESIDE);
      fill(node, el("h2", { class: "history-count" }, plural(documents.length, "document")),
        meaning?.error && el("p", { class: "fine warn" }, `Searched by words alone: ${meaning.error}`),
        shown.map((each) => FoundDocument(each, { length: 360 })), shown.length < documents.length && onAll());
      return documents.length;
    } catch (problem) {
      if (!mine.aborted && alone) fill(node, Failure(problem, () => find(words, alone)));
      return 0;
    }
  }
}
