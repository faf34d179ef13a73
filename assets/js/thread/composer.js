// The composer: the question's text, what answers it (panel, pattern, documents), the estimated cost, and Send. In
// a thread it keeps the previous turn's selection; only changes are sent with a follow-up.
import { button, el, fill, icon } from "../dom.js";
import { plural, sentence } from "../format.js";
import { Mark } from "../parts/letter.js";
import { isOver, letterAt } from "../parts/run-model.js";
import { Alert } from "../parts/states.js";
import { styled } from "../styles.js";
import { loadDraft, requestOf, saveDraft } from "../workbench/draft.js";
import { Attachments } from "./attachments.js";
import { Dictation } from "./dictation.js";
import { Estimate } from "./estimate.js";

const MAX_LENGTH = 50_000;
const SHOWN_LETTERS = 3;
// Space above the composer that a sheet needs, in pixels.
const ROOM = 520;

/**
 * `{node, focus(), take(example), follow(view), only(model), pushBack(text)}`. `send(body)` starts a turn and gives a
 * problem or null; `last()` is the turn that a follow-up continues.
 */
export function Composer({ data, context, send, last }) {
  const { signal } = context;
  const draft = loadDraft(data);
  // Fields that differ from the previous turn.
  const changed = new Set();
  if (data.document) {
    draft.documents.add(data.document);
    changed.add("documents");
  }
  let after = null;
  let single = null;
  let busy = false;
  const input = el("textarea", {
    class: "composer-text", rows: 1, maxLength: MAX_LENGTH, dir: "auto", spellcheck: true, value: draft.prompt, "aria-label": "Question",
    placeholder: "Ask anything, or drop files here", on: { input: () => written(), keydown: pressed, paste: pasted },
  });
  const message = el("div", { class: "step-message" });
  const panel = button("Panel", { class: "chip", "aria-haspopup": "dialog", on: { click: () => open("panel") } });
  const pattern = button("Pattern", { class: "chip", "aria-haspopup": "dialog", on: { click: () => open("pattern") } });
  const documents = button("Documents", { class: "chip", "aria-haspopup": "dialog", on: { click: () => open("documents") } });
  const price = el("span", { class: "composer-price", role: "status" });
  const warning = el("p", { class: "composer-warning", hidden: true });
  const go = button("Send", { type: "submit", class: "send", title: "Send (Ctrl Enter)", disabled: true }, icon("send"));
  const files = Attachments({ signal, attached, gone });
  const node = el("form", { class: "composer", noValidate: true, "aria-label": "Ask", on: { submit } },
    files.node, input, warning, message,
    el("div", { class: "composer-line" }, el("div", { class: "composer-chips" }, panel, pattern, documents), price,
      Dictation((words) => {
        input.value = `${input.value}${input.value && !/\s$/.test(input.value) ? " " : ""}${words}`;
        written();
      }), go));
  // Until something is typed, a follow-up is assumed to be as long as the previous question.
  const estimate = Estimate({ request: planned, signal, tell });
  takeDrops();
  written();
  draw();
  return { node, focus: () => input.focus({ preventScroll: true }), take, follow, only, pushBack, input, draw, isEmpty: () => input.value === "" };

  function request() {
    return { ...requestOf({ ...draft, prompt: input.value }), ...(single ? { models: [single] } : {}) };
  }

  // The request to estimate; null until the previous turn is known.
  function planned() {
    if (!after || input.value.trim()) return body();
    return after.run() || after.turn.status === "running" ? { ...body(), prompt: after.turn.question } : null;
  }

  function written() {
    draft.prompt = input.value;
    // Preload this code, because a run needs it immediately.
    if (input.value) import("./live.js").catch(() => {});
    if (!after) saveDraft(draft);
    grow();
    ready();
    estimate.update();
  }

  function grow() {
    input.style.height = "auto";
    input.style.height = `${Math.min(240, Math.max(56, input.scrollHeight))}px`;
  }

  function ready() {
    const running = after?.run() ? !isOver(after.run()) : Boolean(after && after.turn.status === "running");
    go.disabled = busy || running || files.uploading() || !input.value.trim() || (!single && draft.models.size === 0);
    input.placeholder = !after ? data.placeholder ?? "Ask anything, or drop files here" : running ? "Ask a follow-up when the answer is ready" : "Ask a follow-up";
  }

  function tell({ words, warn = "" }) {
    price.textContent = words;
    price.classList.toggle("hint", /^(Write|Choose)/.test(words));
    price.classList.toggle("unknown", words === "price unknown");
    warning.hidden = !warn;
    warning.textContent = warn;
  }

  function draw() {
    const models = single ? [single] : [...draft.models];
    const letters = single ? [after?.run()?.models.indexOf(single) ?? 0] : models.map((_, place) => place);
    const some = single ? `Just ${letterAt(Math.max(0, letters[0]))}` : models.length === 0 ? "Choose models" : plural(models.length, "model");
    fill(panel, el("span", { class: "stack", "aria-hidden": "true" }, letters.slice(0, SHOWN_LETTERS).map((place) => Mark(letterAt(Math.max(0, place))))),
      el("span", { class: single || models.length === 0 ? "" : "chip-word" }, some), models.length > SHOWN_LETTERS && el("span", { class: "chip-number" }, String(models.length)));
    panel.setAttribute("aria-label", `Panel: ${some}`);
    const name = data.patterns.find((each) => each.id === draft.pattern)?.name.replace(/ Analysis$/, "") ?? draft.pattern;
    fill(pattern, icon("flow"), el("span", null, name));
    pattern.setAttribute("aria-label", `Pattern: ${name}`);
    // A project's documents are added to the question by the server.
    const count = new Set([...draft.documents, ...(data.included?.() ?? [])]).size;
    fill(documents, icon("document"), el("span", { class: "chip-word" }, count > 0 ? plural(count, "document") : "Documents"), count > 0 && el("span", { class: "chip-number" }, String(count)), el("span", null, "+"));
    documents.setAttribute("aria-label", count > 0 ? `Documents: ${plural(count, "document")} +` : "Documents +");
    ready();
    estimate.update();
  }

  async function open(what) {
    const bound = { draft, data, signal, request, changed: (...fields) => {
      for (const field of fields.length > 0 ? fields : ["models", "pattern", "documents", "depth", "ultra", "settings"]) changed.add(field);
      if (fields.includes("models") || fields.length === 0) single = null;
      if (!after) saveDraft(draft);
      draw();
    } };
    const sheets = { panel: () => import("./panel-sheet.js"), pattern: () => import("./pattern-sheet.js"), documents: () => import("./documents-sheet.js") };
    try {
      const [sheet] = await Promise.all([sheets[what](), styled("sheets")]);
      anchor();
      await sheet.open(bound);
    } catch (problem) {
      fill(message, Alert(problem));
    }
  }

  // Opens sheets right above the composer if there is enough room, otherwise in the middle.
  function anchor() {
    const { left, top } = node.getBoundingClientRect();
    const root = document.documentElement;
    root.dataset.sheet = top > ROOM ? "anchored" : "";
    root.style.setProperty("--sheet-left", `${Math.round(left)}px`);
    root.style.setProperty("--sheet-top", `${Math.round(top)}px`);
  }

  function pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      node.requestSubmit();
    } else if (event.key === "ArrowUp" && input.value === "" && after) {
      event.preventDefault();
      after.edit();
    }
  }

  function pasted(event) {
    if (event.clipboardData?.files.length > 0) {
      event.preventDefault();
      files.add(event.clipboardData.files);
    }
  }

  function takeDrops() {
    const heard = (type, act) => window.addEventListener(type, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files") || document.querySelector("dialog .drop-zone")) return;
      event.preventDefault();
      act(event);
    }, { signal });
    const over = (on) => {
      node.classList.toggle("over", on);
      if (on) input.placeholder = "Drop to add";
      else ready();
    };
    heard("dragover", () => over(true));
    heard("dragleave", (event) => event.relatedTarget || over(false));
    heard("drop", (event) => {
      over(false);
      files.add(event.dataTransfer.files);
    });
  }

  function attached(stored) {
    const known = data.documents?.findIndex((each) => (each.document_id ?? each.id) === (stored.document_id ?? stored.id));
    if (known >= 0) data.documents[known] = stored;
    else data.documents?.unshift(stored);
    if (stored.status !== "failed") draft.documents.add(stored.document_id ?? stored.id);
    changed.add("documents");
    draw();
  }

  function gone(id) {
    if (id) draft.documents.delete(id);
    draw();
  }

  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    fill(message);
    busy = true;
    ready();
    const problem = await send(body());
    busy = false;
    if (!problem) {
      input.value = "";
      files.clear();
      single = null;
      changed.clear();
      written();
      draw();
    } else {
      fill(message, Alert({ ...problem, message: sentence(problem.message) }));
      ready();
    }
  }

  function body() {
    const whole = request();
    if (!after) return { ...whole, ...(data.project ? { project: data.project } : {}) };
    const follow = { prompt: whole.prompt, follow_up_to: after.turn.analysis_id };
    // With one model and no pattern, the server asks that model alone; the next turn uses the panel again.
    if (single) return { ...follow, models: [single] };
    if (changed.has("documents") && draft.documents.size === 0) follow.keep_documents = false;
    const fields = { models: ["models"], pattern: ["pattern"], documents: ["document_ids", "reading"], depth: ["depth"], ultra: ["ultra_model"], settings: ["preset", "parameters", "budget_usd", "recipe"] };
    for (const field of changed) for (const name of fields[field] ?? []) if (name in whole) follow[name] = whole[name];
    return follow;
  }

  /**
   * Continues this turn: its panel, pattern, and documents are the choice until they are changed. After a question to
   * one model alone the panel of the turns before it is the choice again, as the server has it.
   */
  function follow(view, turns = []) {
    after = view;
    const run = view.run();
    const aside = view.turn.models.length === 1 && turns.findLast((turn) => turn.models.length > 1);
    const { models, pattern: known } = aside || { models: run?.models ?? view.turn.models, pattern: run?.pattern || view.turn.pattern };
    const usable = new Set(data.models.filter((model) => model.available).map((model) => model.id));
    const ids = models.map((model) => model.replace(/#\d+$/, "")).filter((id) => usable.has(id));
    if (ids.length > 0 && !changed.has("models")) draft.models = new Set(ids);
    if (!changed.has("pattern") && data.patterns.some((each) => each.id === known)) draft.pattern = known;
    // A run in progress does not list its documents.
    if (run && isOver(run) && !changed.has("documents")) draft.documents = new Set(run.documents);
    draw();
  }

  /** Sends the next question to this member alone. */
  function only(model) {
    single = model.replace(/#\d+$/, "");
    draw();
    input.focus();
  }

  /** Starts a follow-up with this text; `model` sends it to that member alone. */
  function pushBack(text, model = "") {
    if (model) single = model.replace(/#\d+$/, "");
    input.value = text;
    written();
    draw();
    input.focus();
    input.setSelectionRange(text.length, text.length);
  }

  /** Uses an example: its question, its pattern, and what `bring` attaches. */
  async function take({ question, pattern: wanted, bring = null }) {
    input.value = question;
    if (data.patterns.some((each) => each.id === wanted)) draft.pattern = wanted;
    written();
    draw();
    if (bring) {
      busy = true;
      ready();
      await bring({ add: files.add, attached, signal }).catch((problem) => signal.aborted || fill(message, Alert(problem)));
      busy = false;
      ready();
      if (draft.documents.size === 0) return;
    }
    node.requestSubmit();
  }
}
