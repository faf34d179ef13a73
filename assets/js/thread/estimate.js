// The estimated cost of a question, requested from the server whenever the selection changes: the price in short
// form, and anything that blocks the run.
import { post } from "../api.js";
import { money, sentence } from "../format.js";

const PATIENCE_MS = 350;

/** Returns `{update()}`; `request()` is the body of the question, or null if it is not known yet; `tell({words, warn})` shows the result. */
export function Estimate({ request, signal, tell }) {
  let timer = 0;
  let asked = new AbortController();
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return { update };

  function update() {
    clearTimeout(timer);
    asked.abort();
    const wanted = request();
    if (!wanted) return;
    if (!wanted.prompt) return tell({ words: "Write a question to see the estimated cost." });
    if (wanted.models?.length === 0) return tell({ words: "Choose at least one model." });
    timer = setTimeout(ask, PATIENCE_MS);
  }

  async function ask() {
    asked = new AbortController();
    const mine = AbortSignal.any([signal, asked.signal]);
    try {
      const told = await post("/api/estimate", request(), { signal: mine });
      if (!mine.aborted) tell({ words: priceOf(told), warn: warningOf(told) });
    } catch (problem) {
      if (!mine.aborted) tell({ words: "", warn: sentence(problem.message) });
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
  const left = members.filter((member) => member.documents?.fit === "cannot").length;
  return left > 0 ? `${left === 1 ? "One model" : `${left} models`} cannot take these documents and will be left out.` : "";
}
