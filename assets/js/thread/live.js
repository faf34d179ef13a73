// A running turn: follows its events and draws the board. Loaded when there is a run to watch.
import { follow } from "../events.js";
import { apply } from "../parts/run-events.js";
import { isOver } from "../parts/run-model.js";
import { Board } from "./board.js";

/**
 * Watches `run` until it is over or `signal` is aborted, and gives the board's element. `ask(what, body, done)` sends a
 * command; `learn()` is called once the run has started, `over()` once it is over, `gone(problem)` if its events cannot be
 * read.
 */
export function watchRun(run, { models, began, signal, ask, learn, over, gone }) {
  const board = Board(run, {
    models, began, signal, onStop: () => ask("cancel"),
    onFinish: () => ask("synthesize", {}, "Writing the answer from what is ready."),
    onSkip: (member) => ask("leave-out", { model: member.model }),
  });
  follow(run.id, {
    signal,
    onEvent(name, told) {
      const member = apply(run, name, told);
      if (name === "analysis.started") learn();
      if (isOver(run)) over();
      else board.changed(member);
    },
    onLine: board.line,
    onGone: gone,
  });
  return board.node;
}
