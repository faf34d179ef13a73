// Syntax highlighting with highlight.js: the scopes it recognizes become elements here. Loaded only when a text
// contains code.
import hljs from "../../vendor/highlight.js";
import { el } from "../dom.js";

// Maximum number of characters highlighted per block; the rest stays plain, which bounds the cost of streaming a
// block.
const MAX_LENGTH = 16_000;
const PLAIN = /^(|text|txt|plain|plaintext|output|log|csv)$/;

// Maps highlight.js scopes, by the first part of their name, to our style classes.
const STYLE_CLASSES = {
  comment: "comment", quote: "comment", meta: "comment",
  string: "text", regexp: "text", char: "text", addition: "text", code: "text", link: "text",
  number: "number", symbol: "number", bullet: "number", deletion: "number",
  keyword: "word", literal: "word", "built_in": "word", "selector-tag": "word", "selector-pseudo": "word", strong: "word",
  title: "name", name: "name", section: "name", attr: "name", attribute: "name", property: "name", "selector-class": "name", "selector-id": "name", type: "name",
};

/** Nodes for a text in this language; just the text if the language is unknown. */
export function highlighted(text, language) {
  const name = language.toLowerCase();
  if (PLAIN.test(name) || !hljs.getLanguage(name)) return [text];
  const end = text.length > MAX_LENGTH ? text.lastIndexOf("\n", MAX_LENGTH) + 1 : text.length;
  return [...hljs.highlight(text.slice(0, end), { language: name, ignoreIllegals: true })._emitter.rootNode.children.map(toNode), text.slice(end)].filter(Boolean);
}

function toNode(part) {
  if (typeof part === "string") return part;
  const styleClass = STYLE_CLASSES[part.scope?.split(".")[0]];
  return el("span", styleClass ? { class: `code-${styleClass}` } : null, part.children.map(toNode));
}
