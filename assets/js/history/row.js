// One thread in the history: its title, the matching excerpt of a search, and a menu.
import { call } from "../api.js";
import { button, el, icon, link } from "../dom.js";
import { exactly, excerpt, money, plural, sentence, when } from "../format.js";
import { Letter } from "../parts/letter.js";
import { Menu } from "../parts/menu.js";
import { letterAt } from "../parts/run-model.js";
import { saveAs } from "../parts/save.js";
import { marked } from "../parts/spans.js";
import { toast } from "../parts/toast.js";
import { refresh } from "../shell/threads.js";

const STATUS = { queued: "Queued", running: "Running", failed: "Failed", cancelled: "Stopped" };
// Maximum number of a panel's letters to show; the rest are given as a number.
const SHOWN_LETTERS = 6;
const FORMATS = [["markdown", "Markdown", "md"], ["html", "HTML", "html"], ["json", "JSON", "json"]];

/** The API path of a thread. */
export const pathOf = (thread) => `/api/threads/${encodeURIComponent(thread.thread_id)}`;

/** A row. `drop(thread, row)` deletes it; `moved(thread, row)` is called when it may no longer belong in the list. */
export function Row(thread, { projects, drop, moved }) {
  const { snippet, newest } = thread;
  const turn = snippet?.analysis_id ?? (newest?.analysis_id || "");
  const facts = el("p", { class: "fine row-facts" });
  const row = el("li", { class: "row thread-row", data: { id: thread.thread_id, preview: turn } },
    el("div", { class: "row-words" },
      el("div", { class: "row-head" },
        link(`/t/${encodeURIComponent(thread.thread_id)}${queryOf(snippet)}`, thread.title, { class: "row-title", dir: "auto" }),
        el("time", { class: "fine", datetime: thread.updated_at, title: exactly(thread.updated_at) }, when(thread.updated_at))),
      snippet && Snippet(snippet), facts),
    Menu(`Actions for “${excerpt(thread.title, 60)}”`, actions, { class: "quiet icon-only row-menu", title: "More", content: icon("more") }));
  row.drop = () => drop(thread, row);
  row.pinButton = PinButton;
  updateFacts();
  return row;

  function updateFacts() {
    const status = STATUS[newest?.status];
    const project = projects.find((each) => each.project_id === thread.project_id)?.name;
    const words = [project, plural(thread.turns ?? 1, "turn"), thread.cost_usd > 0 && money(thread.cost_usd)].filter(Boolean).join(" · ");
    const badges = [thread.pinned && "Pinned", thread.archived && "Archived", thread.shared && "Shared"].filter(Boolean);
    facts.replaceChildren(...[Panel(newest?.members ?? 0), status && el("span", { class: `status-word ${newest.status}` }, `${status} · `), words, ...badges.map((word) => el("span", { class: "badge" }, word))].filter(Boolean));
  }

  // A pin button for the preview, which shows the same thread.
  function PinButton() {
    const label = () => (thread.pinned ? "Unpin" : "Pin");
    const pin = button(label(), { class: "quiet", on: { click: async () => {
      await patch({ pinned: !thread.pinned });
      pin.lastChild.textContent = label();
      pin.setAttribute("aria-label", label());
    } } }, [icon("pin"), el("span", null, label())]);
    return pin;
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

// Shows the letters of the panel's members.
function Panel(members) {
  if (members === 0) return null;
  const letters = Array.from({ length: Math.min(members, SHOWN_LETTERS) }, (_, place) => Letter(letterAt(place)));
  return el("span", { class: "stack", role: "img", "aria-label": plural(members, "member") }, letters, members > SHOWN_LETTERS && `+${members - SHOWN_LETTERS}`);
}

// Leads to the matching turn, and to the words if they are a member's.
function queryOf(snippet) {
  if (!snippet?.analysis_id) return "";
  const query = new URLSearchParams({ turn: snippet.analysis_id });
  if (snippet.in === "member" && snippet.matches.length > 0) {
    const [start, end] = snippet.matches[0];
    const says = new TextDecoder().decode(new TextEncoder().encode(snippet.text).subarray(start, end));
    for (const [name, value] of Object.entries({ tab: "members", member: snippet.member, says })) query.set(name, value);
  }
  return `?${query}`;
}

function Snippet({ in: where, member, text, matches }) {
  const source = { answer: "Answer", question: "Question", member: `Member ${member}` }[where];
  return el("p", { class: "found-text", dir: "auto" }, `${source}: “`,
    marked(blankMarkup(text), matches.map(([start, end]) => ({ start, end, kind: "" }))), /[.!?]$/.test(text) ? "”" : "…”");
}

// Blanks out Markdown syntax and citations. The byte length stays the same, so that the marks stay aligned.
function blankMarkup(text) {
  return text.replace(/\[D\d+:p\d+\]/g, (mark) => " ".repeat(mark.length)).replace(/[*_#`|>]/g, " ");
}
