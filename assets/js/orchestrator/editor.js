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
import { NEW_PATTERN, toToml } from "./toml.js";

const DEBOUNCE_MS = 400;

/** Edits a new pattern, a copy, or one of the user's own. */
export function PatternEditor({ params, pattern }, { signal, go }) {
  const isEdit = pattern && "edit" in params;
  const source = !pattern ? NEW_PATTERN : isEdit ? pattern.source
    : { ...pattern.source, id: `my_${pattern.id}`.slice(0, 40), name: `${pattern.name} (copy)`.slice(0, 80), category: "" };
  const back = pattern ? `/orchestrator?pattern=${encodeURIComponent(pattern.id)}` : "/orchestrator";
  const reportId = uid("faults");
  const text = el("textarea", { class: "code pattern-text", rows: 26, value: toToml(source), spellcheck: false, autocapitalize: "off", "aria-label": "Text of the pattern", "aria-describedby": reportId, on: { input: scheduleCheck, keydown: indent } });
  const report = el("div", { class: "editor-side", id: reportId });
  const team = el("input", { type: "checkbox", "aria-label": "For everyone on this server" });
  const message = el("div", { class: "step-message" });
  const save = button(isEdit ? "Save" : "Add pattern", { type: "submit", class: "primary" });
  // The last valid parse of the text; the form is initialized from it.
  let parsedSource = source;
  let form = null;
  const panel = el("div", { class: "editor-panel" });
  const tabs = Tabs("Editor", panel, [["Form", Form], ["Text", Text]]);
  let timer = 0;
  let controller = new AbortController();
  check();

  function Form() {
    if (!parsedSource) return el("p", { class: "notice" }, "Fix the errors in the text to use the form.");
    form = PatternForm(parsedSource, { fixed: isEdit, onChange(changed) {
      text.value = toToml(changed);
      scheduleCheck();
    } });
    return [form.node, Placeholders()];
  }

  function Text() {
    form = null;
    return [text, Placeholders()];
  }

  function scheduleCheck() {
    clearTimeout(timer);
    timer = setTimeout(check, DEBOUNCE_MS);
  }

  async function check() {
    controller.abort();
    controller = new AbortController();
    const requestSignal = AbortSignal.any([signal, controller.signal]);
    try {
      const answer = await post("/api/patterns/check", { text: text.value }, { signal: requestSignal });
      if (requestSignal.aborted) return;
      fill(report, CheckReport(answer, jump));
      form?.showFaults(answer.faults);
      parsedSource = answer.pattern;
    } catch (problem) {
      if (!requestSignal.aborted) fill(report, Alert(problem));
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
      const saved = isEdit
        ? await put(`/api/patterns/${encodeURIComponent(pattern.id)}`, body, { signal })
        : await post("/api/patterns", team.checked ? { ...(await parsePattern()), team: true } : body, { signal });
      toast(isEdit ? "Pattern saved." : "Pattern added.");
      go(`/orchestrator?pattern=${encodeURIComponent(saved.pattern.id)}`, { replace: true });
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    } finally {
      save.disabled = false;
    }
  }

  // A pattern for the team is sent as fields, because the text form has none for visibility.
  async function parsePattern() {
    const answer = await post("/api/patterns/check", { text: text.value }, { signal });
    if (!answer.valid) throw new Error("the text still has errors; they are listed next to it");
    return answer.pattern;
  }

  return el("section", { class: "page pattern-editor" },
    link(back, isEdit ? "Discard changes" : "Back", { class: "back-link" }),
    el("header", { class: "page-head" }, el("h1", null, isEdit ? `Edit ${pattern.name}` : "New pattern"),
      el("p", { class: "lead" }, "Name the stages and write a prompt for each. Words in braces are replaced when it runs.")),
    el("form", { class: "editor", on: { submit } },
      el("div", { class: "editor-text" }, tabs.node, panel),
      report,
      el("div", { class: "editor-below" },
        !isEdit && user.get()?.role === "admin" && el("label", { class: "check" }, team, "For everyone on this server"),
        message, el("div", { class: "actions" }, save, link(back, "Cancel", { class: "button quiet" })))));
}

function CheckReport({ valid, faults, warnings, pattern }, jump) {
  const row = (fault, className) => el("li", { class: className },
    fault.line ? button(`Go to line ${fault.line}`, { class: "link-button", on: { click: () => jump(fault.line) } }, `Line ${fault.line}`) : null,
    el("span", null, sentence(`${fault.place && !fault.line ? `${fault.place}: ` : ""}${fault.message}`)));
  return [
    el("p", { class: valid ? "check-word good" : "check-word bad", role: "status" }, valid ? icon("check") : icon("warning"),
      valid ? (warnings.length > 0 ? `Valid, with ${plural(warnings.length, "warning")}.` : "Valid.") : `${plural(faults.length, "error")}`),
    valid && el("div", { class: "flow-figure" }, Flow(asListed(pattern))),
    (faults.length > 0 || warnings.length > 0) && el("ul", { class: "fault-list" }, faults.map((fault) => row(fault, "fault")), warnings.map((fault) => row(fault, "remark"))),
  ];
}

// Parsed patterns use the field names of the file format; diagrams use those of the list.
function asListed(pattern) {
  return { ...pattern, recommended_panel: { from: pattern.panel[0], to: pattern.panel[1] } };
}

const PLACEHOLDERS = [
  ["{question}", "the question; required in the first stage"],
  ["{sources}", "a line about the passages from the documents"],
  ["{peers}", "the others’ texts from the previous stage, labeled with letters; required in the synthesis"],
  ["{own}", "the member’s own text from the previous stage"],
  ["{own_initial}", "the member’s own first answer"],
  ["{reviews}", "what the others wrote about the member’s text"],
  ["{members}", "the number of members"],
];

function Placeholders() {
  return el("details", { class: "more" }, el("summary", null, "Placeholders"),
    el("dl", { class: "hole-list" }, PLACEHOLDERS.map(([placeholder, meaning]) => el("div", null, el("dt", null, el("code", null, placeholder)), el("dd", null, meaning)))));
}
