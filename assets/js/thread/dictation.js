// Dictation through the browser's speech recognition, if available.
import { announce, button, icon } from "../dom.js";

const Recognition = globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition;

/** A dictation button; null if the browser has no speech recognition. `onPhrase(words)` is called for each phrase. */
export function Dictation(onPhrase) {
  if (!Recognition) return null;
  let activeRecognition = null;
  const node = button("Dictate", { class: "quiet icon-only dictate", title: "Dictate", "aria-pressed": "false", on: { click: toggle } }, icon("mic"));
  return node;

  function toggle() {
    if (activeRecognition) return activeRecognition.stop();
    const recognition = new Recognition();
    recognition.continuous = true;
    recognition.lang = navigator.language;
    recognition.onresult = (event) => {
      for (const result of [...event.results].slice(event.resultIndex)) if (result.isFinal) onPhrase(result[0].transcript.trim());
    };
    recognition.onend = () => {
      activeRecognition = null;
      node.setAttribute("aria-pressed", "false");
    };
    recognition.onerror = () => announce("Dictation is not available.");
    activeRecognition = recognition;
    node.setAttribute("aria-pressed", "true");
    try {
      recognition.start();
    } catch {
      recognition.onend();
    }
  }
}
