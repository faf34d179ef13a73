// The threads whose questions read a document, newest first.
import { get } from "../api.js";
import { el, fill, link } from "../dom.js";
import { excerpt } from "../format.js";
import { idOf } from "../parts/reading.js";

const MAX_SHOWN = 5;

/** A list that stays hidden until it is loaded, and also if it is empty. */
export function Uses(stored, signal) {
  const node = el("section", { class: "document-uses", "aria-label": "Used in", hidden: true });
  get(`/api/documents/${encodeURIComponent(idOf(stored))}/uses`, { signal }).then(({ analyses, count }) => {
    if (count === 0) return;
    const moreCount = count - Math.min(analyses.length, MAX_SHOWN);
    fill(node, el("h2", { class: "sheet-label" }, "Used in"),
      el("ul", null, analyses.slice(0, MAX_SHOWN).map((use) => el("li", null, link(addressOf(use), excerpt(use.question, 70), { dir: "auto" })))),
      moreCount > 0 && el("p", { class: "fine" }, `and ${moreCount} more`));
    node.hidden = false;
  }, () => {});
  return node;
}

function addressOf({ id, thread_id: thread }) {
  return thread ? `/t/${encodeURIComponent(thread)}?turn=${encodeURIComponent(id)}` : `/analyze?id=${encodeURIComponent(id)}`;
}
