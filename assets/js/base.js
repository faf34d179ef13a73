// The path under which a proxy serves Quire, such as /quire; empty where it has a host of its own. The pages' code writes
// addresses without it; these functions add it for the browser and remove it from what the browser says.
const BASE = document.documentElement.dataset.base ?? "";

/** Adds the base to an address of this application; every other address stays as it is. */
export function within(address) {
  return typeof address === "string" && /^\/(?!\/)/.test(address) ? BASE + address : address;
}

/** The path of a location or a link without the base; null when it is not below the base. */
export function pathOf({ pathname } = location) {
  if (pathname === BASE) return "/";
  return pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : null;
}

/** The prefix of this application's cache names, unlike that of another Quire on the same host. */
export const cachePrefix = BASE ? `quire@${BASE}:` : "quire-";
