// A preview of an entry's answer beside the list, on wide windows: shown when the pointer rests on the entry or it
// has the focus.
import { get } from "../api.js";
import { el, fill, icon, link } from "../dom.js";
import { exactly, when } from "../format.js";

const WIDE = matchMedia("(min-width: 90rem)");
const REST_MS = 150;
const KEPT = 40;

/**
 * `{node, watch(list), first(list, words)}`. `watch` makes the entries of a list show themselves: elements with `data-preview`, the id of an
 * analysis, that lie in it now or later. `first` shows the first one and marks the words of a search.
 */
export function Preview({ signal }) {
  const node = el("aside", { class: "preview", "aria-label": "Preview", hidden: true });
  const known = new Map();
  let shown = "";
  let words = "";
  let timer = 0;

  function of(event) {
    return event.target.closest?.("[data-preview]")?.dataset.preview ?? "";
  }

  function watch(list) {
    list.addEventListener("focusin", (event) => show(of(event)), { signal });
    list.addEventListener("pointerover", (event) => {
      clearTimeout(timer);
      const id = of(event);
      if (id) timer = setTimeout(show, REST_MS, id);
    }, { signal });
    list.addEventListener("pointerleave", () => clearTimeout(timer), { signal });
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  /** Shows the first entry of the list if the current one is no longer in it, and highlights the searched words. */
  function first(list, searched) {
    words = searched;
    const all = [...list.querySelectorAll("[data-preview]")];
    const same = all.find((entry) => entry.dataset.preview === shown);
    if (same) return arrive();
    shown = "";
    node.hidden = true;
    if (all.length > 0) show(all[0].dataset.preview);
  }

  // Highlights the current entry in the list and the searched words in its text.
  function arrive() {
    for (const entry of document.querySelectorAll("[data-preview]")) entry.classList.toggle("previewed", entry.dataset.preview === shown);
    mark(node.querySelector(".preview-text"), words);
  }

  async function show(id) {
    if (!id || id === shown || !WIDE.matches) return;
    shown = id;
    try {
      const content = known.get(id) ?? (await read(id));
      if (known.size >= KEPT) known.delete(known.keys().next().value);
      known.set(id, content);
      if (shown !== id || signal.aborted) return;
      fill(node, content);
      node.hidden = false;
      node.scrollTop = 0;
      arrive();
    } catch {
      // The preview is optional; the entry itself reports what is wrong.
      if (shown === id) node.hidden = true;
    }
  }

  async function read(id) {
    const [stored, { fromStored, synthesis }, { markdown, withoutTitle }, { Citer }] = await Promise.all([
      get(`/api/analyses/${encodeURIComponent(id)}`, { signal }), import("../parts/run-model.js"), import("../parts/markdown.js"), import("../parts/citations.js"),
    ]);
    const run = fromStored(stored);
    const text = synthesis(run)?.text;
    const address = stored.thread_id ? `/t/${encodeURIComponent(stored.thread_id)}?turn=${encodeURIComponent(id)}` : `/analyze?id=${encodeURIComponent(id)}`;
    return [
      el("p", { class: "fine" }, stored.turn > 1 && `Turn ${stored.turn} · `, el("time", { datetime: stored.created_at, title: exactly(stored.created_at) }, when(stored.created_at))),
      el("h2", { dir: "auto" }, stored.prompt),
      text ? el("div", { class: "prose preview-text", dir: "auto" }, withoutTitle(markdown(text, Citer(run, null)))) : el("p", { class: "fine" }, "No answer was written."),
      el("p", { class: "preview-foot" }, link(address, ["Open thread", icon("arrow")], { class: "button primary" })),
    ];
  }

  return { node, watch, first };
}

// Highlights words in a text without changing the DOM, if the browser supports it.
function mark(text, searched) {
  if (!globalThis.CSS?.highlights) return;
  CSS.highlights.delete("found");
  const wanted = searched.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
  if (!text || wanted.length === 0) return;
  const found = new Highlight();
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const here = walker.currentNode.data.toLowerCase();
    // Some letters become longer in lowercase, which would shift the highlights.
    if (here.length !== walker.currentNode.data.length) continue;
    for (const word of wanted) {
      for (let at = here.indexOf(word); at >= 0; at = here.indexOf(word, at + word.length)) {
        const range = new Range();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + word.length);
        found.add(range);
      }
    }
  }
  CSS.highlights.set("found", found);
}
