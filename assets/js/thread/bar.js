// The bar above a thread: its title, Details, Share, Export, and a menu with the rest.
import { call, remove } from "../api.js";
import { button, el, fill, icon } from "../dom.js";
import { sentence } from "../format.js";
import { confirm, openDialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { Menu } from "../parts/menu.js";
import { isOver } from "../parts/run-model.js";
import { saveAs } from "../parts/save.js";
import { toast } from "../parts/toast.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { refresh } from "../shell/threads.js";
import { openEvidence, quotesOf, Ring } from "./trust.js";

const FORMATS = [["markdown", "Markdown", "md"], ["html", "HTML", "html"], ["json", "JSON", "json"]];

/** Returns `{node, draw()}`. `thread()` and `last()` return the current thread and its last turn; `renamed()` is called after a rename. */
export function ThreadBar({ data, context, thread, last, renamed }) {
  const node = el("header", { class: "thread-bar" });
  draw();
  return { node, draw };

  function draw() {
    const current = thread();
    if (!current) return fill(node);
    const run = last()?.run();
    const hasEnded = run && isOver(run);
    const quotes = hasEnded && quotesOf(run);
    fill(node, el("h1", { dir: "auto", title: current.title }, current.title), el("span", { class: "grow" }),
      hasEnded && button(quotes ? `${quotes.good}/${quotes.all} quotes verified: evidence` : "Evidence", { class: "quiet bar-ring", on: { click: () => openEvidence(last().run(), last().evidence()) } }, quotes ? [Ring(quotes, 24), `${quotes.good}/${quotes.all}`] : "Evidence"),
      hasEnded && button("Details", { class: "quiet bar-wide", on: { click: showDetails } }),
      hasEnded && !isGuest() && button("Share", { class: "quiet bar-wide", on: { click: share } }, icon("share"), "Share"),
      hasEnded && Menu("Export", FORMATS.map(([format, name, extension]) => ({ label: name, act: () => exportAs(format, extension) })), { class: "quiet bar-wide", content: [icon("download"), "Export", icon("down")] }),
      Menu("More", () => menuItems(hasEnded), { class: "quiet icon-only bar-more", title: "More", content: icon("more") }));
  }

  function menuItems(hasEnded) {
    const current = thread();
    const narrow = matchMedia("(max-width: 45rem)").matches && hasEnded;
    return [
      narrow && { label: "Details", icon: "all", act: showDetails },
      narrow && !isGuest() && { label: "Share", icon: "share", act: share },
      ...(narrow ? FORMATS.map(([format, name, extension]) => ({ label: `Export as ${name}`, icon: "download", act: () => exportAs(format, extension) })) : []),
      { label: "Rename", icon: "pen", act: rename },
      { label: current.pinned ? "Unpin" : "Pin", icon: "pin", act: () => patch({ pinned: !current.pinned }) },
      hasEnded && { label: "Run again with a change", icon: "redo", act: runAgainDialog },
      { label: current.archived ? "Unarchive" : "Archive", icon: "folder", act: () => patch({ archived: !current.archived }) },
      { label: "Delete thread", icon: "trash", look: "danger", act: deleteThread },
    ];
  }

  // Creating a public link requires an account.
  function isGuest() {
    return user.get()?.role === "guest";
  }

  function path() {
    return `/api/threads/${encodeURIComponent(thread().thread_id)}`;
  }

  async function patch(change) {
    try {
      await call("PATCH", path(), { body: change });
      Object.assign(thread(), change);
      renamed();
      if ("pinned" in change) toast(change.pinned ? "Pinned." : "Unpinned.");
      if ("archived" in change) toast(change.archived ? "Archived." : "Moved back to your threads.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  async function rename() {
    await styled("sheets");
    const field = Field("Title", { value: thread().title, required: true, maxLength: 200, autocomplete: "off", dir: "auto" });
    const form = el("form", { class: "save-recipe", on: { submit: async (event) => {
      event.preventDefault();
      form.closest("dialog").close("");
      await patch({ title: field.input.value.trim() });
    } } }, field.node, button("Rename", { type: "submit", class: "primary" }));
    const closed = openDialog("Rename thread", form);
    field.input.focus();
    await closed;
  }

  async function deleteThread() {
    if (!(await confirm("Delete this thread?", "All its questions and answers are deleted. Documents stay.", "Delete"))) return;
    try {
      await remove(path());
      toast("Thread deleted.");
      refresh();
      context.go("/");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  // Rarely used views are loaded on demand.
  async function loadAndOpen(load, open) {
    try {
      open(await load());
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  function showDetails() {
    loadAndOpen(() => import("./details.js"), ({ openDetails }) => openDetails(last().run(), data));
  }

  function runAgainDialog() {
    const path = `/t/${encodeURIComponent(thread().thread_id)}`;
    loadAndOpen(() => import("../results/rerun.js"), ({ runAgain }) => runAgain(last().run(), { ...data, onStarted: (id) => context.go(`${path}?turn=${encodeURIComponent(id)}`) }));
  }

  function share() {
    loadAndOpen(() => import("./share.js"), ({ shareThread }) => shareThread({ thread: thread(), run: last().run(), many: thread().turns.length > 1 }));
  }

  async function exportAs(format, extension) {
    try {
      const response = await call("GET", `${path()}/export`, { query: { format }, raw: true, accept: "*/*" });
      saveAs(await response.blob(), `${fileName(thread().title) || thread().thread_id}.${extension}`);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
}

// The title as a file name: letters and digits of any language, and hyphens between words.
function fileName(title) {
  return title.slice(0, 60).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
}
