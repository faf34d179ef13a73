// The evidence panel next to an answer: verified quotes as a ring, agreements and disagreements, and each member's
// cost.
import { button, el, fill, icon } from "../dom.js";
import { svg } from "../charts/svg.js";
import { cost, count, duration, money, plural, tokens } from "../format.js";
import { Letter } from "../parts/letter.js";
import { nameOf } from "../parts/model-name.js";
import { panelStages, synthesis } from "../parts/run-model.js";
import { openDialog } from "../parts/dialog.js";
import { blindSpots, claimsOf, LEVELS, supportOf } from "../results/claims.js";
import { JudgeNote } from "../results/support.js";
import { styled } from "../styles.js";

// The circumference of the ring in SVG units: 2π × 24.
const CIRCUMFERENCE = 151;
// The filter for topics that no answer covers. No paragraph matches it, so it lists the topics instead.
const GAP = "gap";

/**
 * The evidence column of a finished run; on narrow windows, the same content is a sheet opened from the bar. `filter`
 * filters the answer (filter.js) and `map()` shows the map; either may be null.
 */
export function Trust(run, context) {
  return el("aside", { class: "trust", "aria-label": "Evidence" }, Evidence(run, context));
}

/** Opens the evidence panel over the page. */
export async function openEvidence(run, context) {
  await styled("sheets");
  openDialog("Evidence", el("div", { class: "trust-sheet" }, Evidence(run, context)), { kind: "bottom" });
}

/** The number of verified and of checked quotes, `{good, all}`; null if none were checked. */
export function quotesOf({ citations }) {
  const state = (item) => String(item.state ?? "").toLowerCase().replace(/[^a-z]/g, "");
  const checked = (citations?.items ?? []).filter((item) => ["verified", "shortened", "elsewhere", "notfound"].includes(state(item)));
  return checked.length > 0 ? { good: checked.filter((item) => state(item) === "verified").length, all: checked.length } : null;
}

/** The ring of verified quotes; `size` is in pixels. */
export function Ring({ good, all }, size = 56) {
  const isComplete = good === all;
  return svg("svg", { class: `ring ${isComplete ? "full" : ""}`, viewBox: "0 0 56 56", width: size, height: size, role: "img", "aria-label": `${good} of ${all} quotes verified` },
    svg("circle", { class: "ring-track", cx: 28, cy: 28, r: 24 }),
    svg("circle", { class: "ring-value", cx: 28, cy: 28, r: 24, "stroke-dasharray": `${(CIRCUMFERENCE * good) / all} ${CIRCUMFERENCE}`, transform: "rotate(-90 28 28)" }),
    isComplete && svg("path", { class: "ring-check", d: "M19 28.5l6.5 6.5 12-13.5" }));
}

function Evidence(run, { data, filter, map }) {
  const quotes = quotesOf(run);
  const rows = Filters(run, filter, map);
  return [
    quotes && el("div", { class: "quotes-checked" }, Ring(quotes), el("p", null, el("b", null, `${quotes.good}/${quotes.all}`), el("span", null, "quotes verified"))),
    rows,
    Levels(run),
    run.models.length > 1 && JudgeNote(run, data.models),
    (quotes || rows || run.evidence) && el("hr"),
    el("ul", { class: "who-list" }, Members(run, data.models)),
    Totals(run),
    run.models.length > 1 && el("p", { class: "note" }, "Agreement is weak evidence: models share mistakes."),
  ];
}

