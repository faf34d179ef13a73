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
 * Props: `told` (the experiment), `settings` (those tried, the best first), `words`, `go`; `again` starts a
 * similar experiment.
 */
export function Taking({ told, settings, words, again, go, signal }) {
  const path = `/api/experiments/${encodeURIComponent(told.id)}`;
  const node = el("div", { class: "taking" });
  const message = el("div", { class: "step-message" });
  let { applied } = told;
  draw();

  function draw() {
    const usable = settings.length > 0 && told.status !== "running";
    fill(node,
      applied && Applied(applied, settings, words, revert),
      el("div", { class: "actions" },
        usable && button("Save as recipe", { class: applied ? "secondary" : "primary", on: { click: () => apply("recipe") } }),
        usable && button("Use as default", { class: "secondary", on: { click: () => apply("default") } }),
        usable && ExportButtons(told.id, `${path}/export`),
        told.status !== "running" && button("Change and run again", { class: "secondary", on: { click: again } }),
        told.status !== "running" && button("Delete this experiment", { class: "quiet icon-only", title: "Delete", on: { click: drop } }, icon("trash"))),
      message);
  }

  async function apply(as) {
    const name = Field("Name of the recipe", { value: told.name.slice(0, 60).replaceAll("@", " "), maxLength: 60, autocomplete: "off" });
    const which = Choice("Setting", { value: String(settings[0].place) }, settings.slice(0, 50).map(({ place, setting }, rank) => [String(place), `${rank + 1}. ${words.name(setting)}`]));
    const lead = as === "recipe"
      ? "You can select a recipe by name for a question, here or through the API."
      : "It becomes a recipe that questions without other settings use. You can undo this at any time.";
    const answer = await openDialog(as === "recipe" ? "Save as recipe" : "Use as default", [el("p", null, lead), which.node, name.node],
      { actions: [["", "Cancel", "secondary"], ["yes", "Save", "primary"]] });
    if (answer !== "yes") return;
    await act(() => post(`${path}/apply`, { place: Number(which.input.value), as, ...(name.input.value.trim() ? { name: name.input.value.trim() } : {}) }, { signal }),
      (now) => (now.applied.as === "default" ? "Questions now use it by default." : `Saved as ${now.applied.recipe}.`));
  }

  function revert() {
    return act(() => post(`${path}/revert`, {}, { signal }), (now) => ["Reverted.", ...(now.notes ?? []).map(sentence)].join(" "));
  }

  async function act(work, words) {
    fill(message);
    try {
      const now = await work();
      applied = now.applied ?? null;
      draw();
      toast(words(now));
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  function drop() {
    const here = pathOf() + location.search;
    removeWithUndo(`/api/experiments/${encodeURIComponent(told.id)}`, `“${told.name}” is deleted with its cases and answers.`, () => go(here));
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
