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

const FIRST = 4;
const USUAL = ["critique", "confidence", "fact_check", "vote"];
const DEPTHS = [["quick", "Quick"], ["standard", "Standard"], ["full", "Full"]];

/** Opens the sheet; `bound` is the composer's selection, which "Use pattern" changes. */
export async function open(bound) {
  const { draft, data, signal } = bound;
  // So far, the page knows only the patterns' names.
  if (!data.patterns[0]?.stages) data.patterns = await get("/api/orchestrator/patterns", { signal });
  const copy = { ...draft, models: new Set(draft.models), parameters: { ...draft.parameters } };
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const prompt = bound.request().prompt || "?";
  const depths = el("div", { class: "segments depths", role: "radiogroup", "aria-label": "Depth" });
  const cards = el("div", { class: "pattern-cards", role: "radiogroup", "aria-label": "Patterns" });
  const total = el("p", { class: "sheet-total", role: "status" });
  const known = new Map();
  let shown = first([]);
  const more = button(`All ${data.patterns.length} patterns`, { class: "quiet", on: { click: () => {
    shown = [...shown, ...data.patterns.filter((each) => !shown.includes(each))];
    more.hidden = true;
    drawCards();
  } } });
  const use = button("Use pattern", { class: "primary", on: { click: apply } });
  const settings = Settings({ draft: copy, data, signal: both, changed: () => {} });
  styled("orchestrator");
  openDialog("Pattern", el("div", { class: "pattern-sheet" }, el("p", { class: "sheet-label" }, "Depth"), depths, cards, settings.node),
    { kind: "bottom wide-sheet", foot: el("div", { class: "sheet-foot" }, more, el("span", { class: "grow" }), total, use) }).then(() => stop.abort());
  draw();
  suggest();

  function first(suggested) {
    const ids = [draft.pattern, ...suggested, ...USUAL, ...data.patterns.map((each) => each.id)];
    return [...new Set(ids)].map((id) => data.patterns.find((each) => each.id === id)).filter(Boolean).slice(0, FIRST);
  }

  async function suggest() {
    if (prompt === "?") return;
    const told = await get("/api/patterns/suggest", { query: { prompt: prompt.slice(0, 1500) }, signal: both }).catch(() => ({ suggestions: [] }));
    if (both.aborted || more.hidden) return;
    shown = first(told.suggestions.filter((each) => each.score > 0.25).slice(0, 2).map((each) => each.id));
    drawCards();
  }

  function draw() {
    drawDepths();
    drawCards();
  }

  function drawDepths() {
    const nodes = DEPTHS.map(([id, name]) => {
      const price = el("span", { class: "depth-price" }, "…");
      tell({ depth: id, pattern: copy.pattern }, (told) => (price.textContent = [told.time ? told.price.replace("price unknown", "") : told.price, told.time].filter(Boolean).join(" · ")), () => (price.textContent = ""));
      return Radio(copy.depth === id, "segment", () => {
        copy.depth = id;
        draw();
      }, null, el("span", null, name), " ", price);
    });
    swap(depths, nodes);
    tell({}, (told) => (total.textContent = [told.price, told.time && `about ${told.time}`].filter(Boolean).join(" · ")), () => (total.textContent = ""));
  }

  function drawCards() {
    swap(cards, shown.map((pattern) => {
      const cost = el("span", { class: "card-cost" });
      if (shown.indexOf(pattern) < FIRST) {
        tell({ pattern: draft.pattern }, (base) => tell({ pattern: pattern.id }, (told) => {
          const ratio = weight(told.told) / weight(base.told);
          cost.textContent = [Number.isFinite(ratio) && `${ratio.toFixed(ratio >= 10 ? 0 : 1).replace(/\.0$/, "")}×`, told.time].filter(Boolean).join(" · ");
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
  async function tell(change, show, none = () => {}) {
    const wanted = requestOf({ ...copy, ...change, prompt });
    const key = `${wanted.pattern} ${wanted.depth}`;
    if (!known.has(key)) known.set(key, priceAndTime(wanted, both));
    try {
      show(await known.get(key));
    } catch {
      if (!both.aborted) none();
    }
  }

  function apply() {
    Object.assign(draft, copy);
    bound.changed("pattern", "depth", "settings");
    use.closest("dialog").close("");
  }
}

// The cost of a run or, if it is free, its tokens.
function weight({ total }) {
  return Number(total.cost_usd) || (total.input_tokens ?? 0) + (total.output_tokens ?? 0);
}

// Its accessible name is its whole content, including the price.
function Radio(chosen, look, choose, picture, ...content) {
  const id = uid("choice");
  return el("button", { type: "button", class: look, role: "radio", "aria-labelledby": id, "aria-checked": String(chosen), tabindex: chosen ? "0" : "-1", on: { click: choose, keydown: move } },
    picture, el("span", { id, class: "choice-words" }, content));
}

// One tab stop for the group; arrow keys move and select.
function move(event) {
  const all = [...event.currentTarget.parentElement.children];
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  all[(all.indexOf(event.currentTarget) + by + all.length) % all.length].click();
}

// Redraws a group; the focus stays on the selected item.
function swap(node, children) {
  const held = node.contains(document.activeElement);
  fill(node, children);
  const chosen = node.querySelector("[aria-checked=true]");
  if (!chosen && node.firstChild) node.firstChild.tabIndex = 0;
  if (held) (chosen ?? node.firstChild)?.focus();
}
