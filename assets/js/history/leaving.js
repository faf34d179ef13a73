// Deletion with undo: for a few seconds, the row shows that it is deleted and can be restored. The request is sent
// after that, or when the page is left.
import { announce, button, el } from "../dom.js";
import { owe, pay, payLeaving, settle } from "../parts/owed.js";

const SECONDS = 10;

/** Manages the pending deletions; `signal` is aborted when the page is left. */
export function Leaving(signal) {
  const pending = new Set();
  const all = () => Promise.all([...pending].map((one) => one.go()));
  // Leaving the page completes pending deletions.
  signal.addEventListener("abort", all, { once: true });
  window.addEventListener("pagehide", () => pending.forEach((one) => one.close()), { signal });

  return { leave, /** Tells the server now. */ flush: all };

  /** Replaces the row with a notice and deletes `path` after the delay; `kept(problem)` is called if the row is restored. */
  function leave(row, words, { path, gone, kept }) {
    const keep = button(`Undo: keep ${words}`, { class: "link-button", on: { click: undo } }, "Undo");
    const notice = el("li", { class: "row row-leaving" }, el("span", null, `${words} deleted.`), keep);
    const one = { go, close };
    owe(path, SECONDS * 1000);
    let timer = setTimeout(later, SECONDS * 1000);
    pending.add(one);
    row.replaceWith(notice);
    keep.focus();
    announce(`${words} deleted.`);

    // The timer waits while "Undo" has the focus.
    function later() {
      if (document.activeElement !== keep || !document.hasFocus()) return void go();
      owe(path, SECONDS * 1000);
      timer = setTimeout(later, SECONDS * 1000);
    }

    function undo() {
      clearTimeout(timer);
      pending.delete(one);
      settle(path);
      notice.replaceWith(row);
      kept(null);
      row.querySelector("a")?.focus();
    }

    function close() {
      clearTimeout(timer);
      payLeaving(path);
    }

    async function go() {
      clearTimeout(timer);
      pending.delete(one);
      try {
        await pay(path);
        notice.remove();
        gone();
      } catch (problem) {
        notice.replaceWith(row);
        kept(problem);
      }
    }
  }
}
