// The call log, newest first, fetched on demand.
import { get } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { count, duration, exactly, money, when } from "../format.js";
import { Failure, Loading } from "../parts/states.js";

const PAGE = 50;
const HEADS = [["When"], ["Model"], ["For"], ["Outcome"], ["Tokens", "right"], ["Cost", "right"], ["First words", "right"], ["Took", "right"]];

/** A collapsible section. `user` is the user whose calls are shown; empty for the current user. */
export function Calls(user, signal) {
  const rows = el("tbody");
  const below = el("div", { class: "rows-below" });
  const table = el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Calls", hidden: true },
    el("table", { class: "call-table" }, el("thead", null, el("tr", null, HEADS.map(([head, look]) => el("th", { scope: "col", class: look }, head)))), rows));
  const node = el("details", { class: "card more calls-part", on: { toggle: () => node.open && rows.children.length === 0 && more("") } },
    el("summary", null, "Call log"), table, below);

  async function more(cursor) {
    fill(below, Loading("Loading"));
    try {
      const told = await get("/api/usage/calls", { query: { limit: PAGE, cursor, user }, signal });
      table.hidden = false;
      rows.append(...told.calls.map(Row));
      fill(below, rows.children.length === 0 && el("p", { class: "fine" }, "None yet."),
        told.next_cursor && button("Show earlier calls", { class: "secondary", on: { click: () => more(told.next_cursor) } }));
      table.hidden = rows.children.length === 0;
    } catch (problem) {
      if (!signal.aborted) fill(below, Failure(problem, () => more(cursor)));
    }
  }
  return node;
}

function Row(call) {
  const outcome = typeof call.outcome === "string" ? call.outcome : Object.keys(call.outcome ?? {})[0] ?? "";
  return el("tr", null,
    el("td", null, el("time", { datetime: call.at, title: exactly(call.at) }, when(call.at))),
    el("td", null, call.model),
    el("td", null, call.analysis_id ? link(`/history/${encodeURIComponent(call.analysis_id)}`, `stage ${call.stage + 1} of an analysis`) : ""),
    el("td", null, outcome.replaceAll("_", " ")),
    el("td", { class: "right" }, count((call.usage?.input ?? 0) + (call.usage?.output ?? 0))),
    el("td", { class: "right" }, money(call.cost_usd)),
    el("td", { class: "right" }, duration(call.time_to_first_token_ms)),
    el("td", { class: "right" }, duration(call.latency_ms)));
}
