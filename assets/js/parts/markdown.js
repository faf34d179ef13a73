// Renders Markdown to elements, with the syntax that models use: headings, paragraphs, lists, tables,
// quotes, code.
// Creates no HTML strings, loads no image, follows no link by itself.
import { el } from "../dom.js";
import { CopyButton } from "./copy.js";
import { inline } from "./inline.js";

const DEEPEST = 6;
// Blocks per container of a growing text.
const SHEET = 16;
// The headings above a text on the page are of the second level at most.
const FIRST_LEVEL = 3;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;

/** Elements for a text. `cite` renders citations (see inline.js); without it they stay text. */
export function markdown(text, cite) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const levels = lines.map((line) => HEADING.exec(line)?.[1].length).filter(Boolean);
  // Heading levels are shifted so that they continue those of the page without gaps.
  return blocks(lines, { cite, top: levels.reduce((top, level) => Math.min(top, level), 6), last: FIRST_LEVEL - 1 }, 0);
}

/**
 * A container for a streamed text. Finished blocks are built once and only the last is rebuilt, so the cost of a new
 * piece does not depend on the length of the text. Blocks are grouped in containers, so that new ones at the end cause
 * no new layout of the earlier ones.
 */
export function GrowingText(cite) {
  const tail = el("div", { class: "prose" });
  const node = el("div", { class: "growing" }, tail);
  let sheet = null;
  let done = 0;

  function settle(blocks) {
    for (const block of blocks) {
      if (!sheet || sheet.childElementCount >= SHEET) tail.before(sheet = el("div", { class: "prose settled" }));
      sheet.append(block);
    }
  }

  function clear() {
    sheet = null;
    node.replaceChildren(tail);
  }
  return {
    node,
    set(text) {
      if (text.length < done) {
        done = 0;
        clear();
      }
      const safe = lastBoundary(text, done);
      if (safe > done) {
        settle(markdown(text.slice(done, safe), cite));
        done = safe;
      }
      tail.replaceChildren(...markdown(text.slice(done), cite));
    },
    /** Rebuilds everything: blocks split at a blank line (loose lists) are joined. */
    finish(text) {
      done = text.length;
      tail.replaceChildren(...markdown(text, cite));
      clear();
    },
  };
}

// The last blank line after which a new block certainly begins: outside code, not before an indented line.
function lastBoundary(text, from) {
  let boundary = from;
  let fenced = false;
  let at = from;
  while (at < text.length) {
    const end = text.indexOf("\n", at);
    if (end < 0) break;
    const line = text.slice(at, end);
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    const next = text[end + 1];
    if (!fenced && line.trim() === "" && next !== undefined && !/[\s\-*+\d]/.test(next)) boundary = end + 1;
    at = end + 1;
  }
  return boundary;
}

function blocks(lines, text, depth) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const [node, next] = block(lines, at, text, depth);
    if (node) out.push(node);
    at = next;
  }
  return out;
}

