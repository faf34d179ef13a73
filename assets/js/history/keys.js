// Keyboard navigation in a list of rows: j and k move down and up, Enter opens a row (each is a link), and Delete
// deletes it. Inactive in input fields.

/** Listens until the page is left; `rows()` returns the current rows. */
export function listenForKeys({ rows, remove, signal }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    const all = rows();
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const to = { j: at + 1, k: at < 0 ? 0 : at - 1 }[event.key];
    if (to !== undefined && all.length > 0) {
      event.preventDefault();
      all[Math.min(Math.max(to, 0), all.length - 1)].querySelector("a, button").focus();
    } else if (event.key === "Delete" && at >= 0) {
      event.preventDefault();
      remove(all[at]);
    }
  }, { signal });
}
