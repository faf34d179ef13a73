// The recipe form: a new one, a copy, or one of the user's own, for which saving creates a new version.
import { get, post, put } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { short } from "../format.js";
import { Choice, Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";

/** The recipe form page. */
export function RecipeForm({ params, recipe, recipes, patterns, models }, { signal, go }) {
  const isEdit = Boolean(recipe);
  const original = recipes.find((entry) => entry.id === params.copy);
  const initial = recipe ?? (original ? { ...original, name: `${original.name} (copy)` } : { name: "", pattern: params.from ?? "", models: [], parameters: {} });
  const chosen = new Set(initial.models);
  const selectable = models.filter((entry) => entry.available || chosen.has(entry.id));
  const name = Field("Name", { value: initial.name, required: true, maxLength: 60, autocomplete: "off" }, "API requests use this name.");
  const pattern = Choice("Pattern", { value: initial.pattern ?? "" }, [["", "Default"], ...patterns.map((entry) => [entry.id, entry.name])]);
  const writer = Choice("Synthesis model", { value: initial.ultra_model ?? "" }, [["", "Automatic"], ...selectable.map((entry) => [entry.id, entry.name || entry.id])]);
  const depth = Choice("Depth", { value: initial.depth ?? "" }, [["", "Default"], ["quick", "Quick: one model"], ["standard", "Standard: one round of review"], ["full", "Full: every stage"]]);
  const preset = Choice("Preset", { value: initial.preset ?? "" }, [["", "None"]], "How much the models vary their wording.");
  const budget = Field("Budget, in dollars", { type: "number", min: 0, step: "any", value: initial.budget_usd ?? "", placeholder: "no limit" });
  const passages = Field("Maximum passages", { type: "number", min: 1, step: 1, value: initial.passages ?? "", placeholder: "default" });
  const prompt = Field("Prompt", { rows: 4, value: initial.prompt ?? "", maxLength: 20_000, placeholder: "{{question}}" }, "{{question}} is replaced by the question. Leave empty to send the question unchanged.");
  const members = el("fieldset", { class: "radios" }, el("legend", null, "Panel"),
    el("ul", { class: "model-choice" }, selectable.map((entry) => el("li", null, el("label", { class: "check" },
      el("input", { type: "checkbox", "aria-label": entry.name || entry.id, checked: chosen.has(entry.id), on: { change: (event) => (event.target.checked ? chosen.add(entry.id) : chosen.delete(entry.id)) } }),
      el("span", null, entry.name || entry.id, entry.context_window > 0 && el("span", { class: "fine" }, ` context ${short(entry.context_window)}`)))))),
    el("p", { class: "hint" }, "If you choose none, the default panel is used."));
  const message = el("div", { class: "step-message" });
  const save = button(isEdit ? "Save new version" : "Save recipe", { type: "submit", class: "primary" });
  const back = recipe ? `/orchestrator?recipe=${encodeURIComponent(recipe.id)}` : "/orchestrator";
  loadPresets();

  async function loadPresets() {
    const response = await get("/api/parameters", { signal }).catch(() => ({ presets: [] }));
    preset.input.append(...response.presets.map((entry) => el("option", { value: entry.name, selected: entry.name === initial.preset }, `${entry.name}: ${entry.meaning}`)));
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    save.disabled = true;
    const number = ({ input }) => (input.value === "" ? null : Number(input.value));
    const body = {
      name: name.input.value.trim(), pattern: pattern.input.value, models: [...chosen], ultra_model: writer.input.value,
      preset: preset.input.value, prompt: prompt.input.value.trim(), parameters: initial.parameters ?? {}, model_parameters: initial.model_parameters ?? {},
      depth: depth.input.value || null, budget_usd: number(budget), passages: number(passages),
    };
    try {
      const saved = isEdit ? await put(`/api/recipes/${recipe.id}`, body, { signal }) : await post("/api/recipes", body, { signal });
      toast(isEdit ? `Version ${saved.recipe.version} saved.` : "Recipe saved.");
      go(`/orchestrator?recipe=${encodeURIComponent(saved.recipe.id)}`, { replace: true });
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    } finally {
      save.disabled = false;
    }
  }

  return el("section", { class: "page recipe-form" },
    link(back, isEdit ? "Discard changes" : "All patterns and recipes", { class: "back-link" }),
    el("header", { class: "page-head" }, el("h1", null, isEdit ? `Edit ${recipe.name}` : "New recipe"),
      el("p", { class: "lead" }, "Empty fields are chosen for each question.")),
    el("form", { class: "card", on: { submit } }, el("div", { class: "recipe-fields" },
      name.node, el("div", { class: "pair" }, pattern.node, depth.node), members,
      el("div", { class: "pair" }, writer.node, preset.node), el("div", { class: "pair" }, budget.node, passages.node), prompt.node),
    message, el("div", { class: "actions" }, save, link(back, "Cancel", { class: "button quiet" }))));
}
