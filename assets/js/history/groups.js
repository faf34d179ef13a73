// The history rows under headings: by day, by pattern, or ungrouped. Rows are loaded page by page.
import { el } from "../dom.js";

const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** The grouping options. */
export const WAYS = [["day", "By day"], ["pattern", "By pattern"], ["none", "Not grouped"]];

/** Returns `{node, add(analyses, row), clear(), rows()}`; `way` is one of `WAYS`. */
export function Groups({ way, patterns }) {
  const node = el("div", { class: "history-groups" });
  const lists = new Map();

  function listOf(analysis) {
    const name = title(analysis, way, patterns);
    if (!lists.has(name)) {
      const list = el("ul", { class: "rows" });
      lists.set(name, list);
      node.append(el("section", { class: "history-group", "aria-label": name || "Analyses" }, name && el("h2", null, name), list));
    }
    return lists.get(name);
  }

  return {
    node,
    add(analyses, row) {
      for (const analysis of analyses) listOf(analysis).append(row(analysis));
    },
    clear() {
      lists.clear();
      node.replaceChildren();
    },
    rows: () => [...node.querySelectorAll(".row")],
    /** Removes groups without rows. */
    tidy() {
      for (const [name, list] of lists) {
        if (list.children.length > 0) continue;
        list.parentElement.remove();
        lists.delete(name);
      }
    },
  };
}

function title(analysis, way, patterns) {
  if (way === "none") return "";
  if (way === "pattern") return patterns.find((each) => each.id === analysis.pattern)?.name ?? analysis.pattern;
  const date = new Date(analysis.created_at);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return "Today";
  const before = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  return date.toDateString() === before.toDateString() ? "Yesterday" : day.format(date);
}
