// Dictation through the browser's speech recognition, if available.
import { announce, button, icon } from "../dom.js";

const Recognition = globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition;

/** A dictation button; null if the browser has no speech recognition. `heard(words)` is called for each phrase. */
export function Dictation(heard) {
  if (!Recognition) return null;
  let listening = null;
  const node = button("Dictate", { class: "quiet icon-only dictate", title: "Dictate", "aria-pressed": "false", on: { click: toggle } }, icon("mic"));
  return node;

  function toggle() {
    if (listening) return listening.stop();
    const speech = new Recognition();
    speech.continuous = true;
    speech.lang = navigator.language;
    speech.onresult = (event) => {
      for (const result of [...event.results].slice(event.resultIndex)) if (result.isFinal) heard(result[0].transcript.trim());
    };
    speech.onend = () => {
      listening = null;
      node.setAttribute("aria-pressed", "false");
    };
    speech.onerror = () => announce("Dictation is not available.");
    listening = speech;
    node.setAttribute("aria-pressed", "true");
    try {
      speech.start();
    } catch {
      speech.onend();
    }
  }
}
