// The question's text field.
import { el, uid } from "../dom.js";
import { count } from "../format.js";

const MAX_LENGTH = 50_000;

/** Returns `{node, input}`; `onInput(text)` is called on every change, `onSubmit` on Ctrl+Enter; `hint` is shown below. */
export function PromptInput({ text, onInput, onSubmit, hint: hintText }) {
  const label = uid("prompt");
  const hint = uid("prompt-hint");
  const length = el("span", { class: "fine" });
  const input = el("textarea", {
    class: "prompt-input", rows: 8, maxLength: MAX_LENGTH, value: text, dir: "auto", spellcheck: true,
    "aria-labelledby": label, "aria-describedby": hint,
    placeholder: "For example: Which obligations does this contract put on us, and until when?",
    on: {
      input: () => {
        onInput(input.value);
        updateLength();
      },
      keydown: (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          onSubmit();
        }
      },
    },
  });
  updateLength();
  function updateLength() {
    length.textContent = input.value ? `${count(input.value.length)} of ${count(MAX_LENGTH)} characters` : "";
  }
  const node = el("div", { class: "field prompt-field", data: { component: "PromptInput" } },
    el("label", { id: label, for: (input.id = uid("prompt-text")) }, "Your question"),
    input,
    el("p", { class: "hint", id: hint }, `Say what you want to know and what the answer is for. ${hintText} `, length));
  return { node, input };
}
