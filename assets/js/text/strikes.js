// Text struck through with one or two tildes, as on GitHub. A single tilde inside a word or before a number
// ("5~6", "~7") means "about" and stays.

const TILDE = 0x7e;
// A double tilde never pairs with a single one: it is a separate delimiter.
const DOUBLE = 0x17e;

/** Adds the rules to a parser, replacing the built-in ones. */
export function strikes(reader) {
  reader.inline.ruler.at("strikethrough", scanTildes);
  reader.inline.ruler2.at("strikethrough", convertPairs);
}

function scanTildes(state, silent) {
  if (state.src.charCodeAt(state.pos) !== TILDE) return false;
  const run = state.scanDelims(state.pos, state.src[state.pos + 1] === "~");
  if (!silent) {
    state.push("text", "", 0).content = "~".repeat(run.length);
    if (run.length <= 2) {
      state.delimiters.push({ marker: run.length === 2 ? DOUBLE : TILDE, length: 0, token: state.tokens.length - 1, end: -1, open: run.can_open, close: run.can_close });
    }
  }
  state.pos += run.length;
  return true;
}

function convertPairs(state) {
  for (const list of [state.delimiters, ...state.tokens_meta.map((meta) => meta?.delimiters)]) {
    for (const delimiter of list ?? []) {
      if ((delimiter.marker === TILDE || delimiter.marker === DOUBLE) && delimiter.end >= 0) {
        Object.assign(state.tokens[delimiter.token], { type: "s_open", tag: "del", nesting: 1, content: "" });
        Object.assign(state.tokens[list[delimiter.end].token], { type: "s_close", tag: "del", nesting: -1, content: "" });
      }
    }
  }
}
