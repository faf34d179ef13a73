// Renders a model's Markdown as elements. Long text is rendered in chunks, so that the page stays responsive.
import { el, uid } from "../dom.js";
import { blocks, reading, Writer } from "../text/writer.js";

// Characters rendered in the first chunk and in each later one: about 90 ms and 25 ms, including layout, on a slow
// laptop.
const FIRST_CHUNK = 16_000;
const NEXT_CHUNK = 8_000;

/**
 * Returns the elements of a text. `cite(label, text, at)` returns nodes for a citation in brackets, or null
 * (text/marks.js); without it, citations stay text. The rest of a long text is added once the elements have a parent.
 */
export function markdown(text, cite) {
  const env = reading(cite, `${uid("text")}-`);
  const root = document.createDocumentFragment();
  const placeholder = el("span", { class: "text-rest", hidden: true });
  root.append(placeholder);
  // All nodes of a chunk are inserted in one operation.
  const chunk = document.createDocumentFragment();
  const writer = Writer(blocks(text, env), env, chunk);
  const write = (budget) => {
    const hasMore = writer.write(budget);
    placeholder.before(chunk);
    if (hasMore) setTimeout(continueWriting, 0, write, placeholder);
    else placeholder.remove();
  };
  write(FIRST_CHUNK);
  return [...root.childNodes];
}

// Renders the remaining chunks; stops if the elements were never inserted.
function continueWriting(write, placeholder) {
  if (placeholder.parentNode) write(NEXT_CHUNK);
}

const TITLE = /^(the )?(final )?(answer|synthesis)\W*$/i;

/**
 * The blocks without a leading title such as "Answer", for a view that is labeled as the answer already. The headings
 * below the title move up by one level, so that none is skipped.
 */
export function withoutTitle(blocks) {
  const [title, ...rest] = blocks;
  if (rest.length === 0 || levelOf(title) === 0 || !TITLE.test(title.textContent)) return blocks;
  const end = rest.findIndex((block) => levelOf(block) > 0 && levelOf(block) <= levelOf(title));
  return rest.map((block, place) => (levelOf(block) > levelOf(title) && (end < 0 || place < end) ? promoteHeading(block) : block));
}

function levelOf(block) {
  return Number(/^H(\d)$/.exec(block?.tagName ?? "")?.[1] ?? 0);
}

function promoteHeading(heading) {
  const higher = el(`h${levelOf(heading) - 1}`, null, ...heading.childNodes);
  for (const { name, value } of heading.attributes) higher.setAttribute(name, value);
  return higher;
}

/** Like `withoutTitle`, for streamed text: its first line is held back while it may become such a title. */
export function untitled(text) {
  const [, first, rest] = /^\s*#{1,6}([^\n]*)(\n[^]*)?$/.exec(text) ?? [];
  if (first === undefined) return text;
  if (rest === undefined) return first.length < 24 ? "" : text;
  return TITLE.test(first.trim()) ? rest.trimStart() : text;
}
