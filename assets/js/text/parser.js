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
const SPECIAL_CHARACTER = /[\n$&*:<@[\]\\_`~!(【]|(?<![\p{L}\p{N}])w(?=ww\.)/gu;
const TASK_PATTERN = /^\[([ xX])\](?=\s)/;

const parser = new MarkdownIt({ html: true, maxNesting: 40 });
// Whether an address may be linked is decided at rendering (links.js): a rejected one is shown as its text and
// address.
parser.validateLink = () => true;
parser.block.ruler.disable("html_block");
parser.inline.ruler.at("text", plainText);
for (const extend of [addresses, strikes, formulas, details, footnotes, marks]) extend(parser);

/** The environment shared by all parts of a parse. `cite` renders citations (marks.js); `prefix` keeps the IDs of two texts apart. */
export function reading(cite = null, prefix = "") {
  return { cite, prefix, references: {}, notes: new Map(), within: 0 };
}

/** The block tokens of a text. */
export function blocks(text, env) {
  const tokens = [];
  parser.block.parse(text.replace(/\r\n?/g, "\n").replaceAll("\0", "\uFFFD"), parser, env, tokens);
  tokens.forEach((token, at) => {
    if (token.type === "list_item_open") readTask(token, tokens[at + 1], tokens[at + 2]);
  });
  return tokens;
}

/** The inline tokens of a text. */
export function inlines(text, env) {
  const tokens = [];
  parser.inline.parse(text, parser, env, tokens);
  return tokens;
}

/** The closing delimiters for emphasis that is still open at the end of a text. */
export function openDelimiters(text, env) {
  const state = new parser.inline.State(text, parser, env, []);
  parser.inline.tokenize(state);
  const [balance] = parser.inline.ruler2.getRules("");
  balance(state);
  const open = state.delimiters.filter((delimiter) => delimiter.open && delimiter.end < 0 && beginsWord(state.tokens, delimiter.token));
  return open.map((delimiter) => state.tokens[delimiter.token].content).reverse().join("");
}

// A delimiter inside a word or a number is not emphasis.
function beginsWord(tokens, at) {
  const delimiter = tokens[at].content;
  let previous = at - 1;
  while (previous >= 0 && (tokens[previous].content === delimiter || tokens[previous].content === "")) previous -= 1;
  return previous < 0 || tokens[previous].type !== "text" || !/[\p{L}\p{N}]$/u.test(tokens[previous].content);
}

function plainText(state, silent) {
  SPECIAL_CHARACTER.lastIndex = state.pos;
  const end = Math.min(SPECIAL_CHARACTER.exec(state.src)?.index ?? state.posMax, state.posMax);
  if (end === state.pos) return false;
  if (!silent) state.pending += state.src.slice(state.pos, end);
  state.pos = end;
  return true;
}

function readTask(item, paragraph, inline) {
  if (paragraph?.type !== "paragraph_open" || inline?.type !== "inline") return;
  const task = TASK_PATTERN.exec(inline.content);
  if (!task) return;
  item.meta = { isDone: task[1] !== " " };
  inline.content = inline.content.slice(task[0].length);
}
