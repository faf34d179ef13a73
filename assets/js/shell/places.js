// The pages that have a keyboard shortcut, and the mark of the page that is shown.

/** Letter after "g", address, and name of each page. */
export const PLACES = [
  ["n", "/", "New question"],
  ["a", "/analyze", "Guided question"],
  ["d", "/documents", "Documents"],
  ["h", "/history", "History"],
  ["p", "/orchestrator", "Patterns and recipes"],
  ["m", "/modelrunner", "Models"],
  ["e", "/experiments", "Experiments"],
  ["u", "/usage", "Usage"],
  ["s", "/settings", "Settings"],
];

/** Marks the links of the frame that lead to the page that is shown. */
export function mark() {
  for (const anchor of document.querySelectorAll(".site-nav a")) {
    if (new URL(anchor.href).pathname === location.pathname) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}
