// Copies text to the clipboard and confirms it.
import { button, icon } from "../dom.js";
import { toast } from "./toast.js";

/** A button that copies the result of `text(button)`. `label` describes what is copied. */
export function CopyButton(label, text) {
  return button(label, { class: "quiet icon-only copy-button", title: label, on: { click: ({ currentTarget }) => copy(text(currentTarget)) } }, icon("copy"));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS, browsers deny access to the clipboard API; the deprecated `execCommand` still works.
    if (!copyBySelection(text)) return toast("The browser did not allow copying.", "failed");
  }
  toast("Copied.");
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
