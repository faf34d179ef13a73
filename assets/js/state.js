// Observable values and browser storage. Holds no token: the session is in HttpOnly cookies, which scripts
// cannot read.

/** Creates an observable value. */
export function observable(initial) {
  let current = initial;
  const watchers = new Set();
  return {
    get: () => current,
    set(next) {
      current = next;
      for (const watcher of watchers) watcher(next);
    },
    /** Calls `watcher` now and on every change, until the signal is aborted. */
    watch(watcher, signal) {
      watchers.add(watcher);
      signal?.addEventListener("abort", () => watchers.delete(watcher), { once: true });
      watcher(current);
    },
  };
}

/** The signed-in user, or null. */
export const user = observable(null);

/** Whether files can be dropped on a page: not on a device with only a touch screen. */
export const CAN_DROP = matchMedia("(any-pointer: fine)").matches;

/** Whether the device is online and the last request reached the server. */
export const online = observable(navigator.onLine);

/** Reads a stored JSON value; anything unreadable counts as absent. */
export function recall(key, area = localStorage) {
  try {
    return JSON.parse(area.getItem(`quire.${key}`));
  } catch {
    return null;
  }
}

/** Stores a JSON value; null removes it. Fails silently if storage is full or forbidden. */
export function remember(key, content, area = localStorage) {
  try {
    if (content === null) area.removeItem(`quire.${key}`);
    else area.setItem(`quire.${key}`, JSON.stringify(content));
  } catch {
    // Stored values are only a convenience.
  }
}

/** The chosen theme: `system`, `light`, or `dark`. */
export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Changes and stores the theme; theme.js reads the stored value. */
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
    // Without storage, the choice lasts until the page is closed.
  }
}
