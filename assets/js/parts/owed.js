// Deletions not yet confirmed by the server. They are kept in local storage, because a request sent while the page
// is being left may be lost; unconfirmed ones are sent again at the next start.
import { remove } from "../api.js";
import { recall, remember, user } from "../state.js";

const KEY = "deletions";
const MAX_KEPT = 100;
const here = new Set();
let left = false;
window.addEventListener("pagehide", () => (left = true));
window.addEventListener("pageshow", () => (left = false));
const me = () => user.get()?.id ?? user.get()?.user_id ?? "";
const kept = () => recall(KEY) ?? [];
const mine = () => kept().filter((one) => one.by === me());
const mark = (path, due) => ({ path, due, by: me() });
const others = (path) => kept().filter((one) => one.path !== path || one.by !== me());

/** Records a deletion due in `wait` milliseconds, or immediately when the page is left. */
export function owe(path, wait) {
  here.add(path);
  remember(KEY, [...others(path), mark(path, Date.now() + wait)].slice(-MAX_KEPT));
}

/** Removes the record: either the item was kept, or its deletion is confirmed. */
export function settle(path) {
  here.delete(path);
  const left = others(path);
  remember(KEY, left.length > 0 ? left : null);
}

/** Whether the item at this path is about to be deleted, in which case lists omit it. */
export const isGoing = (path) => here.has(path) || mine().some((one) => one.path === path);

/** Sends the deletion. An item that no longer exists counts as deleted. */
export async function pay(path) {
  try {
    await remove(path);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  } finally {
    // A request interrupted by leaving the page may or may not have arrived.
    if (!left) settle(path);
  }
}

/** Sends the deletion while the page is being left; the next start checks whether it arrived. */
export function payLeaving(path) {
  remember(KEY, [...others(path), mark(path, 0)]);
  remove(path, { keepalive: true }).then(() => settle(path), () => {});
}

/** Sends deletions that an earlier page could not confirm; those that can still be undone in another window wait. */
export function payAll() {
  for (const { path, due } of mine()) {
    if (here.has(path)) continue;
    setTimeout(() => {
      if (!mine().some((one) => one.path === path)) return;
      remove(path).then(() => settle(path), (problem) => problem.status > 0 && settle(path));
    }, Math.max(0, due - Date.now()));
  }
}
