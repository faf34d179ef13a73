// Announces streamed text to screen readers: in whole sentences, politely, and at a pace that can be followed.
import { announce } from "../dom.js";

const PAUSE_MS = 5_000;
const MAX_LENGTH = 600;
const SENTENCE_END = /[.!?。！？][)"'”’\]]*\s/g;

/** Called with the full text each time it grows. */
export function Speaker(now = Date.now) {
  let announcedLength = 0;
  let announcedAt = 0;
  return {
    hear(text) {
      if (text.length < announcedLength) announcedLength = 0;
      if (now() - announcedAt < PAUSE_MS) return;
      const end = lastSentenceEnd(text, announcedLength);
      if (end <= announcedLength) return;
      announce(text.slice(Math.max(announcedLength, end - MAX_LENGTH), end).replace(/[*_#`>|]+/g, " ").replace(/\s+/g, " ").trim());
      announcedLength = end;
      announcedAt = now();
    },
  };
}

function lastSentenceEnd(text, from) {
  let end = from;
  SENTENCE_END.lastIndex = from;
  for (let found = SENTENCE_END.exec(text); found; found = SENTENCE_END.exec(text)) end = SENTENCE_END.lastIndex;
  return end;
}
