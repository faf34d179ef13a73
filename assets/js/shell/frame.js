// The frame around every page: a top bar for visitors; for signed-in users a side rail, which is collapsed to
// icons on laptops and a drawer on phones. The rail's content is loaded once a user is signed in.
import { el, fill, link } from "../dom.js";
import { remember } from "../state.js";

const WIDE = matchMedia("(min-width: 90rem)");
const PHONE = matchMedia("(max-width: 45rem)");
const root = document.documentElement;
const nav = document.getElementById("site-nav");
const menuButton = document.querySelector(".mobile-menu");
const foldButton = document.querySelector(".rail-fold");
// The bar's server-rendered content, restored on sign-out.
const forVisitors = [...nav.childNodes];

/** Attaches the event handlers of the frame's buttons. */
export function frame() {
  const scrim = el("div", { class: "rail-scrim", on: { click: close } });
  document.body.append(scrim);
  menuButton.addEventListener("click", () => open(menuButton.getAttribute("aria-expanded") !== "true"));
  foldButton.addEventListener("click", toggle);
  // Choosing a page closes any overlay.
  nav.addEventListener("click", (event) => event.target.closest("a, .menu button, .rail-close") && close());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isOverlayOpen()) return;
    close();
    (PHONE.matches ? menuButton : foldButton).focus();
  });
  WIDE.addEventListener("change", close);
}

/** Shows this user's rail; `go` is the router's. */
export async function signedIn(person, go) {
  root.dataset.rail ??= "open";
  const { Rail } = await import("./rail.js");
  nav.classList.add("rail");
  nav.setAttribute("aria-label", "Main");
  fill(nav, Rail(person, go));
  updateFoldButton();
}

/** Shows the bar for visitors. */
export function signedOut() {
  nav.classList.remove("rail");
  if (nav.firstChild !== forVisitors[0]) fill(nav, forVisitors);
  fill(document.getElementById("account"), link("/login", "Sign in"));
}

function isOverlayOpen() {
  return root.dataset.rail === "over" || menuButton.getAttribute("aria-expanded") === "true";
}

// Opens or closes the drawer on a phone, or the visitors' menu.
function open(isOpen) {
  menuButton.setAttribute("aria-expanded", String(isOpen));
  nav.classList.toggle("open", isOpen);
  if (root.dataset.rail) root.dataset.rail = isOpen ? "over" : "open";
  if (isOpen && root.dataset.rail) nav.querySelector("a")?.focus({ preventScroll: true });
}

function close() {
  if (!isOverlayOpen()) return;
  open(false);
  updateFoldButton();
}

// On wide windows, the choice is stored; on laptops, the rail overlays the page until something is chosen.
function toggle() {
  const folded = root.dataset.rail === "folded";
  if (WIDE.matches) {
    root.dataset.rail = folded ? "open" : "folded";
    remember("rail", folded ? null : "folded");
  } else root.dataset.rail = root.dataset.rail === "over" ? "open" : "over";
  updateFoldButton();
}

function updateFoldButton() {
  const expanded = WIDE.matches ? root.dataset.rail !== "folded" : root.dataset.rail === "over";
  foldButton.setAttribute("aria-expanded", String(expanded));
  foldButton.title = expanded ? "Hide sidebar" : "Show sidebar";
}
