// The path under which a proxy serves Quire, such as `/quire`; empty if Quire has its own host. The pages' code
// uses addresses without it; these functions add it for the browser and remove it from what the browser reports.
const BASE = document.documentElement.dataset.base ?? "";

/** Adds the base path to an address in this application; leaves every other address unchanged. */
export function within(address) {
  return typeof address === "string" && /^\/(?!\/)/.test(address) ? BASE + address : address;
}

/** The path of a location or link without the base path; null if it is not below the base path. */
export function pathOf({ pathname } = location) {
  if (pathname === BASE) return "/";
  return pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : null;
}

/** The prefix of this application's cache names, which distinguishes them from those of another Quire on the same host. */
export const cachePrefix = BASE ? `quire@${BASE}:` : "quire-";
