// Renders streamed text as elements.
import { el, uid } from "../dom.js";
import { patch } from "../text/patch.js";
import { withoutBegun } from "../text/unfinished.js";
import { blocks, reading, Writer } from "../text/writer.js";
import { markdown } from "./markdown.js";

// Number of blocks per container of a streamed text.
const SHEET = 16;
// Length in characters above which the last block, such as a long list, is redrawn only when it has grown by a
// fixed fraction, so that the total cost stays proportional to its length.
const LARGE = 4000;
const STEP = 1 / 100;

/**
 * A container for a streamed text. Finished blocks are built once and only the last is read again, so the cost of a new
 * piece does not depend on the length of the text. Blocks are grouped in containers, so that new ones at the end cause
 * no new layout of the earlier ones.
 */
export function GrowingText(cite) {
  let tail = el("div", { class: "prose" });
  const node = el("div", { class: "growing" }, tail);
  let env = reading(cite, `${uid("text")}-`);
  let sheet = null;
  let done = 0;
  let drawn = 0;

  function settle(tokens) {
    const root = document.createDocumentFragment();
    Writer(tokens, env, root).write();
    for (const block of [...root.childNodes]) {
      if (!sheet || sheet.childElementCount >= SHEET) tail.before(sheet = el("div", { class: "prose settled" }));
      sheet.append(block);
    }
    // A new element for the next block, because reusing the old one would count as a layout shift.
    const next = el("div", { class: "prose" });
    tail.replaceWith(next);
    tail = next;
  }

  function clear() {
    sheet = null;
    drawn = 0;
    env = reading(cite, env.prefix);
    node.replaceChildren(tail);
  }
  return {
    node,
    set(text) {
      if (text.length < drawn) {
        done = 0;
        clear();
      }
      let rest = text.slice(done);
      if (rest.length > LARGE && text.length - drawn < rest.length * STEP) return;
      drawn = text.length;
      const tokens = blocks(rest, env);
      const last = tokens.findLast((token) => token.level === 0 && token.map && token.nesting >= 0);
      const line = last?.map[0] ?? 0;
      if (line > 0) {
        settle(tokens.slice(0, tokens.indexOf(last)));
        const safe = offsetOf(rest, line);
        done += safe;
        rest = rest.slice(safe);
      }
      const isCode = last?.type === "fence" || last?.type === "formula";
      const fresh = document.createDocumentFragment();
      Writer(blocks(withoutBegun(rest, isCode), env), env, fresh, true).write();
      patch(tail, fresh);
    },
    /** Renders the whole text once more, so that references to later lines resolve. */
    finish(text) {
      done = 0;
      clear();
      tail.replaceChildren(...markdown(text, cite));
    },
  };
}

// The offset at which a line of a text begins.
function offsetOf(text, line) {
  const ends = /\r\n?|\n/g;
  for (let left = line; left > 0; left -= 1) if (!ends.exec(text)) return text.length;
  return ends.lastIndex;
}
