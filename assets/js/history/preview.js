// A preview of an entry's answer beside the list, on wide windows: shown when the pointer rests on the entry or it
// has the focus.
import { get } from "../api.js";
import { el, fill, icon, link } from "../dom.js";
import { exactly, when } from "../format.js";

const WIDE = matchMedia("(min-width: 90rem)");
const HOVER_MS = 150;
const CACHE_SIZE = 40;

/**
 * Returns `{node, watch(list), first(list, words)}`. `watch` shows a preview for entries of a list: elements with
 * `data-preview` (the ID of an analysis), including those added later. `first` previews the first entry and highlights
 * the searched words.
 */
export function Preview({ signal }) {
  const node = el("aside", { class: "preview", "aria-label": "Preview", hidden: true });
  const cache = new Map();
  let shownId = "";
  let searchedWords = "";
  let timer = 0;

  function previewIdOf(event) {
    return event.target.closest?.("[data-preview]")?.dataset.preview ?? "";
  }

  function watch(list) {
    list.addEventListener("focusin", (event) => show(previewIdOf(event)), { signal });
    list.addEventListener("pointerover", (event) => {
      clearTimeout(timer);
      const id = previewIdOf(event);
      if (id) timer = setTimeout(show, HOVER_MS, id);
    }, { signal });
    list.addEventListener("pointerleave", () => clearTimeout(timer), { signal });
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  /** Shows the first entry of the list if the current one is no longer in it, and highlights the searched words. */
  function showFirst(list, searched) {
    searchedWords = searched;
    const entries = [...list.querySelectorAll("[data-preview]")];
    const stillListed = entries.find((entry) => entry.dataset.preview === shownId);
    if (stillListed) return highlight();
    shownId = "";
    node.hidden = true;
    if (entries.length > 0) show(entries[0].dataset.preview);
  }

  // Highlights the current entry in the list and the searched words in its text.
  function highlight() {
    for (const entry of document.querySelectorAll("[data-preview]")) entry.classList.toggle("previewed", entry.dataset.preview === shownId);
    highlightWords(node.querySelector(".preview-text"), searchedWords);
  }

  async function show(id) {
    if (!id || id === shownId || !WIDE.matches) return;
    shownId = id;
    try {
      const content = cache.get(id) ?? (await load(id));
      if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value);
      cache.set(id, content);
      if (shownId !== id || signal.aborted) return;
      const entry = document.querySelector(`[data-preview="${CSS.escape(id)}"]`);
      fill(node, content.nodes, el("p", { class: "preview-foot" }, link(entry?.querySelector(".row-title")?.getAttribute("href") ?? content.address, ["Open thread", icon("arrow")], { class: "button primary" }), entry?.pinButton?.()));
      node.hidden = false;
      node.scrollTop = 0;
      highlight();
    } catch {
      // The preview is optional; the entry itself reports what is wrong.
      if (shownId === id) node.hidden = true;
    }
  }

  async function load(id) {
    const [stored, { fromStored, synthesis }, { markdown, withoutTitle }, { Citer }] = await Promise.all([
      get(`/api/analyses/${encodeURIComponent(id)}`, { signal }), import("../parts/run-model.js"), import("../parts/markdown.js"), import("../parts/citations.js"),
    ]);
    const run = fromStored(stored);
    const text = synthesis(run)?.text;
    const address = stored.thread_id ? `/t/${encodeURIComponent(stored.thread_id)}?turn=${encodeURIComponent(id)}` : `/analyze?id=${encodeURIComponent(id)}`;
    const nodes = [
      el("p", { class: "fine" }, stored.turn && `Turn ${stored.turn} · `, el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at))),
      el("h2", { dir: "auto" }, stored.prompt),
      text ? el("div", { class: "prose preview-text", dir: "auto" }, withoutTitle(markdown(text, Citer(run, null)))) : el("p", { class: "fine" }, "No answer was written."),
    ];
    return { nodes, address };
  }

  return { node, watch, first: showFirst };
}

// Highlights words in a text without changing the DOM, if the browser supports it.
function highlightWords(text, searched) {
  if (!globalThis.CSS?.highlights) return;
  CSS.highlights.delete("found");
  const terms = searched.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
  if (!text || terms.length === 0) return;
  const found = new Highlight();
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const lowercase = walker.currentNode.data.toLowerCase();
    // Some letters become longer in lowercase, which would shift the highlights.
    if (lowercase.length !== walker.currentNode.data.length) continue;
    for (const word of terms) {
      for (let at = lowercase.indexOf(word); at >= 0; at = lowercase.indexOf(word, at + word.length)) {
        const range = new Range();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + word.length);
        found.add(range);
      }
    }
  }
  CSS.highlights.set("found", found);
}
