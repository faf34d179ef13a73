// Marks the words that only one of two rendered texts contains.
import { el } from "../dom.js";
import { compare, units } from "./diff.js";

// Elements excluded from the word-by-word comparison: controls, formulas, and link targets.
const SKIPPED = "button, .math, .link-target";

/** Marks words only in `left` as deleted and words only in `right` as inserted. */
export function markDifferences(left, right) {
  const [a, b] = [wordsOf(left), wordsOf(right)];
  for (const { kind, from, to } of compare(a.map(textOf), b.map(textOf))?.reverse() ?? []) {
    if (kind === "gone") wrap(a.slice(from, to), "del");
    if (kind === "new") wrap(b.slice(from, to), "ins");
  }
}

/** The words of a rendered text that take part in the comparison. */
export function wordsIn(root) {
  return wordsOf(root).map(textOf).join(" ");
}

function textOf({ text }) {
  return text;
}

// The words of a rendered text, with their positions.
function wordsOf(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const out = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest(SKIPPED)) continue;
    let at = 0;
    for (const text of units(node.data)) {
      if (text.trim() !== "") out.push({ node, text, start: at, end: at + text.trimEnd().length });
      at += text.length;
    }
  }
  return out;
}

// Wrap from last to first, so that earlier offsets stay valid.
function wrap(words, tag) {
  let last = words.length - 1;
  for (let first = last; first >= 0; first -= 1) {
    if (first > 0 && words[first - 1].node === words[last].node) continue;
    const range = document.createRange();
    range.setStart(words[first].node, words[first].start);
    range.setEnd(words[last].node, words[last].end);
    range.surroundContents(el(tag));
    last = first - 1;
  }
}
