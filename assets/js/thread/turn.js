// One turn: the question, and below it the live run, the answer with its views, or the text written until the run
// was stopped.
import { get, post } from "../api.js";
import { announce, button, el, fill, icon, keepPlace } from "../dom.js";
import { sentence } from "../format.js";
import { markdown, withoutTitle } from "../parts/markdown.js";
import { fromStored, isOver, newRun } from "../parts/run-model.js";
import { Failure } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Question } from "./question.js";
import { Result } from "./result.js";

// Distance from the viewport at which a turn's content is fetched.
const NEAR_MARGIN = "600px";

/**
 * Returns `{node, turn, run(), place(), versions(), leave()}`. `stored` is a promise of the analysis if it is already
 * being fetched; `fresh` is whether the turn has just started.
 */
export function TurnView(turn, page) {
  const { data, context } = page;
  const path = `/api/analyses/${encodeURIComponent(turn.analysis_id)}`;
  const controller = new AbortController();
  context.signal.addEventListener("abort", () => controller.abort(), { once: true });
  const question = Question(turn, page);
  const body = el("div", { class: "turn-body" });
  const node = el("article", { class: "turn", "aria-label": "Turn", tabindex: "-1", data: { turn: turn.analysis_id } }, question.node, body);
  const self = { node, turn, run: () => run, place: setPosition, versions: question.versions, leave: remove, edit: question.edit, choose: (index) => result?.choose(index), evidence: () => result?.evidence };
  let run = null;
  let result = null;
  let number = 1;
  startView();
  return self;

  function startView() {
    if (page.fresh) return watchLive(plannedRun(), Date.now());
    if (turn.answer) fill(body, el("div", { class: "answer prose reading preview" }, withoutTitle(markdown(turn.answer))));
    if (page.stored) return load(page.stored);
    const observer = new IntersectionObserver(([seen]) => {
      if (!seen.isIntersecting) return;
      observer.disconnect();
      load();
    }, { rootMargin: NEAR_MARGIN });
    observer.observe(node);
    controller.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  async function load(request = get(path, { signal: controller.signal })) {
    try {
      const stored = await request;
      if (!controller.signal.aborted) showStored(stored);
    } catch (problem) {
      // Offline, keep the text that came with the thread.
      if (!controller.signal.aborted && !(problem.status === 0 && turn.answer)) fill(body, Failure(problem, () => load()));
    }
  }

  function showStored(stored) {
    const storedRun = fromStored(stored);
    if (isOver(storedRun)) return finish(storedRun);
    // Events are replayed from the beginning, so the stored text would appear twice.
    const liveRun = newRun(storedRun);
    liveRun.sources = storedRun.sources;
    watchLive(liveRun, Math.min(Date.parse(storedRun.createdAt) || Date.now(), Date.now()));
  }

  function plannedRun() {
    return newRun({ id: turn.analysis_id, prompt: turn.question, pattern: turn.pattern, models: turn.models });
  }

  async function watchLive(liveRun, began) {
    run = liveRun;
    turn.status = "running";
    node.dataset.status = "running";
    const live = new AbortController();
    controller.signal.addEventListener("abort", () => live.abort(), { once: true });
    const onGone = (problem) => {
      live.abort();
      fill(body, Failure(problem));
    };
    // Reserve the board's space, so that nothing shifts when its code has loaded.
    fill(body, BoardFrame());
    try {
      const { watchRun } = await import("./live.js");
      if (controller.signal.aborted) return;
      fill(body, watchRun(run, {
        models: data.models, began, signal: live.signal, ask: sendCommand, gone: onGone,
        learn: () => loadSources(live.signal), over: () => onEnd(live, Date.now() - began),
      }));
    } catch (problem) {
      onGone(problem);
    }
  }

  // The stored result has data that events lack: the letters that the models saw, sources, and billed costs.
  async function onEnd(live, elapsedMs) {
    live.abort();
    let endedRun = run;
    try {
      endedRun = fromStored(await get(path, { signal: controller.signal }));
      endedRun.totals = run.totals ?? endedRun.totals;
      // Not stored (yet): the data from the events is at least as complete.
      if (endedRun.status === "cancelled" && textOf(endedRun) < textOf(run)) endedRun.stages = run.stages;
    } catch (problem) {
      if (controller.signal.aborted) return;
      toast(`The stored result could not be loaded: ${sentence(problem.message)}`, "failed");
    }
    finish(endedRun, true);
    keepPlace();
    const message = { completed: "The answer is ready.", cancelled: "Run stopped." }[endedRun.status] ?? "The run failed.";
    announce(message);
    if (endedRun.status !== "cancelled") import("./notify.js").then(({ notifyEnd }) => notifyEnd(turn.question, elapsedMs, message), () => {});
  }

  function finish(endedRun, hasRun = false) {
    run = endedRun;
    turn.status = endedRun.status;
    node.dataset.status = endedRun.status;
    result = Result(run, { ...page, turn, view: self });
    fill(body, result.node);
    updateLabel();
    page.settled(self, hasRun);
  }

  async function loadSources(signal) {
    try {
      run.sources = (await get(path, { signal })).sources ?? [];
    } catch {
      // The final result includes them in any case.
    }
  }

  async function sendCommand(command, content = {}, confirmation = "") {
    try {
      await post(`${path}/${command}`, content);
      if (confirmation) toast(confirmation);
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }

  function setPosition(turnNumber, last) {
    number = turnNumber;
    node.classList.toggle("last", last);
    updateLabel();
  }

  // The number distinguishes turns from one another.
  function updateLabel() {
    node.setAttribute("aria-label", `Turn ${number}`);
    body.querySelector(".trust")?.setAttribute("aria-label", `Evidence for turn ${number}`);
  }

  function remove() {
    controller.abort();
    node.remove();
  }
}

function textOf(run) {
  return run.stages.flatMap((stage) => stage.members).reduce((sum, member) => sum + member.text.length, 0);
}

// An empty frame of the board (board.js).
function BoardFrame() {
  const actions = [button("Finish now", { class: "secondary board-finish", disabled: true }), button("Stop", { class: "quiet board-stop", disabled: true }, icon("stop"), "Stop")];
  return el("div", { class: "live" },
    el("div", { class: "stage-strip board-frame" }, el("ol", { class: "stages" }), el("div", { class: "stage-end" }, el("span", { class: "run-spent" }), actions)),
    el("div", { class: "slot" }));
}
