// Short messages that disappear by themselves and are announced politely to screen readers.
import { el } from "../dom.js";

const DURATION_MS = 6000;

/** Shows a message and returns its element; `kind` is `done` or `failed`. The optional action is a link or button. */
export function toast(text, kind = "done", action = null) {
  const node = el("div", { class: `toast ${kind}`, role: kind === "failed" ? "alert" : "status" }, el("span", null, text), action);
  const stack = document.getElementById("toasts");
  stack.append(node);
  while (stack.children.length > 3) stack.firstChild.remove();
  setTimeout(() => node.remove(), DURATION_MS);
  return node;
}
