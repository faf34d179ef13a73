// Saved panels: a recipe fills in all settings at once, and the current settings can be saved as a recipe.
import { get, post } from "../api.js";
import { announce, button, el, fill, link } from "../dom.js";
import { sentence } from "../format.js";
import { user } from "../state.js";
import { openDialog } from "../parts/dialog.js";
import { Choice, Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { requestOf, takeRecipe } from "./draft.js";

/** Returns `{node}`; `onTake()` is called after a recipe has filled the draft. Empty without an account. */
export function RecipeChoice({ draft, data, signal, changed, onTake }) {
  const node = el("div", { class: "recipe-choice" });
  if (user.get()) load();

  async function load() {
    const response = await get("/api/recipes", { signal }).catch(() => null);
    if (!response || signal.aborted) return;
    draw(response.recipes);
  }

  function draw(recipes) {
    const missingNote = el("p", { class: "hint warn", role: "status" });
    const { node: field, input } = Choice("Saved panel or recipe", {
      class: "recipe-selector", value: draft.recipe,
      on: { change: () => {
        const recipe = recipes.find((each) => each.id === input.value);
        if (!recipe) draft.recipe = "";
        const missing = recipe ? takeRecipe(draft, recipe, data.models) : [];
        changed();
        onTake();
        missingNote.textContent = missing.length > 0 ? `Not available: ${missing.join(", ")}.` : "";
        announce(recipe ? `${recipe.name} applied.` : "No recipe.");
      } },
    }, [["", "None"], ...recipes.map((each) => [each.id, each.own ? each.name : `${each.name} (a colleague’s)`])]);
    if (!recipes.some((each) => each.id === draft.recipe)) draft.recipe = "";
    fill(node, recipes.length > 0 && field, recipes.length > 0 && missingNote, el("p", { class: "fine recipe-links" },
      button("Save as recipe", { class: "link-button", on: { click: () => save(recipes) } }),
      recipes.length > 0 && link("/orchestrator", "Manage recipes")));
  }

  async function save(recipes) {
    const saved = await askForName(draft, signal);
    if (!saved) return;
    draft.recipe = saved.id;
    changed();
    draw([...recipes.filter((each) => each.id !== saved.id), saved]);
  }
  return { node };
}

async function askForName(draft, signal) {
  const name = Field("Name", { required: true, maxLength: 60, autocomplete: "off" }, "An existing name creates a new version.");
  const message = el("div", { class: "step-message" });
  let saved = null;
  const form = el("form", { class: "save-recipe", on: { submit: async (event) => {
    event.preventDefault();
    const { prompt: _question, document_ids: _documents, reading: _reading, recipe: _recipe, ...choice } = requestOf(draft);
    try {
      const response = await post("/api/recipes", { name: name.input.value.trim(), ...choice }, { signal });
      saved = response.recipe ?? response;
      toast(`${saved.name} saved.`);
      form.closest("dialog").close("saved");
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert({ message: sentence(problem.message) }));
    }
  } } },
  el("p", null, "Saves the panel, pattern, depth, synthesis model, settings, and budget, but not the question or the documents."),
  name.node, message, button("Save", { type: "submit", class: "primary" }));
  await openDialog("Save as recipe", form);
  return saved;
}
