// The cases of a new experiment: typed in, imported from a file, or taken from the history.
import { call, get } from "../api.js";
import { announce, button, el, fill, icon, uid } from "../dom.js";
import { excerpt, plural, sentence, when } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { DocumentPicker } from "../parts/document-picker.js";
import { Alert, Empty } from "../parts/states.js";

const INITIAL_COUNT = 30;
const MAX_CASES = 1000;
const TYPES = { jsonl: "application/jsonl", ndjson: "application/jsonl", json: "application/json", tsv: "text/tab-separated-values" };

/** Returns `{node}`. Changes `draft.cases` and `draft.documents`, and calls `changed`. */
export function CaseEditor({ draft, documents, changed, signal }) {
  const list = el("ol", { class: "case-list" });
  const footer = el("div", { class: "actions" });
  const sum = el("p", { class: "hint", role: "status" });
  const message = el("div", { class: "step-message" });
  let showAll = false;
  if (draft.cases.length === 0) draft.cases.push({ prompt: "", expected: "" });
  draw();

  function draw() {
    const shown = showAll ? draft.cases : draft.cases.slice(0, INITIAL_COUNT);
    fill(list, shown.map((addCase, place) => CaseRow(addCase, place, { edited: onEdit, drop: removeCase })));
    const hidden = draft.cases.length - shown.length;
    fill(footer, hidden > 0 && button(`Show all ${draft.cases.length} cases`, { class: "link-button", on: { click: () => {
      showAll = true;
      draw();
    } } }));
    updateSummary();
  }

  function updateSummary() {
    const filled = draft.cases.filter((addCase) => addCase.prompt.trim());
    const answered = filled.filter((addCase) => addCase.expected?.trim()).length;
    const hint = filled.length > 0 && filled.length < 30 ? " 30 or more make a good experiment; some are held back for the final comparison." : "";
    sum.textContent = `${plural(filled.length, "case")}, ${answered} with an expected answer.${hint}`;
  }

  function onEdit() {
    updateSummary();
    changed();
  }

  function removeCase(place) {
    draft.cases.splice(place, 1);
    if (draft.cases.length === 0) draft.cases.push({ prompt: "", expected: "" });
    draw();
    changed();
    const rows = list.querySelectorAll(".case-prompt");
    rows[Math.min(place, rows.length - 1)]?.focus();
    announce("Case removed.");
  }

  // Appends imported cases; an empty first row is replaced.
  function addCases(cases, words) {
    const existing = draft.cases.filter((addCase) => addCase.prompt.trim() || addCase.expected?.trim());
    const room = MAX_CASES - existing.length;
    draft.cases = [...existing, ...cases.slice(0, room)];
    draw();
    changed();
    const omitted = cases.length - Math.min(cases.length, room);
    fill(message, el("p", { class: "notice", role: "status" }, `${plural(Math.min(cases.length, room), "case")} added${words}.${omitted > 0 ? ` ${plural(omitted, "case")} left out: ${MAX_CASES} is the maximum.` : ""}`));
  }

  function addCase() {
    draft.cases.push({ prompt: "", expected: "" });
    showAll = showAll || draft.cases.length > INITIAL_COUNT;
    draw();
    changed();
    list.lastElementChild.querySelector(".case-prompt").focus();
  }

  async function read(file) {
    fill(message, el("p", { class: "fine", role: "status" }, `Reading ${file.name}…`));
    try {
      const type = TYPES[file.name.split(".").pop().toLowerCase()] ?? "text/csv";
      const response = await call("POST", "/api/experiments/cases", { body: new Blob([await file.arrayBuffer()], { type }), signal });
      addCases(response.cases, ` from ${file.name}`);
      if (response.notes?.length > 0) message.append(el("ul", { class: "fine notes" }, response.notes.map((note) => el("li", null, sentence(note)))));
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }

  return {
    node: el("div", { class: "case-editor" },
      list, footer, sum,
      el("div", { class: "actions" },
        button("Add a case", { class: "secondary", on: { click: addCase } }),
        FileButton(read),
        button("Pick from history", { class: "secondary", on: { click: () => pickFromHistory({ signal, add: addCases }) } })),
      el("p", { class: "hint" }, "Columns or fields: prompt (or question), expected (or answer), and optionally label. OpenAI evals JSONL works too."),
      message,
      Documents({ draft, documents, changed, signal })),
  };
}

function CaseRow(addCase, place, { edited: onEdit, drop: removeCase }) {
  const number = place + 1;
  const textField = (name, words, className) => el("textarea", {
    class: className, rows: 1, value: addCase[name] ?? "", "aria-label": `${words} of case ${number}`, placeholder: words, dir: "auto",
    on: { input: (event) => {
      addCase[name] = event.target.value;
      onEdit();
    } },
  });
  return el("li", { class: "case-row" },
    el("span", { class: "case-number fine", "aria-hidden": "true" }, String(number)),
    textField("prompt", "Question", "case-prompt"), textField("expected", "Expected answer", "case-expected"),
    button(`Remove case ${number}`, { class: "quiet icon-only", title: "Remove", on: { click: () => removeCase(place) } }, icon("trash")),
    addCase.documents?.length > 0 && el("p", { class: "fine case-documents" }, `With ${plural(addCase.documents.length, "document")}.`));
}

function FileButton(read) {
  const label = uid("cases-file");
  const input = el("input", { type: "file", accept: ".csv,.tsv,.jsonl,.ndjson,.json,text/csv,application/json", class: "visually-hidden", id: label, "aria-label": "Upload CSV or JSONL", on: { change: async () => {
    const [file] = input.files;
    if (file) await read(file);
    input.value = "";
  } } });
  return el("span", { class: "file-button" }, input,
    el("label", { class: "button secondary", for: label, title: "Columns: prompt, expected, label" }, icon("upload"), "Upload CSV or JSONL"));
}

async function pickFromHistory({ signal, add: addCases }) {
  const chosen = new Map();
  const body = el("div", { class: "history-pick" }, el("p", { class: "fine", role: "status" }, "Loading your history…"));
  const answer = openDialog("Your questions", body, { kind: "wide", actions: [["", "Cancel", "secondary"], ["take", "Add selected", "primary"]] });
  try {
    const { analyses } = await get("/api/analyses", { query: { limit: 200 }, signal });
    fill(body, analyses.length === 0
      ? Empty("No analyses yet", "No questions in your history yet. The ones you ask will be listed here.")
      : el("ul", { class: "rows" }, analyses.map((addCase) => Choice(addCase, chosen))));
  } catch (problem) {
    if (!signal.aborted) fill(body, Alert(problem));
  }
  if ((await answer) !== "take" || chosen.size === 0) return;
  addCases([...chosen.values()].map((addCase) => ({ prompt: addCase.prompt, expected: "", documents: addCase.document_ids ?? [] })), " from your history. Enter their expected answers");
}

function Choice(addCase, chosen) {
  const id = addCase.analysis_id ?? addCase.id;
  const words = excerpt(addCase.prompt, 200);
  return el("li", { class: "row" }, el("label", { class: "check" },
    el("input", { type: "checkbox", "aria-label": words, on: { change: ({ target }) => {
      if (target.checked) chosen.set(id, addCase);
      else chosen.delete(id);
    } } }),
    el("span", { class: "row-words" }, el("span", { dir: "auto" }, words), el("span", { class: "fine" }, when(addCase.created_at)))));
}

function Documents({ draft, documents, changed, signal }) {
  const chosen = new Set(draft.documents);
  const words = () => (chosen.size === 0 ? "Documents for every question" : `Documents for every question: ${chosen.size} chosen`);
  const summary = el("summary", null, words());
  const picker = DocumentPicker({ documents, chosen, signal, onChange: () => {
    draft.documents = [...chosen];
    summary.textContent = words();
    changed();
  } });
  return el("details", { class: "more", open: chosen.size > 0 }, summary, picker.node);
}
