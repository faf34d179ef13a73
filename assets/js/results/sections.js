// Aligns two texts by their headings: sections with the same heading share a row.
import { diffArrays } from "../../vendor/diff.js";
import { blocks, reading } from "../text/parser.js";
import { isSimilar, tally } from "./diff.js";

/** Returns rows `{title, left, right}` in order; `left` or `right` is null if that text has no such section. */
export function rows(left, right) {
  const [a, b] = [sections(left), sections(right)];
  const out = [];
  let [i, j] = [0, 0];
  for (const { count, added, removed } of diffArrays(a.map(headingKey), b.map(headingKey))) {
    for (let n = 0; n < count; n += 1) {
      if (removed) out.push({ title: a[i].title, left: a[i++].text, right: null });
      else if (added) out.push({ title: b[j].title, left: null, right: b[j++].text });
      else out.push({ title: b[j].title, left: a[i++].text, right: b[j++].text });
    }
  }
  return mergeRenamed(out);
}

// The sections of a text: everything before the first heading, then each heading with its content.
function sections(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const tokens = blocks(text, reading());
  const headings = tokens.flatMap((token, at) => (token.type === "heading_open" && token.level === 0 ? [{ line: token.map[0], title: tokens[at + 1].content }] : []));
  const parts = [{ line: 0, title: "" }, ...headings].map(({ line, title }, at, list) => ({ title, text: lines.slice(line, list[at + 1]?.line).join("\n").trim() }));
  const nonEmpty = parts.filter(({ text: content }) => content !== "");
  return nonEmpty.length > 0 ? nonEmpty : [{ title: "", text: "" }];
}

function headingKey({ title }) {
  return title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}

// A removed section followed by a new one counts as renamed if they are more than half alike.
function mergeRenamed(list) {
  return list.reduce((out, row) => {
    const last = out.at(-1);
    const isPair = last && last.right === null && row.left === null && isSimilar(tally(last.left, row.right));
    if (isPair) Object.assign(last, { title: row.title, right: row.right });
    else out.push(row);
    return out;
  }, []);
}
