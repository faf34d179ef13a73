// The stages of an analysis as a path; selecting one shows its texts.
import { button, el, icon } from "../dom.js";
import { plural } from "../format.js";

const NAMES = {
  initial: ["First answers", "each member answers independently"],
  meta: ["Reviews", "the members review each other's answers"],
  hyper: ["Revision", "each member revises its answer"],
  tie: ["Tie-break", "one model decides between the tied answers"],
  ultra: ["Synthesis", "one answer from all of them"],
  evidence: ["Comparison", "a model compares the answers"],
};

/** The display name of a stage. */
export function stageName(name) {
  return NAMES[name]?.[0] ?? name;
}

/** The description of a stage. */
export function stageHelp(name) {
  return NAMES[name]?.[1] ?? "";
}

/** Returns `{node, draw(run, chosen)}`; `onChoose(name)` is called when a stage is selected. */
export function StagePath(onChoose) {
  const node = el("ol", { class: "stage-path", "aria-label": "Stages" });
  let drawnState = "";
  return {
    node,
    draw(run, chosen) {
      const snapshot = JSON.stringify([chosen, run.stages.map((stage) => [stage.name, stage.status, stateOf(stage)])]);
      if (snapshot === drawnState) return;
      drawnState = snapshot;
      const items = run.stages.map((stage, index) => StageItem(stage, index, chosen, onChoose));
      // Restore the focus, which would be lost when the list is rebuilt.
      const focused = [...node.children].findIndex((item) => item.contains(document.activeElement));
      node.replaceChildren(...items);
      if (focused >= 0) node.children[focused]?.querySelector("button")?.focus();
    },
  };
}

function StageItem(stage, index, chosen, onChoose) {
  const name = stageName(stage.name);
  const state = stateOf(stage);
  return el("li", { class: `stage ${stage.status}` },
    button(`${name} ${state}`, {
      class: "stage-button",
      "aria-pressed": String(stage.name === chosen),
      disabled: stage.status === "waiting",
      on: { click: () => onChoose(stage.name) },
    },
    // The style sheet draws the number, so that it is not part of the button's accessible name.
    el("span", { class: "stage-mark", "aria-hidden": "true", data: { number: index + 1 } }, stage.status === "done" && icon("check")),
    el("span", { class: "stage-words" },
      el("span", { class: "stage-name" }, name), " ",
      el("span", { class: "stage-state" }, state))));
}

function stateOf(stage) {
  if (stage.status === "waiting") return "waiting";
  const failed = stage.members.filter((member) => member.status === "failed").length;
  const done = stage.members.filter((member) => member.status === "done").length;
  if (stage.status === "running") {
    return stage.final ? "being written" : `${done} of ${stage.members.length} ready${failed > 0 ? `, ${failed} failed` : ""}`;
  }
  if (stage.final) return done > 0 ? "written" : "none";
  return failed > 0 ? `${plural(done, "answer")}, ${failed} failed` : plural(done, "answer");
}
