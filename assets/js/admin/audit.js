// The audit log, newest entries first.
import { get } from "../api.js";
import { button, el, fill } from "../dom.js";
import { exactly, when } from "../format.js";
import { section } from "../account/parts.js";
import { Failure, Loading } from "../parts/states.js";

const PAGE_SIZE = 30;

/** The audit log section. `people` maps user IDs to names. */
export function Audit(people, signal) {
  const names = new Map(people.map((person) => [person.id, person.email]));
  const rows = el("tbody");
  const footer = el("div", { class: "rows-below" });
  const nameOf = (id) => names.get(id) ?? id ?? "";
  loadMore("");

  async function loadMore(cursor) {
    fill(footer, Loading("Loading"));
    try {
      const response = await get("/api/admin/audit", { query: { limit: PAGE_SIZE, cursor }, signal });
      rows.append(...response.audit.map(Row));
      fill(footer, response.next_cursor && button("Show earlier entries", { class: "secondary", on: { click: () => loadMore(response.next_cursor) } }));
    } catch (problem) {
      if (!signal.aborted) fill(footer, Failure(problem, () => loadMore(cursor)));
    }
  }

  function Row(entry) {
    return el("tr", null,
      el("td", null, el("time", { datetime: entry.at, title: exactly(entry.at) }, when(entry.at))),
      el("td", null, entry.actor ? nameOf(entry.actor) : "not signed in"),
      el("td", null, entry.action.replaceAll(/[._]/g, " ")),
      el("td", null, nameOf(entry.target), entry.detail && el("span", { class: "fine" }, ` ${entry.detail}`)),
      el("td", null, entry.address));
  }

  return section("Audit log", "Sign-ins, changes of accounts and keys, and other actions that matter for security. Entries cannot be changed.",
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Audit log" },
      el("table", { class: "audit-table" },
        el("thead", null, el("tr", null, ["Time", "Actor", "Action", "Target", "Address"].map((head) => el("th", { scope: "col" }, head)))), rows)),
    footer);
}
