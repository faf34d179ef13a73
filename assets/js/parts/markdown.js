// A text as models write it, as elements. A long one is written in pieces, between which the page stays responsive.
import { el, uid } from "../dom.js";
import { blocks, reading, Writer } from "../text/writer.js";

// Characters that are written at once, and then in each further piece: with their layout some 90 and 25 ms of a slow
// laptop.
const FIRST_PIECE = 16_000;
const PIECE = 8_000;

/**
 * Elements for a text. `cite(label, text, at)` gives nodes for a citation in brackets, or null (text/marks.js); without
 * it citations stay text. The end of a long text follows by itself once the elements have a parent.
 */
export function markdown(text, cite) {
  const env = reading(cite, `${uid("text")}-`);
  const root = document.createDocumentFragment();
  const place = el("span", { class: "text-rest", hidden: true });
  root.append(place);
  // What is complete of a piece comes into the document at once.
  const piece = document.createDocumentFragment();
  const writer = Writer(blocks(text, env), env, piece);
  const write = (budget) => {
    const hasMore = writer.write(budget);
    place.before(piece);
    if (hasMore) setTimeout(goOn, 0, write, place);
    else place.remove();
  };
  write(FIRST_PIECE);
  return [...root.childNodes];
}

// Elements that nobody has taken have no use for more.
function goOn(write, place) {
  if (place.parentNode) write(PIECE);
}
