// Splits text into words with their positions, and locates words in a text. Pure: creates no elements.

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;
const WORD = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*/gu;
// Citation marks and member letters do not count as words.
const MARKS = /\[[^\]\n]{1,80}\]|\((?:[A-Z]\d*(?:,\s*)?)+\)/g;
// Minimum overlap at which two sentences count as the same statement; measured against the shorter sentence, and
// against the words searched for.
const MIN_OVERLAP = 0.5;
const MIN_COVERAGE = 0.35;

/** All words with their positions, also in scripts that do not separate words with spaces. */
export function words(text) {
  if (!segmenter) return [...text.matchAll(WORD)].map((match) => ({ word: match[0].toLowerCase(), start: match.index, end: match.index + match[0].length }));
  const out = [];
  for (const { segment, index, isWordLike } of segmenter.segment(text)) {
    if (isWordLike) out.push({ word: segment.toLowerCase(), start: index, end: index + segment.length });
  }
  return out;
}

/** Locates words in a text and returns `{start, end, score}`: a verbatim match (score 1) or the most similar sentence. */
export function locate(text, query) {
  const queryWords = words(query.replace(MARKS, " ")).map((each) => each.word);
  if (queryWords.length === 0) return null;
  const textWords = words(text);
  const exact = findSequence(textWords, queryWords);
  if (exact) return { ...exact, score: 1 };
  const querySet = new Set(queryWords);
  const queryWeight = weight(querySet);
  let best = null;
  for (const { start, end } of sentences(text)) {
    const sentenceWords = new Set(textWords.filter((each) => each.start >= start && each.end <= end).map((each) => each.word));
    const sharedWeight = weight([...sentenceWords].filter((word) => querySet.has(word)));
    const score = (2 * sharedWeight) / (weight(sentenceWords) + queryWeight);
    const isSimilar = sharedWeight >= MIN_OVERLAP * Math.min(weight(sentenceWords), queryWeight) && sharedWeight >= MIN_COVERAGE * queryWeight;
    if (isSimilar && score > (best?.score ?? 0)) best = { start, end, score };
  }
  return best;
}

// Numbers are more distinctive than long words, and long words more than short ones.
function weight(queryWeight) {
  let sum = 0;
  for (const word of queryWeight) sum += /\p{N}/u.test(word) ? 3 : word.length > 3 ? 1.5 : 0.5;
  return sum;
}

function findSequence(textWords, queryWords) {
  for (let at = 0; at + queryWords.length <= textWords.length; at += 1) {
    let same = 0;
    while (same < queryWords.length && textWords[at + same].word === queryWords[same]) same += 1;
    if (same === queryWords.length) return { start: textWords[at].start, end: textWords[at + same - 1].end };
  }
  return null;
}

/** The sentences of a text; lines without sentence punctuation count too. */
export function sentences(text) {
  const out = [];
  for (const match of text.matchAll(/[^.!?。！？\n]+(?:[.!?。！？]+["”’)\]]*|\n|$)/g)) {
    if (/[\p{L}\p{N}]/u.test(match[0])) out.push({ start: match.index, end: match.index + match[0].trimEnd().length });
  }
  return out;
}
