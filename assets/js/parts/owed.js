// Deletions not yet confirmed by the server. They are kept in local storage, because a request sent while the page
// is being left may be lost; unconfirmed ones are sent again at the next start.
import { remove } from "../api.js";
import { recall, remember, user } from "../state.js";

const KEY = "deletions";
const MAX_KEPT = 100;
const pendingPaths = new Set();
let isLeaving = false;
window.addEventListener("pagehide", () => (isLeaving = true));
window.addEventListener("pageshow", () => (isLeaving = false));
const userId = () => user.get()?.id ?? user.get()?.user_id ?? "";
const storedDeletions = () => recall(KEY) ?? [];
const ownDeletions = () => storedDeletions().filter((entry) => entry.by === userId());
const record = (path, due) => ({ path, due, by: userId() });
const others = (path) => storedDeletions().filter((entry) => entry.path !== path || entry.by !== userId());

/** Records a deletion due in `wait` milliseconds, or immediately when the page is left. */
export function recordDeletion(path, wait) {
  pendingPaths.add(path);
  remember(KEY, [...others(path), record(path, Date.now() + wait)].slice(-MAX_KEPT));
}

/** Removes the record: either the item was kept, or its deletion is confirmed. */
export function forgetDeletion(path) {
  pendingPaths.delete(path);
  const remaining = others(path);
  remember(KEY, remaining.length > 0 ? remaining : null);
}

/** Whether the item at this path is about to be deleted, in which case lists omit it. */
export const isBeingDeleted = (path) => pendingPaths.has(path) || ownDeletions().some((entry) => entry.path === path);

/** Sends the deletion. An item that no longer exists counts as deleted. */
export async function sendDeletion(path) {
  try {
    await remove(path);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  } finally {
    // A request interrupted by leaving the page may or may not have arrived.
    if (!isLeaving) forgetDeletion(path);
  }
}

/** Sends the deletion while the page is being left; the next start checks whether it arrived. */
export function sendDeletionOnLeave(path) {
  remember(KEY, [...others(path), record(path, 0)]);
  remove(path, { keepalive: true }).then(() => forgetDeletion(path), () => {});
}

/** Sends deletions that an earlier page could not confirm; those that can still be undone in another window wait. */
export function resendDeletions() {
  for (const { path, due } of ownDeletions()) {
    if (pendingPaths.has(path)) continue;
    setTimeout(() => {
      if (!ownDeletions().some((entry) => entry.path === path)) return;
      remove(path).then(() => forgetDeletion(path), (problem) => problem.status > 0 && forgetDeletion(path));
    }, Math.max(0, due - Date.now()));
  }
}
