// A pattern as a form: its names, its panel, and its stages. Every change is reported as a complete source; the
// server's errors appear at the fields they concern.
import { button, el, fill, icon, uid } from "../dom.js";
import { sentence } from "../format.js";
import { Choice, Field } from "../parts/field.js";

const EFFORTS = [["low", "little"], ["medium", "some"], ["high", "much"]];
const ARRANGEMENTS = [
  ["staged", "Stages, then one answer"], ["self", "One model several times, then one answer"], ["cascade", "Two drafts; a synthesis only if they differ"],
  ["vote", "Vote, counted by Quire"], ["single", "Single model"],
];
const MAX_STAGES = 6;

/** Returns `{node, showFaults(faults)}`. `source` is not modified; `onChange(source)` receives a new one. With `fixed`, the ID cannot be changed. */
export function PatternForm(source, { fixed, onChange }) {
  let current = structuredClone(source);
  const fieldsByPlace = new Map();
  const stages = el("ol", { class: "stage-forms" });
  const change = (changed) => {
    current = { ...current, ...changed };
    onChange(current);
  };
  const changeStage = (withError, changed) => change({ stages: current.stages.map((stage, place) => (place === withError ? { ...stage, ...changed } : stage)) });
  const setStages = (list, focus) => {
    change({ stages: list });
    draw();
    stages.children[Math.min(focus, list.length - 1)]?.querySelector("input")?.focus();
  };
  draw();

  // A field with room for its error.
  function withError(place, part) {
    const fault = el("p", { class: "field-fault", id: uid("fault"), hidden: true });
    part.node.append(fault);
    fieldsByPlace.set(place, { input: part.input, fault, hint: part.input.getAttribute("aria-describedby") });
    return part.node;
  }

  function text(place, label, value, write, props = {}, hint) {
    return withError(place, Field(label, { value: value ?? "", autocomplete: "off", ...props, on: { input: (event) => write(event.target.value) } }, hint));
  }

  function draw() {
    for (const place of fieldsByPlace.keys()) if (place.startsWith("stages.")) fieldsByPlace.delete(place);
    fill(stages, current.stages.map(Stage));
  }

  function Stage(stage, place) {
    const name = `stage ${place + 1}`;
    const reordered = (to) => {
      const list = current.stages.filter((_, index) => index !== place);
      list.splice(to, 0, current.stages[place]);
      return list;
    };
    return el("li", { class: "stage-form" },
      el("div", { class: "stage-form-head" },
        el("span", { class: "part-number", "aria-hidden": "true" }, String(place + 1)),
        text(`stages.${place}.name`, `Name of ${name}`, stage.name, (value) => changeStage(place, { name: value }), { maxLength: 24 }),
        el("div", { class: "actions" },
          place > 0 && button(`Move ${name} forward`, { class: "quiet icon-only", title: "Forward", on: { click: () => setStages(reordered(place - 1), place - 1) } }, icon("previous")),
          place < current.stages.length - 1 && button(`Move ${name} back`, { class: "quiet icon-only", title: "Back", on: { click: () => setStages(reordered(place + 1), place + 1) } }, icon("next")),
          current.stages.length > 1 && button(`Remove ${name}`, { class: "quiet icon-only", title: "Remove", on: { click: () => setStages(current.stages.filter((_, index) => index !== place), place) } }, icon("trash")))),
      text(`stages.${place}.help`, `Purpose of ${name}`, stage.help, (value) => changeStage(place, { help: value }), { maxLength: 300 }),
      text(`stages.${place}.prompt`, `Prompt of ${name}`, stage.prompt, (value) => changeStage(place, { prompt: value }), { rows: 8, maxLength: 20_000, class: "stage-prompt" }));
  }

  // New stages go before the last one, which writes the answer.
  function add() {
    const newStage = { name: `stage_${current.stages.length}`, help: "", prompt: "{sources}\n\nQuestion: {question}\n\nYour own answer: {own}\n\nThe others' texts, labeled with letters:\n{peers}\n" };
    const list = [...current.stages];
    list.splice(Math.max(list.length - 1, 1), 0, newStage);
    setStages(list, list.length - 2);
  }

  const lines = (value) => value.split("\n").map((line) => line.trim()).filter(Boolean);
  const panel = (place) => (event) => {
    const range = [...(current.panel ?? [2, 4])];
    range[place] = Number(event.target.value);
    change({ panel: range });
  };
  const selectProps = (name) => ({ value: current[name], on: { change: (event) => change({ [name]: event.target.value }) } });
  const node = el("div", { class: "pattern-form" },
    el("div", { class: "pair" },
      text("name", "Name", current.name, (value) => change({ name: value }), { maxLength: 80 }),
      text("id", "ID", current.id, (value) => change({ id: value }), { maxLength: 40, readOnly: fixed, spellcheck: false }, fixed ? "Cannot be changed." : "Lowercase letters, digits, _ and -. API requests use it.")),
    text("summary", "Summary", current.summary ?? "", (value) => change({ summary: value }), { maxLength: 80 }, "One line for its card."),
    text("description", "Description", current.description, (value) => change({ description: value }), { rows: 2, maxLength: 600 }),
    el("div", { class: "pair" },
      withError("arrangement", Choice("Arrangement", { ...selectProps("arrangement"), value: current.arrangement ?? "staged" }, ARRANGEMENTS)),
      withError("complexity", Choice("Effort", { ...selectProps("complexity"), value: current.complexity ?? "medium" }, EFFORTS))),
    el("div", { class: "pair" },
      withError("panel", Field("Minimum models", { type: "number", min: 1, max: 16, value: current.panel?.[0] ?? 2, on: { input: panel(0) } })),
      Field("Maximum models", { type: "number", min: 1, max: 16, value: current.panel?.[1] ?? 4, on: { input: panel(1) } }).node),
    el("h2", null, "Stages"), stages,
    button("Add a stage", { class: "secondary", on: { click: () => current.stages.length < MAX_STAGES && add() } }),
    el("div", { class: "pair" },
      text("use_cases", "Good for, one per line", (current.use_cases ?? []).join("\n"), (value) => change({ use_cases: lines(value) }), { rows: 3 }),
      text("limitations", "Limitations, one per line", (current.limitations ?? []).join("\n"), (value) => change({ limitations: lines(value) }), { rows: 3 })));

  function showFaults(faults) {
    for (const [place, { input, fault, hint }] of fieldsByPlace) {
      const messages = faults.filter((entry) => entry.place === place).map((entry) => sentence(entry.message)).join(" ");
      fault.hidden = !messages;
      fault.textContent = messages;
      input.setAttribute("aria-invalid", String(Boolean(messages)));
      const description = [hint, messages && fault.id].filter(Boolean).join(" ");
      if (description) input.setAttribute("aria-describedby", description);
      else input.removeAttribute("aria-describedby");
    }
  }

  return { node, showFaults };
}
