// The pages that have a keyboard shortcut, and highlighting of the current page in the frame.

/** The letter after "g", the path, and the name of each page. */
export const PLACES = [
  ["n", "/", "New question"],
  ["a", "/analyze", "Guided question"],
  ["d", "/documents", "Documents"],
  ["h", "/history", "Search history"],
  ["p", "/orchestrator", "Patterns and recipes"],
  ["m", "/modelrunner", "Models"],
  ["e", "/experiments", "Experiments"],
  ["u", "/usage", "Usage"],
  ["s", "/settings", "Settings"],
];

/** Marks the links in the frame that lead to the current page. */
export function mark() {
  for (const anchor of document.querySelectorAll(".site-nav a")) {
    if (new URL(anchor.href).pathname === location.pathname) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}
