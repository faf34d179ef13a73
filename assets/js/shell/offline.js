// Caches what the pages need offline: the app shell, and the threads that the signed-in user has read. See sw.js.
import { cachePrefix, within } from "../base.js";

const THREADS = `${cachePrefix}threads-`;

/** Opens this user's cache and deletes those of other users; without a user, deletes all of them. */
export async function keepThreadsOf(person) {
  if (!globalThis.caches) return;
  try {
    const ownCache = person ? `${THREADS}${person.id ?? person.user_id}` : "";
    const others = (await caches.keys()).filter((name) => name.startsWith(THREADS) && name !== ownCache);
    await Promise.all(others.map((name) => caches.delete(name)));
    if (!ownCache) return;
    const userResponse = new Response(JSON.stringify(person), { headers: { "content-type": "application/json", "x-quire-kept": new Date().toISOString() } });
    await (await caches.open(ownCache)).put(within("/api/users/me"), userResponse);
  } catch {
    // Storage can be blocked; nothing is cached then.
  }
}

/** Registers the service worker and tells it which files this page consists of. */
export async function keepShell() {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return;
  try {
    await navigator.serviceWorker.register(within("/sw.js"));
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    active?.postMessage({ keep: loaded.filter((name) => new URL(name).pathname.startsWith(within("/assets/"))) });
  } catch {
    // If registration is forbidden or fails, the pages work without it.
  }
}
