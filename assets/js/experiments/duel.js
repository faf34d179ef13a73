// Blind judging: two answers without names, one key for each verdict. How far a model as judge agrees with
// what one says here decides whether its verdicts count.
import { get, post } from "../api.js";
import { announce, button, el, fill } from "../dom.js";
import { plural, sentence } from "../format.js";
import { openDialog } from "../parts/dialog.js";
import { markdown } from "../parts/markdown.js";
import { Alert } from "../parts/states.js";
import { score, span } from "./words.js";

const KEYS = { 1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", t: "tie", T: "tie", s: "skip", S: "skip" };
const SAID = { left: "The first is better.", right: "The second is better.", tie: "A tie.", skip: "Skipped." };

/** The section with what is known of the judge, and the button that begins. `done()` after verdicts were given. */
export function Judging({ id, judge, done, signal }) {
  const message = el("div", { class: "step-message" });
  return el("section", { class: "report-section" },
    el("h2", null, "Judge blind"),
    el("p", { class: "fine" }, "Read two answers without knowing whose they are, and say which is better. Your verdicts count beside the scores, and show whether a judging model can be trusted here."),
    judge && el("p", { class: "notice" }, trust(judge)),
    el("div", { class: "actions" }, button("Begin judging", { class: "secondary", on: { click: begin } })), message);

  async function begin() {
    fill(message);
    try {
      const first = await get(`/api/experiments/${encodeURIComponent(id)}/duel`, { signal });
      const given = await sit(id, first, signal);
      if (given > 0) done();
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }
}

/** What the judge's agreement with a person comes to, in words. */
export function trust({ kappa, interval, labels, trusted, sentence: words }) {
  if (words) return sentence(words);
  if (kappa === null || kappa === undefined) return `The judge has been compared with ${plural(labels ?? 0, "verdict")} of yours: too few to say whether it can be trusted.`;
  const sure = interval ? ` (${span(interval)})` : "";
  const verdict = trusted === false || kappa < 0.4 ? "It is not trusted here" : "It can be used here";
  return `The judge agrees with you at κ = ${score(kappa)}${sure}, on ${plural(labels ?? 0, "verdict")} of yours. ${verdict}.`;
}

async function sit(id, first, signal) {
  const body = el("div", { class: "duel" });
  const message = el("div", { class: "step-message" });
  const stop = new AbortController();
  let duel = null;
  let given = 0;
  const closed = openDialog("Which answer is better?", [body, message], { kind: "wide blind" });
  signal.addEventListener("abort", () => body.closest("dialog")?.close(""), { once: true });
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.repeat || !KEYS[event.key]) return;
    event.preventDefault();
    judge(KEYS[event.key]);
  }, { signal: stop.signal });
  show(first);
  await closed;
  stop.abort();
  return given;

  function show(told) {
    duel = told.done ? null : told;
    if (!duel) {
      fill(body, el("p", { class: "compare-choice", tabindex: "-1" }, "That was all: there is no pair left to judge."));
      body.firstChild.focus();
      return;
    }
    fill(body,
      el("p", { class: "fine", role: "status" }, `${told.judged} of ${told.of} judged`),
      el("p", { class: "case-prompt-text", dir: "auto", tabindex: "-1" }, told.prompt),
      told.expected && el("p", null, el("strong", null, "Expected: "), el("span", { dir: "auto" }, told.expected)),
      el("div", { class: "actions duel-keys", role: "group", "aria-label": "Your verdict" },
        verdict("First is better", "left", "1"), verdict("Second is better", "right", "2"), verdict("A tie", "tie", "T"), verdict("Skip", "skip", "S")),
      el("div", { class: "compare" }, side("First", told.left), side("Second", told.right)));
  }

  function verdict(label, preferred, key) {
    return button(label, { class: preferred === "skip" ? "quiet" : "secondary", "aria-keyshortcuts": key, on: { click: () => judge(preferred) } }, label, el("kbd", { "aria-hidden": "true" }, key));
  }

  async function judge(preferred) {
    if (!duel) return;
    const { token } = duel;
    duel = null;
    for (const one of body.querySelectorAll("button")) one.disabled = true;
    fill(message);
    try {
      const next = await post(`/api/experiments/${encodeURIComponent(id)}/duel`, { token, preferred }, { signal });
      if (preferred !== "skip") given += 1;
      show(next);
      announce(next.done ? `${SAID[preferred]} That was all.` : `${SAID[preferred]} Next pair, ${next.judged} of ${next.of} judged.`);
      body.querySelector("[tabindex='-1']")?.focus();
      body.closest(".dialog-body")?.scrollTo(0, 0);
    } catch (problem) {
      if (signal.aborted) return;
      duel = { token };
      for (const one of body.querySelectorAll("button")) one.disabled = false;
      fill(message, Alert(problem));
    }
  }
}

function side(title, { text }) {
  return el("article", { class: "compare-side", "aria-label": title }, el("h3", null, title), el("div", { class: "prose", dir: "auto" }, markdown(text)));
}
