// Usage charts: a column per day, and a bar per model or user, each with its figures as a table.
import { Bars } from "../charts/bars.js";
import { Columns } from "../charts/columns.js";
import { count, money, plural, short } from "../format.js";

const DAY_MS = 86_400_000;
const MAX_BARS = 12;

/** The measures: `[name, description, value of a row, format, short format for an axis]`. */
export const MEASURES = {
  cost: { name: "Cost", of: (row) => Number(row.cost_usd), show: money, axis: (value) => (value === 0 ? "$0" : money(value)) },
  tokens: { name: "Tokens", of: (row) => row.input_tokens + row.output_tokens, show: (value) => plural(value, "token"), axis: (value) => short(value) },
  calls: { name: "Calls", of: (row) => row.calls, show: (value) => plural(value, "call"), axis: (value) => count(value) },
};

const HEADS = ["Calls", "Failed", "Input tokens", "Output tokens", "Cost"];
const cells = (row) => [count(row.calls), count(row.failed), count(row.input_tokens), count(row.output_tokens), costOf(row)];

/** The cost of a row in words; calls with an unknown price are not shown as free. */
export function costOf({ cost_usd: usd, unpriced, estimated }) {
  const words = !unpriced ? money(usd) : Number(usd) > 0 ? `${money(usd)}, plus calls of unknown price` : "price unknown";
  return estimated && Number(usd) > 0 ? `${words} (partly estimated)` : words;
}

/** A column per day from `from` to `to`. */
export function Days({ rows, from, to, measure }) {
  const rowsByDay = new Map(rows.map((row) => [row.day, row]));
  const name = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  const columns = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) {
    const row = rowsByDay.get(new Date(at).toISOString().slice(0, 10));
    const value = row ? measure.of(row) : 0;
    const label = name.format(at);
    columns.push({ label, value, words: `${label}: ${row ? `${measure.show(value)}, ${plural(row.calls, "call")}` : "nothing"}` });
  }
  return Columns({
    title: `${measure.name} per day`, about: "Days in UTC.", columns, show: measure.axis,
    table: () => ({ heads: ["Day", ...HEADS], rows: rows.map((row) => [row.day, ...cells(row)]) }),
  });
}

/** A bar per row, largest first. `named(row)` returns the row's name. */
export function Shares({ title, about, rows, named, head, measure }) {
  const sorted = rows.toSorted((a, b) => measure.of(b) - measure.of(a));
  const total = sorted.reduce((sum, row) => sum + measure.of(row), 0);
  const bars = sorted.slice(0, MAX_BARS).map((row) => {
    const part = total > 0 ? measure.of(row) / total : 0;
    return { label: named(row), part, words: `${named(row)}: ${measure.show(measure.of(row))}, ${Math.round(part * 100)}% of the total` };
  });
  const hiddenCount = sorted.length - bars.length;
  return Bars({
    title, about: hiddenCount > 0 ? `${about} ${hiddenCount} more in the table.` : about, bars, show: (part) => `${Math.round(part * 100)}%`,
    table: () => ({ heads: [head, ...HEADS], rows: sorted.map((row) => [named(row), ...cells(row)]) }),
  });
}
