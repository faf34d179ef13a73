// Per-case results: two configurations side by side, which one did better, and both answers when a case is expanded.
import { get } from "../api.js";
import { button, el, fill, link } from "../dom.js";
import { duration, money, plural, sentence } from "../format.js";
import { Choice } from "../parts/field.js";
import { markdown } from "../parts/markdown.js";
import { Failure, Loading } from "../parts/states.js";
import { score } from "./words.js";

const INITIAL_COUNT = 25;
/** Scores closer than this are treated as equal: a difference in a float's last digits means nothing. */
const SCORE_TOLERANCE = 1e-9;

/** Props: `id`, `cases`, `settings` (`[{place, setting}]`, best first), `leader`, `current`, `words`. */
export function CaseTable({ id, cases, settings, leader, current, baseline, words, signal }) {
  const compared = settings.filter(({ place }) => cases.some((testCase) => resultOf(testCase, place)));
  if (compared.length < 2) return null;
  const other = [current, ...compared.map((row) => row.place)].find((place) => place !== leader && compared.some((row) => row.place === place));
  const chosen = { left: compared.some((row) => row.place === leader) ? leader : compared[0].place, right: other, only: "all" };
  const summary = el("p", { class: "case-sum", role: "status" });
  const list = el("ul", { class: "case-results" });
  const footer = el("div", { class: "rows-below" });
  const nameOfPlace = (place) => words.name(compared.find((row) => row.place === place).setting);
  const options = compared.map(({ place, setting }, rank) => [String(place), `${rank + 1}. ${words.name(setting)}${place === current ? (baseline === "first" ? " (the first configuration)" : " (used now)") : ""}`]);
  const configurationChoice = (label, side) => Choice(label, { value: String(chosen[side]), on: { change: ({ target }) => {
    chosen[side] = Number(target.value);
    draw();
  } } }, options).node;
  const only = Choice("Show", { value: "all", on: { change: ({ target }) => {
    chosen.only = target.value;
    draw();
  } } }, [["all", "All cases"], ["left", "Where the first is better"], ["right", "Where the second is better"], ["tie", "Ties"], ["held", "Held-out cases"]]);
  draw();

  function draw(limit = INITIAL_COUNT) {
    const shared = cases.map((testCase) => ({ testCase, left: resultOf(testCase, chosen.left), right: resultOf(testCase, chosen.right) })).filter(({ left, right }) => left && right);
    const tally = { left: 0, right: 0, tie: 0 };
    for (const each of shared) tally[each.won = winner(each)] += 1;
    summary.textContent = shared.length === 0
      ? "These two configurations have no case in common: one was eliminated earlier."
      : `Of ${plural(shared.length, "case")} given to both, the first is better on ${tally.left}, the second on ${tally.right}, and they tie on ${tally.tie}.`;
    const shown = shared.filter(({ testCase, won }) => chosen.only === "all" || (chosen.only === "held" ? testCase.held_back : won === chosen.only));
    fill(list, shown.slice(0, limit).map((each) => CaseResult(each, { id, chosen, nameOfPlace, signal })));
    fill(footer, shared.length > 0 && shown.length === 0 && el("p", { class: "fine" }, "No such cases."),
      shown.length > limit && button(`Show more of ${shown.length}`, { class: "secondary", on: { click: () => draw(limit + 100) } }));
  }

  return el("section", { class: "report-section" }, el("h2", null, "Case by case"),
    el("div", { class: "pair three" }, configurationChoice("First configuration", "left"), configurationChoice("Second configuration", "right"), only.node), summary, list, footer);
}

const resultOf = (testCase, place) => testCase.results.find((result) => result.setting === place && (result.score !== null || result.error));

function winner({ left, right }) {
  const [a, b] = [left.score ?? 0, right.score ?? 0];
  return Math.abs(a - b) <= SCORE_TOLERANCE ? "tie" : a > b ? "left" : "right";
}

const OUTCOME_LABELS = { left: "first better", right: "second better", tie: "even" };

function CaseResult({ testCase, left, right, won }, { id, chosen, nameOfPlace, signal }) {
  const body = el("div", { class: "case-answers" });
  const node = el("details", { class: "case-result", data: { won }, on: { toggle: () => node.open && body.children.length === 0 && open() } },
    el("summary", null,
      el("span", { class: "case-question", dir: "auto" }, `${testCase.place + 1}. ${promptEnd(testCase.prompt)}`),
      el("span", { class: "case-scores" }, Score(left), el("span", { "aria-hidden": "true" }, " : "), Score(right)),
      el("span", { class: `badge won-${won}` }, OUTCOME_LABELS[won]),
      testCase.held_back && el("span", { class: "badge held" }, "held back")),
    body);
  return el("li", null, node);

  async function open() {
    fill(body, Loading("Loading both answers"));
    try {
      const details = await get(`/api/experiments/${encodeURIComponent(id)}/cases/${testCase.place}`, { signal });
      fill(body,
        el("p", { class: "case-prompt-text", dir: "auto" }, details.prompt),
        details.expected && el("p", null, el("strong", null, "Expected: "), el("span", { dir: "auto" }, details.expected)),
        el("div", { class: "compare" }, Side("First configuration", nameOfPlace(chosen.left), resultOf(details, chosen.left)), Side("Second configuration", nameOfPlace(chosen.right), resultOf(details, chosen.right))));
    } catch (problem) {
      if (!signal.aborted) fill(body, Failure(problem, open));
    }
  }
}

// In a long prompt, the question is usually at the end.
function promptEnd(prompt) {
  const flat = prompt.replace(/\s+/g, " ").trim();
  if (flat.length <= 160) return flat;
  const tail = flat.slice(-150);
  return `…${tail.slice(tail.indexOf(" "))}`;
}

function Score(result) {
  return result.error ? el("span", { class: "warn" }, "failed") : el("span", null, score(result.score));
}

function Side(title, name, result) {
  const facts = [result.error ? "failed" : `score ${score(result.score)}`, result.cost_usd > 0 && money(result.cost_usd), duration(result.latency_ms)].filter(Boolean).join(" · ");
  return el("article", { class: "compare-side", "aria-label": title },
    el("h3", { dir: "auto" }, name), el("p", { class: "fine" }, facts),
    result.error ? el("p", { class: "warn" }, sentence(result.error)) : el("div", { class: "prose", dir: "auto" }, markdown(result.answer ?? "")),
    result.analysis_id && link(`/analyze?id=${encodeURIComponent(result.analysis_id)}`, "Full analysis", { class: "fine", "aria-label": `Full analysis of the ${title.toLowerCase()}` }));
}