// The kinds of claims with their counts; each filters the answer and reports what it found.
function Filters(run, filter, map) {
  const claims = claimsOf(run);
  const spots = blindSpots(run);
  const countOf = (kind) => claims.filter((claim) => claim.kind === kind).length;
  const rows = [["shared", "all", "Agreed by all", countOf("shared")], ["conflict", "diamond", "Contradictions", countOf("conflict")], ["alone", "one", "Said by one", countOf("alone")], [GAP, "gap", "Not covered", spots.length]];
  if (rows.every(([, , , number]) => number === 0)) return null;
  const note = el("div", { class: "filter-note", role: "status" });
  const buttons = rows.map(([kind, iconName, words, number]) => button(`${words} ${count(number)}`, { class: "filter", disabled: number === 0 || !filter, on: { click: () => toggleFilter(kind) } },
    icon(iconName), words, " ", el("span", { class: "filter-count" }, count(number))));
  const node = el("div", { class: "filter-part" },
    el("ul", { class: "filters" }, buttons.map((entry, place) => el("li", { class: rows[place][0] === "conflict" && rows[place][3] > 0 ? "warn" : "" }, entry))), note);
  filter?.watch(draw);
  draw();
  return node;

  function draw() {
    buttons.forEach((entry, place) => entry.setAttribute("aria-pressed", String(filter?.kind() === rows[place][0])));
    if (!filter?.kind()) fill(note);
  }

  function toggleFilter(kind) {
    const paragraphs = filter.choose(filter.kind() === kind ? "" : kind);
    if (!filter.kind()) return;
    fill(note, kind === GAP ? el("ul", { class: "notes" }, spots.map((spot) => el("li", { dir: "auto" }, spot)))
      : el("p", null, paragraphs.length > 0 ? `In ${plural(paragraphs.length, "paragraph")} of the answer. ` : "The answer does not mention them. ", map && button("Show all claims", { class: "link-button", on: { click: () => {
        node.closest("dialog")?.close("");
        map();
      } } })));
    // On narrow windows, the panel is a sheet that covers the answer, so it is closed.
    if (paragraphs.length === 0) return;
    node.closest("dialog")?.close("");
    paragraphs[0].scrollIntoView({ block: "nearest" });
  }
}

// The number of the answer's sentences at each level of support.
function Levels(run) {
  const { shown: context } = supportOf(run);
  const number = (level) => context.filter((entry) => entry.level === level).length;
  const levels = Object.entries(LEVELS).reverse().filter(([level]) => level !== "none" && number(level) > 0);
  if (levels.length === 0) return null;
  return el("dl", { class: "levels" }, levels.map(([level, [label, reason]]) => el("div", { title: reason }, el("dt", null, `Sentences ${label}`), el("dd", null, count(number(level))))));
}

// Each member's cost and time over all stages.
function Members(run, models) {
  const rows = run.models.map((model) => sumOf(model, panelStages(run).flatMap((stage) => stage.members).filter((member) => (member.insteadOf || member.model) === model)));
  const writer = synthesis(run);
  return [...rows, writer && { ...sumOf(writer.model, [writer]), writes: true }].filter(Boolean).map((row) => el("li", { class: "who" },
    row.writes ? el("span", { class: "letter none" }, icon("pen")) : Letter(row.letter) ?? el("span", { class: "letter none" }),
    el("div", null, el("p", { class: "who-name" }, nameOf(row.model, models).name),
      el("p", { class: "who-facts" }, [row.writes && "Synthesis", row.failed ? "Failed" : row.ms > 0 && duration(row.ms), row.usage && row.usage.input + row.usage.output > 0 && tokens(row.usage)].filter(Boolean).join(" · "))),
    el("span", { class: "who-cost" }, row.cost === null ? "" : row.cost > 0 ? cost(row.cost, row.usage) : "")));
}

function sumOf(model, calls) {
  const billed = calls.filter((call) => call.usage);
  const usage = billed.length > 0 ? {
    input: billed.reduce((all, { usage: each }) => all + (each.input ?? 0), 0), output: billed.reduce((all, { usage: each }) => all + (each.output ?? 0), 0), estimated: billed.some(({ usage: each }) => each.estimated),
  } : null;
  return {
    model, letter: calls.find((call) => call.letter)?.letter ?? "", usage, ms: calls.reduce((all, call) => all + (call.latency ?? 0), 0),
    cost: billed.length > 0 && billed.every((call) => typeof call.cost === "number") ? billed.reduce((all, call) => all + call.cost, 0) : null,
    failed: calls.length > 0 && calls.every((call) => call.status === "failed"),
  };
}

function Totals({ totals }) {
  if (!totals) return null;
  const words = [totals.ms > 0 && duration(totals.ms), totals.usage && tokens(totals.usage)].filter(Boolean).join(" · ");
  const price = totals.cost === undefined ? "" : totals.incomplete ? (Number(totals.cost) > 0 ? `at least ${money(totals.cost)}` : "price unknown") : money(totals.cost);
  return [el("hr"), el("p", { class: "who-total" }, el("span", null, words), el("b", null, price))];
}
