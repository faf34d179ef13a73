// The keys of a thread: 1 to 5 for the tabs, J and K for the turns, E to edit, [ and ] for citations. Only outside of
// fields, and only where single letters are not switched off.
import { recall } from "../state.js";

/** Listens until the page is left. */
export function listenForKeys({ signal, views, composer }) {
  document.addEventListener("keydown", (event) => {
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
