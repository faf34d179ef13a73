// Keyboard navigation in a list of rows: j and k move down and up, Enter opens a row (each is a link), and Delete
// deletes it. Inactive in input fields.

/** Listens until the page is left; `rows()` returns the current rows. */
export function listenForKeys({ rows, remove, signal }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    const rowList = rows();
    const current = rowList.findIndex((row) => row.contains(document.activeElement));
    const next = { j: current + 1, k: current < 0 ? 0 : current - 1 }[event.key];
    if (next !== undefined && rowList.length > 0) {
      event.preventDefault();
      rowList[Math.min(Math.max(next, 0), rowList.length - 1)].querySelector("a, button").focus();
    } else if (event.key === "Delete" && current >= 0) {
      event.preventDefault();
      remove(rowList[current]);
    }
  }, { signal });
}
