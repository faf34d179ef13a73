// Deletes a document. If no analysis uses it, it can be restored for a short time; otherwise a dialog first lists
// the analyses that cite it.
import { get, remove } from "../api.js";
import { button, el, link } from "../dom.js";
import { excerpt, plural, sentence } from "../format.js";
import { confirm } from "./dialog.js";
import { idOf, nameOf } from "./reading.js";
import { toast } from "./toast.js";

const UNDO_MS = 6000;

/** `hide()` hides the document and returns a function that shows it again. */
export async function deleteDocument(stored, { signal, hide }) {
  let uses;
  try {
    uses = await get(`/api/documents/${idOf(stored)}/uses`, { signal });
  } catch (problem) {
    if (!signal.aborted) toast(sentence(problem.message), "failed");
    return;
  }
  if (uses.count === 0) return withUndo(stored, hide(), signal);
  if (!(await confirm(`Delete ${nameOf(stored)}?`, UsesList(uses), "Delete"))) return;
  if (await sendDeletion(stored, hide())) toast(`${nameOf(stored)} deleted.`);
}

function UsesList({ analyses, count }) {
  const listed = analyses.slice(0, 5);
  return [
    el("p", null, `${plural(count, "analysis", "analyses")} still ${count === 1 ? "quotes" : "quote"} it. The quoted passages stay there, but can no longer be looked up in the document.`),
    el("ul", { class: "uses" }, listed.map((use) => el("li", null, link(`/analyze?id=${encodeURIComponent(use.id)}`, excerpt(use.question, 90), { target: "_blank" })))),
    count > listed.length && el("p", { class: "fine" }, `and ${plural(count - listed.length, "more", "more")}`),
  ];
}

// The request is sent when the undo period ends or the page is left.
function withUndo(stored, restore, signal) {
  const controller = new AbortController();
  const timer = setTimeout(finish, UNDO_MS);
  const notice = toast(`${nameOf(stored)} deleted.`, "done", button("Undo", { class: "toast-action", on: { click: () => {
    clearTimeout(timer);
    controller.abort();
    notice.remove();
    restore();
  } } }));
  signal.addEventListener("abort", finish, { signal: controller.signal });
  window.addEventListener("pagehide", finish, { signal: controller.signal });

  function finish() {
    clearTimeout(timer);
    controller.abort();
    notice.remove();
    sendDeletion(stored, restore);
  }
}

async function sendDeletion(stored, restore) {
  try {
    await remove(`/api/documents/${idOf(stored)}`, { keepalive: true });
    return true;
  } catch (problem) {
    restore();
    toast(sentence(problem.message), "failed");
    return false;
  }
}
