// The states every page has besides the good one: loading, empty, failed.
import { button, el, icon } from "../dom.js";
import { sentence } from "../format.js";

/** Something is on its way. */
export function Loading(text) {
  return el("p", { class: "state loading", role: "status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), `${text}…`);
}

/** There is nothing yet, and what to do about it. */
export function Empty(title, text, ...actions) {
  return el("div", { class: "state empty" }, el("h2", null, title), el("p", null, text), actions);
}

/** The same where it is all there is on a page. */
export function EmptyPage(title, text, ...actions) {
  return el("div", { class: "state empty" }, el("h1", null, title), el("p", null, text), actions);
}

/** It did not work: what happened, what helps, and a way to try again. */
export function Failure(problem, retry) {
  return el(
    "div",
    { class: "state failure", role: "alert" },
    icon("warning"),
    el("div", null,
      el("p", { class: "failure-text" }, sentence(problem.message)),
      problem.resolution && el("p", null, sentence(problem.resolution)),
      problem.requestId && el("p", { class: "fine" }, "Request ", el("code", null, problem.requestId)),
      retry && button("Try again", { class: "secondary", on: { click: retry } })),
  );
}

/** The contract's alert beside a form or an action: says "Error: …". */
export function Alert(problem) {
  const words = [sentence(problem.message), sentence(problem.resolution)].filter(Boolean).join(" ");
  return el("p", { class: "error-alert", role: "alert" }, `Error: ${words}`);
}

/** A short hint that something in the form is missing. */
export function Missing(text, id) {
  return el("p", { class: "error-message", role: "alert", id }, text);
}
