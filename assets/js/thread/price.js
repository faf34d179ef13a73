// Price and time of a request, for the sheets that configure it.
import { post } from "../api.js";
import { duration } from "../format.js";
import { user } from "../state.js";
import { speeds, timeOf } from "../workbench/speed.js";
import { priceOf } from "./estimate.js";

/** Price and time of a request, such as "≈ $0.07 · about 28 s"; the time only if the models' speed is known. */
export async function priceAndTime(request, signal) {
  const [estimate, speedMap] = await Promise.all([post("/api/estimate", request, { signal }), user.get() ? measuredSpeeds(signal) : new Map()]);
  const ms = timeOf(estimate.calls, speedMap);
  return { estimate, price: priceOf(estimate), time: ms ? duration(Math.max(1000, Math.round(ms / 1000) * 1000)).replace(".0 s", " s") : "" };
}

let speedRequest = null;

/** The measured speed of models, fetched once per visit. */
export function measuredSpeeds(signal) {
  speedRequest ??= speeds(signal).catch(() => {
    speedRequest = null;
    return new Map();
  });
  return speedRequest;
}
