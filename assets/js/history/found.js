// Threads whose questions or answers contain the search words, each with the match in context.
import { get } from "../api.js";
import { el, fill } from "../dom.js";
import { plural, when } from "../format.js";
import { marked } from "../parts/spans.js";

const SHOWN = 8;

/** Returns `{node, find(words, signal)}`, a list above the history; `find` resolves to the number of threads found. */
export function Found() {
  const node = el("section", { class: "found-threads", "aria-label": "Threads with these words", hidden: true });
  return { node, find };

  async function find(words, signal) {
    if (!words) {
      node.hidden = true;
      return 0;
    }
    const { threads } = await get("/api/threads", { query: { q: words, limit: SHOWN }, signal }).catch(() => ({ threads: [] }));
    if (signal.aborted) return 0;
    node.hidden = threads.length === 0;
    fill(node, el("h2", null, plural(threads.length, "thread")), el("ul", null, threads.map(Hit)));
    return threads.length;
  }
}

function Hit({ thread_id: id, title, updated_at: at, turns, snippet }) {
  const place = snippet?.analysis_id ? `?turn=${encodeURIComponent(snippet.analysis_id)}` : "";
  return el("li", { data: { preview: snippet?.analysis_id ?? "" } }, el("a", { class: "found-thread", href: `/t/${encodeURIComponent(id)}${place}` },
    el("span", { class: "found-head" }, el("strong", { dir: "auto" }, title), el("time", { class: "fine", datetime: at }, when(at))),
    snippet && el("span", { class: "found-text", dir: "auto" }, `${snippet.in === "answer" ? "Answer" : "Question"}: “`,
      marked(plain(snippet.text), snippet.matches.map(([start, end]) => ({ start, end, kind: "" }))), "”"),
    el("span", { class: "fine" }, plural(turns ?? 1, "turn"))));
}

// Blanks out Markdown syntax and citations, keeping the byte length so that the marks stay aligned.
function plain(text) {
  return text.replace(/\[D\d+:p\d+\]/g, (mark) => " ".repeat(mark.length)).replace(/[*_#`|>]/g, " ");
}
