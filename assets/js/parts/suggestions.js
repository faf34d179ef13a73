// Patterns suggested for a question, each with its reason: the server's heuristics on words and form. Shown only
// if there is one; the user chooses.
import { get } from "../api.js";
import { announce, button, el, fill } from "../dom.js";

// Characters of the question that are sent: the URL is limited, and the beginning suffices.
const READ = 1500;
// Score below which a suggestion would be a guess.
const BAR = 0.25;

/** `{node}`; `onChoose(id)` when a suggestion is taken. */
export function Suggestions({ prompt, signal, onChoose }) {
  const node = el("div", { class: "pattern-suggestions" });
  load();

  async function load() {
    let found;
    try {
      found = (await get("/api/patterns/suggest", { query: { prompt: prompt.slice(0, READ) }, signal })).suggestions;
    } catch {
      // A failed suggestion is not reported.
      return;
    }
    const fitting = found.filter((each) => each.score >= BAR).slice(0, 3);
    if (fitting.length === 0) return;
    fill(node,
      el("p", { class: "fine" }, "These may suit your question:"),
      el("ul", null, fitting.map((each) => el("li", null,
        button(each.name, { class: "secondary", "aria-label": `Choose the pattern ${each.name}`, on: { click: () => {
          onChoose(each.id);
          announce(`${each.name} is chosen.`);
        } } }),
        el("span", { class: "fine" }, ` ${each.reason.split(": ")[0]}`)))));
  }
  return { node };
}
