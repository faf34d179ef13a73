// Reads an answer aloud with the browser's speech synthesis, if available.
import { button, icon } from "../dom.js";

/** A button that starts and stops reading `text()` aloud; null if no voice is available. Reading ends with `signal`. */
export function ReadAloud(text, signal) {
  if (!("speechSynthesis" in window)) return null;
  const voice = window.speechSynthesis;
  const node = button("Read aloud", { class: "quiet icon-only", title: "Read aloud", "aria-pressed": "false", on: { click: toggle } }, icon("sound"));
  let isReading = false;
  const stop = () => isReading && voice.cancel();
  signal.addEventListener("abort", stop, { once: true });
  addEventListener("pagehide", stop, { signal });
  return node;

  function toggle() {
    if (isReading) return voice.cancel();
    voice.cancel();
    const speech = new SpeechSynthesisUtterance(plain(text()));
    const pressed = (on) => {
      isReading = on;
      node.setAttribute("aria-pressed", String(on));
    };
    speech.onend = () => pressed(false);
    speech.onerror = () => pressed(false);
    pressed(true);
    voice.speak(speech);
  }
}

// Markdown syntax and citation marks are not read aloud.
function plain(text) {
  return text.replace(/\[(?:D\s?\d+[^\]]*|\d+)\]/g, "").replace(/\((?:[A-Z]\d*(?:,\s*)?)+\)/g, "").replace(/[*_#`>|]+/g, " ").replace(/\s+/g, " ").trim();
}
