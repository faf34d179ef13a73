// The states every page has besides the good one: loading, empty, failed.
import { button, el, fill, icon } from "../dom.js";
import { sentence } from "../format.js";

/** Something is on its way. */
export function Loading(text) {
  return el("p", { class: "state loading", role: "status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), `${text}…`);
}

/** Says so in `place` unless it is there within a blink; gives what ends it. */
export function Waiting(place, text) {
  const patience = setTimeout(() => fill(place, Loading(text)), 150);
  return () => {
    clearTimeout(patience);
    fill(place);
  };
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
      wordsOf(problem).map((words, place) => el("p", place === 0 && { class: "failure-text" }, words)),
      problem.requestId && el("p", { class: "fine" }, "Request ", el("code", null, problem.requestId)),
      retry && button("Try again", { class: "secondary", on: { click: retry } })),
  );
}

/** The contract's alert beside a form or an action: says "Error: …". */
export function Alert(problem) {
  return el("p", { class: "error-alert", role: "alert" }, `Error: ${wordsOf(problem).join(" ")}`);
}

/** A short hint that something in the form is missing. */
export function Missing(text, id) {
  return el("p", { class: "error-message", role: "alert", id }, text);
}

// Resolutions for programs, which tell a person at a form nothing.
const FOR_PROGRAMS = ["correct the request", "correct the fields named in detail"];

// What happened and what helps. Each browser has its own words for a script that does not come, none for people.
function wordsOf({ message, resolution }) {
  const [what, help] = /imported module|importing a module/i.test(message)
    ? ["part of this page could not be loaded", "press again to retry"] : [message, resolution];
  return [sentence(what), !FOR_PROGRAMS.includes(help) && sentence(help)].filter(Boolean);
}
