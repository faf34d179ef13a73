// Turns the tokens of a text into nodes, in pieces of any size: it can stop between two tokens and resume later.
// Creates nodes directly, never from an HTML string, and loads nothing.
import { el } from "../dom.js";
import { blocks, inlines, reading } from "./parser.js";
import { codeBlock } from "./code.js";
import { Formula } from "./formula.js";
import { anchor, target } from "./links.js";
import { readTags } from "./tags.js";
import { closeMarkup } from "./unfinished.js";

// The page's headings above a text are level 1 or 2.
const FIRST_LEVEL = 3;
const LAST_LEVEL = 6;

/**
 * Returns a writer of a text into `root`, anything with an `append` method. `write(budget)` writes about this many
 * characters and returns whether there are more. With `isOpen`, the text is still growing: markup left open at its end
 * is closed.
 */
export function Writer(tokens, env, root, isOpen = false) {
  const text = { env, isOpen, last: tokens.findLastIndex((token) => token.type === "inline" && token.content !== ""), heading: headingLevels(tokens, env.heading) };
  // The next part continues the heading levels of the finished one.
  if (!isOpen) env.heading = text.heading;
  const stack = [{ inner: root }];
  let at = 0;
  return {
    write(budget = Infinity) {
      let left = budget;
      while (at < tokens.length && left > 0) {
        const token = tokens[at];
        left -= token.content.length + 8;
        if (token.type === "inline") writeInline(stack, token.content, text, at === text.last);
        else writeBlock(stack, token, text, at === tokens.length - 1);
        at += 1;
      }
      for (const level of stack.slice(1)) attach(level);
      return at < tokens.length;
    },
  };
}

/** Returns nodes for inline text. */
export function inline(text, cite) {
  const root = el("span");
  writeInline([{ inner: root }], text, { env: reading(cite) }, false);
  return [...root.childNodes];
}

// Heading levels are shifted so that they continue those of the page without gaps.
function headingLevels(tokens, before = { top: LAST_LEVEL, last: FIRST_LEVEL - 1 }) {
  const levels = tokens.filter((token) => token.type === "heading_open").map((token) => Number(token.tag[1]));
  return { top: levels.reduce((top, level) => Math.min(top, level), before.top), last: before.last };
}

// Elements are appended to their parents only when complete: within the document, each addition would trigger a
// layout.
function open(stack, node, inner = node) {
  stack.push({ node, inner, parent: stack.at(-1).inner });
}

function close(stack) {
  const level = stack.pop();
  attach(level);
  return level;
}

function attach(level) {
  if (!level.isAttached) level.parent.append(level.node);
  level.isAttached = true;
}

function writeBlock(stack, token, text, isLast) {
  if (token.hidden) return;
  switch (token.type) {
    case "heading_open":
      text.heading.last = Math.min(LAST_LEVEL, FIRST_LEVEL + Number(token.tag[1]) - text.heading.top, text.heading.last + 1);
      return open(stack, el(`h${text.heading.last}`, { dir: "auto" }));
    case "list_item_open":
      return open(stack, el("li", { dir: "auto", class: token.meta && "task" }, token.meta && taskBox(token.meta)));
    case "ordered_list_open":
      return open(stack, el("ol", { start: token.attrGet("start") ?? null }));
    case "table_open":
      return openTable(stack);
    case "th_open":
    case "td_open":
      return open(stack, tableCell(token));
    case "footnote_open":
      return open(stack, el("div", { class: "footnote", id: noteId(text.env, token.meta), tabindex: "-1", dir: "auto" }, el("sup", null, String(token.meta.number)), " "));
    case "details_open":
      return open(stack, el("details", { open: token.meta.isOpen || (text.isOpen && isLast) }));
    case "fence":
    case "code_block":
      return appendLeaf(stack, codeNode(token, text.isOpen && isLast));
    case "formula":
      return appendLeaf(stack, Formula(token.content, true, Boolean(token.meta?.isOpen)));
    case "hr":
      return appendLeaf(stack, el("hr"));
    default:
      return writeElement(stack, token);
  }
}

