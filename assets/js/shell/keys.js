// Keyboard shortcuts of the whole application: single letters outside of fields, and Ctrl+K or Cmd+K anywhere. The
// views they open are loaded on demand.

import { recall } from "../state.js";
import { PLACES } from "./places.js";

const LEADER_TIMEOUT_MS = 1500;
let leaderPressedAt = 0;

/** Listens for shortcuts. `go` is the router's. */
export function listen(go) {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return openPalette(go);
    }
    if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      return go("/");
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target) || recall("single-keys") === false) return;
    if (Date.now() - leaderPressedAt < LEADER_TIMEOUT_MS) {
      leaderPressedAt = 0;
      const place = PLACES.find(([key]) => key === event.key);
      if (place) {
        event.preventDefault();
        return go(place[1]);
      }
    }
    if (event.key === "g") leaderPressedAt = Date.now();
    else if (event.key === "?") openHelp();
    else if (event.key === "/") focusSearch(event);
  });
}

/** Opens the command palette. */
export async function openPalette(go) {
  const { palette } = await import("./palette.js");
  palette(go);
}

/** Opens the list of shortcuts. */
export async function openHelp() {
  const { help } = await import("./help.js");
  help();
}

function isTyping(target) {
  return target.closest?.("input, textarea, select, [contenteditable=true], dialog, [role=listbox], [role=tablist]") !== null;
}

// Focuses the page's own search field, or the question field if there is none.
function focusSearch(event) {
  const field = document.querySelector("main input[type=search], main textarea");
  if (!field) return;
  event.preventDefault();
  field.focus();
}
