// The pattern picker, with a diagram and a description of the stages.
import { el, fill, link, uid } from "../dom.js";
import { Choice } from "./field.js";
import { stageHelp, stageName } from "./stages.js";

/** Returns `{node, choose(id), show(id)}`; `onChange(id)` is called when another pattern is chosen. With `brief`, the stages are collapsed. */
export function PatternPicker({ patterns, chosen, onChange, brief }) {
  const help = el("div", { class: "pattern-help", id: uid("pattern"), role: "status" });
  const picture = el("div", { class: "pattern-picture" });
  const { node, input } = Choice("Pattern", {
    class: "pattern-selector", value: chosen,
    on: { change: () => {
      explain(input.value);
      onChange(input.value);
    } },
  }, patterns.map((pattern) => [pattern.id, pattern.name]));
  input.setAttribute("aria-describedby", help.id);
  node.append(picture, help);
  explain(input.value);

  function explain(id) {
    const pattern = patterns.find((each) => each.id === id);
    if (!pattern) return fill(help);
    draw(pattern, picture, input);
    const stages = el("ol", { class: "pattern-stages" }, (pattern.stages ?? []).map((stage) => {
      const name = typeof stage === "string" ? stage : stage.name;
      return el("li", null, el("strong", null, stageName(name)), ` ${stage.help || stageHelp(name)}`);
    }));
    fill(help, el("p", null, pattern.description), !brief && stages,
      el("details", { class: "more" }, el("summary", null, brief ? "Stages and uses" : "Uses and limitations"), brief && stages,
        pattern.use_cases?.length > 0 && el("p", { class: "group-label" }, "Good for"),
        pattern.use_cases?.length > 0 && el("ul", { class: "notes" }, pattern.use_cases.map((each) => el("li", null, each))),
        pattern.limitations?.length > 0 && el("p", { class: "fine" }, `Limitations: ${pattern.limitations.join("; ")}.`),
        link(`/orchestrator?pattern=${encodeURIComponent(id)}`, "Prompts of each stage")));
  }

  function choose(id) {
    input.value = id;
    explain(id);
    onChange(id);
  }

  /** Reflects a choice made elsewhere. */
  function show(id) {
    input.value = id;
    explain(id);
  }
  return { node, choose, show };
}

// The diagram is not needed to make a choice; it appears once it has loaded.
async function draw(pattern, place, input) {
  if (!pattern.recommended_panel) return fill(place);
  const { Flow } = await import("../orchestrator/flow.js");
  if (input.value === pattern.id) fill(place, Flow(pattern));
}
