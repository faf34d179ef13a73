// Blind judging: two anonymous answers and one key per verdict. The judge model's verdicts count only if they
// agree well enough with the user's.
import { get, post } from "../api.js";
import { announce, button, el, fill } from "../dom.js";
import { openDialog } from "../parts/dialog.js";
import { markdown } from "../parts/markdown.js";
import { Alert } from "../parts/states.js";
import { Strengths, Trust } from "./trust.js";

const VERDICT_KEYS = { 1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", t: "tie", T: "tie", s: "skip", S: "skip" };
const VERDICT_LABELS = { left: "The first is better.", right: "The second is better.", tie: "A tie.", skip: "Skipped." };

/**
 * The section with the agreement between the scores and the user, and the button that starts judging. Redraws
 * itself after verdicts, which change nothing else on the page. `words` names configurations.
 */
export function Judging({ experiment, words, signal }) {
  const path = `/api/experiments/${encodeURIComponent(experiment.id)}`;
  const message = el("div", { class: "step-message" });
  const reliability = el("div", { class: "judge-known" });
  show(experiment);
  return el("section", { class: "report-section" },
    el("h2", null, "Blind comparison"),
    el("p", { class: "fine" }, "Compare two answers without knowing which configuration wrote them. Your verdicts complement the scores and show whether the scoring can be trusted."),
    el("div", { class: "actions" }, button("Start judging", { class: "secondary", on: { click: startJudging } })), message, reliability);

  function show({ judge, report }) {
    fill(reliability, judge && Trust(judge), report && Strengths(report, words));
  }

  async function startJudging() {
    fill(message);
    try {
      const verdictCount = await judgePairs(experiment.id, await get(`${path}/duel`, { signal }), signal);
      if (verdictCount === 0) return;
      show(await get(path, { signal }));
      announce("Verdicts saved.");
    } catch (problem) {
      if (!signal.aborted) fill(message, Alert(problem));
    }
  }
}

async function judgePairs(id, firstPair, signal) {
  const body = el("div", { class: "duel" });
  const message = el("div", { class: "step-message" });
  const controller = new AbortController();
  let pair = null;
  let verdictCount = 0;
  const closed = openDialog("Which answer is better?", [body, message], { kind: "wide blind" });
  signal.addEventListener("abort", () => body.closest("dialog")?.close(""), { once: true });
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.repeat || !VERDICT_KEYS[event.key]) return;
    event.preventDefault();
    judge(VERDICT_KEYS[event.key]);
  }, { signal: controller.signal });
  show(firstPair);
  body.querySelector("[tabindex='-1']")?.focus();
  await closed;
  controller.abort();
  return verdictCount;

  function show(newPair) {
    pair = newPair.done ? null : newPair;
    if (!pair) {
      fill(body, el("p", { class: "compare-choice", tabindex: "-1" }, "Done. No pairs left to judge."));
      body.firstChild.focus();
      return;
    }
    fill(body,
      el("p", { class: "fine", role: "status" }, `${newPair.judged} of ${newPair.of} judged`),
      el("p", { class: "case-prompt-text", dir: "auto", tabindex: "-1" }, newPair.prompt),
      newPair.expected && el("p", null, el("strong", null, "Expected: "), el("span", { dir: "auto" }, newPair.expected)),
      el("div", { class: "actions duel-keys", role: "group", "aria-label": "Your verdict" },
        verdict("First is better", "left", "1"), verdict("Second is better", "right", "2"), verdict("A tie", "tie", "T"), verdict("Skip", "skip", "S")),
      el("div", { class: "compare" }, side("First", newPair.left), side("Second", newPair.right)));
  }

  function verdict(label, preferred, key) {
    return button(`${label} ${key}`, { class: preferred === "skip" ? "quiet" : "secondary", "aria-keyshortcuts": key, on: { click: () => judge(preferred) } }, `${label} `, el("kbd", null, key));
  }

  async function judge(preferred) {
    if (!pair) return;
    const { token } = pair;
    pair = null;
    for (const control of body.querySelectorAll("button")) control.disabled = true;
    fill(message);
    try {
      const next = await post(`/api/experiments/${encodeURIComponent(id)}/duel`, { token, preferred }, { signal });
      if (preferred !== "skip") verdictCount += 1;
      show(next);
      announce(next.done ? `${VERDICT_LABELS[preferred]} No pairs left.` : `${VERDICT_LABELS[preferred]} Next pair, ${next.judged} of ${next.of} judged.`);
      body.querySelector("[tabindex='-1']")?.focus();
      body.closest(".dialog-body")?.scrollTo(0, 0);
    } catch (problem) {
      if (signal.aborted) return;
      pair = { token };
      for (const control of body.querySelectorAll("button")) control.disabled = false;
      fill(message, Alert(problem));
    }
  }
}

function side(title, { text }) {
  return el("article", { class: "compare-side", "aria-label": title }, el("h3", null, title), el("div", { class: "prose", dir: "auto" }, markdown(text)));
}
