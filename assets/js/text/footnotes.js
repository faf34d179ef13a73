// Footnotes: `[^1]` in a text, and `[^1]: words` on its own line. A note is shown where it is written, which is
// usually the end of the text.

const NOTE_PATTERN = /^\[\^([^\]\s]{1,60})\]:[ \t]*/;
const MARK_PATTERN = /\[\^([^\]\s]{1,60})\]/y;

/** Adds the rules to a parser. */
export function footnotes(reader) {
  reader.block.ruler.before("reference", "footnote", note, { alt: ["paragraph", "reference"] });
  reader.inline.ruler.before("link", "footnote", mark);
}

function note(state, from, to, silent) {
  if (state.sCount[from] - state.blkIndent >= 4) return false;
  const text = state.src.slice(state.bMarks[from] + state.tShift[from], state.eMarks[from]);
  const matched = NOTE_PATTERN.exec(text);
  if (!matched) return false;
  if (silent) return true;
  let next = from + 1;
  while (next < to && !state.isEmpty(next) && !NOTE_PATTERN.test(state.src.slice(state.bMarks[next] + state.tShift[next], state.eMarks[next]))) next += 1;
  const number = state.env.notes.get(matched[1]) ?? state.env.notes.size + 1;
  state.env.notes.set(matched[1], number);
  state.line = next;
  Object.assign(state.push("footnote_open", "div", 1), { map: [from, next], meta: { number, label: matched[1] } });
  const content = [text.slice(matched[0].length), state.getLines(from + 1, next, state.blkIndent, false)].join("\n").trim();
  Object.assign(state.push("inline", "", 0), { content, children: [] });
  state.push("footnote_close", "div", -1);
  return true;
}

function mark(state, silent) {
  MARK_PATTERN.lastIndex = state.pos;
  const matched = state.src[state.pos + 1] === "^" && MARK_PATTERN.exec(state.src);
  const number = matched && state.env.notes.get(matched[1]);
  if (!number || state.pos + matched[0].length > state.posMax) return false;
  if (!silent) state.push("footnote_mark", "", 0).meta = { number, label: matched[1] };
  state.pos += matched[0].length;
  return true;
}
