// The allowed HTML tags, without attributes. Every other tag is shown as text.

const PAIRED = new Set(["sub", "sup", "kbd", "b", "i", "u"]);
// Maximum number of open tags searched for the one that a closing tag matches.
const MAX_DEPTH = 20;
const TAG_PATTERN = /^<(\/?)([a-z]+)\s*(\/?)>$/i;

/** Turns allowed tags into tokens if they are closed on the same level (`<br>` need not be); the others become text. */
export function readTags(tokens) {
  const open = [];
  for (const token of tokens) {
    // Tags opened inside emphasis or a link end with it.
    if (token.nesting < 0) while (open.at(-1)?.token.level > token.level) open.pop();
    if (token.type !== "html_inline") continue;
    token.type = "text";
    const [, isEnd, name, isEmpty] = TAG_PATTERN.exec(token.content) ?? [];
    const tag = name?.toLowerCase();
    if (tag === "br" && !isEnd) token.type = "hardbreak";
    else if (PAIRED.has(tag) && !isEmpty && !isEnd && open.length < MAX_DEPTH) open.push({ tag, token });
    else if (PAIRED.has(tag) && isEnd) close(open, tag, token);
  }
}

function close(open, tag, token) {
  const at = open.findLastIndex((entry) => entry.tag === tag && entry.token.level === token.level);
  if (at < 0) return;
  Object.assign(open[at].token, { type: "tag_open", tag, nesting: 1 });
  Object.assign(token, { type: "tag_close", tag, nesting: -1 });
  open.length = at;
}
