// The pattern editor, as a form or as the text of a file. The server validates while the user types; problems
// appear at their field or line, and the diagram shows the valid part.
import { post, put } from "../api.js";
import { button, el, fill, icon, link, uid } from "../dom.js";
import { plural, sentence } from "../format.js";
import { user } from "../state.js";
import { Alert } from "../parts/states.js";
import { Tabs } from "../parts/tabs.js";
import { toast } from "../parts/toast.js";
import { Flow } from "./flow.js";
import { PatternForm } from "./form.js";
import { BEGINNING, toToml } from "./toml.js";

const PATIENCE_MS = 400;

/** Edits a new pattern, a copy, or one of the user's own. */
export function PatternEditor({ params, pattern }, { signal, go }) {
  const changing = pattern && "edit" in params;
  const source = !pattern ? BEGINNING : changing ? pattern.source
    : { ...pattern.source, id: `my_${pattern.id}`.slice(0, 40), name: `${pattern.name} (copy)`.slice(0, 80), category: "" };
  const back = pattern ? `/orchestrator?pattern=${encodeURIComponent(pattern.id)}` : "/orchestrator";
  const told = uid("faults");
  const text = el("textarea", { class: "code pattern-text", rows: 26, value: toToml(source), spellcheck: false, autocapitalize: "off", "aria-label": "Text of the pattern", "aria-describedby": told, on: { input: later, keydown: indent } });
  const side = el("div", { class: "editor-side", id: told });
  const team = el("input", { type: "checkbox", "aria-label": "For everyone on this server" });
  const message = el("div", { class: "step-message" });
  const save = button(changing ? "Save" : "Add pattern", { type: "submit", class: "primary" });
  // The last valid parse of the text; the form is initialized from it.
  let read = source;
  let form = null;
  const panel = el("div", { class: "editor-panel" });
  const tabs = Tabs("Editor", panel, [["Form", Form], ["Text", Text]]);
  let timer = 0;
  let asked = new AbortController();
  check();

  function Form() {
    if (!read) return el("p", { class: "notice" }, "Fix the errors in the text to use the form.");
    form = PatternForm(read, { fixed: changing, onChange(changed) {
      text.value = toToml(changed);
      later();
    } });
    return [form.node, Braces()];
  }

  function Text() {
    form = null;
    return [text, Braces()];
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(check, PATIENCE_MS);
  }

  async function check() {
    asked.abort();
    asked = new AbortController();
    const mine = AbortSignal.any([signal, asked.signal]);
    try {
      const answer = await post("/api/patterns/check", { text: text.value }, { signal: mine });
      if (mine.aborted) return;
      fill(side, Told(answer, jump));
      form?.tell(answer.faults);
      read = answer.pattern;
    } catch (problem) {
      if (!mine.aborted) fill(side, Alert(problem));
    }
  }

  // Moves the cursor to a line.
  function jump(line) {
    if (!text.isConnected) tabs.choose(1);
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    // Focusing scrolls to the cursor, even with wrapped lines.
    text.blur();
    text.setSelectionRange(start, start);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  }

  // Tab leaves the field as it does everywhere else; Ctrl+Enter saves.
  function indent(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) text.form.requestSubmit();
  }

  async function submit(event) {
    event.preventDefault();
    fill(message);
    save.disabled = true;
    try {
      const body = { text: text.value };
      const kept = changing
        ? await put(`/api/patterns/${encodeURIComponent(pattern.id)}`, body, { signal })
        : await post("/api/patterns", team.checked ? { ...(await parsed()), team: true } : body, { signal });
      toast(changing ? "Pattern saved." : "Pattern added.");
      go(`/orchestrator?pattern=${encodeURIComponent(kept.pattern.id)}`, { replace: true });
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    } finally {
      save.disabled = false;
    }
  }

  // A pattern for the team is sent as fields, because the text form has none for visibility.
  async function parsed() {
    const answer = await post("/api/patterns/check", { text: text.value }, { signal });
    if (!answer.valid) throw new Error("the text still has errors; they are listed next to it");
    return answer.pattern;
  }

  return el("section", { class: "page pattern-editor" },
    link(back, changing ? "Discard changes" : "Back", { class: "back-link" }),
    el("header", { class: "page-head" }, el("h1", null, changing ? `Edit ${pattern.name}` : "New pattern"),
      el("p", { class: "lead" }, "Name the stages and write a prompt for each. Words in braces are replaced when it runs.")),
    el("form", { class: "editor", on: { submit } },
      el("div", { class: "editor-text" }, tabs.node, panel),
      side,
      el("div", { class: "editor-below" },
        !changing && user.get()?.role === "admin" && el("label", { class: "check" }, team, "For everyone on this server"),
        message, el("div", { class: "actions" }, save, link(back, "Cancel", { class: "button quiet" })))));
}

function Told({ valid, faults, warnings, pattern }, jump) {
  const row = (fault, look) => el("li", { class: look },
    fault.line ? button(`Go to line ${fault.line}`, { class: "link-button", on: { click: () => jump(fault.line) } }, `Line ${fault.line}`) : null,
    el("span", null, sentence(`${fault.place && !fault.line ? `${fault.place}: ` : ""}${fault.message}`)));
  return [
    el("p", { class: valid ? "check-word good" : "check-word bad", role: "status" }, valid ? icon("check") : icon("warning"),
      valid ? (warnings.length > 0 ? `Valid, with ${plural(warnings.length, "warning")}.` : "Valid.") : `${plural(faults.length, "error")}`),
    valid && el("div", { class: "flow-figure" }, Flow(shown(pattern))),
    (faults.length > 0 || warnings.length > 0) && el("ul", { class: "fault-list" }, faults.map((fault) => row(fault, "fault")), warnings.map((fault) => row(fault, "remark"))),
  ];
}

// Parsed patterns use the field names of the file format; diagrams use those of the list.
function shown(pattern) {
  return { ...pattern, recommended_panel: { from: pattern.panel[0], to: pattern.panel[1] } };
}

const LEGEND = [
  ["{question}", "the question; the first stage must have it"],
  ["{sources}", "a line that says which passages of documents there are"],
  ["{peers}", "the others’ texts of the stage before, under letters; the synthesis must have it"],
  ["{own}", "the member’s own text of the stage before"],
  ["{own_initial}", "the member’s own first answer"],
  ["{reviews}", "what the others wrote about it"],
  ["{members}", "how many members there are"],
];

function Braces() {
  return el("details", { class: "more" }, el("summary", null, "Placeholders"),
    el("dl", { class: "hole-list" }, LEGEND.map(([hole, words]) => el("div", null, el("dt", null, el("code", null, hole)), el("dd", null, words)))));
}
