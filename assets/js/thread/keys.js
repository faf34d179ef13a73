// Keyboard shortcuts of a thread: 1 to 5 for the tabs, J and K for the turns, E to edit, [ and ] for citations.
// Active outside of fields, unless single-letter shortcuts are turned off. Escape stops a run.
import { toast } from "../parts/toast.js";
import { recall } from "../state.js";

// Time in milliseconds within which Escape must be pressed a second time to stop a run.
const CONFIRM_MS = 4000;

/** Listens until the page is left. */
export function listenForKeys({ signal, views, composer }) {
  let askedAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) return stop();
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || recall("single-keys") === false) return;
    if (event.target.closest?.("input, textarea, select, dialog, [role=menu], [role=tablist]")) return;
    const items = views();
    if (items.length === 0) return;
    const current = inView(items);
    if (/^[1-5]$/.test(event.key)) current.choose(Number(event.key) - 1);
    else if (event.key === "j" || event.key === "k") goToTurn(items, items.indexOf(current) + (event.key === "j" ? 1 : -1), composer);
    else if (event.key === "e") current.edit();
    else if (event.key === "[" || event.key === "]") focusCitation(current, event.key === "]" ? 1 : -1);
    else return;
    event.preventDefault();
  }, { signal });

  // Escape closes whatever is open; with nothing open it stops the run, after asking once.
  function stop() {
    const button = document.querySelector(".turn.last .board-stop:not(:disabled)");
    if (!button || document.querySelector("dialog[open], [role=menu]:not([hidden]), .ask-form")) return;
    if (Date.now() - askedAt < CONFIRM_MS) return button.click();
    askedAt = Date.now();
    toast("Press Esc again to stop the run.");
  }
}

// The turn at the upper third of the window.
function inView(items) {
  return items.findLast((view) => view.node.getBoundingClientRect().top < innerHeight / 3) ?? items[0];
}

function goToTurn(items, place, composer) {
  if (place >= items.length) return composer.focus();
  const view = items[Math.max(0, place)];
  view.node.scrollIntoView({ block: "start" });
  view.node.focus({ preventScroll: true });
}

function focusCitation(view, offset) {
  const items = [...view.node.querySelectorAll(".answer .citation")];
  if (items.length === 0) return;
  const current = items.indexOf(document.activeElement);
  items[(current < 0 ? (offset > 0 ? 0 : items.length - 1) : current + offset + items.length) % items.length].focus();
}
