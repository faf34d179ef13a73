// Closes markup that is still open at the end of streamed text, so that emphasis, code, and links render correctly
// from the first character and ambiguous delimiters do not flash.
import { openDelimiters } from "./parser.js";

// A last line that may turn into a rule, a heading, a list, a fence, or a table's delimiter row.
const AMBIGUOUS_LINE = /(^|\n) {0,3}([-=+*_]+|#{1,6}|\d{1,9}[.)]|>|`{1,2}|~{1,2}|\|?[ :|-]+)[ \t]*$/;
// A table's header row before its delimiter row has arrived.
const BEGUN_TABLE = /(^|\n[ \t]*\n)\|[^\n]*\n?$/;
const BEGUN_FENCE = /\n[ \t]*(`{1,9}|~{1,9})$/;
// Maximum distance from the end, in characters, at which an open link or citation may begin.
const MAX_LOOKBACK = 300;

/** Streamed text without a last line whose block type is not yet known. */
export function withoutAmbiguousLine(text, isCode) {
  if (isCode) return text.replace(BEGUN_FENCE, "\n");
  return text.replace(AMBIGUOUS_LINE, "$1").replace(BEGUN_TABLE, "$1");
}

/** The last block of a streamed text, with its open markup closed. */
export function closeMarkup(content, env) {
  const text = withoutAmbiguousEnd(content);
  const delimiters = openDelimiters(text, env);
  if (delimiters === "") return text;
  // A space before a delimiter would keep it from closing.
  const words = text.trimEnd();
  return words + delimiters + text.slice(words.length);
}

// Delimiters at the very end may be opening ones or half of a closing one.
function withoutAmbiguousEnd(content) {
  const code = content.replace(/`+$/, "");
  const ticks = openCode(code);
  return ticks ? code + ticks : withoutBracket(content).replace(/[*_~`$\\]+$/, "").replace(/<\/?[a-z]*$/i, "");
}

// The backticks of an unclosed code span.
function openCode(content) {
  let open = null;
  for (const [ticks] of content.matchAll(/\\`|`+/g)) {
    if (open === null && ticks !== "\\`") open = ticks;
    else if (ticks === open) open = null;
  }
  return open;
}

// Keeps the label of an unclosed link; drops an unclosed citation.
function withoutBracket(content) {
  const from = Math.max(0, content.length - MAX_LOOKBACK);
  const tail = content.slice(from);
  const cleaned = tail
    .replace(/!?\[([^[\]\n]*)\]\([^()\s]*$/, "$1")
    .replace(/[[(【]D\s?\d[^\])】\n]*$/i, "")
    .replace(/!?\[(?:\d{0,3}|\^[^\]\s]*)$/, "")
    .replace(/!?\[([^[\]\n]*)$/, "$1")
    .replace(/!?\[(?![\d^]|D\s?\d)([^[\]\n]*)\]$/i, "$1");
  return content.slice(0, from) + cleaned;
}
