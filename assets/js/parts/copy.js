// Copies a text and confirms it.
import { button, icon } from "../dom.js";
import { toast } from "./toast.js";

/** A button that copies the result of `text(button)`. `label` names what is copied. */
export function CopyButton(label, text) {
  return button(label, { class: "quiet icon-only copy-button", title: label, on: { click: ({ currentTarget }) => copy(text(currentTarget)) } }, icon("copy"));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS, browsers deny access to the clipboard; the deprecated way still works.
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
