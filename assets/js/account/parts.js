// Building blocks of the account and administration sections.
import { button, el, fill } from "../dom.js";
import { Alert } from "../parts/states.js";

/** A section with a heading. */
export function section(title, lead, ...content) {
  return el("section", { class: "card", "aria-label": title }, el("h2", null, title), lead && el("p", null, lead), content);
}

/** A form that shows errors. `submit` may throw. */
export function form(fields, label, submit, className = "secondary") {
  const message = el("div", { class: "step-message" });
  const send = button(label, { type: "submit", class: className });
  const node = el("form", { on: { submit: async (event) => {
    event.preventDefault();
    fill(message);
    send.disabled = true;
    try {
      await submit(node);
    } catch (problem) {
      fill(message, Alert(problem));
    } finally {
      send.disabled = false;
    }
  } } }, fields.map((field) => field.node ?? field), message, send);
  return node;
}
