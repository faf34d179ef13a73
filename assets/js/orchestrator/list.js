// All patterns by purpose, each with its diagram, followed by the recipes.
import { el, fill, link } from "../dom.js";
import { plural, when } from "../format.js";
import { user } from "../state.js";
import { Field } from "../parts/field.js";
import { isBeingDeleted } from "../parts/owed.js";
import { Flow } from "./flow.js";

export const EFFORT = { low: "Low effort", medium: "Medium effort", high: "High effort" };
const ORIGINS = { own: "yours", team: "the team’s", folder: "from this server’s folder" };

/** The panel size a pattern is designed for. */
export function panelWords({ from, to }) {
  return from === to ? plural(from, "model") : `${from} to ${to} models`;
}

/** The overview page. */
export function List({ patterns: allPatterns, recipes: allRecipes, standard }) {
  const patterns = allPatterns.filter((pattern) => !isBeingDeleted(`/api/patterns/${encodeURIComponent(pattern.id)}`));
  const recipes = allRecipes.filter((pattern) => !isBeingDeleted(`/api/recipes/${pattern.id}`));
  const groups = el("div", { class: "pattern-groups" });
  const search = Field("Find a pattern", { type: "search", autocomplete: "off", on: { input: draw } });
  const count = el("p", { class: "fine", role: "status" });
  draw();

  function draw() {
    const words = search.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = patterns.filter((pattern) => {
      const text = [pattern.name, pattern.summary, pattern.description, pattern.category, ...pattern.use_cases].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const own = matches.filter((pattern) => pattern.origin === "own");
    const shared = matches.filter((pattern) => pattern.origin !== "own").sort((a, b) => a.category.localeCompare(b.category));
    count.textContent = matches.length === patterns.length ? plural(matches.length, "pattern") : `${matches.length} of ${plural(patterns.length, "pattern")}`;
    fill(groups,
      own.length > 0 && el("section", { "aria-label": "Your own" }, el("p", { class: "group-name" }, "Your own"), el("ul", { class: "pattern-cards" }, own.map(Card))),
      shared.length > 0 && el("section", { "aria-label": "For everyone" }, own.length > 0 && el("p", { class: "group-name" }, "For everyone"), el("ul", { class: "pattern-cards" }, shared.map(Card))),
      matches.length === 0 && el("p", null, "No matches."));
  }

  return el("section", { class: "page orchestrator-page" },
    el("header", { class: "page-head" },
      el("h1", null, "Patterns and recipes"),
      el("p", { class: "lead" }, "A pattern defines what each model does and which answers it reads. A recipe saves a pattern with a panel and settings.")),
    el("section", { class: "recipes-part", "aria-label": "Recipes" },
      el("div", { class: "page-head-row" }, el("h2", null, "Recipes"),
        user.get() && link("/orchestrator?recipe=new", "New recipe", { class: "button secondary" })),
      Recipes(recipes, standard, patterns)),
    el("section", { class: "patterns-part", "aria-label": "Patterns" },
      el("div", { class: "page-head-row" }, el("h2", null, "Patterns"),
        user.get() && link("/orchestrator?pattern=new", "New pattern", { class: "button secondary" })),
      el("div", { class: "pattern-find" }, search.node, count), groups));
}

function Card(pattern) {
  return el("li", { class: "pattern-card" },
    Flow(pattern, { small: true }),
    el("p", { class: "pattern-kind" }, [pattern.category, ORIGINS[pattern.origin]].filter(Boolean).join(" · ")),
    el("h3", null, link(`/orchestrator?pattern=${encodeURIComponent(pattern.id)}`, pattern.name)),
    el("p", { class: "pattern-about" }, pattern.summary || pattern.description),
    el("p", { class: "fine" }, [panelWords(pattern.recommended_panel), EFFORT[pattern.complexity] ?? pattern.complexity].filter(Boolean).join(" · ")));
}

function Recipes(recipes, standard, patterns) {
  if (!user.get()) return el("p", null, link("/login?next=/orchestrator", "Sign in"), " to create recipes and patterns.");
  if (recipes.length === 0) return el("p", { class: "fine" }, "No recipes yet. A recipe saves a panel with its settings; API requests can use it by name.");
  return el("ul", { class: "rows" }, recipes.map((recipe) => el("li", { class: "row" },
    el("div", { class: "row-words" },
      link(`/orchestrator?recipe=${encodeURIComponent(recipe.id)}`, recipe.name, { class: "row-title", dir: "auto" }),
      el("p", { class: "fine" }, [
        patterns.find((each) => each.id === recipe.pattern)?.name ?? recipe.pattern ?? "the default pattern",
        recipe.models.length > 0 ? plural(recipe.models.length, "model") : "the default panel",
        `version ${recipe.version}, saved ${when(recipe.saved_at)}`,
      ].join(" · "))),
    recipe.id === standard && el("span", { class: "badge default-badge" }, "default"),
    recipe.shared && el("span", { class: "badge shared-badge" }, recipe.own ? "shared" : "a colleague’s"))));
}
