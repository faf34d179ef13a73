// Actions for an experiment's winner: save it as a recipe, make it the default, or undo that; and export.
import { post } from "../api.js";
import { pathOf } from "../base.js";
import { button, el, fill, icon } from "../dom.js";
import { sentence } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { ExportButtons } from "../parts/exports.js";
import { Choice, Field } from "../parts/field.js";
import { Alert } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { removeWithUndo } from "../parts/undo.js";

/**
 * Props: `experiment` (the experiment), `settings` (those tried, the best first), `words`, `go`; `again` starts a
 * similar experiment.
 */
export function WinnerActions({ experiment, settings, words, again, go, signal }) {
  const path = `/api/experiments/${encodeURIComponent(experiment.id)}`;
  const node = el("div", { class: "taking" });
  const message = el("div", { class: "step-message" });
  let { applied } = experiment;
  draw();

  function draw() {
    const usable = settings.length > 0 && experiment.status !== "running";
    fill(node,
      applied && Applied(applied, settings, words, revert),
      el("div", { class: "actions" },
        usable && button("Save as recipe", { class: applied ? "secondary" : "primary", on: { click: () => apply("recipe") } }),
        usable && button("Use as default", { class: "secondary", on: { click: () => apply("default") } }),
        usable && ExportButtons(experiment.id, `${path}/export`),
        experiment.status !== "running" && button("Change and run again", { class: "secondary", on: { click: again } }),
        experiment.status !== "running" && button("Delete this experiment", { class: "quiet icon-only", title: "Delete", on: { click: deleteExperiment } }, icon("trash"))),
      message);
  }

  async function apply(as) {
    const name = Field("Name of the recipe", { value: experiment.name.slice(0, 60).replaceAll("@", " "), maxLength: 60, autocomplete: "off" });
    const configurationChoice = Choice("Configuration", { value: String(settings[0].place) }, settings.slice(0, 50).map(({ place, setting }, rank) => [String(place), `${rank + 1}. ${words.name(setting)}`]));
    const explanation = as === "recipe"
      ? "You can select a recipe by name for a question, here or through the API."
      : "It becomes a recipe that questions without other settings use. You can undo this at any time.";
    const answer = await openDialog(as === "recipe" ? "Save as recipe" : "Use as default", [el("p", null, explanation), configurationChoice.node, name.node],
      { actions: [["", "Cancel", "secondary"], ["yes", "Save", "primary"]] });
    if (answer !== "yes") return;
    await runAndRedraw(() => post(`${path}/apply`, { place: Number(configurationChoice.input.value), as, ...(name.input.value.trim() ? { name: name.input.value.trim() } : {}) }, { signal }),
      (response) => (response.applied.as === "default" ? "Questions now use it by default." : `Saved as ${response.applied.recipe}.`));
  }

  function revert() {
    return runAndRedraw(() => post(`${path}/revert`, {}, { signal }), (response) => ["Reverted.", ...(response.notes ?? []).map(sentence)].join(" "));
  }

  async function runAndRedraw(work, words) {
    fill(message);
    try {
      const response = await work();
      applied = response.applied ?? null;
      draw();
      toast(words(response));
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  function deleteExperiment() {
    const address = pathOf() + location.search;
    removeWithUndo(`/api/experiments/${encodeURIComponent(experiment.id)}`, `“${experiment.name}” is deleted with its cases and answers.`, () => go(address));
    go("/experiments");
  }

  return node;
}

function Applied({ as, recipe, place }, settings, words, revert) {
  const setting = settings.find((one) => one.place === place)?.setting;
  return el("p", { class: "notice applied" },
    as === "default" ? "Default for your questions" : "Saved as a recipe", `: ${recipe ?? ""}${setting ? ` (${words.name(setting)})` : ""}. `,
    button("Revert", { class: "link-button", on: { click: revert } }));
}
