// Feedback on whether an answer helped. Counted by topic in the settings; visible only to the user.
import { post } from "../api.js";
import { announce, button, el } from "../dom.js";
import { sentence } from "../format.js";
import { toast } from "./toast.js";

const CHOICES = [["helpful", "Yes"], ["not_helpful", "No"]];

/** The question below an answer; an earlier response is shown and can be changed. */
export function Helpful(run) {
  const buttons = CHOICES.map(([choice, label]) => button(label, {
    class: "secondary", "aria-label": `${label}: this answer ${choice === "helpful" ? "helped" : "did not help"}`, "aria-pressed": String(run.vote === choice),
    on: { click: () => castVote(choice) },
  }));
  return el("div", { class: "helpful", role: "group", "aria-label": "Did this answer help?" }, el("span", null, "Did this answer help?"), buttons);

  async function castVote(choice) {
    try {
      await post(`/api/analyses/${encodeURIComponent(run.id)}/vote`, { choice });
      run.vote = choice;
      buttons.forEach((node, place) => node.setAttribute("aria-pressed", String(CHOICES[place][0] === choice)));
      announce("Saved.");
    } catch (problem) {
      toast(sentence(problem.message), "failed");
    }
  }
}
