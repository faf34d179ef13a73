// The states every page has besides its content: loading, empty, and failed.
import { button, el, fill, icon } from "../dom.js";
import { sentence } from "../format.js";

/** A loading indicator. */
export function Loading(text) {
  return el("p", { class: "state loading", role: "status" }, el("span", { class: "loading-spinner", "aria-hidden": "true" }), `${text}…`);
}

/** Shows a loading indicator in `place` after a short delay; returns a function that removes it. */
export function Waiting(place, text) {
  const timer = setTimeout(() => fill(place, Loading(text)), 150);
  return () => {
    clearTimeout(timer);
    fill(place);
  };
}

/** An empty state, with a suggestion for what to do. */
export function Empty(title, text, ...actions) {
  return el("div", { class: "state empty" }, el("h2", null, title), el("p", null, text), actions);
}

/** An empty state that fills a page. */
export function EmptyPage(title, text, ...actions) {
  return el("div", { class: "state empty" }, el("h1", null, title), el("p", null, text), actions);
}

/** An error state: what happened, what to do, and a retry button. */
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

/** The alert next to a form or an action, as the contract defines it: "Error: …". */
export function Alert(problem) {
  return el("p", { class: "error-alert", role: "alert" }, `Error: ${wordsOf(problem).join(" ")}`);
}

/** A short hint that the form is incomplete. */
export function FormHint(text, id) {
  return el("p", { class: "error-message", role: "alert", id }, text);
}

// Resolutions meant for API clients, which do not help in a form.
const FOR_PROGRAMS = ["correct the request", "correct the fields named in detail"];

// The message and resolution to show. Browsers word a failed script load differently, and none of them helpfully.
function wordsOf({ message, resolution }) {
  const [cause, resolutionText] = /imported module|importing a module/i.test(message)
    ? ["part of this page could not be loaded", "press again to retry"] : [message, resolution];
  return [sentence(cause), !FOR_PROGRAMS.includes(resolutionText) && sentence(resolutionText)].filter(Boolean);
}
