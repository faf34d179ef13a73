// Citations in brackets: `[D1:p4]`, `[3]`, and the variants `(D1:p4)` and `【D1:p4】` that some models write. The
// caller resolves them: `cite(label, text, at)` returns nodes, or null if the label is not a citation.

// Maximum number of characters between the brackets.
const MAX_LENGTH = 200;
const OTHER = /(?:\((D\s?\d[^()\n]{1,120})\)|【(D\s?\d[^【】\n]{1,120})】)/iy;

/** Adds the rule to a parser. */
export function marks(reader) {
  reader.inline.ruler.before("link", "mark", mark);
}

function mark(state, silent) {
  const { cite } = state.env;
  const sign = state.src[state.pos];
  if (!cite || state.linkLevel > 0 || !"[(【".includes(sign)) return false;
  const found = sign === "[" ? square(state) : other(state);
  const nodes = found && cite(found.label, state.src, state.pos);
  if (!nodes) return false;
  if (!silent) state.push("mark", "", 0).meta = { nodes };
  state.pos += found.width;
  return true;
}

function square({ src, pos, posMax, env, md }) {
  const end = src.slice(pos + 1, pos + MAX_LENGTH).search(/[[\]]/) + pos + 1;
  if (end <= pos || end >= posMax || src[end] !== "]" || src[end + 1] === "(") return null;
  const label = src.slice(pos + 1, end);
  return env.references[md.utils.normalizeReference(label)] ? null : { label, width: end + 1 - pos };
}

function other(state) {
  OTHER.lastIndex = state.pos;
  const found = OTHER.exec(state.src);
  return found && state.pos + found[0].length <= state.posMax ? { label: found[1] ?? found[2], width: found[0].length } : null;
}
