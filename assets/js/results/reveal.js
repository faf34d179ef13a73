// Scrolls to a sentence on the page, highlights it, and moves the focus there for screen readers.
import { locate } from "./words.js";

const BLOCKS = "p, li, td, th, h2, h3, h4, h5, h6, pre, blockquote";

/** Highlights these words in `node`. Returns false if they were not found; `node` itself is shown in that case. */
export function reveal(node, sentence) {
  const { text, pieces } = collectText(node);
  const match = locate(text, sentence);
  for (const old of document.querySelectorAll(".revealed")) old.classList.remove("revealed");
  if (!match) {
    node.tabIndex = -1;
    show(node);
    return false;
  }
  const range = document.createRange();
  range.setStart(...pointAt(pieces, match.start));
  range.setEnd(...pointAt(pieces, match.end));
  const block = range.startContainer.parentElement.closest(BLOCKS) ?? node;
  block.classList.add("revealed");
  // The CSS Custom Highlight API highlights ranges across elements without changing them; without it, only the
  // block is highlighted.
  if (globalThis.Highlight && CSS.highlights) CSS.highlights.set("revealed", new Highlight(range));
  if (!block.hasAttribute("tabindex")) block.tabIndex = -1;
  show(block);
  return true;
}

function show(node) {
  node.scrollIntoView({ block: "center", inline: "center" });
  node.focus({ preventScroll: true });
}

// The text as displayed, without the words of citations, and the text node each piece comes from.
function collectText(node) {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const pieces = [];
  let text = "";
  let block = null;
  for (let piece = walker.nextNode(); piece; piece = walker.nextNode()) {
    if (piece.parentElement.closest("button")) continue;
    const currentBlock = piece.parentElement.closest(BLOCKS);
    if (block && currentBlock !== block) text += "\n";
    block = currentBlock;
    pieces.push({ piece, start: text.length });
    text += piece.data;
  }
  return { text, pieces };
}

function pointAt(pieces, at) {
  const { piece, start } = pieces.findLast((each) => each.start <= at);
  return [piece, Math.min(at - start, piece.data.length)];
}