function block(lines, at, text, depth) {
  const line = lines[at];
  if (line.trim() === "") return [null, at + 1];
  const fence = /^\s*(`{3,}|~{3,})\s*([\w+#.-]*)/.exec(line);
  if (fence) return code(lines, at, fence);
  // An escaped bracket starts a formula only on a line of its own; otherwise it is just a bracket.
  const formula = /^\s*(\$\$|\\\[(?=\s*$|.*\\\]\s*$))/.exec(line);
  if (formula) return math(lines, at, formula[1]);
  const heading = HEADING.exec(line);
  // In a streamed text, a heading may not have its words yet.
  if (heading) return [heading[2] ? title(heading, text) : null, at + 1];
  if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) return [el("hr"), at + 1];
  if (depth < DEEPEST && /^ {0,3}>/.test(line)) return quote(lines, at, text, depth);
  if (depth < DEEPEST && marker(line)) return list(lines, at, text, depth);
  if (line.includes("|") && isRule(lines[at + 1])) return table(lines, at, text);
  return paragraph(lines, at, text, depth);
}

function title(heading, text) {
  const level = Math.max(FIRST_LEVEL, FIRST_LEVEL + heading[1].length - text.top);
  text.last = Math.min(6, level, text.last + 1);
  return el(`h${text.last}`, { dir: "auto" }, inline(heading[2], text.cite));
}

function code(lines, at, fence) {
  const body = [];
  let next = at + 1;
  while (next < lines.length && !lines[next].trimStart().startsWith(fence[1])) body.push(lines[next++]);
  const label = fence[2] ? `Code in ${fence[2]}` : "Code";
  const shown = el("code", null, body.join("\n"));
  // Highlights before the first paint if the highlighter is loaded, otherwise shortly after.
  if (fence[2]) import("./highlight.js").then(({ paint }) => paint(shown, fence[2]), () => {});
  const block = el("div", { class: "code-block" },
    el("pre", { tabindex: "0", role: "group", "aria-label": label }, shown),
    CopyButton("Copy the code", () => body.join("\n")));
  return [block, next + 1];
}

// Formulas stay as written, in a monospaced font.
function math(lines, at, open) {
  const close = open === "$$" ? "$$" : "\\]";
  let text = lines[at].trim().slice(open.length);
  let next = at + 1;
  while (!text.includes(close) && next < lines.length && lines[next].trim() !== "") text += `\n${lines[next++]}`;
  const [formula, ...rest] = text.split(close);
  const more = rest.join(close).trim();
  return [el("pre", { class: "math", tabindex: "0", role: "group", "aria-label": "Formula" }, formula.trim(), more && `\n${more}`), next];
}

function quote(lines, at, text, depth) {
  const inner = [];
  let next = at;
  while (next < lines.length && /^ {0,3}>/.test(lines[next])) inner.push(lines[next++].replace(/^ {0,3}> ?/, ""));
  return [el("blockquote", null, blocks(inner, text, depth + 1)), next];
}

// The start of a list item: its indentation, the width of its marker, and its number if the list is
// ordered.
function marker(line) {
  const found = /^(\s*)([-*+]|(\d{1,9})[.)])(\s+)(?=\S)/.exec(line);
  if (!found) return null;
  return { indent: found[1].length, width: found[0].length, number: found[3] };
}

function list(lines, at, text, depth) {
  const first = marker(lines[at]);
  const ordered = first.number !== undefined;
  const node = el(ordered ? "ol" : "ul", { start: ordered && first.number !== "1" ? Number(first.number) : null });
  let next = at;
  while (next < lines.length) {
    const here = marker(lines[next]);
    if (!here || here.indent > first.indent + 3 || here.indent < first.indent || (here.number !== undefined) !== ordered) break;
    const [item, after] = listItem(lines, next, here, first.indent);
    node.append(el("li", { dir: "auto" }, tight(blocks(item, text, depth + 1))));
    next = after;
    // A blank line between items continues the same list.
    let peek = next;
    while (peek < lines.length && lines[peek].trim() === "") peek += 1;
    if (peek > next && peek < lines.length && marker(lines[peek])?.indent === first.indent) next = peek;
  }
  return [node, next];
}

function listItem(lines, at, here, base) {
  const item = [lines[at].slice(here.width)];
  let next = at + 1;
  while (next < lines.length) {
    const line = lines[next];
    const indent = line.length - line.trimStart().length;
    if (line.trim() === "") {
      const following = lines[next + 1] ?? "";
      if (following.trim() === "" || following.length - following.trimStart().length <= base) break;
    } else if (indent <= base && (marker(line) || startsBlock(line))) break;
    item.push(line.slice(Math.min(indent, here.width)));
    next += 1;
  }
  return [item, next];
}

// An item of one paragraph contains that paragraph's text, without a paragraph's margins.
function tight(nodes) {
  if (nodes[0]?.tagName !== "P") return nodes;
  return [...nodes[0].childNodes, ...nodes.slice(1)];
}

function isRule(line) {
  return line !== undefined && line.includes("-") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(line);
}

function table(lines, at, text) {
  const head = cells(lines[at]);
  const sides = cells(lines[at + 1]).map((rule) => (/-:$/.test(rule) ? (rule[0] === ":" ? "center" : "right") : ""));
  const rows = [];
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|") && lines[next].trim() !== "") rows.push(cells(lines[next++]));
  const row = (tag, texts) => el("tr", null, head.map((_, column) => el(tag, {
    class: sides[column] || null,
    dir: "auto",
    scope: tag === "th" ? "col" : null,
  }, inline(texts[column] ?? "", text.cite))));
  return [
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Table" },
      el("table", null, el("thead", null, row("th", head)), el("tbody", null, rows.map((texts) => row("td", texts))))),
    next,
  ];
}

function cells(line) {
  return line.trim().replace(/^\|/, "").replace(/(^|[^\\])\|$/, "$1").split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replace(/\\\|/g, "|"));
}

function startsBlock(line) {
  return /^\s*(```|~~~)/.test(line) || /^ {0,3}#{1,6}\s/.test(line) || /^ {0,3}>/.test(line);
}

function paragraph(lines, at, text, depth) {
  const words = [lines[at]];
  let next = at + 1;
  while (next < lines.length && lines[next].trim() !== "" && !startsBlock(lines[next])) {
    if (depth < DEEPEST && marker(lines[next])) break;
    if (lines[next].includes("|") && isRule(lines[next + 1])) break;
    words.push(lines[next++]);
  }
  return [el("p", { dir: "auto" }, inline(words.join("\n"), text.cite)), next];
}
