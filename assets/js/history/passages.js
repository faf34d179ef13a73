// Passages of the user's documents that contain the words of a search, below the threads or alone.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { plural } from "../format.js";
import { FoundDocument } from "../parts/found-document.js";
import { Empty, Failure, Loading } from "../parts/states.js";

// Maximum number of documents shown below threads.
const MAX_BELOW_THREADS = 3;

/** `{node, find(words, isAlone), clear()}`. `find` resolves to the number of documents; `isAlone` if no threads are shown. */
export function Passages({ signal, onAll }) {
  const node = el("section", { class: "history-documents", "aria-label": "Documents", hidden: true });
  let controller = new AbortController();
  return { node, find, clear };

  function clear() {
    controller.abort();
    node.hidden = true;
    fill(node);
  }

  async function find(words, isAlone) {
    clear();
    controller = new AbortController();
    const requestSignal = AbortSignal.any([signal, controller.signal]);
    if (isAlone) {
      node.hidden = false;
      fill(node, Loading("Searching"));
    }
    try {
      const { documents, meaning } = await get("/api/search", { query: { q: words }, signal: requestSignal });
      node.hidden = !isAlone && documents.length === 0;
      if (isAlone && documents.length === 0) {
        fill(node, Empty("Nothing found", `No document contains “${words}”.`));
        return 0;
      }
      const shown = isAlone ? documents : documents.slice(0, MAX_BELOW_THREADS);
      fill(node, el("h2", { class: "history-count" }, plural(documents.length, "document")),
        meaning?.error && el("p", { class: "fine warn" }, `Searched by words only: ${meaning.error}`),
        shown.map((each) => FoundDocument(each, { length: 360 })), shown.length < documents.length && onAll());
      return documents.length;
    } catch (problem) {
      if (!requestSignal.aborted && isAlone) fill(node, Failure(problem, () => find(words, isAlone)));
      return 0;
    }
  }
}
