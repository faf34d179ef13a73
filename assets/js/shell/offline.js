// Caches the shell of the pages in the browser, so that they open without a connection. Nothing personal is
// cached: see
// sw.js.

/** Registers the worker, and tells it which files this page consists of. */
export async function keepShell() {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return;
  try {
    await navigator.serviceWorker.register("/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    active?.postMessage({ keep: loaded.filter((name) => new URL(name).pathname.startsWith("/assets/")) });
  } catch {
    // Forbidden or failed: the pages work without it.
  }
}
