// A code block: scrolls horizontally, can be copied, and is highlighted once the highlighter is loaded.
import { el, fill } from "../dom.js";
import { CopyButton } from "../parts/copy.js";

// The highlighter, loaded on first use.
let highlighter = null;

/** Creates the block; `language` is the name used in the text, or an empty string. */
export function codeBlock(text, language) {
  const code = el("code", null, text);
  if (highlighter) fill(code, highlighter.highlighted(text, language));
  else if (language) load().then(() => fill(code, highlighter.highlighted(code.textContent, language)), () => {});
  return el("div", { class: "code-block" },
    el("pre", { tabindex: "0", role: "group", "aria-label": language ? `Code in ${language}` : "Code" }, code),
    // Read from the page, because streamed text is appended to the same block.
    CopyButton("Copy the code", (button) => button.parentElement.querySelector("code").textContent));
}

async function load() {
  highlighter = await import("../parts/highlight.js");
}
