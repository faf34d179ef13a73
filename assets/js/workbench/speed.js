// The speed of each model, measured in the user's recent calls; unknown without calls.
import { get } from "../api.js";
import { user } from "../state.js";

const CALLS = 100;
// Output tokens below which the connection matters more than the model.
const ENOUGH = 20;

/** A Map from model ID to the medians `{perSecond, firstMs}`; empty if nothing is known. */
export async function speeds(signal) {
  if (!user.get()) return new Map();
  const told = await get("/api/usage/calls", { query: { limit: CALLS }, signal }).catch(() => ({ calls: [] }));
  const seen = new Map();
  for (const { model, outcome, latency_ms: all, time_to_first_token_ms: first, usage } of told.calls) {
    const writing = all - (first ?? 0);
    if (outcome !== "answered" || !(usage?.output >= ENOUGH) || !(writing > 0)) continue;
    if (!seen.has(model)) seen.set(model, { rates: [], firsts: [] });
    seen.get(model).rates.push(usage.output / (writing / 1000));
    seen.get(model).firsts.push(first ?? 0);
  }
  return new Map([...seen].map(([model, { rates, firsts }]) => [model, { perSecond: median(rates), firstMs: median(firsts) }]));
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The estimated duration of these calls: stages run one after another, and the calls of a stage in parallel. Null if a model's speed is unknown. */
export function timeOf(calls, known) {
  const stages = new Map();
  for (const { stage, model, output_tokens: words } of calls) {
    const speed = known.get(model);
    if (!speed) return null;
    const ms = speed.firstMs + (words / speed.perSecond) * 1000;
    stages.set(stage, Math.max(stages.get(stage) ?? 0, ms));
  }
  return [...stages.values()].reduce((sum, ms) => sum + ms, 0);
}
