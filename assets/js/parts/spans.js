// Highlights spans in a text. The server counts UTF-8 bytes and the browser UTF-16 code units; this module
// converts between them.
import { el } from "../dom.js";

/** An excerpt around the first of these spans, each `[start, end]` in bytes, with all of them highlighted. */
export function snippet(text, places, length = 360) {
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder();
  const from = nextBoundary(bytes, Math.max(0, (places[0]?.[0] ?? 0) - length / 3));
  const to = nextBoundary(bytes, Math.min(bytes.length, from + length));
  const spans = places.filter(([start, end]) => start >= from && end <= to).map(([start, end]) => ({ start: start - from, end: end - from, kind: "" }));
  return [from > 0 && "… ", marked(decoder.decode(bytes.subarray(from, to)), spans), to < bytes.length && " …"];
}

// The next offset at a character boundary.
function nextBoundary(bytes, offset) {
  let place = Math.floor(offset);
  while (place < bytes.length && (bytes[place] & 0xc0) === 0x80) place += 1;
  return place;
}

/**
 * Returns nodes for a text with these spans highlighted: `{start, end, kind, title}` in bytes. If two overlap, the
 * first in the list is shown.
 */
export function marked(text, spans) {
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder();
  const chosen = [];
  for (const span of spans) {
    const isInRange = span.end > span.start && span.start < bytes.length;
    if (isInRange && !chosen.some((other) => span.start < other.end && other.start < span.end)) chosen.push(span);
  }
  chosen.sort((a, b) => a.start - b.start);
  const out = [];
  let offset = 0;
  for (const span of chosen) {
    out.push(decoder.decode(bytes.subarray(offset, span.start)));
    out.push(el("mark", { class: span.kind, title: span.title }, decoder.decode(bytes.subarray(span.start, span.end))));
    offset = Math.min(span.end, bytes.length);
  }
  out.push(decoder.decode(bytes.subarray(offset)));
  return out.filter((node) => node !== "");
}
