// Bare web and email addresses, linked the way GitHub does ("autolinks (extension)").

const SCHEME = /(?<![\p{L}\p{N}])(https?|ftp)$/iu;
// Maximum number of characters examined per address.
const WEB = /:\/\/[^\s<>/?#][^\s<]{0,2000}/y;
const WWW = /www\.[^\s<]{1,2000}/y;
// The last two labels of a domain contain no underscore.
const DOMAIN = /^(?:[\w-]+\.)*[a-z0-9-]+\.[a-z0-9-]+(?=$|[/?#:])/i;
const LOCAL = /[\w.+-]+$/;
const MAIL_HOST = /@(?:[\w-]{1,63}\.){1,8}[\w-]{0,62}[a-z0-9](?![\w-])/iy;
// Maximum number of characters examined before the trigger character: an email's local part, or a scheme.
const BEFORE = 64;

/** Adds the rules to a parser. */
export function addresses(reader) {
  reader.inline.ruler.after("text", "address", address);
}

function address(state, silent) {
  // Silent mode searches for the end of a link label, in which nothing is autolinked.
  if (silent || state.linkLevel > 0) return false;
  switch (state.src[state.pos]) {
    case ":":
      return behind(state, SCHEME, web);
    case "@":
      return behind(state, LOCAL, mail);
    case "w":
      return www(state);
    default:
      return false;
  }
}

// Handles an address whose beginning has already been emitted as text.
function behind(state, pattern, read) {
  const before = pattern.exec(state.src.slice(Math.max(0, state.pos - BEFORE), state.pos))?.[0];
  const found = before && read(state, before);
  if (!found || !takeBack(state, before.length)) return false;
  link(state, found.href, before + found.rest);
  state.pos += found.rest.length;
  return true;
}

// Removes the last `length` characters of the pending text, with any emphasis delimiters among them: an underscore
// in an address is not emphasis.
function takeBack(state, length) {
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

function web(state, scheme) {
  const rest = trimmed(match(WEB, state) ?? "");
  return rest.length > 3 ? { rest, href: scheme + rest } : null;
}

function mail(state, local) {
  const rest = match(MAIL_HOST, state);
  return rest && !/[-_]$/.test(rest) ? { rest, href: `mailto:${local}${rest}` } : null;
}

function www(state) {
  const text = trimmed(match(WWW, state) ?? "");
  if (!DOMAIN.test(text)) return false;
  link(state, `http://${text}`, text);
  state.pos += text.length;
  return true;
}

function match(pattern, state) {
  pattern.lastIndex = state.pos;
  const found = pattern.exec(state.src)?.[0];
  return found?.slice(0, state.posMax - state.pos);
}

// Trailing punctuation belongs to the sentence, as do an unmatched closing bracket and anything that looks like an
// entity.
function trimmed(text) {
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
