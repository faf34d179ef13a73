// Parses Markdown as models write it: CommonMark with GitHub's extensions, formulas, footnotes, `<details>`, and
// citations. Produces markdown-it's tokens; writer.js turns them into nodes. Blocks are parsed first, which is
// cheap; the text inside each is parsed when it is rendered, so that a long answer can be rendered piece by piece.
import MarkdownIt from "../../vendor/markdown-it.js";
import { addresses } from "./addresses.js";
import { details } from "./details.js";
import { footnotes } from "./footnotes.js";
import { formulas } from "./formulas.js";
import { marks } from "./marks.js";
import { strikes } from "./strikes.js";

// Characters at which plain text may end, because a rule starts with them.
const SIGN = /[\n$&*:<@[\]\\_`~!(【]|(?<![\p{L}\p{N}])w(?=ww\.)/gu;
const TASK = /^\[([ xX])\](?=\s)/;

const reader = new MarkdownIt({ html: true, maxNesting: 40 });
// Whether an address may be linked is decided at rendering (links.js): a rejected one is shown as its text and
// address.
reader.validateLink = () => true;
reader.block.ruler.disable("html_block");
reader.inline.ruler.at("text", plainText);
for (const extend of [addresses, strikes, formulas, details, footnotes, marks]) extend(reader);

/** The environment shared by all parts of a parse. `cite` renders citations (marks.js); `prefix` keeps the IDs of two texts apart. */
export function reading(cite = null, prefix = "") {
  return { cite, prefix, references: {}, notes: new Map(), within: 0 };
}

/** The block tokens of a text. */
export function blocks(text, env) {
  const tokens = [];
  reader.block.parse(text.replace(/\r\n?/g, "\n").replaceAll("\0", "\uFFFD"), reader, env, tokens);
  tokens.forEach((token, at) => {
    if (token.type === "list_item_open") readTask(token, tokens[at + 1], tokens[at + 2]);
  });
  return tokens;
}

/** The inline tokens of a text. */
export function inlines(text, env) {
  const tokens = [];
  reader.inline.parse(text, reader, env, tokens);
  return tokens;
}

/** The closing delimiters for emphasis that is still open at the end of a text. */
export function openSigns(text, env) {
  const state = new reader.inline.State(text, reader, env, []);
  reader.inline.tokenize(state);
  const [balance] = reader.inline.ruler2.getRules("");
  balance(state);
  const open = state.delimiters.filter((sign) => sign.open && sign.end < 0 && beginsWord(state.tokens, sign.token));
  return open.map((sign) => state.tokens[sign.token].content).reverse().join("");
}

// A delimiter inside a word or a number is not emphasis.
function beginsWord(tokens, at) {
  const sign = tokens[at].content;
  let before = at - 1;
  while (before >= 0 && (tokens[before].content === sign || tokens[before].content === "")) before -= 1;
  return before < 0 || tokens[before].type !== "text" || !/[\p{L}\p{N}]$/u.test(tokens[before].content);
}

function plainText(state, silent) {
  SIGN.lastIndex = state.pos;
  const end = Math.min(SIGN.exec(state.src)?.index ?? state.posMax, state.posMax);
  if (end === state.pos) return false;
  if (!silent) state.pending += state.src.slice(state.pos, end);
  state.pos = end;
  return true;
}

function readTask(item, paragraph, inline) {
  if (paragraph?.type !== "paragraph_open" || inline?.type !== "inline") return;
  const task = TASK.exec(inline.content);
  if (!task) return;
  item.meta = { isDone: task[1] !== " " };
  inline.content = inline.content.slice(task[0].length);
}
