// The vote counts and what decided the vote.
import { el } from "../dom.js";
import { count, money, plural, sentence } from "../format.js";

/** Table of a result's votes, with how the winner was decided. */
export function Ballot({ choices, sentence: explanation, unread, not_asked: notCalled, saved }) {
  const head = ["Answer", "Votes", "Members"];
  const row = ({ choice, votes, letters }) => el("tr", null,
    el("th", { scope: "row" }, choice),
    el("td", null, count(votes)),
    el("td", null, letters.join(", ")));
  return el("section", { class: "ballot", "aria-label": "Votes" },
    el("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": "Votes by answer" },
      el("table", null,
        el("thead", null, el("tr", null, head.map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", null, choices.map(row)))),
    el("p", { class: "fine" }, sentence(explanation)),
    unread.length > 0 && el("p", { class: "fine" }, `Not counted because no single answer could be read: ${unread.join(", ")}.`),
    saved && el("p", { class: "fine" }, `Not called because they could not change the result: ${notCalled.join(", ")}. Saved ${plural(saved.calls, "call")}${saved.cost_usd > 0 ? `, about ${money(saved.cost_usd)}` : ""}.`),
    el("p", { class: "fine" }, "A majority is a count, not a proof."));
}
