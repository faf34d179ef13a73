// Keeps the shell of the pages for when there is no line: the one page, and the scripts and styles that it was
// seen to load. Never an answer of the API, never anything personal. Kept by version; the others are thrown away.
const CACHE = "quire-__TREE__";
const SHELL = "/login";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([SHELL, "/assets/index.js"])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const others = (names) => names.filter((name) => name.startsWith("quire-") && name !== CACHE);
  event.waitUntil(caches.keys().then((names) => Promise.all(others(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  const wanted = (event.data?.keep ?? []).filter((address) => new URL(address).origin === location.origin).slice(0, 400);
  event.waitUntil(caches.open(CACHE).then((cache) => Promise.all(wanted.map(async (address) => {
    if (!(await cache.match(address))) await cache.add(address).catch(() => {});
  }))));
});

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin) return;
  if (event.request.mode === "navigate") {
    // The line first: what is kept may be of yesterday.
    event.respondWith(fetch(event.request).catch(async () => (await caches.match(SHELL)) ?? Response.error()));
  } else if (address.pathname.startsWith("/assets/")) {
    event.respondWith(asset(event.request, address));
  }
});

async function asset(request, address) {
  const kept = await caches.match(request);
  // Files under the version's address never change; the entry may.
  if (kept && address.pathname.startsWith("/assets/__TREE__/")) return kept;
  try {
    const answer = await fetch(request);
    if (answer.ok && address.pathname.startsWith("/assets/__TREE__/")) {
      const cache = await caches.open(CACHE);
      await cache.put(request, answer.clone());
    }
    return answer;
  } catch (away) {
    if (kept) return kept;
    throw away;
  }
}
