// Deletes with second thoughts: the row says that it goes, and can be kept, for some seconds. The server is
// told when they are over, or when the page is left.
import { announce, button, el } from "../dom.js";

const SECONDS = 10;

/** What is about to be deleted; `signal` ends with the page. */
export function Leaving(signal) {
  const pending = new Set();
  const all = (how) => Promise.all([...pending].map((one) => one.go(how)));
  // Whatever was deleted is deleted, wherever one goes: a request with `keepalive` outlives the page.
  signal.addEventListener("abort", () => all({ keepalive: true }), { once: true });
  window.addEventListener("pagehide", () => all({ keepalive: true }), { signal });

  return { leave, /** Tells the server now. */ flush: () => all({}) };

  /** Puts a notice in the row's place. `send(how)` deletes; `kept(problem)` is told when the row is back. */
  function leave(row, words, { send, gone, kept }) {
    const keep = button(`Undo: keep ${words}`, { class: "link-button", on: { click: undo } }, "Undo");
    const notice = el("li", { class: "row row-leaving" }, el("span", null, `${words} is deleted.`), keep);
    const one = { go };
    let timer = setTimeout(later, SECONDS * 1000);
    pending.add(one);
    row.replaceWith(notice);
    keep.focus();
    announce(`${words} is deleted.`);

    // Nobody who stands on "Undo" loses it under their hands.
    function later() {
      if (document.activeElement === keep && document.hasFocus()) timer = setTimeout(later, SECONDS * 1000);
      else go({});
    }

    function undo() {
      clearTimeout(timer);
      pending.delete(one);
      notice.replaceWith(row);
      kept(null);
      row.querySelector("a")?.focus();
    }

    async function go(how) {
      clearTimeout(timer);
      pending.delete(one);
      try {
        await send(how);
        notice.remove();
        gone();
      } catch (problem) {
        notice.replaceWith(row);
        kept(problem);
      }
    }
  }
}
