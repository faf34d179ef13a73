// Bare web and email addresses, linked the way GitHub does ("autolinks (extension)").

const SCHEME_PATTERN = /(?<![\p{L}\p{N}])(https?|ftp)$/iu;
// Maximum number of characters examined per address.
const WEB_PATTERN = /:\/\/[^\s<>/?#][^\s<]{0,2000}/y;
const WWW_PATTERN = /www\.[^\s<]{1,2000}/y;
// The last two labels of a domain contain no underscore.
const DOMAIN_PATTERN = /^(?:[\w-]+\.)*[a-z0-9-]+\.[a-z0-9-]+(?=$|[/?#:])/i;
const LOCAL_PART_PATTERN = /[\w.+-]+$/;
const MAIL_HOST_PATTERN = /@(?:[\w-]{1,63}\.){1,8}[\w-]{0,62}[a-z0-9](?![\w-])/iy;
// Maximum number of characters examined before the trigger character: an email's local part, or a scheme.
const MAX_LOOKBEHIND = 64;

/** Adds the rules to a parser. */
export function addresses(reader) {
  reader.inline.ruler.after("text", "address", autolink);
}

function autolink(state, silent) {
  // Silent mode searches for the end of a link label, in which nothing is autolinked.
  if (silent || state.linkLevel > 0) return false;
  switch (state.src[state.pos]) {
    case ":":
      return matchAround(state, SCHEME_PATTERN, matchUrl);
    case "@":
      return matchAround(state, LOCAL_PART_PATTERN, matchEmail);
    case "w":
      return matchWww(state);
    default:
      return false;
  }
}

// Handles an address whose beginning has already been emitted as text.
function matchAround(state, pattern, read) {
  const preceding = pattern.exec(state.src.slice(Math.max(0, state.pos - MAX_LOOKBEHIND), state.pos))?.[0];
  const matched = preceding && read(state, preceding);
  if (!matched || !removePending(state, preceding.length)) return false;
  link(state, matched.href, preceding + matched.rest);
  state.pos += matched.rest.length;
  return true;
}

// Removes the last `length` characters of the pending text, with any emphasis delimiters among them: an underscore
// in an address is not emphasis.
function removePending(state, length) {
  let text = state.pending;
  let first = state.tokens.length;
  while (text.length < length && state.tokens[first - 1]?.type === "text") text = state.tokens[--first].content + text;
  if (text.length < length) return false;
  state.pending = text.slice(0, text.length - length);
  state.tokens.length = first;
  state.tokens_meta.length = first;
  while (state.delimiters.at(-1)?.token >= first) state.delimiters.pop();
  return true;
}

function matchUrl(state, scheme) {
  const rest = trimPunctuation(match(WEB_PATTERN, state) ?? "");
  return rest.length > 3 ? { rest, href: scheme + rest } : null;
}

function matchEmail(state, local) {
  const rest = match(MAIL_HOST_PATTERN, state);
  return rest && !/[-_]$/.test(rest) ? { rest, href: `mailto:${local}${rest}` } : null;
}

function matchWww(state) {
  const text = trimPunctuation(match(WWW_PATTERN, state) ?? "");
  if (!DOMAIN_PATTERN.test(text)) return false;
  link(state, `http://${text}`, text);
  state.pos += text.length;
  return true;
}

function match(pattern, state) {
  pattern.lastIndex = state.pos;
  const matched = pattern.exec(state.src)?.[0];
  return matched?.slice(0, state.posMax - state.pos);
}

// Trailing punctuation belongs to the sentence, as do an unmatched closing bracket and anything that looks like an
// entity.
function trimPunctuation(text) {
  let end = text.length;
  let surplus = text.split(")").length - text.split("(").length;
  for (;;) {
    const last = text[end - 1];
    if (/[?!.,:*_~'"`\]]/.test(last ?? "")) end -= 1;
    else if (last === ")" && surplus > 0) {
      end -= 1;
      surplus -= 1;
    } else if (last === ";") end -= /&[a-z0-9]+;$/i.exec(text.slice(Math.max(0, end - 40), end))?.[0].length ?? 1;
    else return text.slice(0, end);
  }
}

function link(state, href, text) {
  state.push("link_open", "a", 1).attrs = [["href", state.md.normalizeLink(href)]];
  state.push("text", "", 0).content = text;
  state.push("link_close", "a", -1);
}
