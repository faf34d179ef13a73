// Three example questions; each says what it demonstrates and starts a run. The first brings its document, because
// citations need one.
import { get } from "../api.js";
import { button, el, icon, link } from "../dom.js";
import { user } from "../state.js";

const EXAMPLES = [
  ["document", "Read a contract", "How long does it run, how can it be ended, and what limits the liability?", "", "Sample contract, 3 pages", attachSample],
  ["flow", "Weigh a decision", "Should a 12-person team move 40 GB of events from PostgreSQL to a column store?", "critique", "Critique"],
  ["search", "Check a claim", "Is cold storage really cheaper than standard storage once retrievals are counted?", "fact_check", "Fact check"],
];

/** The examples; `choose({question, pattern, bring})` is called when one is clicked; `bring` attaches its document. */
export function Examples({ choose }) {
  return el("section", { class: "examples", "aria-labelledby": "examples-title" },
    el("h2", { id: "examples-title" }, "Examples"),
    el("ul", null, EXAMPLES.map(([iconName, title, question, pattern, name, bring]) => el("li", null,
      button(`${title} ${question} ${name}`, { class: "example", on: { click: () => choose({ question, pattern, bring }) } },
        icon(iconName), el("strong", null, title), " ", el("span", { class: "example-question" }, question), " ", el("span", { class: "fine" }, name))))));
}

// Uploads the document, unless it has already been uploaded.
async function attachSample({ add, attached, signal }) {
  const [response, { documents }] = await Promise.all([
    fetch(new URL("../../samples/contract.txt", import.meta.url), { signal }), get("/api/documents", { query: { limit: 200 }, signal }),
  ]);
  const name = "sample-contract.txt";
  const existing = documents.find((each) => each.filename === name && each.status === "processed");
  if (existing) attached(existing);
  else await add([new File([await response.blob()], name, { type: "text/plain" })]);
}

/** A hint on how to connect models, shown as long as there are only demo algorithms. Guests cannot connect any. */
export function Setup(models) {
  const account = user.get();
  if (account?.role === "guest" || models.some((model) => model.available && !model.mock)) return "";
  const isAdmin = account?.role === "admin";
  return el("p", { class: "fine setup-hint" }, "Only demo algorithms are available so far. ",
    link(isAdmin ? "/welcome" : "/settings?add=provider", isAdmin ? "Set up this server" : "Add a provider"));
}
