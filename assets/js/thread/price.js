// Price and time of a request, for the sheets that configure it.
import { post } from "../api.js";
import { duration } from "../format.js";
import { user } from "../state.js";
import { speeds, timeOf } from "../workbench/speed.js";
import { priceOf } from "./estimate.js";

/** Price and time of a request, such as "≈ $0.07 · about 28 s"; the time only if the models' speed is known. */
export async function priceAndTime(request, signal) {
  const [told, known] = await Promise.all([post("/api/estimate", request, { signal }), user.get() ? measured(signal) : new Map()]);
  const ms = timeOf(told.calls, known);
  return { told, price: priceOf(told), time: ms ? duration(Math.max(1000, Math.round(ms / 1000) * 1000)).replace(".0 s", " s") : "" };
}

let measuring = null;

/** The measured speed of models, fetched once per visit. */
export function measured(signal) {
  measuring ??= speeds(signal).catch(() => {
    measuring = null;
    return new Map();
  });
  return measuring;
}
