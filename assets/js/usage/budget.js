// A budget as bars: the spent and reserved part of each limit, and when it resets.
import { el } from "../dom.js";
import { count, money, plural, when } from "../format.js";

/** Takes the `budget` field of `/api/usage`. */
export function Budget(budget) {
  const lines = [
    Line("Today", "day", budget), Line("This month", "month", budget),
    Line("Tokens today", "day", budget, true), Line("Tokens this month", "month", budget, true),
  ].filter(Boolean);
  const { reserved } = budget;
  return el("section", { class: "card budget-part", "aria-label": "Budget" }, el("h2", null, "Budget"),
    lines.length > 0 ? el("ul", { class: "budget-lines" }, lines) : el("p", null, "No limit. An administrator can set one for this account or for all accounts."),
    el("p", { class: "fine" }, [
      reserved.tokens > 0 && `${reserved.cost_usd > 0 ? money(reserved.cost_usd) : plural(reserved.tokens, "token")} reserved for active runs.`,
      lines.length > 0 && `Daily limits reset ${when(budget.day_resets_at)}, monthly limits ${when(budget.month_resets_at)}.`,
    ].filter(Boolean).join(" ")));
}

function Line(name, span, { spent, limits }, inTokens = false) {
  const limit = limits[`${span}_${inTokens ? "tokens" : "usd"}`];
  if (limit === null || limit === undefined) return null;
  const used = Number(inTokens ? spent[span].tokens : spent[span].cost_usd);
  const format = inTokens ? count : (usd) => (Number(usd) === 0 ? "$0" : money(usd));
  const fraction = Number(limit) > 0 ? used / Number(limit) : 1;
  const label = fraction >= 1 ? "used up" : `${Math.round(fraction * 100)}%`;
  return el("li", { class: fraction >= 1 ? "spent" : fraction >= 0.8 ? "nearly" : "" },
    el("p", null, el("strong", null, name), ` ${format(used)} of ${format(limit)}`, el("span", { class: "budget-part-words" }, label)),
    el("progress", { max: 1, value: Math.min(fraction, 1), "aria-label": `${name}: ${label}` }));
}
