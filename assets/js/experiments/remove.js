// Deletes an experiment, and can have it back for a moment: the deletion waits that long, or until the window
// is left.
import { remove } from "../api.js";
import { button } from "../dom.js";
import { sentence } from "../format.js";
import { toast } from "../parts/toast.js";

const UNDO_MS = 6000;
const going = new Set();

/** Whether it is on its way out: lists leave it out. */
export const isGoing = (id) => going.has(id);

/** `back()` when it is wanted again, or could not be deleted. */
export function removeWithUndo({ id, name }, back) {
  going.add(id);
  const over = new AbortController();
  const timer = setTimeout(end, UNDO_MS);
  const shown = toast(`“${name}” is deleted with its cases and answers.`, "done", button("Undo", { class: "toast-action", on: { click: () => {
    settle();
    going.delete(id);
    back();
  } } }));
  window.addEventListener("pagehide", end, { signal: over.signal });

  function settle() {
    clearTimeout(timer);
    over.abort();
    shown.remove();
  }

  async function end() {
    settle();
    try {
      await remove(`/api/experiments/${encodeURIComponent(id)}`, { keepalive: true });
    } catch (problem) {
      going.delete(id);
      toast(sentence(problem.message), "failed");
      back();
    }
  }
}
