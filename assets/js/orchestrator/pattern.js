// One pattern: its diagram, its purpose, each stage's prompt, and the cost of a question.
import { pathOf } from "../base.js";
import { button, el, icon, link } from "../dom.js";
import { sentence, when } from "../format.js";
import { user } from "../state.js";
import { stageName } from "../parts/stages.js";
import { removeWithUndo } from "../parts/undo.js";
import { DryRun } from "./dry-run.js";
import { Flow } from "./flow.js";
import { EFFORT, panelWords } from "./list.js";
import { Template } from "./template.js";

const TASK_LABELS = { answer: "answers", review: "reviews the others", revise: "revises its own", synthesise: "writes the final answer" };
const ORIGIN_LABELS = { embedded: "built in", folder: "from this server’s folder of patterns", team: "the team’s", own: "yours" };

/** The pattern page. */
export function PatternPage({ pattern, models, panel }, { go, signal }) {
  const address = `/orchestrator?pattern=${encodeURIComponent(pattern.id)}`;
  const canEdit = pattern.origin === "own" || (pattern.origin === "team" && user.get()?.role === "admin");
  return el("section", { class: "page pattern-page" },
    link("/orchestrator", "All patterns and recipes", { class: "back-link" }),
    el("header", { class: "page-head" },
      el("h1", null, pattern.name),
      el("p", { class: "lead" }, pattern.description),
      el("p", { class: "fine" }, [panelWords(pattern.recommended_panel), EFFORT[pattern.complexity], ORIGIN_LABELS[pattern.origin], pattern.changed_at && `changed ${when(pattern.changed_at)}`].filter(Boolean).join(" · ")),
      el("div", { class: "actions" },
        link(`/analyze?pattern=${encodeURIComponent(pattern.id)}`, "Use this pattern", { class: "button primary" }),
        user.get() && canEdit && link(`${address}&edit`, "Edit", { class: "button secondary" }),
        user.get() && link(`${address}&copy`, "Copy and edit", { class: "button secondary" }),
        user.get() && link(`/orchestrator?recipe=new&from=${encodeURIComponent(pattern.id)}`, "Save as recipe", { class: "button secondary" }),
        user.get() && canEdit && button(`Delete the pattern ${pattern.name}`, { class: "quiet", on: { click: () => deletePattern(pattern, go) } }, icon("trash"), "Delete"))),
    el("figure", { class: "flow-figure", tabindex: "0", role: "group", "aria-label": "Flow between the models" }, Flow(pattern)),
    el("ol", { class: "stage-cards" }, pattern.stages.map((stage, place) => Stage(stage, place))),
    el("div", { class: "for-and-against" },
      pattern.use_cases.length > 0 && WordList("Good for", pattern.use_cases),
      pattern.limitations.length > 0 && WordList("Limitations", pattern.limitations)),
    DryRun({ pattern, models, panel, signal }));
}

function WordList(title, list) {
  return el("section", { "aria-label": title }, el("h2", null, title), el("ul", { class: "notes" }, list.map((each) => el("li", null, each))));
}

function Stage(stage, place) {
  return el("li", { class: "stage-card" },
    el("h2", null, el("span", { class: "part-number", "aria-hidden": "true" }, String(place + 1)), stageName(stage.name)),
    el("p", null, stage.help || sentence(`${stage.who === "synthesiser" ? "one model" : "each member"} ${TASK_LABELS[stage.task] ?? stage.task}`)),
    el("details", { class: "more" }, el("summary", null, "Prompt"), Template(stage.prompt)));
}

// Deletes the pattern. Analyses that used it keep the data they need from it.
function deletePattern(pattern, go) {
  const returnToList = () => pathOf() === "/orchestrator" && go("/orchestrator", { replace: true });
  removeWithUndo(`/api/patterns/${encodeURIComponent(pattern.id)}`, `${pattern.name} deleted.`, returnToList);
  go("/orchestrator", { replace: true });
}
