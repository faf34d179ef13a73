// A member's letter, and the facts and notes about its answer.
import { el } from "../dom.js";
import { cost, count, duration, plural, tokens } from "../format.js";

/** The class that sets a member's color; empty without a letter. */
export const tintOf = (letter) => (letter ? `tint-${(letter.charCodeAt(letter.length - 1) - 65) % 6}` : "");

/** The letter that identifies this member to the others. */
export function Letter(letter) {
  if (!letter) return null;
  return el("span", { class: `letter ${tintOf(letter)}`, title: `Member ${letter}` }, letter);
}

/** Like `Letter`, but drawn by the style sheet, so that it is not part of the surrounding button's accessible name. */
export function Mark(letter) {
  return el("span", { class: `letter mark ${tintOf(letter)}`, "aria-hidden": "true", data: { letter } });
}

/** Notes on how an answer was produced; empty if everything went as planned. */
export function remarksOf(member) {
  if (member.status !== "done") return "";
  return [
    member.insteadOf && `Fallback for ${member.insteadOf}, which failed.`,
    member.dropped.length > 0 && `Not supported by this model, so not sent: ${member.dropped.join(", ")}.`,
    member.finish === "length" && "Cut off at its token limit.",
  ].filter(Boolean).join(" ");
}

/** A member's tokens, cost, and time, on one line. */
export function factsOf(member) {
  if (member.status !== "done") return member.text ? plural(member.text.length, "character") : "";
  return [
    duration(member.latency),
    tokens(member.usage),
    member.cost === undefined ? "" : cost(member.cost, member.usage),
    member.cached && "from the cache",
    member.usage?.cached > 0 && `${count(member.usage.cached)} tokens read from the provider's cache`,
    member.tries > 1 && `tried ${member.tries} times`,
  ].filter(Boolean).join(" · ");
}
