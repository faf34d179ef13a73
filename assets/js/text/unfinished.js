// Closes what the end of a growing text leaves open, so that emphasis, code, and links look from their first letter as
// they will when they are complete, and signs of unknown meaning do not flash up.
import { openSigns } from "./parser.js";

// A last line that may become a rule, a heading, a list, a fence, or a table's second row.
const BEGUN = /(^|\n) {0,3}([-=+*_]+|#{1,6}|\d{1,9}[.)]|>|`{1,2}|~{1,2}|\|?[ :|-]+)[ \t]*$/;
// The first row of a table before its second.
const BEGUN_TABLE = /(^|\n[ \t]*\n)\|[^\n]*\n?$/;
const BEGUN_FENCE = /\n[ \t]*(`{1,9}|~{1,9})$/;
// How far back from the end a link or a citation may have begun, in characters.
const REACH = 300;

/** A growing text without a last line of unknown kind. */
export function withoutBegun(text, isCode) {
  if (isCode) return text.replace(BEGUN_FENCE, "\n");
  return text.replace(BEGUN, "$1").replace(BEGUN_TABLE, "$1");
}

/** The text of the last block of a growing text, with what it leaves open closed. */
export function closed(content, env) {
  const text = withoutEnd(content);
  const signs = openSigns(text, env);
  if (signs === "") return text;
  // A space before the end would keep a sign from closing.
  const words = text.trimEnd();
  return words + signs + text.slice(words.length);
}

// Signs at the very end may be the first half of an end, or the beginning of something.
function withoutEnd(content) {
  const code = content.replace(/`+$/, "");
  const ticks = openCode(code);
  return ticks ? code + ticks : withoutBracket(content).replace(/[*_~`$\\]+$/, "").replace(/<\/?[a-z]*$/i, "");
}

// The backticks of a code span that has no end.
function openCode(content) {
  let open = null;
  for (const [ticks] of content.matchAll(/\\`|`+/g)) {
    if (open === null && ticks !== "\\`") open = ticks;
    else if (ticks === open) open = null;
  }
  return open;
}

// Of a link without an end, its words; of a citation without one, nothing.
function withoutBracket(content) {
  const from = Math.max(0, content.length - REACH);
  const tail = content.slice(from);
  const whole = tail
    .replace(/!?\[([^[\]\n]*)\]\([^()\s]*$/, "$1")
    .replace(/[[(【]D\s?\d[^\])】\n]*$/i, "")
    .replace(/!?\[(?:\d{0,3}|\^[^\]\s]*)$/, "")
    .replace(/!?\[([^[\]\n]*)$/, "$1")
    .replace(/!?\[(?![\d^]|D\s?\d)([^[\]\n]*)\]$/i, "$1");
  return content.slice(0, from) + whole;
}
