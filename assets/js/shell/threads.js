// The user's recent threads, as listed in the rail: fetched once, stored in this browser for offline use, and
// refetched when a thread is created or changes.
import { get } from "../api.js";
import { recall, remember, user, value } from "../state.js";

/** Maximum number of threads in the rail; the rest can be found by search. */
export const SHOWN = 40;

/** `{threads, projects}`, newest first; null until they are known. */
export const recent = value(null);

const me = () => user.get()?.id ?? user.get()?.user_id ?? "";

/** Refetches them; offline, the last known list is shown. */
export async function refresh() {
  const whose = me();
  if (!whose) return;
  const seen = recall("recent");
  if (!recent.get() && seen?.by === whose) recent.set(seen);
  try {
    const [{ threads }, { projects }] = await Promise.all([
      get("/api/threads", { query: { limit: SHOWN } }), get("/api/projects").catch(() => ({ projects: [] })),
    ]);
    // Pinned threads may be older than the ones listed.
    const pinned = threads.length < SHOWN || threads.some((each) => each.pinned) ? [] : (await get("/api/threads", { query: { pinned: true, limit: SHOWN } }).catch(() => ({ threads: [] }))).threads;
    if (me() !== whose) return;
    const all = [...threads, ...pinned.filter((each) => !threads.some((one) => one.thread_id === each.thread_id))];
    recent.set({ threads: all, projects: projects ?? [] });
    remember("recent", { by: whose, threads: all, projects: projects ?? [] });
  } catch {
    if (!recent.get()) recent.set({ threads: [], projects: [] });
  }
}

/** The projects that the rail fetches, so that a page need not fetch them again. */
export function knownProjects(signal) {
  return new Promise((resolve) => {
    const heard = new AbortController();
    recent.watch((known) => {
      if (!known) return;
      heard.abort();
      resolve(known.projects);
    }, AbortSignal.any([signal, heard.signal]));
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
