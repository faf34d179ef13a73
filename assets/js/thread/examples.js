// Three example questions; each says what it demonstrates and starts a run.
import { button, el, icon } from "../dom.js";

const EXAMPLES = [
  ["flow", "Weigh a decision", "Should a 12-person team move 40 GB of events from PostgreSQL to a column store?", "critique", "Critique"],
  ["search", "Check a claim", "Is cold storage really cheaper than standard storage once retrievals are counted?", "fact_check", "Fact check"],
  ["models", "See both sides", "What are the arguments for and against a four-day week in customer support?", "perspective", "Perspectives"],
];

/** The examples; `choose({question, pattern})` is called when one is clicked. */
export function Examples({ choose }) {
  return el("section", { class: "examples", "aria-labelledby": "examples-title" },
    el("h2", { id: "examples-title" }, "Examples"),
    el("ul", null, EXAMPLES.map(([iconName, title, question, pattern, name]) => el("li", null,
      button(`${title} ${question} ${name}`, { class: "example", on: { click: () => choose({ question, pattern }) } },
        icon(iconName), el("strong", null, title), " ", el("span", { class: "example-question" }, question), " ", el("span", { class: "fine" }, name))))));
}
