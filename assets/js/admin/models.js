// Model administration: probing all providers, resetting failed models, and fallback chains.
import { post, put } from "../api.js";
import { button, el, fill } from "../dom.js";
import { sentence } from "../format.js";
import { Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";

/** The actions below the provider list. */
export function ProviderActions(refresh, signal) {
  const run = async (path, confirmation) => {
    try {
      const response = await post(path, {}, { signal });
      await refresh(confirmation ?? response.message);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  };
  return el("div", { class: "row-actions" },
    button("Check providers", { class: "secondary", on: { click: () => run("/api/llm/health-check", "all providers were checked") } }),
    button("Reset circuit breakers", { class: "secondary", title: "Allows calls to models that were paused after failures", on: { click: () => run("/api/admin/breakers/reset") } }));
}

/** The fallback chains section. */
export function Fallbacks(chains) {
  const lines = Object.entries(chains).map(([model, others]) => `${model} > ${others.join(" > ")}`);
  const text = Field("Chains, one per line", { rows: 4, value: lines.join("\n"), spellcheck: false, placeholder: "openai/gpt-5.1 > anthropic/claude-sonnet-4.5" },
    "When a model fails, the next one in its chain is called instead, at its own price. Every result names the fallbacks used. Without a chain, no model is replaced.");
  const message = el("div", { class: "step-message", role: "status" });
  return el("section", { class: "card", "aria-label": "Fallbacks" },
    el("h2", null, "Fallbacks"),
    el("form", { on: { submit: async (event) => {
      event.preventDefault();
      const fallbacks = {};
      for (const line of text.input.value.split("\n")) {
        const [model, ...others] = line.split(">").map((part) => part.trim()).filter(Boolean);
        if (model) fallbacks[model] = others;
      }
      try {
        await put("/api/admin/fallbacks", { fallbacks });
        fill(message, el("p", { class: "notice" }, "Saved. Applies to new analyses."));
      } catch (problem) {
        fill(message, Alert(problem));
      }
    } } }, text.node, message, button("Save fallbacks", { type: "submit", class: "secondary" })));
}
