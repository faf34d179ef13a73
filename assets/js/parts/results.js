// A finished analysis: the question, its views, and below them the facts, sources, exports, and actions.
import { button, el } from "../dom.js";
import { cost, duration, plural, sentence, tokens, when } from "../format.js";
import { Ballot } from "./ballot.js";
import { CitationCount, Citer } from "./citations.js";
import { CopyButton } from "./copy.js";
import { Helpful } from "./helpful.js";
import { markdown, withoutTitle } from "./markdown.js";
import { factsOf, Letter, remarksOf } from "./letter.js";
import { nameOf } from "./model-name.js";
import { lastTexts, panelStages, placeOf, synthesis } from "./run-model.js";
import { SourceList } from "./sources.js";
import { MembersView } from "../results/members.js";
import { optionalViews } from "../results/views.js";
import { styled } from "../styles.js";
import { Tabs } from "./tabs.js";

// The error that the server stores for a run canceled by its owner.
const BY_OWNER = "stopped by its owner";
const HEADLINE = { completed: "Analysis complete", failed: "Analysis failed", cancelled: "Analysis stopped" };

/**
 * The finished analysis. `models` and `patterns` supply names, `exports` and `actions` are buttons, `note` is a remark
 * for the reader, and `own` is whether the reader asked the question.
 */
export function AnalysisResults(run, { models = [], patterns = [], actions = [], exports = null, note = "", own = false }) {
  styled("run");
  const context = { run, models, own, sought: null };
  const panel = el("div", { class: "view-panel", role: "tabpanel" });
  const open = (view) => tabs.choose(views.indexOf(view));
  const views = [
    ["Side by Side", () => MembersView(context)],
    ["All answers", () => CombinedView(context), "Combined"],
    ["Answer", () => SynthesisView(context), "Ultra Analysis"],
    ...optionalViews(run, { models, names: ["Disagreement Map", "Differences", "Cost and Time"], panel, context, open, members: () => views[0] }),
  ].filter(Boolean);
  const tabs = Tabs("Views of the result", panel, views, synthesis(run)?.text ? 2 : 0);
  const headline = el("p", { class: `results-headline ${run.status}` }, HEADLINE[run.status] ?? run.status);
  const complete = run.status === "completed";

  return el("section", { class: "results-container", "aria-label": "Results", data: { component: "AnalysisResults" } },
    el("div", { class: "analysis-results" },
      el("header", { class: "results-head" }, !complete && headline, el("h1", { dir: "auto" }, ...foldedQuestion(run.prompt))),
      run.problem === BY_OWNER ? el("p", { class: "notice" }, "You stopped this run.") : run.problem && el("p", { class: "error-alert", role: "alert" }, `Error: ${sentence(run.problem)}`),
      Failures(run, models),
      run.degraded && Notes(run),
      el("div", { class: "results-bar" }, tabs.node),
      panel,
      el("section", { class: "results-about", "aria-label": "About this result" },
        el("div", { class: "actions" }, complete && headline, actions),
        note && el("p", { class: "fine" }, note),
        Facts(run, models, patterns),
        !run.degraded && Notes(run),
        el("div", { class: "results-under" }, CitationCount(run), exports)),
      SourceList(run.sources)));
}

// Length in characters above which a question is folded, and length of the part that stays visible: about two lines
// on a phone, so that the answer starts near the top.
const FOLD_THRESHOLD = 120;
const FOLDED_LENGTH = 84;

function foldedQuestion(prompt) {
  if (prompt.length <= FOLD_THRESHOLD) return [prompt];
  const rest = el("span", { hidden: true }, prompt.slice(FOLDED_LENGTH));
  const more = button("Show more", { class: "link-button", on: { click: () => {
    rest.hidden = false;
    more.remove();
  } } });
  return [prompt.slice(0, FOLDED_LENGTH), rest, " ", more];
}

function Facts(run, models, patterns) {
  const pattern = patterns.find((each) => each.id === run.pattern)?.name ?? run.pattern;
  const names = run.models.map((model) => nameOf(model, models).name).join(", ");
  const row = (term, text) => text && el("div", null, el("dt", null, term), el("dd", null, text));
  const totals = run.totals;
  return el("dl", { class: "facts" },
    row("Model:", names),
    row("Pattern:", pattern),
    row("Synthesis:", run.ultra && !run.ballot ? nameOf(synthesis(run)?.model ?? run.ultra, models).name : "the votes are counted"),
    totals?.ms > 0 && row("Time:", duration(totals.ms)),
    totals?.usage && row("Tokens:", tokens(totals.usage)),
    totals?.cost !== undefined && totals && row("Cost:", costOf(totals)),
    run.createdAt && row("Asked:", when(run.createdAt)));
}

