// Formats numbers, times, and text in the browser's language.

const integerFormat = new Intl.NumberFormat();
const decimalFormat = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** 1234 → 1,234 */
export function count(number) {
  return integerFormat.format(number ?? 0);
}

/** count(1, "page") → "1 page"; count(2, "page") → "2 pages" */
export function plural(number, noun, nouns = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : nouns}`;
}

/** Milliseconds → "0.4 s", "12 s", "2 min 5 s" */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 10_000) return `${decimalFormat.format(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** Dollars → "$0.12", "$0.00034"; an unknown price is not shown as zero. */
export function money(usd) {
  if (usd === null || usd === undefined) return "price unknown";
  const dollars = Number(usd);
  if (dollars === 0) return "no cost";
  if (dollars >= 0.01) return `$${dollars.toFixed(2)}`;
  return `$${dollars.toPrecision(2)}`;
}

/** The cost of many calls, some of which may have no known price: "$0.00", "$1.20", "over $1.20", "cost unknown". */
export function spentWords({ cost_usd: usd, unpriced }) {
  if (!(Number(usd) > 0)) return unpriced ? "cost unknown" : "$0.00";
  return unpriced ? `over ${money(usd)}` : money(usd);
}

/** The cost, prefixed with "about" if the token counts are estimates. */
export function cost(usd, usage) {
  return usage?.estimated && Number(usd) > 0 ? `≈ ${money(usd)}` : money(usd);
}

/** Input and output tokens, as a phrase. */
export function tokens(usage) {
  if (!usage) return "";
  const sum = (usage.input ?? 0) + (usage.output ?? 0);
  return `${usage.estimated ? "about " : ""}${plural(sum, "token")}`;
}

/** 200000 → "200k" */
export function short(number) {
  if (number >= 1_000_000) return `${Math.round(number / 100_000) / 10}M`;
  if (number >= 1000) return `${Math.round(number / 1000)}k`;
  return count(number);
}

/** Bytes → "12 KB" */
export function bytes(size) {
  if (size < 1000) return plural(size, "byte");
  if (size < 1_000_000) return `${decimalFormat.format(size / 1000)} KB`;
  return `${decimalFormat.format(size / 1_000_000)} MB`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** "today, 14:05", or the date and the time. */
export function when(rfc3339) {
  const date = new Date(rfc3339);
  if (Number.isNaN(date.getTime())) return "";
  const today = new Date().toDateString() === date.toDateString();
  return `${today ? "today" : day.format(date)}, ${clock.format(date)}`;
}

const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const fullDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });

/** "Today", "Yesterday", "November 12", or with the year if it is another one. */
export function date(rfc3339) {
  const then = new Date(rfc3339);
  if (Number.isNaN(then.getTime())) return "";
  const now = new Date();
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (then.toDateString() === now.toDateString()) return "Today";
  if (then.toDateString() === yesterday.toDateString()) return "Yesterday";
  return (then.getFullYear() === now.getFullYear() ? dayOfYear : fullDay).format(then);
}

/** The full date and time, with nothing left out. */
export function exactly(rfc3339) {
  const date = new Date(rfc3339);
  return Number.isNaN(date.getTime()) ? "" : full.format(date);
}

/** "cost unknown" → "Cost unknown" */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Server messages are lowercase without a period; pages show full sentences. */
export function sentence(text) {
  const trimmed = String(text ?? "").trim();
  if (!trimmed) return "";
  const first = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}

/** Shortens a long text at a word boundary. */
export function excerpt(text, length = 140) {
  const flat = String(text ?? "").replace(/\s+/g, " ").trim();
  if (flat.length <= length) return flat;
  const cut = flat.slice(0, length);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), length / 2))}…`;
}

/** The elapsed time of a running clock, in whole seconds, because tenths are distracting. */
export function elapsed(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000)) || 0;
  return seconds < 10 ? `${seconds} s` : duration(seconds * 1000);
}
