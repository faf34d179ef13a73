// Syntax highlighting: comments, strings, numbers, and keywords common to most languages. Nothing is
// parsed; unknown
// code stays plain.
import { el, fill } from "../dom.js";

// Code with more characters is not highlighted.
const MOST = 30_000;
const HASHES = /^(py|python|rb|ruby|sh|bash|zsh|shell|console|ya?ml|toml|ini|conf|r|perl|make|makefile|dockerfile)$/;
const DASHES = /^(sql|lua|haskell|hs|ada)$/;
const PLAIN = /^(|text|txt|plain|plaintext|output|log|csv|md|markdown)$/;
const WORDS = new Set(("abstract and as assert async await begin bool break case catch char class const continue def default del do double dyn elif else end enum " +
  "except export extends false final finally float fn for from func function global if impl implements import in int interface is lambda let long loop match " +
  "mod module mut namespace new nil none not null of or package pass private protected pub public raise ref return select self static string struct super " +
  "switch then this throw throws trait true try type typeof union unless until use using var void when where while with yield " +
  "create table insert into update delete from join left right inner outer on group by order having limit values set primary key").split(" "));

/** Highlights the content of an element in this language. */
export function paint(node, language) {
  fill(node, highlighted(node.textContent, language));
}

/** Nodes for a text in this language; the text alone if the language has no syntax to highlight. */
export function highlighted(text, language) {
  const name = language.toLowerCase();
  if (PLAIN.test(name) || text.length > MOST) return [text];
  const line = HASHES.test(name) ? "#[^\\n]*" : DASHES.test(name) ? "--[^\\n]*" : "//[^\\n]*";
  // A single quote alone begins a lifetime in Rust.
  const single = /^(rust|rs)$/.test(name) ? "'(?:\\\\.|[^'\\\\])'" : "'(?:\\\\.|[^'\\\\\\n])*'";
  const pattern = new RegExp(`(?<comment>/\\*[\\s\\S]*?(?:\\*/|$)|<!--[\\s\\S]*?(?:-->|$)|${line})` +
    "|(?<text>\"(?:\\\\.|[^\"\\\\\\n])*\"?|" + single + "|`(?:\\\\.|[^`\\\\])*`?)" +
    "|(?<number>\\b\\d[\\w.]*\\b)|(?<word>[A-Za-z_$][\\w$]*)", "g");
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(pattern)) {
    const kind = kindOf(found.groups);
    if (!kind) continue;
    if (found.index > done) nodes.push(text.slice(done, found.index));
    nodes.push(el("span", { class: `code-${kind}` }, found[0]));
    done = found.index + found[0].length;
  }
  nodes.push(text.slice(done));
  return nodes;
}

function kindOf({ comment, text, number, word }) {
  if (comment) return "comment";
  if (text) return "text";
  if (number) return "number";
  return word && WORDS.has(word.toLowerCase()) ? "word" : null;
}
