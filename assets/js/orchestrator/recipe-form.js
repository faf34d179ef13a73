// The recipe form: a new one, a copy, or one of the user's own, for which saving creates a new version.
import { get, post, put } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { short } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";

/** The recipe form page. */
export function RecipeForm({ params, recipe, recipes, patterns, models }, { signal, go }) {
  const changing = Boolean(recipe);
  const copied = recipes.find((one) => one.id === params.copy);
  const from = recipe ?? (copied ? { ...copied, name: `${copied.name} (copy)` } : { name: "", pattern: params.from ?? "", models: [], parameters: {} });
  const chosen = new Set(from.models);
  const known = models.filter((one) => one.available || chosen.has(one.id));
  const name = Field("Name", { value: from.name, required: true, maxLength: 60, autocomplete: "off" }, "API requests use this name.");
  const pattern = Choice("Pattern", { value: from.pattern ?? "" }, [["", "Default"], ...patterns.map((one) => [one.id, one.name])]);
  const writer = Choice("Synthesis model", { value: from.ultra_model ?? "" }, [["", "Automatic"], ...known.map((one) => [one.id, one.name || one.id])]);
  const depth = Choice("Depth", { value: from.depth ?? "" }, [["", "Default"], ["quick", "Quick: one model"], ["standard", "Standard: one round of review"], ["full", "Full: every stage"]]);
  const preset = Choice("Preset", { value: from.preset ?? "" }, [["", "None"]], "How freely the models write.");
  const budget = Field("Budget, in dollars", { type: "number", min: 0, step: "any", value: from.budget_usd ?? "", placeholder: "no limit" });
  const passages = Field("Maximum passages", { type: "number", min: 1, step: 1, value: from.passages ?? "", placeholder: "default" });
  const prompt = Field("Prompt", { rows: 4, value: from.prompt ?? "", maxLength: 20_000, placeholder: "{{question}}" }, "{{question}} is replaced by the question. Leave empty to send the question unchanged.");
  const members = el("fieldset", { class: "radios" }, el("legend", null, "Panel"),
    el("ul", { class: "model-choice" }, known.map((one) => el("li", null, el("label", { class: "check" },
      el("input", { type: "checkbox", "aria-label": one.name || one.id, checked: chosen.has(one.id), on: { change: (event) => (event.target.checked ? chosen.add(one.id) : chosen.delete(one.id)) } }),
      el("span", null, one.name || one.id, one.context_window > 0 && el("span", { class: "fine" }, ` context ${short(one.context_window)}`)))))),
    el("p", { class: "hint" }, "None chosen: the default panel."));
  const message = el("div", { class: "step-message" });
  const save = button(changing ? "Save new version" : "Save recipe", { type: "submit", class: "primary" });
  const back = recipe ? `/orchestrator?recipe=${encodeURIComponent(recipe.id)}` : "/orchestrator";
  presets();

  async function presets() {
    const told = await get("/api/parameters", { signal }).catch(() => ({ presets: [] }));
    preset.input.append(...told.presets.map((one) => el("option", { value: one.name, selected: one.name === from.preset }, `${one.name}: ${one.meaning}`)));
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    save.disabled = true;
    const number = ({ input }) => (input.value === "" ? null : Number(input.value));
    const body = {
      name: name.input.value.trim(), pattern: pattern.input.value, models: [...chosen], ultra_model: writer.input.value,
      preset: preset.input.value, prompt: prompt.input.value.trim(), parameters: from.parameters ?? {}, model_parameters: from.model_parameters ?? {},
      depth: depth.input.value || null, budget_usd: number(budget), passages: number(passages),
    };
    try {
      const kept = changing ? await put(`/api/recipes/${recipe.id}`, body, { signal }) : await post("/api/recipes", body, { signal });
      toast(changing ? `Version ${kept.recipe.version} saved.` : "Recipe saved.");
      go(`/orchestrator?recipe=${encodeURIComponent(kept.recipe.id)}`, { replace: true });
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    } finally {
      save.disabled = false;
    }
  }

  return el("section", { class: "page recipe-form" },
    link(back, changing ? "Discard changes" : "All patterns and recipes", { class: "back-link" }),
    el("header", { class: "page-head" }, el("h1", null, changing ? `Edit ${recipe.name}` : "New recipe"),
      el("p", { class: "lead" }, "Fields left empty are chosen for each question.")),
    el("form", { class: "card", on: { submit } }, el("div", { class: "recipe-fields" },
      name.node, el("div", { class: "pair" }, pattern.node, depth.node), members,
      el("div", { class: "pair" }, writer.node, preset.node), el("div", { class: "pair" }, budget.node, passages.node), prompt.node),
    message, el("div", { class: "actions" }, save, link(back, "Cancel", { class: "button quiet" }))));
}
