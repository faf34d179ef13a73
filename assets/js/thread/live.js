// A running turn: follows its events and draws the board. Loaded when there is a run to watch.
import { follow } from "../events.js";
import { apply } from "../parts/run-events.js";
import { isOver } from "../parts/run-model.js";
import { Board } from "./board.js";

/**
 * Follows `run` until it ends or `signal` is aborted, and returns the board's element. `ask(command, body, confirmation)`
 * sends a command; `learn()` is called when the run has started, `over()` when it has ended, and `gone(problem)` if its
 * events cannot be read.
 */
export function watchRun(run, { models, began, signal, ask: sendCommand, learn: onStarted, over: onEnd, gone: onGone }) {
  const board = Board(run, {
    models, began, signal, onStop: () => sendCommand("cancel"),
    onFinish: () => sendCommand("synthesize", {}, "Writing the answer from the finished texts."),
    onSkip: (member) => sendCommand("leave-out", { model: member.model }),
  });
  follow(run.id, {
    signal,
    onEvent(name, data) {
      const member = apply(run, name, data);
      if (name === "analysis.started") onStarted();
      if (isOver(run)) onEnd();
      else board.changed(member);
    },
    onLine: board.line,
    onGone: onGone,
  });
  return board.node;
}
