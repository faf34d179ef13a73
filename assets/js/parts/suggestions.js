// Patterns suggested for a question, each with a reason, from the server's heuristics on wording and form. Shown
// only if there is a suggestion; the user decides.
import { get } from "../api.js";
import { announce, button, el, fill } from "../dom.js";

// Number of characters of the question that are sent: URL length is limited, and the beginning is enough.
const MAX_SENT = 1500;
// Score below which a suggestion would be a guess.
const MIN_SCORE = 0.25;

/** Returns `{node}`; `onChoose(id)` is called when a suggestion is accepted. */
export function Suggestions({ prompt, signal, onChoose }) {
  const node = el("div", { class: "pattern-suggestions" });
  load();

  async function load() {
    let suggestions;
    try {
      suggestions = (await get("/api/patterns/suggest", { query: { prompt: prompt.slice(0, MAX_SENT) }, signal })).suggestions;
    } catch {
      // A failed request for suggestions is not reported.
      return;
    }
    const shown = suggestions.filter((each) => each.score >= MIN_SCORE).slice(0, 3);
    if (shown.length === 0) return;
    fill(node,
      el("p", { class: "fine" }, "These may suit your question:"),
      el("ul", null, shown.map((each) => el("li", null,
        button(each.name, { class: "secondary", "aria-label": `Choose the pattern ${each.name}`, on: { click: () => {
          onChoose(each.id);
          announce(`${each.name} selected.`);
        } } }),
        el("span", { class: "fine" }, ` ${each.reason.split(": ")[0]}`)))));
  }
  return { node };
}