function writeElement(stack, token) {
  if (token.nesting > 0) open(stack, el(token.tag, token.tag === "p" ? { dir: "auto" } : null));
  else if (token.nesting < 0) close(stack);
}

function appendLeaf(stack, node) {
  stack.at(-1).inner.append(node);
}

function openTable(stack) {
  const table = el("table");
  open(stack, el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Table" }, table), table);
}

function tableCell(token) {
  const alignment = /text-align:(\w+)/.exec(token.attrGet("style") ?? "")?.[1];
  return el(token.tag, { class: alignment ?? null, dir: "auto", scope: token.tag === "th" ? "col" : null });
}

function taskBox({ isDone }) {
  const box = el("input", { type: "checkbox", disabled: true, "aria-label": isDone ? "Done" : "To do" });
  box.toggleAttribute("checked", isDone);
  return [box, " "];
}

function codeNode(token, isGrowing) {
  const language = token.type === "fence" ? token.info.trim().split(/\s+/)[0] : "";
  if (/^(math|latex)$/i.test(language) && !isGrowing) return Formula(token.content.trim(), true, false);
  return codeBlock(token.content.replace(/\n$/, ""), language);
}

function writeInline(stack, content, text, isLast) {
  const tokens = inlines(text.isOpen && isLast ? closeMarkup(content, text.env) : content, text.env);
  readTags(tokens);
  const depth = stack.length;
  for (const token of tokens) writeInlineToken(stack, token, text.env);
  while (stack.length > depth) close(stack);
}

function writeInlineToken(stack, token, env) {
  switch (token.type) {
    case "text":
    case "text_special":
      return token.content === "" ? undefined : appendLeaf(stack, token.content);
    case "softbreak":
      return appendLeaf(stack, "\n");
    case "hardbreak":
      return appendLeaf(stack, el("br"));
    case "code_inline":
      return appendLeaf(stack, el("code", null, token.content));
    case "formula":
      return appendLeaf(stack, Formula(token.content, token.block, false));
    case "mark":
      return stack.at(-1).inner.append(...token.meta.nodes);
    case "image":
      return writeImage(stack, token);
    case "footnote_mark":
      return appendLeaf(stack, noteMark(env, token.meta));
    case "link_open":
      return openLink(stack, token);
    case "link_close":
      return closeLink(stack);
    default:
      return writeElement(stack, token);
  }
}

function openLink(stack, token) {
  const href = token.attrGet("href");
  const link = anchor(href, token.attrGet("title"));
  // A rejected address follows its text in parentheses, which needs no element.
  open(stack, link ?? el("span", { class: "no-link" }));
  stack.at(-1).href = href;
}

function closeLink(stack) {
  const { node, href } = close(stack);
  const plainText = node.textContent;
  if (node.tagName === "A") stack.at(-1).inner.append(target(node, plainText) ?? "");
  else if (plainText !== href) node.append(` (${href})`);
}

// A remote image would let a document's author track the reader, so its address is linked instead.
function writeImage(stack, token) {
  const href = token.attrGet("src");
  const name = plainText(token.children) || "without a name";
  const link = anchor(href, token.attrGet("title"));
  if (!link) return appendLeaf(stack, `image: ${name} (${href})`);
  link.append(name);
  stack.at(-1).inner.append("image: ", link, target(link, name) ?? "");
}

function plainText(tokens) {
  return tokens.map((token) => (token.children ? plainText(token.children) : /break$/.test(token.type) ? "\n" : token.content)).join("");
}

function noteId(env, { label }) {
  return `${env.prefix}note-${label}`;
}

function noteMark(env, { number, label }) {
  const note = noteId(env, { label });
  return el("sup", null, el("a", { href: `#${note}`, "aria-label": `Footnote ${number}`, on: { click: (event) => {
    event.preventDefault();
    const place = document.getElementById(note);
    place?.scrollIntoView({ block: "center" });
    place?.focus({ preventScroll: true });
  } } }, String(number)));
}

export { blocks, reading };