function costOf({ cost: usd, usage, incomplete }) {
  if (!incomplete) return cost(usd, usage);
  return Number(usd) > 0 ? `At least ${cost(usd, usage)}: some prices are unknown` : "prices are unknown";
}

function Failures(run, models) {
  const failed = run.stages.flatMap((stage) => stage.members.filter((member) => member.status === "failed"));
  if (failed.length === 0) return null;
  const names = [...new Set(failed.map((member) => nameOf(member.model, models).name))];
  const others = run.stages.flatMap((stage) => stage.members.filter((member) => member.insteadOf && member.status === "done"));
  const fallbackNotes = new Set(others.map((member) => `${nameOf(member.model, models).name} answered in place of ${nameOf(member.insteadOf, models).name}.`));
  return el("p", { class: "notice" },
    [`${plural(failed.length, "call")} failed (${names.join(", ")}).`, ...fallbackNotes, "The other members' answers are complete. Side by Side shows the reasons."].join(" "));
}

function MemberRemarks(member) {
  const words = remarksOf(member);
  return words && el("p", { class: "member-state" }, words);
}

// Notes: skipped models with the reason, reused answers, and what the answer lacks.
function Notes({ notes, degraded }) {
  if (notes.length === 0 && !degraded) return null;
  const shown = notes.includes(degraded) || !degraded ? notes : [degraded, ...notes];
  return el("details", { class: "run-notes", open: Boolean(degraded) },
    el("summary", null, degraded ? "Partial result" : "How this answer was produced"),
    el("ul", null, shown.map((note) => el("li", null, sentence(note)))));
}

function CombinedView(context) {
  const { run, models } = context;
  return el("div", { class: "combined" },
    AnswerSheet(context, true),
    lastTexts(run).map((member) => el("article", { class: "combined-member" },
      el("header", { class: "member-head" },
        Letter(member.letter),
        el("div", { class: "member-title" }, el("h2", null, nameOf(member.model, models).name), el("p", { class: "fine" }, factsOf(member))),
        CopyButton(`Copy the answer of ${nameOf(member.model, models).name}`, () => member.text)),
      MemberRemarks(member),
      member.text ? el("div", { class: "prose" }, markdown(member.text, Citer(run, lastPlaceOf(run, member)))) : el("p", { class: "notice" }, sentence(member.problem) || "It did not answer."))));
}

// The stage that contains a member's last text.
function lastPlaceOf(run, member) {
  const stage = panelStages(run).find((each) => each.members.includes(member));
  return stage ? placeOf(stage, member) : { stage: "", model: member.model, letter: member.letter };
}

function SynthesisView(context) {
  const { run, models } = context;
  return el("div", { class: "ultra" },
    AnswerSheet(context),
    el("aside", { class: "legend", "aria-label": "Members" },
      el("h2", null, "The panel"),
      el("ul", null, lastTexts(run).map((member) => el("li", null, Letter(member.letter), el("span", null,
        nameOf(member.model, models).name,
        el("span", { class: "fine" }, member.status === "failed" ? "did not answer" : factsOf(member)))))),
      el("p", { class: "fine" }, "Letters in the text refer to these members. Agreement between models is a hint, not proof: check what matters against the sources.")));
}

// A vote's answer is the text of a member who voted for the winner.
function authorLine(run, member, models) {
  const voter = run.ballot && run.models[run.ballot.answer_by.charCodeAt(0) - 65];
  return voter ? `Worded by ${run.ballot.answer_by} (${nameOf(voter, models).name})` : `Written by ${nameOf(member.model, models).name}`;
}

// `hasTitle` shows a heading, for views that contain other texts as well.
function AnswerSheet({ run, models, own }, hasTitle = false) {
  const member = synthesis(run);
  if (!member?.text) {
    return el("p", { class: "notice" }, run.status === "completed"
      ? "There is no synthesis. The members' answers are in Side by Side."
      : "The run ended before the synthesis was written. The members' answers so far are kept.");
  }
  return el("article", { class: "sheet", "aria-label": "Answer" },
    // The tab is the title, but the headings of the text need one above them.
    hasTitle
      ? el("header", { class: "member-head" }, el("div", { class: "member-title" }, el("h2", null, "Answer")))
      : el("h2", { class: "visually-hidden" }, "Answer"),
    MemberRemarks(member),
    el("div", { class: "prose reading" }, withoutTitle(markdown(member.text, Citer(run, null)))),
    el("footer", { class: "sheet-end" },
      el("p", { class: "fine" }, `${authorLine(run, member, models)} · ${[factsOf(member), plural(member.text.length, "character")].filter(Boolean).join(" · ")}`),
      CopyButton("Copy answer", () => member.text)),
    run.ballot && Ballot(run.ballot),
    own && Helpful(run));
}
