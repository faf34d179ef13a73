// The draft of a question: its settings, and their storage until it is sent. Creates no elements. Each window has
// its own draft; the account's last one is also kept in this browser.
import { recall, remember, user } from "../state.js";
import { defaultPanel } from "../parts/model-order.js";

/** Stored names of the two layouts. */
export const STEP_BY_STEP = "steps";
export const SINGLE_PAGE = "one";

/** Stored names of the steps of the guided page, in order. */
export const INTRO = "intro";
export const PROMPT = "prompt";
export const MODELS = "models";
export const OPTIONS = "options";

/** The layout that was used last. */
export function layout() {
  return recall("layout") === SINGLE_PAGE ? SINGLE_PAGE : STEP_BY_STEP;
}

export function chooseLayout(name) {
  remember("layout", name);
}

// Stored only for a signed-in user, under their ID, so that another person using this browser does not see it.
const accountKey = () => (user.get() ? `draft.${user.get().id ?? user.get().user_id}` : null);

function storedDraft() {
  return recall("draft", sessionStorage) ?? (accountKey() && recall(accountKey())) ?? {};
}

// The usable models of the last panel. Once real models are connected, a panel of demo algorithms only is no longer
// the default.
function lastPanel(ids, models) {
  const usable = models.filter((model) => model.available);
  const panel = usable.filter((model) => ids.includes(model.id));
  const isOutgrown = panel.every((model) => model.mock) && usable.some((model) => !model.mock);
  return isOutgrown ? [] : ids.filter((id) => panel.some((model) => model.id === id));
}

/** Loads the saved draft, without models and patterns that no longer exist. */
export function loadDraft({ models, patterns }, wantedPattern) {
  const stored = storedDraft();
  const usable = new Set(models.filter((model) => model.available).map((model) => model.id));
  const panel = lastPanel(stored.models ?? recall("panel") ?? [], models);
  const isKnown = (id) => patterns.some((each) => each.id === id);
  return {
    step: stored.prompt ? stored.step ?? "" : "",
    prompt: stored.prompt ?? "",
    models: new Set(panel.length > 0 ? panel : defaultPanel(models)),
    documents: new Set(stored.documents ?? []),
    pattern: [wantedPattern, stored.pattern, "confidence", patterns[0]?.id].find(isKnown),
    ultra: usable.has(stored.ultra) ? stored.ultra : "",
    depth: stored.depth ?? "standard",
    reading: stored.reading ?? "auto",
    recipe: user.get() ? stored.recipe ?? "" : "",
    preset: stored.preset ?? "",
    parameters: stored.parameters ?? {},
    budget: stored.budget ?? null,
  };
}

export function saveDraft(draft) {
  const serializable = { ...draft, models: [...draft.models], documents: [...draft.documents] };
  remember("draft", serializable, sessionStorage);
  if (accountKey()) remember(accountKey(), draft.prompt.trim() ? serializable : null);
}

/** Deletes the draft once it is sent. */
export function clearDraft() {
  remember("draft", null, sessionStorage);
  if (accountKey()) remember(accountKey(), null);
}

/** The request body for the draft. */
export function requestOf(draft, withDocuments = true) {
  const documents = withDocuments ? [...draft.documents] : [];
  return {
    prompt: draft.prompt.trim(), models: [...draft.models], pattern: draft.pattern, depth: draft.depth,
    ...(draft.recipe ? { recipe: draft.recipe } : {}),
    ...(draft.ultra ? { ultra_model: draft.ultra } : {}),
    ...(documents.length > 0 ? { document_ids: documents, reading: draft.reading } : {}),
    ...(draft.preset ? { preset: draft.preset } : {}),
    ...(Object.keys(draft.parameters).length > 0 ? { parameters: draft.parameters } : {}),
    ...(draft.budget !== null ? { budget_usd: draft.budget } : {}),
  };
}

/** Applies a recipe to the draft; fields that the recipe leaves open do not change. */
export function takeRecipe(draft, recipe, models) {
  const usable = new Set(models.filter((model) => model.available).map((model) => model.id));
  const panel = recipe.models.filter((id) => usable.has(id));
  draft.recipe = recipe.id;
  if (panel.length > 0) draft.models = new Set(panel);
  draft.pattern = recipe.pattern ?? draft.pattern;
  draft.ultra = usable.has(recipe.ultra_model) ? recipe.ultra_model : draft.ultra;
  draft.depth = recipe.depth ?? draft.depth;
  draft.preset = recipe.preset ?? "";
  draft.parameters = { ...recipe.parameters };
  draft.budget = recipe.budget_usd ?? null;
  return recipe.models.filter((id) => !usable.has(id));
}
