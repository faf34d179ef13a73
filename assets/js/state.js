// Small observable values and what is kept in the browser. Holds no token: who somebody is lives in
// HttpOnly cookies, out of reach of scripts.

/** A value that can be watched. */
export function value(initial) {
  let current = initial;
  const watchers = new Set();
  return {
    get: () => current,
    set(next) {
      current = next;
      for (const watcher of watchers) watcher(next);
    },
    /** Calls `watcher` now and at every change, until the signal is aborted. */
    watch(watcher, signal) {
      watchers.add(watcher);
      signal?.addEventListener("abort", () => watchers.delete(watcher), { once: true });
      watcher(current);
    },
  };
}

/** The signed-in person, or null. */
export const user = value(null);

/** Whether this device has a network, and the server was reached the last time. */
export const online = value(navigator.onLine);

/** Reads a stored JSON value; anything unreadable counts as absent. */
export function recall(key, area = localStorage) {
  try {
    return JSON.parse(area.getItem(`quire.${key}`));
  } catch {
    return null;
  }
}

/** Stores a JSON value; null removes it. A full or forbidden storage is no reason to stop. */
export function remember(key, content, area = localStorage) {
  try {
    if (content === null) area.removeItem(`quire.${key}`);
    else area.setItem(`quire.${key}`, JSON.stringify(content));
  } catch {
    // What could not be kept is only a convenience.
  }
}

/** The chosen theme: `system`, `light` or `dark`. */
export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Changes the theme and keeps the choice. The stored form is read by theme.js. */
export function chooseTheme(name) {
  const root = document.documentElement;
  try {
    if (name === "system") {
      delete root.dataset.theme;
      localStorage.removeItem("quire.theme");
    } else {
      root.dataset.theme = name;
      localStorage.setItem("quire.theme", name);
    }
  } catch {
    // The choice then lasts until the page is left.
  }
}
