// A block of code: scrolls sideways, can be copied, and is highlighted as soon as the highlighter is loaded.
import { el, fill } from "../dom.js";
import { CopyButton } from "../parts/copy.js";

// The highlighter, loaded on first use.
let painter = null;

/** The block; `language` as the text names it, or an empty string. */
export function codeBlock(text, language) {
  const shown = el("code", null, text);
  if (painter) fill(shown, painter.highlighted(text, language));
  else if (language) load().then(() => fill(shown, painter.highlighted(shown.textContent, language)), () => {});
  return el("div", { class: "code-block" },
    el("pre", { tabindex: "0", role: "group", "aria-label": language ? `Code in ${language}` : "Code" }, shown),
    // Read from the page, because streamed text continues in the same block.
    CopyButton("Copy the code", (button) => button.parentElement.querySelector("code").textContent));
}

async function load() {
  painter = await import("../parts/highlight.js");
}
