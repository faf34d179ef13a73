// The history's rows, grouped by the day of each thread's last update; search results are not grouped. Rows are
// loaded page by page.
import { el } from "../dom.js";
import { plural } from "../format.js";

const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** `{node, add(threads, row, isSearch), clear(), rows(), tidy()}`. */
export function Groups() {
  const node = el("div", { class: "history-groups" });
  const lists = new Map();

  function listOf(name) {
    if (!lists.has(name)) {
      const title = el("h2", null, name);
      const list = el("ul", { class: "rows" });
      lists.set(name, { list, title });
      node.append(el("section", { class: "history-group", "aria-label": name || "Matching threads" }, title, list));
    }
    return lists.get(name);
  }

  return {
    node,
    add(threads, row, isSearch) {
      for (const thread of threads) listOf(isSearch ? "" : dayOf(thread.updated_at)).list.append(row(thread));
      const results = lists.get("");
      if (results) results.title.textContent = plural(results.list.children.length, "thread");
    },
    clear() {
      lists.clear();
      node.replaceChildren();
    },
    rows: () => [...node.querySelectorAll(".row")],
    /** Removes groups without rows. */
    tidy() {
      for (const [name, { list }] of lists) {
        if (list.children.length > 0) continue;
        list.parentElement.remove();
        lists.delete(name);
      }
    },
  };
}

function dayOf(moment) {
  const date = new Date(moment);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return "Today";
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  return date.toDateString() === yesterday.toDateString() ? "Yesterday" : day.format(date);
}
