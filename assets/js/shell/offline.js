// Has the browser keep the shell of the pages, so that they open without a line. Nothing personal is kept: see
// sw.js.

/** Registers the worker, and tells it what this page was made of. */
export async function keepShell() {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return;
  try {
    await navigator.serviceWorker.register("/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    active?.postMessage({ keep: loaded.filter((name) => new URL(name).pathname.startsWith("/assets/")) });
  } catch {
    // Forbidden or broken: the pages work without it.
  }
}
