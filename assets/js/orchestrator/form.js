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

/** Returns `{node, tell(faults)}`. `source` is not modified; `onChange(source)` receives a new one. With `fixed`, the ID cannot be changed. */
export function PatternForm(source, { fixed, onChange }) {
  let now = structuredClone(source);
  const places = new Map();
  const stages = el("ol", { class: "stage-forms" });
  const change = (changed) => {
    now = { ...now, ...changed };
    onChange(now);
  };
  const changeStage = (at, changed) => change({ stages: now.stages.map((stage, place) => (place === at ? { ...stage, ...changed } : stage)) });
  const reshape = (list, focus) => {
    change({ stages: list });
    draw();
    stages.children[Math.min(focus, list.length - 1)]?.querySelector("input")?.focus();
  };
  draw();

  // A field with room for its error.
  function at(place, part) {
    const fault = el("p", { class: "field-fault", id: uid("fault"), hidden: true });
    part.node.append(fault);
    places.set(place, { input: part.input, fault, hint: part.input.getAttribute("aria-describedby") });
    return part.node;
  }

  function text(place, label, value, write, props = {}, hint) {
    return at(place, Field(label, { value: value ?? "", autocomplete: "off", ...props, on: { input: (event) => write(event.target.value) } }, hint));
  }

  function draw() {
    for (const place of places.keys()) if (place.startsWith("stages.")) places.delete(place);
    fill(stages, now.stages.map(Stage));
  }

  function Stage(stage, place) {
    const name = `stage ${place + 1}`;
    const moved = (to) => {
      const list = now.stages.filter((_, each) => each !== place);
      list.splice(to, 0, now.stages[place]);
      return list;
    };
    return el("li", { class: "stage-form" },
      el("div", { class: "stage-form-head" },
        el("span", { class: "part-number", "aria-hidden": "true" }, String(place + 1)),
        text(`stages.${place}.name`, `Name of ${name}`, stage.name, (value) => changeStage(place, { name: value }), { maxLength: 24 }),
        el("div", { class: "actions" },
          place > 0 && button(`Move ${name} forward`, { class: "quiet icon-only", title: "Forward", on: { click: () => reshape(moved(place - 1), place - 1) } }, icon("previous")),
          place < now.stages.length - 1 && button(`Move ${name} back`, { class: "quiet icon-only", title: "Back", on: { click: () => reshape(moved(place + 1), place + 1) } }, icon("next")),
          now.stages.length > 1 && button(`Remove ${name}`, { class: "quiet icon-only", title: "Remove", on: { click: () => reshape(now.stages.filter((_, each) => each !== place), place) } }, icon("trash")))),
      text(`stages.${place}.help`, `Purpose of ${name}`, stage.help, (value) => changeStage(place, { help: value }), { maxLength: 300 }),
      text(`stages.${place}.prompt`, `Prompt of ${name}`, stage.prompt, (value) => changeStage(place, { prompt: value }), { rows: 8, maxLength: 20_000, class: "stage-prompt" }));
  }

  // New stages go before the last one, which writes the answer.
  function add() {
    const fresh = { name: `stage_${now.stages.length}`, help: "", prompt: "{sources}\n\nQuestion: {question}\n\nYour own answer: {own}\n\nThe others' texts, under letters:\n{peers}\n" };
    const list = [...now.stages];
    list.splice(Math.max(list.length - 1, 1), 0, fresh);
    reshape(list, list.length - 2);
  }

  const lines = (value) => value.split("\n").map((line) => line.trim()).filter(Boolean);
  const panel = (place) => (event) => {
    const both = [...(now.panel ?? [2, 4])];
    both[place] = Number(event.target.value);
    change({ panel: both });
  };
  const choose = (name) => ({ value: now[name], on: { change: (event) => change({ [name]: event.target.value }) } });
  const node = el("div", { class: "pattern-form" },
    el("div", { class: "pair" },
      text("name", "Name", now.name, (value) => change({ name: value }), { maxLength: 80 }),
      text("id", "Id", now.id, (value) => change({ id: value }), { maxLength: 40, readOnly: fixed, spellcheck: false }, fixed ? "Cannot be changed." : "Lowercase letters, digits, _ and -. API requests use it.")),
    text("summary", "Summary", now.summary ?? "", (value) => change({ summary: value }), { maxLength: 80 }, "One line for its card."),
    text("description", "Description", now.description, (value) => change({ description: value }), { rows: 2, maxLength: 600 }),
    el("div", { class: "pair" },
      at("arrangement", Choice("Arrangement", { ...choose("arrangement"), value: now.arrangement ?? "staged" }, ARRANGEMENTS)),
      at("complexity", Choice("Effort", { ...choose("complexity"), value: now.complexity ?? "medium" }, EFFORTS))),
    el("div", { class: "pair" },
      at("panel", Field("Minimum models", { type: "number", min: 1, max: 16, value: now.panel?.[0] ?? 2, on: { input: panel(0) } })),
      Field("Maximum models", { type: "number", min: 1, max: 16, value: now.panel?.[1] ?? 4, on: { input: panel(1) } }).node),
    el("h2", null, "Stages"), stages,
    button("Add a stage", { class: "secondary", on: { click: () => now.stages.length < MAX_STAGES && add() } }),
    el("div", { class: "pair" },
      text("use_cases", "Good for, one per line", (now.use_cases ?? []).join("\n"), (value) => change({ use_cases: lines(value) }), { rows: 3 }),
      text("limitations", "Limitations, one per line", (now.limitations ?? []).join("\n"), (value) => change({ limitations: lines(value) }), { rows: 3 })));

  function tell(faults) {
    for (const [place, { input, fault, hint }] of places) {
      const found = faults.filter((one) => one.place === place).map((one) => sentence(one.message)).join(" ");
      fault.hidden = !found;
      fault.textContent = found;
      input.setAttribute("aria-invalid", String(Boolean(found)));
      const described = [hint, found && fault.id].filter(Boolean).join(" ");
      if (described) input.setAttribute("aria-describedby", described);
      else input.removeAttribute("aria-describedby");
    }
  }

  return { node, tell };
}
