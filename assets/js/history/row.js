// One thread in the history: its title, the matching excerpt of a search, and a menu.
import { call } from "../api.js";
import { el, icon, link } from "../dom.js";
import { exactly, excerpt, money, plural, sentence, when } from "../format.js";
import { Menu } from "../parts/menu.js";
import { saveAs } from "../parts/save.js";
import { marked } from "../parts/spans.js";
import { toast } from "../parts/toast.js";
import { refresh } from "../shell/threads.js";

const STATUS = { queued: "Queued", running: "Running", failed: "Failed", cancelled: "Stopped" };
const FORMATS = [["markdown", "Markdown", "md"], ["html", "HTML", "html"], ["json", "JSON", "json"]];

/** The API path of a thread. */
export const pathOf = (thread) => `/api/threads/${encodeURIComponent(thread.thread_id)}`;

/** A row. `drop(thread, row)` deletes it; `moved(thread, row)` is called when it may no longer belong in the list. */
export function Row(thread, { projects, drop, moved }) {
  const { snippet, newest } = thread;
  const turn = snippet?.analysis_id ?? (newest?.analysis_id || "");
  const query = snippet?.analysis_id ? `?turn=${encodeURIComponent(snippet.analysis_id)}` : "";
  const facts = el("p", { class: "fine" });
  const row = el("li", { class: "row thread-row", data: { id: thread.thread_id, preview: turn } },
    el("div", { class: "row-words" },
      el("div", { class: "row-head" },
        link(`/t/${encodeURIComponent(thread.thread_id)}${query}`, thread.title, { class: "row-title", dir: "auto" }),
        el("time", { class: "fine", datetime: thread.updated_at, title: exactly(thread.updated_at) }, when(thread.updated_at))),
      snippet && Snippet(snippet), facts),
    Menu(`Actions for “${excerpt(thread.title, 60)}”`, actions, { class: "quiet icon-only row-menu", title: "More", content: icon("more") }));
  row.drop = () => drop(thread, row);
  updateFacts();
  return row;

  function updateFacts() {
    const status = STATUS[newest?.status];
    const project = projects.find((each) => each.project_id === thread.project_id)?.name;
    const words = [project, plural(thread.turns ?? 1, "turn"), thread.cost_usd > 0 && money(thread.cost_usd)].filter(Boolean).join(" · ");
    const badges = [thread.pinned && "Pinned", thread.archived && "Archived", thread.shared && "Shared"].filter(Boolean);
    facts.replaceChildren(...[status && el("span", { class: `status-word ${newest.status}` }, `${status} · `), words, ...badges.map((word) => el("span", { class: "badge" }, word))].filter(Boolean));
  }

  function actions() {
    return [
      { label: thread.pinned ? "Unpin" : "Pin", icon: "pin", act: () => patch({ pinned: !thread.pinned }) },
      { label: thread.archived ? "Unarchive" : "Archive", icon: "folder", act: () => patch({ archived: !thread.archived }) },
      ...FORMATS.map(([format, name, ending]) => ({ label: `Export as ${name}`, icon: "download", act: () => exportAs(format, ending) })),
      { label: "Delete", icon: "trash", look: "danger", act: row.drop },
    ];
  }

  async function patch(change) {
    try {
      await call("PATCH", pathOf(thread), { body: change });
      Object.assign(thread, change);
      updateFacts();
      refresh();
      const [name] = Object.keys(change);
      toast({ pinned: change.pinned ? "Pinned." : "Unpinned.", archived: change.archived ? "Archived." : "Moved back to your threads." }[name]);
      moved(thread, row);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  async function exportAs(format, ending) {
    try {
      const response = await call("GET", `${pathOf(thread)}/export`, { query: { format }, raw: true, accept: "*/*" });
      saveAs(await response.blob(), `${thread.thread_id}.${ending}`);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
}

function Snippet({ in: where, text, matches }) {
  return el("p", { class: "found-text", dir: "auto" }, `${where === "answer" ? "Answer" : "Question"}: “`,
    marked(blankMarkup(text), matches.map(([start, end]) => ({ start, end, kind: "" }))), /[.!?]$/.test(text) ? "”" : "…”");
}

// Blanks out Markdown syntax and citations. The byte length stays the same, so that the marks stay aligned.
function blankMarkup(text) {
  return text.replace(/\[D\d+:p\d+\]/g, (mark) => " ".repeat(mark.length)).replace(/[*_#`|>]/g, " ");
}
