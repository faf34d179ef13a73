// Three example questions; each says what it demonstrates and starts a run. The first brings its document, because
// citations need one.
import { button, el, icon } from "../dom.js";

const EXAMPLES = [
  ["document", "Read a contract", "How long does it run, how can it be ended, and what limits the liability?", "", "Sample contract, 3 pages", sample],
  ["flow", "Weigh a decision", "Should a 12-person team move 40 GB of events from PostgreSQL to a column store?", "critique", "Critique"],
  ["search", "Check a claim", "Is cold storage really cheaper than standard storage once retrievals are counted?", "fact_check", "Fact check"],
];

/** The examples; `choose({question, pattern, file})` is called when one is clicked; `file()` resolves to its document. */
export function Examples({ choose }) {
  return el("section", { class: "examples", "aria-labelledby": "examples-title" },
    el("h2", { id: "examples-title" }, "Examples"),
    el("ul", null, EXAMPLES.map(([sign, title, question, pattern, name, file]) => el("li", null,
      button(`${title} ${question} ${name}`, { class: "example", on: { click: () => choose({ question, pattern, file }) } },
        icon(sign), el("strong", null, title), " ", el("span", { class: "example-question" }, question), " ", el("span", { class: "fine" }, name))))));
}

async function sample() {
  const answer = await fetch(new URL("../../samples/contract.txt", import.meta.url));
  return new File([await answer.blob()], "sample-contract.txt", { type: "text/plain" });
}
