// Renders streamed text as elements.
import { el, uid } from "../dom.js";
import { patch } from "../text/patch.js";
import { withoutAmbiguousLine } from "../text/unfinished.js";
import { blocks, reading, Writer } from "../text/writer.js";
import { markdown } from "./markdown.js";

// Number of blocks per container of a streamed text.
const BLOCKS_PER_CONTAINER = 16;
// Length in characters above which the last block, such as a long list, is redrawn only when it has grown by a
// fixed fraction, so that the total cost stays proportional to its length.
const LARGE_BLOCK = 4000;
const GROWTH_STEP = 1 / 100;

/**
 * A container for a streamed text. Finished blocks are built once and only the last is parsed again, so the cost of a
 * new piece does not depend on the length of the text. Blocks are grouped in containers, so that new ones at the end do
 * not cause a new layout of the earlier ones.
 */
export function GrowingText(cite) {
  let tail = el("div", { class: "prose" });
  const node = el("div", { class: "growing" }, tail);
  let env = reading(cite, `${uid("text")}-`);
  let container = null;
  let finishedLength = 0;
  let drawnLength = 0;

  function finishBlocks(tokens) {
    const root = document.createDocumentFragment();
    Writer(tokens, env, root).write();
    for (const block of [...root.childNodes]) {
      if (!container || container.childElementCount >= BLOCKS_PER_CONTAINER) tail.before(container = el("div", { class: "prose settled" }));
      container.append(block);
    }
    // A new element for the next block, because reusing the old one would count as a layout shift.
    const next = el("div", { class: "prose" });
    tail.replaceWith(next);
    tail = next;
  }

  function clear() {
    container = null;
    drawnLength = 0;
    env = reading(cite, env.prefix);
    node.replaceChildren(tail);
  }
  return {
    node,
    set(text) {
      if (text.length < drawnLength) {
        finishedLength = 0;
        clear();
      }
      let rest = text.slice(finishedLength);
      if (rest.length > LARGE_BLOCK && text.length - drawnLength < rest.length * GROWTH_STEP) return;
      drawnLength = text.length;
      const tokens = blocks(rest, env);
      const last = tokens.findLast((token) => token.level === 0 && token.map && token.nesting >= 0);
      const line = last?.map[0] ?? 0;
      if (line > 0) {
        finishBlocks(tokens.slice(0, tokens.indexOf(last)));
        const lineStart = offsetOf(rest, line);
        finishedLength += lineStart;
        rest = rest.slice(lineStart);
      }
      const isCode = last?.type === "fence" || last?.type === "formula";
      const fragment = document.createDocumentFragment();
      Writer(blocks(withoutAmbiguousLine(rest, isCode), env), env, fragment, true).write();
      patch(tail, fragment);
    },
    /** Renders the whole text once more, so that references to later lines resolve. */
    finish(text) {
      finishedLength = 0;
      clear();
      tail.replaceChildren(...markdown(text, cite));
    },
  };
}

// The offset at which a line of a text begins.
function offsetOf(text, line) {
  const lineEnd = /\r\n?|\n/g;
  for (let remaining = line; remaining > 0; remaining -= 1) if (!lineEnd.exec(text)) return text.length;
  return lineEnd.lastIndex;
}
