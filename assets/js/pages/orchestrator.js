// Patterns and recipes: the list or, depending on the URL, one of them, its editor, or a new one.
import { get } from "../api.js";
import { user } from "../state.js";
import { styled } from "../styles.js";
import { PatternEditor } from "../orchestrator/editor.js";
import { List } from "../orchestrator/list.js";
import { PatternPage } from "../orchestrator/pattern.js";
import { RecipeForm } from "../orchestrator/recipe-form.js";
import { RecipePage } from "../orchestrator/recipe.js";

export async function load(params, signal) {
  const patterns = get("/api/patterns", { signal }).then((response) => response.patterns);
  const recipes = user.get() ? get("/api/recipes", { signal }) : { recipes: [], default: null };
  const models = get("/api/models", { signal });
  const pattern = params.pattern && params.pattern !== "new" ? get(`/api/patterns/${encodeURIComponent(params.pattern)}`, { signal }) : null;
  const recipe = params.recipe && params.recipe !== "new" ? get(`/api/recipes/${encodeURIComponent(params.recipe)}`, { signal }) : null;
  const versions = recipe && !("edit" in params) ? get(`/api/recipes/${encodeURIComponent(params.recipe)}/versions`, { signal }) : null;
  const [allPatterns, recipeList, modelList, patternDetails, recipeDetails, versionList] = await Promise.all([patterns, recipes, models, pattern, recipe, versions, styled("orchestrator")]);
  return { params, patterns: allPatterns, recipes: recipeList.recipes, standard: recipeList.default, models: modelList.models, panel: modelList.default_panel ?? [], pattern: patternDetails, recipe: recipeDetails, versions: versionList?.versions ?? [] };
}

export function view(data, context) {
  const { params } = data;
  if (params.recipe) return params.recipe === "new" || "edit" in params ? RecipeForm(data, context) : RecipePage(data, context);
  if (params.pattern) return params.pattern === "new" || "edit" in params || "copy" in params ? PatternEditor(data, context) : PatternPage(data, context);
  return List(data, context);
}
