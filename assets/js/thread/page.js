// The thread page: its bar, its turns, and the composer below. Tracks which branch is shown; each turn draws
// itself.
import { post } from "../api.js";
import { announce, el, fill, keepPlace } from "../dom.js";
import { sentence } from "../format.js";
import { toast } from "../parts/toast.js";
import { refresh } from "../shell/threads.js";
import { clearDraft } from "../workbench/draft.js";
import { remember } from "../state.js";
import { ThreadBar } from "./bar.js";
import { Composer } from "./composer.js";
import { listenForKeys } from "./keys.js";
import { TurnView } from "./turn.js";
import { newest, newestBelow, pathTo, versionsOf } from "./tree.js";

/** The page's element. */
export function ThreadPage(data, context) {
  let thread = data.thread;
  let views = [];
  const bar = ThreadBar({ data, context, thread: () => thread, last: () => views.at(-1), renamed: onRenamed });
  const turns = el("div", { class: "turns" });
  const turnContext = { data, context, version: showVersion, edit, regenerate, proceed: continueStopped, send, begun: addTurn, settled: onTurnEnd, tabbed: onTabChange, composer: () => composer };
  const composer = Composer({ data, context, send, last: () => views.at(-1) });
  const dock = el("div", { class: "dock" }, el("div", { class: "thread-wide" }, composer.node));
  const greeting = el("div", { class: "hello" });
  const page = el("div", { class: "thread-page" }, bar.node, greeting, turns, dock);
  if (thread) {
    show(data.leaf);
    scrollToTarget();
  } else showGreeting();
  listenForKeys({ signal: context.signal, views: () => views, composer });
  return page;

  // Shows a new question: the composer in the middle, with examples below.
  function showGreeting() {
    page.classList.add("new");
    fill(greeting,
      el("h1", null, "Ask a panel of models"),
      el("p", null, "Several models answer on their own and review each other. One writes the answer, with every quote checked."));
    import("./examples.js").then(({ Examples, Setup }) => page.classList.contains("new") && page.append(Examples({ choose: composer.take }), Setup(data.models)), () => {});
    // The router inserts the page and focuses its start after this function returns.
    requestAnimationFrame(() => context.signal.aborted || composer.focus());
  }

  // A conversation opens at its last turn, or at the one in the address, after the router has inserted the page.
  function scrollToTarget() {
    const target = views.find((view) => view.turn.analysis_id === data.target);
    requestAnimationFrame(() => !context.signal.aborted && views.length > 1 && target?.node.scrollIntoView({ block: "start" }));
  }

  function updateTitle() {
    document.title = `${thread.title} · Quire`;
    bar.draw();
  }

  function onRenamed() {
    updateTitle();
    refresh();
  }

  // Shows the branch that ends with this turn. Turns that are already shown are not redrawn.
  function show(leaf, { fresh = false } = {}) {
    page.classList.remove("new");
    greeting.remove();
    for (const node of page.querySelectorAll(".examples, .setup-hint")) node.remove();
    const path = pathTo(thread.turns, leaf);
    const previousViews = new Map(views.map((view) => [view.turn.analysis_id, view]));
    views = path.map((turn, place) => {
      const versions = versionsOf(thread.turns, turn);
      const { stored, tab, sought } = turn.analysis_id === data.target ? data : { stored: null, tab: "", sought: null };
      const view = previousViews.get(turn.analysis_id) ?? TurnView(turn, { ...turnContext, stored, tab, sought, fresh: fresh && place === path.length - 1 });
      previousViews.delete(turn.analysis_id);
      view.versions(versions, versions.indexOf(turn));
      view.place(place + 1, place === path.length - 1);
      return view;
    });
    for (const gone of previousViews.values()) gone.leave();
    // Move only the nodes that changed, so that a running turn keeps its focus and scroll positions.
    const nodes = views.map((view) => view.node);
    for (const child of [...turns.children]) if (!nodes.includes(child)) child.remove();
    nodes.forEach((node, place) => turns.children[place] !== node && turns.insertBefore(node, turns.children[place] ?? null));
    updateTitle();
    composer.follow(views.at(-1), views.map((view) => view.turn));
    if (fresh) views.at(-1).node.scrollIntoView({ block: "start" });
  }

  // Starts a turn; returns a problem for the composer to show, if any.
  async function send(body, question = body.prompt) {
    try {
      const started = await post("/api/analyze", { ...body, async: true }, { signal: context.signal });
      addTurn(started, body, question);
      return null;
    } catch (problem) {
      if (context.signal.aborted) return null;
      return problem;
    }
  }

  // Shows another version of a turn, with the turns that followed it.
  function showVersion(turn) {
    const leaf = newestBelow(thread.turns, turn.analysis_id);
    show(leaf);
    context.note(addressOf(leaf));
    views.find((view) => view.turn === turn)?.node.querySelector(".branch button:not(:disabled)")?.focus();
  }

  function edit(turn, prompt) {
    return send({ prompt, edit_of: turn.analysis_id });
  }

  async function regenerate(turn) {
    const problem = await send({ prompt: turn.question, edit_of: turn.analysis_id, cache: "refresh" });
    if (problem) toast(sentence(problem.message), "failed");
  }

  // Continues a stopped run: resumes its text, or has the answer written from the drafts.
  async function continueStopped(turn, field) {
    const problem = await send({ [field]: turn.analysis_id }, turn.question);
    if (problem) toast(sentence(problem.message), "failed");
  }

  // Called when a run is over.
  function onTurnEnd(view, hasRun) {
    bar.draw();
    if (view === views.at(-1)) composer.follow(view, views.map((each) => each.turn));
    if (hasRun) refresh();
  }

  // Keeps the selected tab in the URL.
  function onTabChange(view, tab) {
    const turnId = view.turn.analysis_id;
    context.note(addressOf(turnId, tab));
  }

  function addressOf(leaf, tab = "") {
    const query = new URLSearchParams({ ...(leaf === newest(thread.turns) ? {} : { turn: leaf }), ...(tab ? { tab } : {}) }).toString();
    return `/t/${encodeURIComponent(thread.thread_id)}${query ? `?${query}` : ""}`;
  }

  function addTurn(started, body, question) {
    const sibling = body.edit_of ?? body.continue_of ?? body.write_from;
    const siblingTurn = sibling && thread?.turns.find((turn) => turn.analysis_id === sibling);
    const turn = {
      analysis_id: started.analysis_id, parent: sibling ? siblingTurn?.parent ?? null : body.follow_up_to ?? null, question,
      status: "running", answer: null, models: body.models ?? siblingTurn?.models ?? views.at(-1)?.turn.models ?? [], pattern: body.pattern ?? "", created_at: new Date().toISOString(),
    };
    thread ??= { thread_id: started.thread_id, title: question.replace(/\s+/g, " ").slice(0, 120), turns: [] };
    thread.turns.push(turn);
    if (body.models) remember("panel", body.models);
    clearDraft();
    context.note(`/t/${encodeURIComponent(thread.thread_id)}`);
    show(turn.analysis_id, { fresh: true });
    announce("The run has started.");
    keepPlace();
    refresh();
  }
}
