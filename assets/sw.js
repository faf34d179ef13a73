// Keeps the pages usable offline. Caches the page shell with the scripts and styles it was seen to load, by
// version, and the threads that a signed-in user has read. The page opens that user's cache and deletes it on
// sign-out; without such a cache, nothing personal is cached. The base path and the prefix of the cache names are
// the same as in js/base.js.
const BASE = location.pathname.replace(/\/sw\.js$/, "");
const PREFIX = BASE ? `quire@${BASE}:` : "quire-";
const CACHE = `${PREFIX}__TREE__`;
const SHELL = `${BASE}/login`;
const ASSETS = `${BASE}/assets/`;
const THREADS = `${PREFIX}threads-`;
// The API paths that a thread page reads.
const READ = /^\/api\/(users\/me|threads(\/[^/]+)?|analyses\/[^/]+|available-models|orchestrator\/patterns|documents|projects)$/;
// Maximum number of responses cached per user; the least recently read is dropped first.
const MAX_CACHED = 120;
// Size in bytes above which a response is not cached.
const MAX_SIZE = 2_000_000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([SHELL, `${ASSETS}__TREE__/app/core.js`])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const others = (names) => names.filter((name) => name.startsWith(PREFIX) && !name.startsWith(THREADS) && name !== CACHE);
  event.waitUntil(caches.keys().then((names) => Promise.all(others(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  const addresses = (event.data?.keep ?? []).filter((address) => new URL(address).origin === location.origin).slice(0, 400);
  event.waitUntil(caches.open(CACHE).then((cache) => Promise.all(addresses.map(async (address) => {
    if (!(await cache.match(address))) await cache.add(address).catch(() => {});
  }))));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== location.origin) return;
  if (request.mode === "navigate") {
    // Network first, since the cached copy may be outdated.
    event.respondWith(fetch(request).catch(async () => (await caches.match(SHELL)) ?? Response.error()));
  } else if (address.pathname.startsWith(ASSETS)) {
    event.respondWith(asset(request, address));
  } else if (READ.test(address.pathname.slice(BASE.length)) && request.headers.get("accept") === "application/json") {
    event.respondWith(read(event));
  }
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(clients.matchAll({ type: "window" }).then((windows) => windows[0]?.focus()));
});

async function asset(request, address) {
  const cached = await caches.match(request);
  // Files under a versioned URL never change.
  if (cached && address.pathname.startsWith(`${ASSETS}__TREE__/`)) return cached;
  try {
    const response = await fetch(request);
    if (response.ok && address.pathname.startsWith(`${ASSETS}__TREE__/`)) {
      const cache = await caches.open(CACHE);
      await cache.put(request, response.clone());
    }
    return response;
  } catch (error) {
    if (cached) return cached;
    throw error;
  }
}

// Network first; the cache is used only when offline.
async function read(event) {
  try {
    const response = await fetch(event.request);
    if (response.ok) event.waitUntil(keep(event.request, response.clone()).catch(() => {}));
    return response;
  } catch (error) {
    const name = await ownCache();
    const cached = name && (await (await caches.open(name)).match(event.request, { ignoreVary: true }));
    if (cached) return cached;
    throw error;
  }
}

async function keep(request, response) {
  const body = await response.blob();
  const name = await ownCache();
  if (!name || body.size > MAX_SIZE) return;
  const cache = await caches.open(name);
  // Deleted first, so that the keys stay ordered by when they were last read.
  await cache.delete(request, { ignoreVary: true });
  await cache.put(request, new Response(body, { headers: { "content-type": "application/json", "x-quire-kept": new Date().toISOString() } }));
  const all = await cache.keys();
  for (const old of all.slice(0, Math.max(0, all.length - MAX_CACHED))) await cache.delete(old);
}

// The cache of the signed-in user, whose name only the page knows; none if nobody is signed in.
async function ownCache() {
  return (await caches.keys()).find((name) => name.startsWith(THREADS));
}
