// Deletions that a person was told of and the server not yet. They are kept in this browser, because a request
// that is sent while a page is left may be lost: what was not confirmed is sent again at the next start.
import { remove } from "../api.js";
import { recall, remember, user } from "../state.js";

const KEY = "deletions";
const MOST = 100;
const here = new Set();
let left = false;
window.addEventListener("pagehide", () => (left = true));
window.addEventListener("pageshow", () => (left = false));
const me = () => user.get()?.id ?? user.get()?.user_id ?? "";
const kept = () => recall(KEY) ?? [];
const mine = () => kept().filter((one) => one.by === me());
const mark = (path, due) => ({ path, due, by: me() });
const others = (path) => kept().filter((one) => one.path !== path || one.by !== me());

/** Notes a deletion that is due in `wait` milliseconds, or at once when the page is left. */
export function owe(path, wait) {
  here.add(path);
  remember(KEY, [...others(path), mark(path, Date.now() + wait)].slice(-MOST));
}

/** It stays, or is done. */
export function settle(path) {
  here.delete(path);
  const left = others(path);
  remember(KEY, left.length > 0 ? left : null);
}

/** Whether what stands under this address is on its way out: lists leave it out. */
export const isGoing = (path) => here.has(path) || mine().some((one) => one.path === path);

/** Tells the server. What is there no longer is deleted too. */
export async function pay(path) {
  try {
    await remove(path);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  } finally {
    // Cut off by the page's end, it may or may not have arrived.
    if (!left) settle(path);
  }
}

/** Tells the server while the page is left; whether that arrives is seen at the next start. */
export function payLeaving(path) {
  remember(KEY, [...others(path), mark(path, 0)]);
  remove(path, { keepalive: true }).then(() => settle(path), () => {});
}

/** Makes good for what an earlier page could not confirm; what another window may still undo has its time. */
export function payAll() {
  for (const { path, due } of mine()) {
    if (here.has(path)) continue;
    setTimeout(() => {
      if (!mine().some((one) => one.path === path)) return;
      remove(path).then(() => settle(path), (problem) => problem.status > 0 && settle(path));
    }, Math.max(0, due - Date.now()));
  }
}
