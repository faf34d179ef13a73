// Splits text into words with their positions, and locates words in a text. Pure: creates no elements.

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;
const WORD = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*/gu;
// Citation marks and member letters do not count as words.
const MARKS = /\[[^\]\n]{1,80}\]|\((?:[A-Z]\d*(?:,\s*)?)+\)/g;
// Minimum overlap at which two sentences count as the same statement; measured against the shorter sentence, and
// against the words searched for.
const ALIKE = 0.5;
const SOUGHT = 0.35;

/** All words with their positions, also in scripts that do not separate words with spaces. */
export function words(text) {
  if (!segmenter) return [...text.matchAll(WORD)].map((found) => ({ word: found[0].toLowerCase(), start: found.index, end: found.index + found[0].length }));
  const out = [];
  for (const { segment, index, isWordLike } of segmenter.segment(text)) {
    if (isWordLike) out.push({ word: segment.toLowerCase(), start: index, end: index + segment.length });
  }
  return out;
}

/** Locates words in a text and returns `{start, end, score}`: a verbatim match (score 1) or the most similar sentence. */
export function locate(text, said) {
  const wanted = words(said.replace(MARKS, " ")).map((each) => each.word);
  if (wanted.length === 0) return null;
  const there = words(text);
  const exact = sequence(there, wanted);
  if (exact) return { ...exact, score: 1 };
  const set = new Set(wanted);
  const all = weight(set);
  let best = null;
  for (const { start, end } of sentences(text)) {
    const own = new Set(there.filter((each) => each.start >= start && each.end <= end).map((each) => each.word));
    const both = weight([...own].filter((word) => set.has(word)));
    const score = (2 * both) / (weight(own) + all);
    const alike = both >= ALIKE * Math.min(weight(own), all) && both >= SOUGHT * all;
    if (alike && score > (best?.score ?? 0)) best = { start, end, score };
  }
  return best;
}

// Numbers are more distinctive than long words, and long words more than short ones.
function weight(all) {
  let sum = 0;
  for (const word of all) sum += /\p{N}/u.test(word) ? 3 : word.length > 3 ? 1.5 : 0.5;
  return sum;
}

function sequence(there, wanted) {
  for (let at = 0; at + wanted.length <= there.length; at += 1) {
    let same = 0;
    while (same < wanted.length && there[at + same].word === wanted[same]) same += 1;
    if (same === wanted.length) return { start: there[at].start, end: there[at + same - 1].end };
  }
  return null;
}

/** The sentences of a text; lines without sentence punctuation count too. */
export function sentences(text) {
  const out = [];
  for (const found of text.matchAll(/[^.!?。！？\n]+(?:[.!?。！？]+["”’)\]]*|\n|$)/g)) {
    if (/[\p{L}\p{N}]/u.test(found[0])) out.push({ start: found.index, end: found.index + found[0].trimEnd().length });
  }
  return out;
}
