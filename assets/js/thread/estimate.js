// The estimated cost of a question, requested from the server whenever the selection changes: the price in short
// form, and anything that blocks the run.
import { post } from "../api.js";
import { money, sentence } from "../format.js";

const DEBOUNCE_MS = 350;

/** Returns `{update()}`; `request()` is the body of the question, or null if it is not known yet; `onEstimate({words, warn})` is called with the result. */
export function Estimate({ request, signal, onEstimate }) {
  let timer = 0;
  let controller = new AbortController();
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return { update };

  function update() {
    clearTimeout(timer);
    controller.abort();
    const body = request();
    if (!body) return;
    if (!body.prompt) return onEstimate({ words: "Write a question to see the estimated cost." });
    if (body.models?.length === 0) return onEstimate({ words: "Choose at least one model." });
    timer = setTimeout(fetchEstimate, DEBOUNCE_MS);
  }

  async function fetchEstimate() {
    controller = new AbortController();
    const requestSignal = AbortSignal.any([signal, controller.signal]);
    try {
      const estimate = await post("/api/estimate", request(), { signal: requestSignal });
      if (!requestSignal.aborted) onEstimate({ words: priceOf(estimate), warn: warningOf(estimate) });
    } catch (problem) {
      if (!requestSignal.aborted) onEstimate({ words: "", warn: sentence(problem.message) });
    }
  }
}

/** A short price: "≈ $0.07", "free". */
export function priceOf({ total }) {
  if (total.cost_usd === null || total.cost_usd === undefined) return "price unknown";
  return Number(total.cost_usd) > 0 ? `≈ ${money(total.cost_usd)}` : "free";
}

function warningOf({ allowed, refusal, pictures, members = [] }) {
  if (allowed === false) return sentence(refusal);
  if (pictures?.unseen) return "No model on this panel can see pictures.";
  const skipped = members.filter((member) => member.documents?.fit === "cannot").length;
  return skipped > 0 ? `${skipped === 1 ? "One model" : `${skipped} models`} cannot take these documents and will be skipped.` : "";
}
