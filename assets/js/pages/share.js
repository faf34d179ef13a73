// A result somebody has shared: to be read, not changed.
import { get } from "../api.js";
import { fromStored } from "../parts/run-model.js";
import { AnalysisResults } from "../parts/results.js";

export async function load({ token }, signal) {
  const [stored, models] = await Promise.all([
    get(`/api/shared/${encodeURIComponent(token)}`, { signal }),
    get("/api/available-models", { signal }).catch(() => []),
  ]);
  return { stored, models };
}

export function view({ stored, models }) {
  return AnalysisResults(fromStored(stored), { models });
}
