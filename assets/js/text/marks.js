// Citations in brackets: `[D1:p4]`, `[3]`, and the variants `(D1:p4)` and `【D1:p4】` that some models write. The
// caller resolves them: `cite(label, text, at)` returns nodes, or null if the label is not a citation.

// Maximum number of characters between the brackets.
const MAX_LENGTH = 200;
const OTHER_BRACKETS = /(?:\((D\s?\d[^()\n]{1,120})\)|【(D\s?\d[^【】\n]{1,120})】)/iy;

/** Adds the rule to a parser. */
export function marks(reader) {
  reader.inline.ruler.before("link", "mark", mark);
}

function mark(state, silent) {
  const { cite } = state.env;
  const opening = state.src[state.pos];
  if (!cite || state.linkLevel > 0 || !"[(【".includes(opening)) return false;
  const citation = opening === "[" ? squareCitation(state) : otherCitation(state);
  const nodes = citation && cite(citation.label, state.src, state.pos);
  if (!nodes) return false;
  if (!silent) state.push("mark", "", 0).meta = { nodes };
  state.pos += citation.width;
  return true;
}

function squareCitation({ src, pos, posMax, env, md }) {
  const end = src.slice(pos + 1, pos + MAX_LENGTH).search(/[[\]]/) + pos + 1;
  if (end <= pos || end >= posMax || src[end] !== "]" || src[end + 1] === "(") return null;
  const label = src.slice(pos + 1, end);
  return env.references[md.utils.normalizeReference(label)] ? null : { label, width: end + 1 - pos };
}

function otherCitation(state) {
  OTHER_BRACKETS.lastIndex = state.pos;
  const citation = OTHER_BRACKETS.exec(state.src);
  return citation && state.pos + citation[0].length <= state.posMax ? { label: citation[1] ?? citation[2], width: citation[0].length } : null;
}
