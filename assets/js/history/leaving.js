// Deletes with second thoughts: the row says that it goes, and can be kept, for some seconds. The server is
// told when they are over, or when the page is left.
import { announce, button, el } from "../dom.js";
import { owe, pay, payLeaving, settle } from "../parts/owed.js";

const SECONDS = 10;

/** What is about to be deleted; `signal` ends with the page. */
export function Leaving(signal) {
  const pending = new Set();
  const all = () => Promise.all([...pending].map((one) => one.go()));
  // Whatever was deleted is deleted, wherever one goes.
  signal.addEventListener("abort", all, { once: true });
  window.addEventListener("pagehide", () => pending.forEach((one) => one.close()), { signal });

  return { leave, /** Tells the server now. */ flush: all };

  /** Puts a notice in the row's place. `path` is deleted; `kept(problem)` is told when the row is back. */
  function leave(row, words, { path, gone, kept }) {
    const keep = button(`Undo: keep ${words}`, { class: "link-button", on: { click: undo } }, "Undo");
    const notice = el("li", { class: "row row-leaving" }, el("span", null, `${words} is deleted.`), keep);
    const one = { go, close };
    owe(path, SECONDS * 1000);
    let timer = setTimeout(later, SECONDS * 1000);
    pending.add(one);
    row.replaceWith(notice);
    keep.focus();
    announce(`${words} is deleted.`);

    // Nobody who stands on "Undo" loses it under their hands.
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
