// Word-level differences between two texts (jsdiff). Pure: creates no elements. Bounded: above a maximum number of
// edits, the whole text counts as changed.
import { diffArrays } from "../../vendor/diff.js";

// Maximum number of added and removed words; beyond it, two texts count as entirely different.
const MAX_EDITS = 1200;
// Similarity above which one text counts as a revision of the other.
const SIMILARITY_THRESHOLD = 0.5;

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** Returns pieces `{kind, text}` in order, where kind is `same`, `gone` (only in the first text), or `new` (only in the second). */
export function diff(before, after) {
  const [left, right] = [units(before), units(after)];
  const runs = compare(left, right) ?? [{ kind: "gone", from: 0, to: left.length }, { kind: "new", from: 0, to: right.length }];
  return runs.map(({ kind, from, to }) => ({ kind, text: (kind === "gone" ? left : right).slice(from, to).join("") }));
}

/**
 * Returns runs `{kind, from, to}` of two lists of units, in order: indices in the first list for `gone`, in the second
 * for `new` and `same`. Null if they differ in too many places.
 */
export function compare(left, right) {
  const changes = diffArrays(left, right, { comparator: (one, other) => one.trim() === other.trim(), maxEditLength: MAX_EDITS });
  if (!changes) return null;
  const out = [];
  let [a, b] = [0, 0];
  for (const { same = 0, gone = 0, new: fresh = 0 } of mergeChanges(changes)) {
    pushRun(out, "gone", a, gone);
    pushRun(out, "same", b, same);
    pushRun(out, "new", b, fresh);
    a += gone + same;
    b += fresh + same;
  }
  return out;
}

/** Counts the words in both texts and in only one. Texts that differ in too many places are compared as unordered sets of words. */
export function tally(before, after) {
  const [left, right] = [units(before), units(after)];
  const sum = { same: 0, gone: 0, new: 0 };
  const runs = compare(left, right);
  if (!runs) return unordered(left.filter(isWord), right.filter(isWord));
  for (const { kind, from, to } of runs) sum[kind] += (kind === "gone" ? left : right).slice(from, to).filter(isWord).length;
  return sum;
}

function unordered(left, right) {
  const counts = new Map();
  for (const word of left) counts.set(word.trim(), (counts.get(word.trim()) ?? 0) + 1);
  let same = 0;
  for (const word of right) {
    const count = counts.get(word.trim()) ?? 0;
    if (count > 0) same += 1;
    counts.set(word.trim(), count - 1);
  }
  return { same, gone: left.length - same, new: right.length - same };
}

/** The similarity of two texts, from 0 to 1. */
export function similarity({ same, gone, new: fresh }) {
  return same + gone + fresh > 0 ? (2 * same) / (2 * same + gone + fresh) : 1;
}

/** Whether the texts are similar enough for inline marks to stay readable. */
export function isSimilar(sum) {
  return similarity(sum) > SIMILARITY_THRESHOLD;
}

// Whether a unit is a word or a number rather than punctuation.
function isWord(unit) {
  return /[\p{L}\p{N}]/u.test(unit);
}

/** Splits text into words (with trailing whitespace) and punctuation; joined, the units give the text again. */
export function units(text) {
  const out = [];
  const pieces = segmenter ? Array.from(segmenter.segment(text), (each) => each.segment) : text.match(/\s+|[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu) ?? [];
  for (const piece of pieces) {
    if (piece.trim() === "" && out.length > 0) out[out.length - 1] += piece;
    else out.push(piece);
  }
  return out;
}

function pushRun(out, kind, from, length) {
  if (length > 0) out.push({ kind, from, to: from + length });
}

// Represents changes as lengths. A single short unchanged word between two changes is merged into them, which is
// easier to read.
function mergeChanges(changes) {
  const out = [];
  changes.forEach((part, place) => {
    const { count, added, removed } = part;
    const isSame = !added && !removed;
    const isIsland = isSame && count === 1 && place > 0 && place < changes.length - 1 && part.value[0].trim().length < 5;
    if (isSame && !isIsland) out.push({ same: count });
    else {
      if (!out.length || out.at(-1).same) out.push({ gone: 0, new: 0 });
      if (!added) out.at(-1).gone += count;
      if (!removed) out.at(-1).new += count;
    }
  });
  return out;
}
