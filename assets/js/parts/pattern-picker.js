// How the panel works together: the pattern, with what each of its stages does.
import { el, fill, uid } from "../dom.js";
import { Choice } from "./field.js";
import { stageHelp, stageName } from "./stages.js";

/** `{node, choose(id)}`; `onChange(id)` when another pattern is chosen. */
export function PatternPicker({ patterns, chosen, onChange }) {
  const help = el("div", { class: "pattern-help", id: uid("pattern"), role: "status" });
  const { node, input } = Choice("How shall they work together?", {
    class: "pattern-selector", value: chosen,
    on: { change: () => {
      explain(input.value);
      onChange(input.value);
    } },
  }, patterns.map((pattern) => [pattern.id, pattern.name]));
  input.setAttribute("aria-describedby", help.id);
  node.append(help);
  explain(input.value);

  function explain(id) {
    const pattern = patterns.find((each) => each.id === id);
    if (!pattern) return fill(help);
    fill(help,
      el("p", null, pattern.description),
      el("ol", { class: "pattern-stages" }, (pattern.stages ?? []).map((stage) => {
        const name = typeof stage === "string" ? stage : stage.name;
        return el("li", null, el("strong", null, stageName(name)), ` ${stage.help ?? stageHelp(name)}`);
      })),
      pattern.limitations?.length > 0 && el("p", { class: "fine" }, `Bear in mind: ${pattern.limitations.join("; ")}.`));
  }
  function choose(id) {
    input.value = id;
    explain(id);
    onChange(id);
  }
  return { node, choose };
}
