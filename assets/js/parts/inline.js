// Inline Markdown: emphasis, code, links, citations. Creates nodes only, never HTML strings.
import { el } from "../dom.js";

const DEEPEST = 8;
// Closing delimiters are searched for this many characters at most, so that a text full of unpaired ones
// stays cheap.
const REACH = 4000;

/** Nodes for one run of text. `cite(label, text, at)` returns nodes for a citation in brackets, or null. */
export function inline(text, cite, depth = 0) {
  const out = [];
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain) out.push(plain);
    plain = "";
  };
  while (at < text.length) {
    const found = depth < DEEPEST ? token(text, at, cite, depth) : null;
    if (found) {
      flush();
      out.push(...found.nodes);
      at = found.next;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  flush();
  return out;
}

function token(text, at, cite, depth) {
  switch (text[at]) {
    case "\\":
      if (text[at + 1] === "(") return formula(text, at, "\\(", "\\)");
      return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { nodes: [text[at + 1]], next: at + 2 } : null;
    case "`":
      return codeSpan(text, at);
    case "$":
      return dollars(text, at);
    case "!":
      return text[at + 1] === "[" ? bracket(text, at + 1, cite, depth, true) : null;
    case "[":
      return bracket(text, at, cite, depth, false);
    case "*":
    case "_":
    case "~":
      return emphasis(text, at, cite, depth);
    case "(":
    case "【":
      return otherBracket(text, at, cite);
    case "<":
      return angleLink(text, at);
    case "h":
      return bareLink(text, at);
    case "\n":
      return /(\\| {2,})$/.test(text.slice(Math.max(0, at - 3), at)) ? { nodes: [el("br")], next: at + 1 } : null;
    default:
      return null;
  }
}

function codeSpan(text, at) {
  const ticks = /^`+/.exec(text.slice(at, at + 20))[0];
  const end = text.indexOf(ticks, at + ticks.length);
  if (end < 0 || end > at + REACH) return { nodes: [ticks], next: at + ticks.length };
  return { nodes: [el("code", null, text.slice(at + ticks.length, end).trim())], next: end + ticks.length };
}

function formula(text, at, open, close) {
  const end = text.indexOf(close, at + open.length);
  if (end < 0 || end > at + REACH) return null;
  return { nodes: [el("code", { class: "math" }, text.slice(at + open.length, end).trim())], next: end + close.length };
}

// A dollar sign is mostly money: it starts a formula only if the enclosed text looks like one.
function dollars(text, at) {
  if (/[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return null;
  if (text[at + 1] === "$") return formula(text, at, "$$", "$$");
  return /^\$(?!\s)(?=[^$\n]*[\\^_={])[^$\n]*[^$\s]\$(?!\d)/.test(text.slice(at, at + REACH)) ? formula(text, at, "$", "$") : null;
}

function emphasis(text, at, cite, depth) {
  const sign = text[at];
  const double = text[at + 1] === sign;
  if (sign === "~" && !double) return null;
  const delimiter = double ? sign + sign : sign;
  const from = at + delimiter.length;
  if (/\s|^$/.test(text[from] ?? "")) return null;
  // snake_case and 2*3 are not emphasis.
  if (sign === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return null;
  const limit = Math.min(text.length, at + REACH);
  for (let end = text.indexOf(delimiter, from + 1); end > 0 && end < limit; end = text.indexOf(delimiter, end + 1)) {
    if (/\s/.test(text[end - 1])) continue;
    if (!double && (text[end + 1] === sign || text[end - 1] === sign)) continue;
    if (sign === "_" && /[\p{L}\p{N}]/u.test(text[end + delimiter.length] ?? "")) continue;
    const tag = sign === "~" ? "del" : double ? "strong" : "em";
    return { nodes: [el(tag, null, inline(text.slice(from, end), cite, depth + 1))], next: end + delimiter.length };
  }
  return null;
}

function bracket(text, at, cite, depth, image) {
  const close = closing(text, at);
  if (close < 0) return null;
  const label = text.slice(at + 1, close);
  const target = /^\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+["'(][^)]*)?\s*\)/.exec(text.slice(close + 1, close + REACH));
  if (target) {
    const next = close + 1 + target[0].length;
    // An image would let a document's author track the reader: its address is shown in its place.
    if (image) return { nodes: [`image: ${label || "without a name"} (${target[1]})`], next };
    return { nodes: anchor(target[1], inline(label, cite, depth + 1), label), next };
  }
  const nodes = !image && cite?.(label, text, at);
  return nodes ? { nodes, next: close + 1 } : null;
}

function closing(text, at) {
  let open = 0;
  const limit = Math.min(text.length, at + REACH);
  for (let i = at; i < limit; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "[") open += 1;
    else if (text[i] === "]" && --open === 0) return i;
  }
  return -1;
}

// Some models write citations in other brackets.
function otherBracket(text, at, cite) {
  const found = cite && /^(?:\((D\s?\d[^()\n]{1,120})\)|【(D\s?\d[^【】\n]{1,120})】)/i.exec(text.slice(at, at + 130));
  const nodes = found && cite(found[1] ?? found[2], text, at);
  return nodes ? { nodes, next: at + found[0].length } : null;
}

function angleLink(text, at) {
  const found = /^<(https?:\/\/[^\s<>]+)>/.exec(text.slice(at, at + 2000));
  return found ? { nodes: anchor(found[1], [found[1]], found[1]), next: at + found[0].length } : null;
}

function bareLink(text, at) {
  if (!text.startsWith("http", at) || /[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return null;
  const found = /^https?:\/\/[^\s<>"'`]+/.exec(text.slice(at, at + REACH));
  if (!found) return null;
  const address = found[0].replace(/[.,;:!?)\]*_]+$/, "");
  return { nodes: anchor(address, [address], address), next: at + address.length };
}

// The target of a link is always visible, and only web and email addresses become links.
function anchor(address, children, label) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return [...children, ` (${address})`];
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return [...children, ` (${address})`];
  const link = el("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
  return label === address ? [link] : [link, el("span", { class: "link-target" }, ` (${url.href})`)];
}
