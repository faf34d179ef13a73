// Formulas: `$x$` and `\(x\)` inline, `$$x$$` and `\[x\]` inline or on lines of their own. Amounts of money are
// not formulas.

// Maximum length of a formula in characters; longer ones stay plain text.
const MAX_LENGTH = 5000;

/** Adds the rules to a parser. */
export function formulas(reader) {
  reader.inline.ruler.before("escape", "formula", inlineFormula);
  reader.block.ruler.before("fence", "formula", blockFormula, { alt: ["paragraph", "reference", "blockquote", "list"] });
}

/** Whether the text between two dollar signs is a formula; words without TeX syntax are not. */
export function isFormula(text) {
  if (/^\s|\s$|^$/.test(text)) return false;
  if (/[\\^_={}]/.test(text)) return true;
  return !(/\p{L}{4}/u.test(text) || (/\s/.test(text) && /\p{L}{2}/u.test(text)));
}

function inlineFormula(state, silent) {
  const { src, pos } = state;
  if (src[pos] === "\\") {
    if (src[pos + 1] === "(") return delimited(state, silent, 2, "\\)", false);
    return src[pos + 1] === "[" && delimited(state, silent, 2, "\\]", true);
  }
  if (src[pos] !== "$") return false;
  return src[pos + 1] === "$" ? delimited(state, silent, 2, "$$", true) : dollarFormula(state, silent);
}

function delimited(state, silent, width, close, isBlock) {
  const from = state.pos + width;
  // A missing closing delimiter is remembered, so that many opening ones stay cheap.
  state.env.endless ??= {};
  const searched = state.env.endless[close];
  if (searched?.src === state.src && from >= searched.from) return false;
  const end = state.src.indexOf(close, from);
  if (end < 0) state.env.endless[close] = { src: state.src, from };
  const text = state.src.slice(from, Math.max(from, end)).trim();
  // `\[1\]` is an escaped bracket, not a formula.
  const isBracket = close === "\\]" && !(/[\\^_={}]/.test(text) && /[\p{L}\p{N}]/u.test(text));
  if (end < 0 || end > state.posMax || text === "" || text.length > MAX_LENGTH || isBracket) return false;
  return push(state, silent, text, isBlock, end + close.length);
}

function dollarFormula(state, silent) {
  const { src, pos } = state;
  if (/[\p{L}\p{N}$\\]/u.test(src[pos - 1] ?? "")) return false;
  const end = findClosingDollar(src, pos + 1);
  if (end < 0 || end >= state.posMax || /[\p{L}\p{N}$]/u.test(src[end + 1] ?? "")) return false;
  const text = src.slice(pos + 1, end);
  return text.length <= MAX_LENGTH && !text.includes("\n") && isFormula(text) && push(state, silent, text, false, end + 1);
}

function findClosingDollar(src, from) {
  let at = src.indexOf("$", from);
  while (at > 0 && src[at - 1] === "\\") at = src.indexOf("$", at + 1);
  return at;
}

function push(state, silent, text, isBlock, next) {
  if (!silent) Object.assign(state.push("formula", "", 0), { content: text, block: isBlock });
  state.pos = next;
  return true;
}

function blockFormula(state, from, to, silent) {
  if (state.sCount[from] - state.blkIndent >= 4) return false;
  const first = line(state, from);
  const close = first.startsWith("$$") ? "$$" : first.startsWith("\\[") ? "\\]" : null;
  if (!close) return false;
  const head = first.slice(2);
  // `\[` opens a formula only at the start of its own line; otherwise it is an escaped bracket.
  if (head.includes(close) ? !head.endsWith(close) || head.indexOf(close) !== head.length - 2 : close === "\\]" && head !== "") return false;
  const last = head.includes(close) ? from : lastLine(state, from + 1, to, close);
  if (last < 0) return false;
  if (silent) return true;
  const isClosed = last < to;
  const text = state.getLines(from, Math.min(last + 1, to), state.blkIndent, false).trim().slice(2);
  state.line = Math.min(last + 1, to);
  const token = state.push("formula", "", 0);
  Object.assign(token, { block: true, map: [from, state.line], content: (isClosed ? text.slice(0, -2) : text).trim(), meta: { isOpen: !isClosed } });
  return true;
}

// The line that ends the formula; `to` if the text ends first, as during streaming; -1 if a blank line shows that
// it is not a formula.
function lastLine(state, from, to, close) {
  for (let at = from; at < to; at += 1) {
    if (state.isEmpty(at) || state.sCount[at] < state.blkIndent) return -1;
    if (line(state, at).endsWith(close)) return at;
  }
  return to;
}

function line(state, at) {
  return state.src.slice(state.bMarks[at] + state.tShift[at], state.eMarks[at]).trim();
}
