// The collaboration pattern as a sheet: the depth with a live price for each option, suggested patterns as cards
// with a diagram, a one-line description, and their cost relative to the current one, and all other patterns
// below.
import { get } from "../api.js";
import { button, el, fill, uid } from "../dom.js";
import { openDialog } from "../parts/dialog.js";
import { Flow } from "../orchestrator/flow.js";
import { requestOf } from "../workbench/draft.js";
import { Settings } from "../workbench/settings.js";
import { styled } from "../styles.js";
import { priceAndTime } from "./price.js";

const INITIAL_COUNT = 4;
const COMMON_PATTERNS = ["critique", "confidence", "fact_check", "vote"];
const DEPTHS = [["quick", "Quick"], ["standard", "Standard"], ["full", "Full"]];

/** Opens the sheet; `bound` is the composer's selection, which "Use pattern" changes. */
export async function open(bound) {
  const { draft, data, signal } = bound;
  // So far, the page knows only the patterns' names.
  if (!data.patterns[0]?.stages) data.patterns = await get("/api/orchestrator/patterns", { signal });
  const copy = { ...draft, models: new Set(draft.models), parameters: { ...draft.parameters } };
  const controller = new AbortController();
  const sheetSignal = AbortSignal.any([signal, controller.signal]);
  const prompt = bound.request().prompt || "?";
  const depths = el("div", { class: "segments depths", role: "radiogroup", "aria-label": "Depth" });
  const cards = el("div", { class: "pattern-cards", role: "radiogroup", "aria-label": "Patterns" });
  const total = el("p", { class: "sheet-total", role: "status" });
  const estimates = new Map();
  let shownPatterns = firstPatterns([]);
  const more = button(`All ${data.patterns.length} patterns`, { class: "quiet", on: { click: () => {
    shownPatterns = [...shownPatterns, ...data.patterns.filter((each) => !shownPatterns.includes(each))];
    more.hidden = true;
    drawCards();
  } } });
  const useButton = button("Use pattern", { class: "primary", on: { click: apply } });
  const settings = Settings({ draft: copy, data, signal: sheetSignal, changed: () => {} });
  styled("orchestrator");
  openDialog("Pattern", el("div", { class: "pattern-sheet" }, el("p", { class: "sheet-label" }, "Depth"), depths, cards, settings.node),
    { kind: "bottom wide-sheet", foot: el("div", { class: "sheet-foot" }, more, el("span", { class: "grow" }), total, useButton) }).then(() => controller.abort());
  draw();
  loadSuggestions();

  function firstPatterns(suggested) {
    const ids = [draft.pattern, ...suggested, ...COMMON_PATTERNS, ...data.patterns.map((each) => each.id)];
    return [...new Set(ids)].map((id) => data.patterns.find((each) => each.id === id)).filter(Boolean).slice(0, INITIAL_COUNT);
  }

  async function loadSuggestions() {
    if (prompt === "?") return;
    const response = await get("/api/patterns/suggest", { query: { prompt: prompt.slice(0, 1500) }, signal: sheetSignal }).catch(() => ({ suggestions: [] }));
    if (sheetSignal.aborted || more.hidden) return;
    shownPatterns = firstPatterns(response.suggestions.filter((each) => each.score > 0.25).slice(0, 2).map((each) => each.id));
    drawCards();
  }

  function draw() {
    drawDepths();
    drawCards();
  }

  function drawDepths() {
    const nodes = DEPTHS.map(([id, name]) => {
      const price = el("span", { class: "depth-price" }, "…");
      estimateFor({ depth: id, pattern: copy.pattern }, (preview) => (price.textContent = [preview.time ? preview.price.replace("price unknown", "") : preview.price, preview.time].filter(Boolean).join(" · ")), () => (price.textContent = ""));
      return Radio(copy.depth === id, "segment", () => {
        copy.depth = id;
        draw();
      }, null, el("span", null, name), " ", price);
    });
    replaceOptions(depths, nodes);
    estimateFor({}, (preview) => (total.textContent = [preview.price, preview.time && `about ${preview.time}`].filter(Boolean).join(" · ")), () => (total.textContent = ""));
  }

  function drawCards() {
    replaceOptions(cards, shownPatterns.map((pattern) => {
      const cost = el("span", { class: "card-cost" });
      if (shownPatterns.indexOf(pattern) < INITIAL_COUNT) {
        estimateFor({ pattern: draft.pattern }, (current) => estimateFor({ pattern: pattern.id }, (preview) => {
          const ratio = costOrTokens(preview.estimate) / costOrTokens(current.estimate);
          cost.textContent = [Number.isFinite(ratio) && `${ratio.toFixed(ratio >= 10 ? 0 : 1).replace(/\.0$/, "")}×`, preview.time].filter(Boolean).join(" · ");
        }));
      }
      const name = pattern.name.replace(/ Analysis$/, "");
      return Radio(copy.pattern === pattern.id, "pattern-pick", () => {
        copy.pattern = pattern.id;
        draw();
      }, pattern.recommended_panel ? Flow(pattern, { small: true }) : null,
      el("span", { class: "pick-head" }, el("strong", null, name), " ", cost), " ", el("span", { class: "pick-about" }, pattern.summary || pattern.description));
    }));
  }

  // Each estimate is requested once per selection.
  async function estimateFor(change, onEstimate, onError = () => {}) {
    const request = requestOf({ ...copy, ...change, prompt });
    const key = `${request.pattern} ${request.depth}`;
    if (!estimates.has(key)) estimates.set(key, priceAndTime(request, sheetSignal));
    try {
      onEstimate(await estimates.get(key));
    } catch {
      if (!sheetSignal.aborted) onError();
    }
  }

  function apply() {
    Object.assign(draft, copy);
    bound.changed("pattern", "depth", "settings");
    useButton.closest("dialog").close("");
  }
}

// The cost of a run or, if it is free, its tokens.
function costOrTokens({ total }) {
  return Number(total.cost_usd) || (total.input_tokens ?? 0) + (total.output_tokens ?? 0);
}

// Its accessible name is its whole content, including the price.
function Radio(chosen, className, choose, picture, ...content) {
  const id = uid("choice");
  return el("button", { type: "button", class: className, role: "radio", "aria-labelledby": id, "aria-checked": String(chosen), tabindex: chosen ? "0" : "-1", on: { click: choose, keydown: move } },
    picture, el("span", { id, class: "choice-words" }, content));
}

// One tab stop for the group; arrow keys move and select.
function move(event) {
  const radios = [...event.currentTarget.parentElement.children];
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  radios[(radios.indexOf(event.currentTarget) + step + radios.length) % radios.length].click();
}

// Redraws a group; the focus stays on the selected item.
function replaceOptions(node, children) {
  const hadFocus = node.contains(document.activeElement);
  fill(node, children);
  const chosen = node.querySelector("[aria-checked=true]");
  if (!chosen && node.firstChild) node.firstChild.tabIndex = 0;
  if (hadFocus) (chosen ?? node.firstChild)?.focus();
}
