// The user's recent threads, as listed in the rail: fetched once, stored in this browser for offline use, and
// refetched when a thread is created or changes.
import { get } from "../api.js";
import { recall, remember, user, observable } from "../state.js";

/** Maximum number of threads in the rail; the rest can be found by search. */
export const MAX_THREADS = 40;

/** `{threads, projects}`, newest first; null until they are known. */
export const recent = observable(null);

const userId = () => user.get()?.id ?? user.get()?.user_id ?? "";

/** Refetches them; offline, the last known list is shown. */
export async function refresh() {
  const owner = userId();
  if (!owner) return;
  const stored = recall("recent");
  if (!recent.get() && stored?.by === owner) recent.set(stored);
  try {
    const [{ threads }, { projects }] = await Promise.all([
      get("/api/threads", { query: { limit: MAX_THREADS } }), get("/api/projects").catch(() => ({ projects: [] })),
    ]);
    // Pinned threads may be older than the ones listed.
    const pinned = threads.length < MAX_THREADS || threads.some((each) => each.pinned) ? [] : (await get("/api/threads", { query: { pinned: true, limit: MAX_THREADS } }).catch(() => ({ threads: [] }))).threads;
    if (userId() !== owner) return;
    const merged = [...threads, ...pinned.filter((each) => !threads.some((other) => other.thread_id === each.thread_id))];
    recent.set({ threads: merged, projects: projects ?? [] });
    remember("recent", { by: owner, threads: merged, projects: projects ?? [] });
  } catch {
    if (!recent.get()) recent.set({ threads: [], projects: [] });
  }
}

/** The projects that the rail fetches, so that a page need not fetch them again. */
export function knownProjects(signal) {
  return new Promise((resolve) => {
    const controller = new AbortController();
    recent.watch((latest) => {
      if (!latest) return;
      controller.abort();
      resolve(latest.projects);
    }, AbortSignal.any([signal, controller.signal]));
  });
}

const DAY_MS = 86_400_000;

/** Threads by the day of their last activity: `[title, threads]`, pinned ones first. */
export function byDay(threads, now = Date.now()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const groups = [["Pinned", []], ["Today", []], ["Yesterday", []], ["Last 7 days", []], ["Earlier", []]];
  for (const thread of threads) {
    const at = Date.parse(thread.updated_at);
    const place = thread.pinned ? 0 : at >= midnight ? 1 : at >= midnight - DAY_MS ? 2 : at >= midnight - 7 * DAY_MS ? 3 : 4;
    groups[place][1].push(thread);
  }
  return groups.filter(([, each]) => each.length > 0);
}
