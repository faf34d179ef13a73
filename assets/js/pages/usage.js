// Calls and cost by day, by model, and (for administrators) by user; and the budgets.
import { get } from "../api.js";
import { el, icon } from "../dom.js";
import { count, money, plural } from "../format.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { Choice } from "../parts/field.js";
import { Empty } from "../parts/states.js";
import { Budget } from "../usage/budget.js";
import { Calls } from "../usage/calls.js";
import { Days, MEASURES, Shares, costOf } from "../usage/charts.js";

const SPANS = [["month", "This month"], ["30", "Last 30 days"], ["90", "Last 90 days"], ["365", "Last year"]];
const DAY_MS = 86_400_000;

export async function load(params, signal) {
  const isAdmin = user.get()?.role === "admin";
  const span = SPANS.some(([known]) => known === params.span) ? params.span : "month";
  const who = isAdmin ? params.user ?? "" : "";
  const now = new Date();
  const from = span === "month" ? `${now.toISOString().slice(0, 8)}01` : new Date(now - (Number(span) - 1) * DAY_MS).toISOString().slice(0, 10);
  const query = { from, ...(who ? { user: who } : {}) };
  const [days, models, people, accounts] = await Promise.all([
    get("/api/usage", { query: { ...query, group: "day" }, signal }),
    get("/api/usage", { query: { ...query, group: "model" }, signal }),
    who === "all" ? get("/api/usage", { query, signal }) : null,
    isAdmin ? get("/api/admin/users", { query: { limit: 200 }, signal }) : null,
    styled("charts"), styled("usage"),
  ]);
  return { span, who, query, days, models, people, accounts: accounts?.users ?? [], measure: params.show };
}

export function view(data, { signal, go }) {
  const { span, who, days, models, people, accounts, query } = data;
  const { totals } = days;
  const measureName = MEASURES[data.measure] ? data.measure : Number(totals.cost_usd) > 0 ? "cost" : "tokens";
  const measure = MEASURES[measureName];
  const accountOf = (id) => accounts.find((account) => account.id === id || account.user_id === id);
  const navigate = (change) => {
    const choices = { span, user: who, show: data.measure ?? "", ...change };
    const nonEmpty = Object.entries(choices).filter(([, value]) => value);
    go(`/usage?${new URLSearchParams(nonEmpty)}`, { replace: true });
  };
  const csv = `/api/usage?${new URLSearchParams({ ...query, format: "csv", ...(who === "all" ? { group: "day" } : {}) })}`;
  const byPerson = people && `/api/usage?${new URLSearchParams({ ...query, format: "csv" })}`;

  return el("section", { class: "page usage-page" },
    el("header", { class: "page-head" }, el("h1", null, "Usage")),
    el("div", { class: "usage-choices" },
      Choice("Time", { value: span, on: { change: (event) => navigate({ span: event.target.value }) } }, SPANS).node,
      accounts.length > 1 && Choice("User", { value: who, on: { change: (event) => navigate({ user: event.target.value }) } }, [["", "Mine"], ["all", "Everyone"], ...accounts.filter((account) => account.id !== user.get()?.id).map((account) => [account.id, account.email])]).node,
      Choice("Show", { value: measureName, on: { change: (event) => navigate({ show: event.target.value }) } }, Object.entries(MEASURES).map(([id, { name: label }]) => [id, label])).node),
    Sums(days),
    days.budget && Budget(days.budget),
    totals.calls === 0
      ? Empty("No calls in this period", "Every model call is counted here, with its cost and time.")
      : [
        el("h2", null, "Breakdown"),
        el("div", { class: "card" }, Days({ rows: days.usage, from: days.from, to: days.to, measure })),
        el("div", { class: "usage-shares" },
          el("div", { class: "card" }, Shares({ title: "By model", about: `Each model’s share of ${measure.name.toLowerCase() === "cost" ? "the cost" : `the ${measure.name.toLowerCase()}`}.`, rows: models.usage, named: (row) => row.model, head: "Model", measure })),
          people && el("div", { class: "card" }, Shares({ title: "By person", about: "Each account’s share.", rows: people.users, named: (row) => accountOf(row.user_id)?.email ?? "a deleted account", head: "Account", measure }))),
        el("p", { class: "actions" },
          el("a", { class: "button secondary", href: csv, download: "usage.csv" }, icon("download"), people ? "By day as CSV" : "As CSV"),
          byPerson && el("a", { class: "button secondary", href: byPerson, download: "usage-by-person.csv" }, icon("download"), "By person as CSV")),
        who !== "all" && Calls(who, signal),
      ]);
}

function Sums({ totals, saved }) {
  const fact = (label, value, note) => el("div", null, el("dt", null, label), el("dd", null, value, note && el("span", { class: "fine" }, note)));
  return el("dl", { class: "sums" },
    fact("Cost", costOf(totals), Number(totals.own_key_usd) > 0 && `${money(totals.own_key_usd)} of that with users’ own keys`),
    fact("Tokens", count(totals.input_tokens + totals.output_tokens), totals.cached_tokens > 0 && `${count(totals.cached_tokens)} from the provider’s cache`),
    fact("Calls", count(totals.calls), totals.failed > 0 && `${count(totals.failed)} failed`),
    saved?.hits > 0 && fact("Saved by the cache", Number(saved.cost_usd) > 0 ? money(saved.cost_usd) : plural(saved.tokens, "token"), plural(saved.hits, "answer")));
}
