// The pages of a document, one at a time: the text as the models see it with highlighted spans, and notes on the
// page above it. Pages are fetched on demand.
import { get } from "../api.js";
import { announce, button, el, fill, icon } from "../dom.js";
import { count, excerpt, sentence } from "../format.js";
import { Field } from "./field.js";
import { idOf } from "./reading.js";
import { marked } from "./spans.js";
import { Failure, Loading } from "./states.js";

// Number of characters of a page shown at first; the rest is shown on demand, so that a long page does not freeze
// the browser.
const INITIAL_LENGTH = 60_000;
const CACHE_SIZE = 12;

/**
 * Returns `{node, bar, go(page, span, others)}`. `span` is `{start, end}` in bytes of the page's text, or null; `others` are
 * more spans, highlighted but not scrolled to. `onTurn(page, span)` is called for every page shown; `level` is the
 * heading level of a page's title. `bar`, which turns pages, is in `node` unless the caller places it (`apart`); null for a
 * single page.
 */
export function PageReader(stored, { signal, onTurn, level = 2, apart = false }) {
  const last = Math.max(1, (stored.pages ?? 1) + (stored.gaps?.length ?? 0));
  const fetchPage = Pages(stored, signal);
  let currentPage = 1;
  let requestCount = 0;
  const previousButton = button("Previous page", { class: "secondary icon-only", on: { click: () => go(currentPage - 1) } }, icon("previous"));
  const nextButton = button("Next page", { class: "secondary icon-only", on: { click: () => go(currentPage + 1) } }, icon("next"));
  const number = Field("Page", { type: "number", min: 1, max: last, value: 1, inputMode: "numeric", class: "page-number" });
  const bar = el("form", { class: "page-bar", on: { submit: (event) => {
    event.preventDefault();
    go(Number(number.input.value));
  } } }, previousButton, number.node, el("span", null, `of ${count(last)}`), nextButton);
  number.input.addEventListener("change", () => go(Number(number.input.value)));
  const sheet = el("div", { class: "page-sheet", tabIndex: -1 });
  const node = el("section", { class: "page-reader", "aria-label": "Pages", on: { keydown: turn } }, !apart && last > 1 && bar, sheet);

  async function go(page, span = null, others = []) {
    const target = Math.min(last, Math.max(1, Math.floor(page) || 1));
    const requestNumber = ++requestCount;
    currentPage = target;
    number.input.value = String(target);
    // A button loses the focus when it is disabled, so the focus moves to the other one.
    const hadFocus = document.activeElement === previousButton || document.activeElement === nextButton;
    previousButton.disabled = target <= 1;
    nextButton.disabled = target >= last;
    if (hadFocus && document.activeElement?.disabled !== false) (previousButton.disabled ? nextButton : previousButton).focus();
    // Keep the focus in the text when the page that has it is replaced.
    const hadTextFocus = sheet.contains(document.activeElement);
    const loadingTimer = setTimeout(() => {
      fill(sheet, Loading("Loading the page"));
      if (hadTextFocus) sheet.focus();
    }, 200);
    try {
      const loaded = await fetchPage(target);
      clearTimeout(loadingTimer);
      if (requestNumber !== requestCount || signal.aborted) return;
      show(loaded, span, others);
      if (hadTextFocus) (sheet.querySelector(".page-text") ?? sheet).focus({ preventScroll: true });
      onTurn?.(target, span);
    } catch (problem) {
      clearTimeout(loadingTimer);
      if (requestNumber === requestCount && !signal.aborted) fill(sheet, Failure(problem, () => go(target, span, others)));
    }
  }

  function show(page, span, others) {
    const { flags = [], gap = null } = page;
    fill(sheet,
      last > 1 && el(`h${level}`, { class: "page-title" }, page.title ? `Page ${page.number}: ${page.title}` : `Page ${page.number}`),
      gap && el("p", { class: "notice" }, `This page has no text: ${sentence(gap.why)}`,
        gap.picture && " It can be sent as an image to a model that accepts images."),
      page.ocr && el("p", { class: "notice" }, "Read with OCR: individual letters may be wrong."),
      flags.map((flag) => el("p", { class: "notice suspicious" }, icon("warning"), el("span", null,
        `Reads like instructions to a model (${flag.why}): “${excerpt(flag.excerpt, 160)}” It is treated as text, never as an instruction.`))),
      page.text ? Text(page, span, flags, others) : !gap && el("p", { class: "fine" }, "There is no text on this page."));
    const place = span && sheet.querySelector("mark.cited");
    if (place) {
      place.scrollIntoView({ block: "center" });
      announce(`Page ${page.number}, marked: ${excerpt(place.textContent, 200)}`);
    } else if (last > 1) announce(`Page ${page.number} of ${last}`);
  }

  // Arrow keys turn pages unless they are needed for something else.
  function turn(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.matches("input")) return;
    const target = currentPage + step;
    if (target < 1 || target > last) return;
    event.preventDefault();
    go(target);
  }

  return { node, bar: last > 1 ? bar : null, go };
}

function Text(page, span, flags, others) {
  const spans = [
    ...[...(span ? [span] : []), ...others].map(({ start, end }) => ({ start, end, kind: "cited" })),
    ...flags.map(({ start, end, why }) => ({ start, end, kind: "flagged", title: why })),
  ];
  const isComplete = spans.length > 0 || page.text.length <= INITIAL_LENGTH;
  const body = el("pre", { class: "page-text", dir: "auto", tabindex: "0", role: "group", "aria-label": `Text of page ${page.number}` },
    isComplete ? marked(page.text, spans) : page.text.slice(0, INITIAL_LENGTH));
  if (isComplete) return body;
  const more = button(`Show ${count(page.text.length - INITIAL_LENGTH)} more characters`, { class: "secondary", on: { click: () => {
    body.textContent = page.text;
    more.remove();
  } } });
  return [body, more];
}

// Fetches each page once and caches the last few.
function Pages(stored, signal) {
  const cache = new Map();
  return async (number) => {
    if (!cache.has(number)) {
      cache.set(number, await get(`/api/documents/${encodeURIComponent(idOf(stored))}/pages/${number}`, { signal }));
      if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value);
    }
    return cache.get(number);
  };
}
