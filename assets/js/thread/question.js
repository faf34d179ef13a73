// The question of a turn in its bubble, with its versions beside it. Editing it creates another version.
import { button, el, fill, icon } from "../dom.js";
import { Alert } from "../parts/states.js";

/** Returns `{node, versions(all, index), edit()}`. */
export function Question(turn, { version, edit }) {
  const branch = el("span", { class: "branch" });
  const editButton = button("Edit question", { class: "quiet icon-only turn-edit", title: "Edit question", on: { click: open } }, icon("pen"));
  const bubble = Bubble(turn.question);
  const node = el("header", { class: "ask" }, editButton, branch, bubble);
  return { node, versions, edit: open };

  function versions(all, index) {
    fill(branch, all.length > 1 && [
      button("Previous version", { class: "quiet icon-only", disabled: index === 0, on: { click: () => version(all[index - 1]) } }, icon("previous")),
      el("span", { class: "branch-place", "aria-label": `Version ${index + 1} of ${all.length}`, role: "img" }, `${index + 1}/${all.length}`),
      button("Next version", { class: "quiet icon-only", disabled: index === all.length - 1, on: { click: () => version(all[index + 1]) } }, icon("next")),
    ]);
  }

  function open() {
    const message = el("div", { class: "step-message" });
    const input = el("textarea", { class: "ask-input", rows: 3, value: turn.question, dir: "auto", maxLength: 50_000, "aria-label": "Question", on: { keydown: (event) => {
      if (event.key === "Escape") close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    } } });
    const sendButton = button("Send", { type: "submit", class: "primary" });
    const form = el("form", { class: "ask-form", on: { submit: async (event) => {
      event.preventDefault();
      const words = input.value.trim();
      if (!words) return input.focus();
      sendButton.disabled = true;
      const problem = await edit(turn, words);
      sendButton.disabled = false;
      if (!problem) return close(false);
      fill(message, Alert(problem));
    } } }, input, message, el("div", { class: "actions" }, el("span", { class: "fine" }, "The earlier version stays."), button("Cancel", { class: "quiet", on: { click: () => close() } }), sendButton));
    fill(node, form);
    input.focus();
    input.setSelectionRange(input.value.length, input.value.length);

    function close(restoreFocus = true) {
      node.replaceChildren(editButton, branch, bubble);
      if (restoreFocus) editButton.focus();
    }
  }
}

// The question, folded to a few lines, so that the answer begins near the top. The button that unfolds it appears
// only if the text is longer than that at the current width, and covers the end of the last visible line.
function Bubble(text) {
  const heading = el("h2", { class: "bubble-words folded" }, text);
  const more = button("Show more", { class: "link-button", hidden: true, "aria-expanded": "false", on: { click: () => {
    const folded = heading.classList.toggle("folded");
    more.textContent = folded ? "Show more" : "Show less";
    more.setAttribute("aria-label", more.textContent);
    more.setAttribute("aria-expanded", String(!folded));
  } } });
  new ResizeObserver(() => {
    if (heading.classList.contains("folded")) more.hidden = heading.scrollHeight <= heading.clientHeight + 1;
  }).observe(heading);
  return el("div", { class: "bubble", dir: "auto" }, heading, more);
}
