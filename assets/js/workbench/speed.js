// The speed of each model, measured in the user's recent calls; unknown without calls.
import { get } from "../api.js";
import { user } from "../state.js";

const MAX_CALLS = 100;
// Output tokens below which the connection matters more than the model.
const MIN_OUTPUT_TOKENS = 20;

/** A Map from model ID to the medians `{perSecond, firstMs}`; empty if nothing is known. */
export async function speeds(signal) {
  if (!user.get()) return new Map();
  const response = await get("/api/usage/calls", { query: { limit: MAX_CALLS }, signal }).catch(() => ({ calls: [] }));
  const byModel = new Map();
  for (const { model, outcome, latency_ms: latencyMs, time_to_first_token_ms: firstTokenMs, usage } of response.calls) {
    const writing = latencyMs - (firstTokenMs ?? 0);
    if (outcome !== "answered" || !(usage?.output >= MIN_OUTPUT_TOKENS) || !(writing > 0)) continue;
    if (!byModel.has(model)) byModel.set(model, { rates: [], firsts: [] });
    byModel.get(model).rates.push(usage.output / (writing / 1000));
    byModel.get(model).firsts.push(firstTokenMs ?? 0);
  }
  return new Map([...byModel].map(([model, { rates, firsts }]) => [model, { perSecond: median(rates), firstMs: median(firsts) }]));
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The estimated duration of these calls: stages run one after another, and the calls of a stage in parallel. Null if a model's speed is unknown. */
export function timeOf(calls, speedMap) {
  const stages = new Map();
  for (const { stage, model, output_tokens: outputTokens } of calls) {
    const speed = speedMap.get(model);
    if (!speed) return null;
    const ms = speed.firstMs + (outputTokens / speed.perSecond) * 1000;
    stages.set(stage, Math.max(stages.get(stage) ?? 0, ms));
  }
  return [...stages.values()].reduce((sum, ms) => sum + ms, 0);
}
