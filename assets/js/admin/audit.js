// The audit log, newest entries first.
import { get } from "../api.js";
import { button, el, fill } from "../dom.js";
import { exactly, when } from "../format.js";
import { section } from "../account/parts.js";
import { Failure, Loading } from "../parts/states.js";

const PAGE = 30;

/** The audit log section. `people` maps user IDs to names. */
export function Audit(people, signal) {
  const names = new Map(people.map((each) => [each.id, each.email]));
  const rows = el("tbody");
  const below = el("div", { class: "rows-below" });
  const named = (id) => names.get(id) ?? id ?? "";
  more("");

  async function more(cursor) {
    fill(below, Loading("Loading"));
    try {
      const told = await get("/api/admin/audit", { query: { limit: PAGE, cursor }, signal });
      rows.append(...told.audit.map(Row));
      fill(below, told.next_cursor && button("Show earlier entries", { class: "secondary", on: { click: () => more(told.next_cursor) } }));
    } catch (problem) {
      if (!signal.aborted) fill(below, Failure(problem, () => more(cursor)));
    }
  }

  function Row(line) {
    return el("tr", null,
      el("td", null, el("time", { datetime: line.at, title: exactly(line.at) }, when(line.at))),
      el("td", null, line.actor ? named(line.actor) : "not signed in"),
      el("td", null, line.action.replaceAll(/[._]/g, " ")),
      el("td", null, named(line.target), line.detail && el("span", { class: "fine" }, ` ${line.detail}`)),
      el("td", null, line.address));
  }

  return section("Audit log", "Security-relevant actions of users and programs. Entries cannot be changed.",
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Audit log" },
      el("table", { class: "audit-table" },
        el("thead", null, el("tr", null, ["Time", "Actor", "Action", "Target", "Address"].map((head) => el("th", { scope: "col" }, head)))), rows)),
    below);
}
