// One recipe: the values it sets, its versions, its visibility, whether it is the default, and a dry run.
import { get, put } from "../api.js";
import { pathOf } from "../base.js";
import { button, el, fill, icon, link } from "../dom.js";
import { exactly, money, sentence, when } from "../format.js";
import { CopyButton } from "../parts/copy.js";
import { toast } from "../parts/toast.js";
import { removeWithUndo } from "../parts/undo.js";
import { DryRun } from "./dry-run.js";

/** The recipe page. */
export function RecipePage({ recipe, versions, patterns, models, standard, panel }, { signal, go }) {
  const address = `/orchestrator?recipe=${encodeURIComponent(recipe.id)}`;
  const isDefault = standard === recipe.id;
  const runAndReload = async (promise, message, next = address) => {
    try {
      await promise;
      toast(message);
      go(next, { replace: true });
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  };
  const dryRunPlace = el("div", { class: "dry-place" });
  showDryRun();

  // The stage prompts belong to the pattern, which is fetched with its texts.
  async function showDryRun() {
    const pattern = recipe.pattern ? await get(`/api/patterns/${encodeURIComponent(recipe.pattern)}`, { signal }).catch(() => null) : null;
    if (!signal.aborted) fill(dryRunPlace, DryRun({ pattern, models, panel, recipe: recipe.id, signal }));
  }

  return el("section", { class: "page recipe-page" },
    link("/orchestrator", "All patterns and recipes", { class: "back-link" }),
    el("header", { class: "page-head" },
      el("h1", { dir: "auto" }, recipe.name),
      el("p", { class: "fine" }, [`version ${recipe.version}, saved ${when(recipe.saved_at)}`, recipe.own ? (recipe.shared ? "everyone with an account here can use it" : "only you can use it") : "a colleague’s", isDefault && "your default"].filter(Boolean).join(" · ")),
      el("div", { class: "actions" },
        recipe.own && link(`${address}&edit`, "Edit", { class: "button primary" }),
        link(`/orchestrator?recipe=new&copy=${encodeURIComponent(recipe.id)}`, "Copy", { class: "button secondary" }),
        recipe.own && button(recipe.shared ? "Stop sharing" : "Share with everyone here", { class: "secondary", on: { click: () => runAndReload(put(`/api/recipes/${recipe.id}`, { shared: !recipe.shared }, { signal }), recipe.shared ? "Only you can use it now." : "Everyone with an account on this server can use it now.") } }),
        button(isDefault ? "Remove as default" : "Use as default", { class: "secondary", on: { click: () => runAndReload(put("/api/users/me/recipe", { recipe: isDefault ? null : recipe.id }, { signal }), isDefault ? "This is no longer your default recipe." : "Questions now use it by default.") } }),
        recipe.own && button(`Delete the recipe ${recipe.name}`, { class: "quiet", on: { click: deleteRecipe } }, icon("trash"), "Delete"))),
    el("section", { class: "card", "aria-label": "Settings" }, el("h2", null, "Settings"), Facts(factsOf(recipe, patterns, models)),
      el("p", { class: "call-by" }, el("span", null, "API requests use it as ", el("code", null, `quire/${recipe.name}`), " or by ", el("code", null, `"recipe": "${recipe.name}"`), "."), CopyButton("Copy the recipe's name", () => recipe.name))),
    dryRunPlace,
    versions.length > 1 && Versions(versions, patterns, models, recipe, runAndReload, signal));

  // Deletes the recipe. Analyses made with it are unaffected.
  function deleteRecipe() {
    const returnToList = () => pathOf() === "/orchestrator" && go("/orchestrator", { replace: true });
    removeWithUndo(`/api/recipes/${recipe.id}`, `${recipe.name} deleted.`, returnToList);
    go("/orchestrator", { replace: true });
  }
}

function factsOf(recipe, patterns, models) {
  const nameOf = (id) => models.find((entry) => entry.id === id)?.name || id;
  const settings = (values) => Object.entries(values ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(", ") : value}`).join(", ");
  return [
    ["Pattern", recipe.pattern ? link(`/orchestrator?pattern=${encodeURIComponent(recipe.pattern)}`, patterns.find((entry) => entry.id === recipe.pattern)?.name ?? recipe.pattern) : null],
    ["Panel", recipe.models.length > 0 && recipe.models.map(nameOf).join(", ")],
    ["Synthesis model", recipe.ultra_model && nameOf(recipe.ultra_model)],
    ["Depth", recipe.depth],
    ["Preset", recipe.preset],
    ["Settings", settings(recipe.parameters)],
    ...Object.entries(recipe.model_parameters ?? {}).map(([id, values]) => [`Parameters of ${nameOf(id)}`, settings(values)]),
    ["Stops on agreement", recipe.stop_when_agreed && `at ${Math.round(recipe.stop_when_agreed * 100)}%`],
    ["Samples of one model", recipe.samples && `${recipe.samples} times`],
    ["Budget", recipe.budget_usd && money(recipe.budget_usd)],
    ["Passages", recipe.passages && `${recipe.passages} at most`],
    ["Prompt", recipe.prompt && el("span", { class: "recipe-prompt", dir: "auto" }, recipe.prompt)],
  ].filter(([, value]) => value);
}

function Facts(rows) {
  if (rows.length === 0) return el("p", { class: "fine" }, "Empty: the default pattern and panel.");
  return el("dl", { class: "fact-list" }, rows.map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value))));
}

function Versions(versions, patterns, models, recipe, runAndReload, signal) {
  return el("section", { class: "card", "aria-label": "Versions" }, el("h2", null, "Versions"),
    el("p", { class: "fine" }, "Each save creates a version. A request can name one: ", el("code", null, `${recipe.name}@${versions.at(-1).version}`), "."),
    el("ol", { class: "version-list" }, versions.map((version) => el("li", null,
      el("details", { class: "more" },
        el("summary", null, `Version ${version.version}`, el("time", { class: "fine", datetime: version.saved_at, title: exactly(version.saved_at) }, ` ${when(version.saved_at)}`)),
        Facts(factsOf(version, patterns, models)),
        recipe.own && version.version !== recipe.version && button(`Restore version ${version.version}`, { class: "secondary", on: { click: () => runAndReload(put(`/api/recipes/${recipe.id}`, bodyOf(version), { signal }), `Version ${version.version} is restored as a new version.`) } }))))));
}

/** The request body that submits a version again, without the fields it leaves open. */
export function bodyOf({ pattern, models, ultra_model: writer, parameters, model_parameters: modelParameters, preset, prompt, ...rest }) {
  const { depth, stop_when_agreed: stopThreshold, samples, budget_usd: budget, passages } = rest;
  return {
    pattern: pattern ?? "", models, ultra_model: writer ?? "", parameters, model_parameters: modelParameters, preset: preset ?? "", prompt: prompt ?? "",
    depth, stop_when_agreed: stopThreshold, samples, budget_usd: budget, passages,
  };
}
