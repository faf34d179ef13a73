// Keyboard shortcuts of a thread: 1 to 5 for the tabs, J and K for the turns, E to edit, [ and ] for citations.
// Active outside of fields, unless single-letter shortcuts are turned off. Escape stops a run.
import { toast } from "../parts/toast.js";
import { recall } from "../state.js";

// Time in milliseconds within which Escape must be pressed a second time to stop a run.
const AGAIN_MS = 4000;

/** Listens until the page is left. */
export function listenForKeys({ signal, views, composer }) {
  let asked = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) return stop();
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || recall("single-keys") === false) return;
    if (event.target.closest?.("input, textarea, select, dialog, [role=menu], [role=tablist]")) return;
    const all = views();
    if (all.length === 0) return;
    const here = inView(all);
    if (/^[1-5]$/.test(event.key)) here.choose(Number(event.key) - 1);
    else if (event.key === "j" || event.key === "k") step(all, all.indexOf(here) + (event.key === "j" ? 1 : -1), composer);
    else if (event.key === "e") here.edit();
    else if (event.key === "[" || event.key === "]") cite(here, event.key === "]" ? 1 : -1);
    else return;
    event.preventDefault();
  }, { signal });

  // Escape closes whatever is open; with nothing open it stops the run, after asking once.
  function stop() {
    const button = document.querySelector(".turn.last .board-stop:not(:disabled)");
    if (!button || document.querySelector("dialog[open], [role=menu]:not([hidden]), .ask-form")) return;
    if (Date.now() - asked < AGAIN_MS) return button.click();
    asked = Date.now();
    toast("Press Esc again to stop the run.");
  }
}

// The turn at the upper third of the window.
function inView(all) {
  return all.findLast((view) => view.node.getBoundingClientRect().top < innerHeight / 3) ?? all[0];
}

function step(all, place, composer) {
  if (place >= all.length) return composer.focus();
  const view = all[Math.max(0, place)];
  view.node.scrollIntoView({ block: "start" });
  view.node.focus({ preventScroll: true });
}

function cite(view, by) {
  const all = [...view.node.querySelectorAll(".answer .citation")];
  if (all.length === 0) return;
  const here = all.indexOf(document.activeElement);
  all[(here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by + all.length) % all.length].focus();
}
