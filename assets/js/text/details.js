// `<details>` with its `<summary>`: the only HTML block that is recognized. Its content is Markdown.

// Maximum nesting depth of <details>.
const MAX_DEPTH = 6;
const OPEN_TAG = /^<details(\s+open(?:="[^"]*")?)?\s*>/i;
const SUMMARY_PATTERN = /^\s*<summary>([\s\S]{0,500}?)<\/summary>/i;

/** Adds the rule to a parser. */
export function details(reader) {
  reader.block.ruler.before("paragraph", "details", block, { alt: ["paragraph", "reference", "blockquote"] });
}

function block(state, from, to, silent) {
  if (state.env.within >= MAX_DEPTH || state.sCount[from] - state.blkIndent >= 4) return false;
  const open = OPEN_TAG.exec(line(state, from));
  if (!open) return false;
  if (silent) return true;
  const last = lastLine(state, from, to);
  const text = state.getLines(from, Math.min(last + 1, to), state.blkIndent, false).trim().slice(open[0].length).replace(/<\/details>$/i, "");
  const summary = SUMMARY_PATTERN.exec(text);
  state.line = Math.min(last + 1, to);
  const token = state.push("details_open", "details", 1);
  Object.assign(token, { map: [from, state.line], meta: { isOpen: Boolean(open[1]) } });
  state.push("summary_open", "summary", 1);
  Object.assign(state.push("inline", "", 0), { content: summary?.[1].trim() || "Details", children: [] });
  state.push("summary_close", "summary", -1);
  const inner = state.tokens.length;
  state.env.within += 1;
  state.md.block.parse(summary ? text.slice(summary[0].length) : text, state.md, state.env, state.tokens);
  state.env.within -= 1;
  for (const one of state.tokens.slice(inner)) one.level += state.level;
  state.push("details_close", "details", -1);
  return true;
}

// The line of the matching end tag, or `to` if there is none, as during streaming.
function lastLine(state, from, to) {
  let depth = 0;
  for (let at = from; at < to; at += 1) {
    const text = line(state, at);
    depth += text.split(/<details[\s>]/i).length - text.split(/<\/details>/i).length;
    if (depth <= 0) return at;
  }
  return to;
}

function line(state, at) {
  return state.src.slice(state.bMarks[at] + state.tShift[at], state.eMarks[at]);
}
