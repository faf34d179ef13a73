// One turn: the question, and below it the live run, the answer with its views, or the text written until the run
// was stopped.
import { get, post } from "../api.js";
import { announce, button, el, fill, icon, keepPlace } from "../dom.js";
import { sentence } from "../format.js";
import { markdown, withoutTitle } from "../parts/markdown.js";
import { fromStored, isOver, newRun } from "../parts/run-model.js";
import { Failure } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { ended } from "./notify.js";
import { Question } from "./question.js";
import { Result } from "./result.js";

// Distance from the viewport at which a turn's content is fetched.
const NEAR = "600px";

/**
 * `{node, turn, run(), place(), versions(), leave()}`. `stored` is a promise of the analysis if it is being fetched
 * already; `fresh` whether the turn has just been started.
 */
export function TurnView(turn, page) {
  const { data, context } = page;
  const path = `/api/analyses/${encodeURIComponent(turn.analysis_id)}`;
  const stop = new AbortController();
  context.signal.addEventListener("abort", () => stop.abort(), { once: true });
  const question = Question(turn, page);
  const body = el("div", { class: "turn-body" });
  const node = el("article", { class: "turn", "aria-label": "Turn", tabindex: "-1", data: { turn: turn.analysis_id } }, question.node, body);
  const self = { node, turn, run: () => run, place, versions: question.versions, leave, edit: question.edit, choose: (index) => result?.choose(index), evidence: () => result?.evidence };
  let run = null;
  let result = null;
  let number = 1;
  begin();
  return self;

  function begin() {
    if (page.fresh) return watch(planned(), Date.now());
    if (turn.answer) fill(body, el("div", { class: "answer prose reading preview" }, withoutTitle(markdown(turn.answer))));
    if (page.stored) return load(page.stored);
    const sight = new IntersectionObserver(([seen]) => {
      if (!seen.isIntersecting) return;
      sight.disconnect();
      load();
    }, { rootMargin: NEAR });
    sight.observe(node);
    stop.signal.addEventListener("abort", () => sight.disconnect(), { once: true });
  }

  async function load(asked = get(path, { signal: stop.signal })) {
    try {
      const stored = await asked;
      if (!stop.signal.aborted) take(stored);
    } catch (problem) {
      // Offline, keep the text that came with the thread.
      if (!stop.signal.aborted && !(problem.status === 0 && turn.answer)) fill(body, Failure(problem, () => load()));
    }
  }

  function take(stored) {
    const known = fromStored(stored);
    if (isOver(known)) return finish(known);
    // Events are replayed from the beginning, so the stored text would appear twice.
    const fresh = newRun(known);
    fresh.sources = known.sources;
    watch(fresh, Math.min(Date.parse(known.createdAt) || Date.now(), Date.now()));
  }

  function planned() {
    return newRun({ id: turn.analysis_id, prompt: turn.question, pattern: turn.pattern, models: turn.models });
  }

  async function watch(fresh, began) {
    run = fresh;
    turn.status = "running";
    node.dataset.status = "running";
    const live = new AbortController();
    stop.signal.addEventListener("abort", () => live.abort(), { once: true });
    const gone = (problem) => {
      live.abort();
      fill(body, Failure(problem));
    };
    // Reserve the board's space, so that nothing shifts when its code has loaded.
    fill(body, BoardFrame());
    try {
      const { watchRun } = await import("./live.js");
      if (stop.signal.aborted) return;
      fill(body, watchRun(run, {
        models: data.models, began, signal: live.signal, ask, gone,
        learn: () => learnSources(live.signal), over: () => conclude(live, Date.now() - began),
      }));
    } catch (problem) {
      gone(problem);
    }
  }

  // The stored result has data that events lack: the letters that the models saw, sources, and billed costs.
  async function conclude(live, took) {
    live.abort();
    let final = run;
    try {
      final = fromStored(await get(path, { signal: stop.signal }));
      final.totals = run.totals ?? final.totals;
      // Not stored (yet): the data from the events is at least as complete.
      if (final.status === "cancelled" && textOf(final) < textOf(run)) final.stages = run.stages;
    } catch (problem) {
      if (stop.signal.aborted) return;
      toast(`The stored result could not be read yet: ${sentence(problem.message)}`, "failed");
    }
    finish(final, true);
    keepPlace();
    const words = { completed: "The answer is ready.", cancelled: "Run stopped." }[final.status] ?? "The run failed.";
    announce(words);
    if (final.status !== "cancelled") ended(turn.question, took, words);
  }

  function finish(final, ran = false) {
    run = final;
    turn.status = final.status;
    node.dataset.status = final.status;
    result = Result(run, { ...page, turn, view: self });
    fill(body, result.node);
    label();
    page.settled(self, ran);
  }

  async function learnSources(signal) {
    try {
      run.sources = (await get(path, { signal })).sources ?? [];
    } catch {
      // The final result includes them in any case.
    }
  }

  async function ask(what, content = {}, done = "") {
    try {
      await post(`${path}/${what}`, content);
      if (done) toast(done);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  function place(turnNumber, last) {
    number = turnNumber;
    node.classList.toggle("last", last);
    label();
  }

  // The number distinguishes turns from one another.
  function label() {
    node.setAttribute("aria-label", `Turn ${number}`);
    body.querySelector(".trust")?.setAttribute("aria-label", `Evidence of turn ${number}`);
  }

  function leave() {
    stop.abort();
    node.remove();
  }
}

function textOf(run) {
  return run.stages.flatMap((stage) => stage.members).reduce((sum, member) => sum + member.text.length, 0);
}

// An empty frame of the board (board.js).
function BoardFrame() {
  const ends = [button("Finish now", { class: "secondary board-finish", disabled: true }), button("Stop", { class: "quiet board-stop", disabled: true }, icon("stop"), "Stop")];
  return el("div", { class: "live" },
    el("div", { class: "stage-strip board-frame" }, el("ol", { class: "stages" }), el("div", { class: "stage-end" }, el("span", { class: "run-spent" }), ends)),
    el("div", { class: "slot" }));
}
