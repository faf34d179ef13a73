// What was used and what may be used: the budget's standing, a table by model and one by day.
import { el } from "../dom.js";
import { count, money, when } from "../format.js";

const COLUMNS = ["Calls", "Failed", "Tokens", "Cost"];

const limit = (value, show) => (value === null || value === undefined ? "no limit" : show(value));

/** Takes the answer of /api/usage, grouped by model, and the rows of the same by day. */
export function UsageTable(usage, days) {
  const { budget } = usage;
  const line = (name, span) => el("tr", null, el("th", { scope: "row" }, name),
    el("td", null, money(budget.spent[span].cost_usd)), el("td", null, limit(budget.limits[`${span}_usd`], money)),
    el("td", null, count(budget.spent[span].tokens)), el("td", null, limit(budget.limits[`${span}_tokens`], count)));
  return [
    table("Budget", ["Span", "Spent", "Limit", "Tokens", "Limit"], [line("Today", "day"), line("This month", "month")]),
    usage.usage.length === 0
      ? el("p", { class: "fine" }, "Nothing was asked this month.")
      : [
        table("Usage by model this month", ["Model", ...COLUMNS], usage.usage.map((row) => sum(row.model, row))),
        table("Usage by day this month", ["Day", ...COLUMNS], days.map((row) => sum(row.day, row))),
      ],
    el("p", { class: "fine" }, `A new day begins ${when(budget.day_resets_at)}.`),
  ];
}

function sum(name, row) {
  return el("tr", null, el("th", { scope: "row" }, name), el("td", null, count(row.calls)), el("td", null, count(row.failed)),
    el("td", null, count(row.input_tokens + row.output_tokens)),
    el("td", null, `${costOf(row)}${row.estimated ? " (partly estimated)" : ""}`));
}

function costOf({ cost_usd: usd, unpriced }) {
  if (!unpriced) return money(usd);
  return Number(usd) > 0 ? `${money(usd)} and calls of unknown price` : "calls of unknown price";
}

function table(label, heads, rows) {
  return el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": label },
    el("table", null,
      el("thead", null, el("tr", null, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", null, rows)));
}
