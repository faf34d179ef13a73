// Announces streamed text to screen readers: in whole sentences, politely, and at a pace that can be followed.
import { announce } from "../dom.js";

const PAUSE_MS = 5_000;
const MAX_LENGTH = 600;
const END = /[.!?。！？][)"'”’\]]*\s/g;

/** Called with the full text each time it grows. */
export function Speaker(now = Date.now) {
  let said = 0;
  let last = 0;
  return {
    hear(text) {
      if (text.length < said) said = 0;
      if (now() - last < PAUSE_MS) return;
      const end = lastEnd(text, said);
      if (end <= said) return;
      announce(text.slice(Math.max(said, end - MAX_LENGTH), end).replace(/[*_#`>|]+/g, " ").replace(/\s+/g, " ").trim());
      said = end;
      last = now();
    },
  };
}

function lastEnd(text, from) {
  let end = from;
  END.lastIndex = from;
  for (let found = END.exec(text); found; found = END.exec(text)) end = END.lastIndex;
  return end;
}
