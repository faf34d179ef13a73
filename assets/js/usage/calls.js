// The call log, newest first, fetched on demand.
import { get } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { count, duration, exactly, money, when } from "../format.js";
import { Failure, Loading } from "../parts/states.js";

const PAGE_SIZE = 50;
const HEADS = [["When"], ["Model"], ["For"], ["Outcome"], ["Tokens", "right"], ["Cost", "right"], ["First words", "right"], ["Took", "right"]];

/** A collapsible section. `user` is the user whose calls are shown; empty for the current user. */
export function Calls(user, signal) {
  const rows = el("tbody");
  const footer = el("div", { class: "rows-below" });
  const table = el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Calls", hidden: true },
    el("table", { class: "call-table" }, el("thead", null, el("tr", null, HEADS.map(([head, className]) => el("th", { scope: "col", class: className }, head)))), rows));
  const node = el("details", { class: "card more calls-part", on: { toggle: () => node.open && rows.children.length === 0 && loadMore("") } },
    el("summary", null, "Call log"), table, footer);

  async function loadMore(cursor) {
    fill(footer, Loading("Loading"));
    try {
      const response = await get("/api/usage/calls", { query: { limit: PAGE_SIZE, cursor, user }, signal });
      table.hidden = false;
      rows.append(...response.calls.map(Row));
      fill(footer, rows.children.length === 0 && el("p", { class: "fine" }, "None yet."),
        response.next_cursor && button("Show earlier calls", { class: "secondary", on: { click: () => loadMore(response.next_cursor) } }));
      table.hidden = rows.children.length === 0;
    } catch (problem) {
      if (!signal.aborted) fill(footer, Failure(problem, () => loadMore(cursor)));
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
