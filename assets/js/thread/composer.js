// The composer: the question's text, what answers it (panel, pattern, documents), the estimated cost, and Send. In
// a thread it keeps the previous turn's selection; only changes are sent with a follow-up.
import { button, el, fill, icon } from "../dom.js";
import { plural, sentence } from "../format.js";
import { Mark } from "../parts/letter.js";
import { isOver, letterAt } from "../parts/run-model.js";
import { Alert } from "../parts/states.js";
import { CAN_DROP } from "../state.js";
import { styled } from "../styles.js";
import { loadDraft, requestOf, saveDraft } from "../workbench/draft.js";
import { Attachments } from "./attachments.js";
import { Dictation } from "./dictation.js";
import { Estimate } from "./estimate.js";

const INVITATION = CAN_DROP ? "Ask anything, or drop files here" : "Ask anything";
const MAX_LENGTH = 50_000;
const SHOWN_LETTERS = 3;
// Space above the composer that a sheet needs, in pixels.
const SHEET_HEIGHT = 520;

/**
 * Returns `{node, focus(), take(example), follow(view), only(model), pushBack(text)}`. `send(body)` starts a turn and
 * resolves to a problem or null; `last()` returns the turn that a follow-up continues.
 */
export function Composer({ data, context, send, last }) {
  const { signal } = context;
  const draft = loadDraft(data);
  // Fields that differ from the previous turn.
  const changed = new Set();
  let previousTurn = null;
  let singleModel = null;
  let isBusy = false;
  const input = el("textarea", {
    class: "composer-text", rows: 1, maxLength: MAX_LENGTH, dir: "auto", spellcheck: true, value: draft.prompt, "aria-label": "Question",
    placeholder: INVITATION, on: { input: () => onInput(), keydown: onKeyDown, paste: onPaste },
  });
  const message = el("div", { class: "step-message" });
  const panelButton = button("Panel", { class: "chip", "aria-haspopup": "dialog", on: { click: () => openSheet("panel") } });
  const patternButton = button("Pattern", { class: "chip", "aria-haspopup": "dialog", on: { click: () => openSheet("pattern") } });
  const documentsButton = button("Documents", { class: "chip", "aria-haspopup": "dialog", on: { click: () => openSheet("documents") } });
  const priceLine = el("span", { class: "composer-price", role: "status" });
  const warning = el("p", { class: "composer-warning", hidden: true });
  const sendButton = button("Send", { type: "submit", class: "send", title: "Send (Ctrl Enter)", disabled: true }, icon("send"));
  const files = Attachments({ signal, attached: addAttached, gone: removeAttached });
  const node = el("form", { class: "composer", noValidate: true, "aria-label": "Ask", on: { submit } },
    files.node, input, warning, message,
    el("div", { class: "composer-line" }, el("div", { class: "composer-chips" }, panelButton, patternButton, documentsButton), priceLine,
      Dictation((words) => {
        input.value = `${input.value}${input.value && !/\s$/.test(input.value) ? " " : ""}${words}`;
        onInput();
      }), sendButton));
  // Until something is typed, a follow-up is assumed to be as long as the previous question.
  const estimate = Estimate({ request: requestToEstimate, signal, onEstimate: showEstimate });
  takeDrops();
  // The document that the page was opened to ask about.
  if (data.document) {
    draft.documents.add(data.document.document_id);
    changed.add("documents");
    files.show(data.document);
  }
  onInput();
  draw();
  return { node, focus: () => input.focus({ preventScroll: true }), take: useExample, follow: followTurn, only: askOnly, pushBack, input, draw, isEmpty: () => input.value === "" };

  function request() {
    return { ...requestOf({ ...draft, prompt: input.value }), ...(singleModel ? { models: [singleModel] } : {}) };
  }

  // The request to estimate; null until the previous turn is known.
  function requestToEstimate() {
    if (!previousTurn || input.value.trim()) return turnRequest();
    return previousTurn.run() || previousTurn.turn.status === "running" ? { ...turnRequest(), prompt: previousTurn.turn.question } : null;
  }

  function onInput() {
    draft.prompt = input.value;
    // Preload this code, because a run needs it immediately.
    if (input.value) import("./live.js").catch(() => {});
    if (!previousTurn) saveDraft(draft);
    resize();
    updateSendButton();
    estimate.update();
  }

  function resize() {
    input.style.height = "auto";
    input.style.height = `${Math.min(240, Math.max(56, input.scrollHeight))}px`;
  }

  function updateSendButton() {
    const running = previousTurn?.run() ? !isOver(previousTurn.run()) : Boolean(previousTurn && previousTurn.turn.status === "running");
    sendButton.disabled = isBusy || running || files.uploading() || !input.value.trim() || (!singleModel && draft.models.size === 0);
    input.placeholder = !previousTurn ? data.placeholder ?? INVITATION : running ? "Ask a follow-up when the answer is ready" : "Ask a follow-up";
  }

  function showEstimate({ words, warn = "" }) {
    priceLine.textContent = words;
    priceLine.classList.toggle("hint", /^(Write|Choose)/.test(words));
    priceLine.classList.toggle("unknown", words === "price unknown");
    warning.hidden = !warn;
    warning.textContent = warn;
  }

  function draw() {
    const models = singleModel ? [singleModel] : [...draft.models];
    const letters = singleModel ? [previousTurn?.run()?.models.indexOf(singleModel) ?? 0] : models.map((_, place) => place);
    const panelLabel = singleModel ? `Just ${letterAt(Math.max(0, letters[0]))}` : models.length === 0 ? "Choose models" : plural(models.length, "model");
    fill(panelButton, el("span", { class: "stack", "aria-hidden": "true" }, letters.slice(0, SHOWN_LETTERS).map((place) => Mark(letterAt(Math.max(0, place))))),
      el("span", { class: singleModel || models.length === 0 ? "" : "chip-word" }, panelLabel), models.length > SHOWN_LETTERS && el("span", { class: "chip-number" }, String(models.length)));
    panelButton.setAttribute("aria-label", `Panel: ${panelLabel}`);
    const name = data.patterns.find((each) => each.id === draft.pattern)?.name.replace(/ Analysis$/, "") ?? draft.pattern;
    fill(patternButton, icon("flow"), el("span", null, name));
    patternButton.setAttribute("aria-label", `Pattern: ${name}`);
    // A project's documents are added to the question by the server.
    const count = new Set([...draft.documents, ...(data.included?.() ?? [])]).size;
    fill(documentsButton, icon("document"), el("span", { class: "chip-word" }, count > 0 ? plural(count, "document") : "Documents"), count > 0 && el("span", { class: "chip-number" }, String(count)), el("span", null, "+"));
    documentsButton.setAttribute("aria-label", count > 0 ? `Documents: ${plural(count, "document")} +` : "Documents +");
    updateSendButton();
    estimate.update();
  }

  async function openSheet(sheetName) {
    const selection = { draft, data, signal, request, changed: (...fields) => {
      for (const field of fields.length > 0 ? fields : ["models", "pattern", "documents", "depth", "ultra", "settings"]) changed.add(field);
      if (fields.includes("models") || fields.length === 0) singleModel = null;
      if (!previousTurn) saveDraft(draft);
      draw();
    } };
    const sheets = { panel: () => import("./panel-sheet.js"), pattern: () => import("./pattern-sheet.js"), documents: () => import("./documents-sheet.js") };
    try {
      const [sheet] = await Promise.all([sheets[sheetName](), styled("sheets")]);
      positionSheets();
      await sheet.open(selection);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  }

  // Opens sheets right above the composer if there is enough room, otherwise in the middle.
  function positionSheets() {
    const { left, top } = node.getBoundingClientRect();
    const root = document.documentElement;
    root.dataset.sheet = top > SHEET_HEIGHT ? "anchored" : "";
    root.style.setProperty("--sheet-left", `${Math.round(left)}px`);
    root.style.setProperty("--sheet-top", `${Math.round(top)}px`);
  }

  function onKeyDown(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      node.requestSubmit();
    } else if (event.key === "ArrowUp" && input.value === "" && previousTurn) {
      event.preventDefault();
      previousTurn.edit();
    }
  }

  function onPaste(event) {
    if (event.clipboardData?.files.length > 0) {
      event.preventDefault();
      files.add(event.clipboardData.files);
    }
  }

  function takeDrops() {
    const listenForDrag = (type, act) => window.addEventListener(type, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files") || document.querySelector("dialog .drop-zone")) return;
      event.preventDefault();
      act(event);
    }, { signal });
    const setDragOver = (on) => {
      node.classList.toggle("over", on);
      if (on) input.placeholder = "Drop to add";
      else updateSendButton();
    };
    listenForDrag("dragover", () => setDragOver(true));
    listenForDrag("dragleave", (event) => event.relatedTarget || setDragOver(false));
    listenForDrag("drop", (event) => {
      setDragOver(false);
      files.add(event.dataTransfer.files);
    });
  }

  function addAttached(stored) {
    const index = data.documents?.findIndex((each) => (each.document_id ?? each.id) === (stored.document_id ?? stored.id));
    if (index >= 0) data.documents[index] = stored;
    else data.documents?.unshift(stored);
    if (stored.status !== "failed") draft.documents.add(stored.document_id ?? stored.id);
    changed.add("documents");
    draw();
  }

  function removeAttached(id) {
    if (id) draft.documents.delete(id);
    draw();
  }

  async function submit(event) {
    event.preventDefault();
    if (sendButton.disabled) return;
    fill(message);
    isBusy = true;
    updateSendButton();
    const problem = await send(turnRequest());
    isBusy = false;
    if (!problem) {
      input.value = "";
      files.clear();
      singleModel = null;
      changed.clear();
      onInput();
      draw();
    } else {
      fill(message, Alert({ ...problem, message: sentence(problem.message) }));
      updateSendButton();
    }
  }

  function turnRequest() {
    const fullRequest = request();
    if (!previousTurn) return { ...fullRequest, ...(data.project ? { project: data.project } : {}) };
    const followTurn = { prompt: fullRequest.prompt, follow_up_to: previousTurn.turn.analysis_id };
    // With one model and no pattern, the server asks that model alone; the next turn uses the panel again.
    if (singleModel) return { ...followTurn, models: [singleModel] };
    if (changed.has("documents") && draft.documents.size === 0) followTurn.keep_documents = false;
    const fields = { models: ["models"], pattern: ["pattern"], documents: ["document_ids", "reading"], depth: ["depth"], ultra: ["ultra_model"], settings: ["preset", "parameters", "budget_usd", "recipe"] };
    for (const field of changed) for (const name of fields[field] ?? []) if (name in fullRequest) followTurn[name] = fullRequest[name];
    return followTurn;
  }

  /**
   * Continues this turn: its panel, pattern, and documents are selected until they are changed. After a question to a
   * single model, the panel of the earlier turns is selected again, as on the server.
   */
  function followTurn(view, turns = []) {
    previousTurn = view;
    const run = view.run();
    const lastPanelTurn = view.turn.models.length === 1 && turns.findLast((turn) => turn.models.length > 1);
    const { models, pattern: index } = lastPanelTurn || { models: run?.models ?? view.turn.models, pattern: run?.pattern || view.turn.pattern };
    const usable = new Set(data.models.filter((model) => model.available).map((model) => model.id));
    const ids = models.map((model) => model.replace(/#\d+$/, "")).filter((id) => usable.has(id));
    if (ids.length > 0 && !changed.has("models")) draft.models = new Set(ids);
    if (!changed.has("pattern") && data.patterns.some((each) => each.id === index)) draft.pattern = index;
    // A run in progress does not list its documents.
    if (run && isOver(run) && !changed.has("documents")) draft.documents = new Set(run.documents);
    draw();
  }

  /** Sends the next question to this member alone. */
  function askOnly(model) {
    singleModel = model.replace(/#\d+$/, "");
    draw();
    input.focus();
  }

  /** Starts a follow-up with this text; `model` sends it to that member alone. */
  function pushBack(text, model = "") {
    if (model) singleModel = model.replace(/#\d+$/, "");
    input.value = text;
    onInput();
    draw();
    input.focus();
    input.setSelectionRange(text.length, text.length);
  }

  /** Uses an example: its question, its pattern, and what `bring` attaches. */
  async function useExample({ question, pattern: examplePattern, bring = null }) {
    input.value = question;
    if (data.patterns.some((each) => each.id === examplePattern)) draft.pattern = examplePattern;
    onInput();
    draw();
    if (bring) {
      isBusy = true;
      updateSendButton();
      await bring({ add: files.add, attached: addAttached, signal }).catch((problem) => signal.aborted || fill(message, Alert(problem)));
      isBusy = false;
      updateSendButton();
      if (draft.documents.size === 0) return;
    }
    node.requestSubmit();
  }
}
