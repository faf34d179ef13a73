// What differs between two texts: by sentences first, then by words where sentences differ. Pure: no element.
// Bounded: a table for texts too long for it is not made, and the whole stretch counts as changed.

const MOST_CELLS = 4_000_000;
// Fewer words in common than this, and a sentence was written anew, not changed.
const KIN = 0.35;

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** Pieces `{kind, text}` in order; kinds are `same`, `gone` (only in the first) and `new` (only in the second). */
export function diff(before, after) {
  const out = [];
  for (const run of runs(sentences(before), sentences(after))) {
    if (run.same) add(out, "same", run.same.join(""));
    else between(out, run.gone.join(""), run.new.join(""));
  }
  return out;
}

/** How much of two texts is alike: words in both, only in the first, only in the second. */
export function tally(pieces) {
  const sum = { same: 0, gone: 0, new: 0 };
  for (const { kind, text } of pieces) sum[kind] += units(text).filter((unit) => /[\p{L}\p{N}]/u.test(unit)).length;
  return sum;
}

function between(out, gone, fresh) {
  if (!gone || !fresh) return change(out, gone, fresh);
  const found = settled(runs(units(gone), units(fresh)));
  const kept = found.reduce((sum, run) => sum + (run.same ? run.same.join("").length : 0), 0);
  if (kept < KIN * Math.max(gone.length, fresh.length)) return change(out, gone, fresh);
  for (const run of found) {
    if (run.same) add(out, "same", run.same.join(""));
    else change(out, run.gone.join(""), run.new.join(""));
  }
}

// A single word that stays between two changes makes them harder to read, not easier.
function settled(found) {
  const out = [];
  found.forEach((run, place) => {
    const last = out.at(-1);
    const island = run.same?.length === 1 && place > 0 && place < found.length - 1 && run.same[0].trim().length < 5;
    const changed = island ? { gone: run.same, new: run.same } : run;
    if (changed.same || !last || last.same) out.push(changed.same ? changed : { gone: [...changed.gone], new: [...changed.new] });
    else {
      last.gone.push(...changed.gone);
      last.new.push(...changed.new);
    }
  });
  return out;
}

function change(out, gone, fresh) {
  add(out, "gone", gone);
  add(out, "new", fresh);
}

function add(out, kind, text) {
  if (!text) return;
  if (out.at(-1)?.kind === kind) out.at(-1).text += text;
  else out.push({ kind, text });
}

/** The sentences and lines of a text; put together they are the text again. */
export function sentences(text) {
  return text.match(/[^\n.!?。！？]*(?:[.!?。！？]+["”’)\]]*[ \t]*|\n+|$)/gu).filter(Boolean);
}

// Words with the space behind them, and signs.
function units(text) {
  const out = [];
  const pieces = segmenter ? Array.from(segmenter.segment(text), (each) => each.segment) : text.match(/\s+|[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu) ?? [];
  for (const piece of pieces) {
    if (piece.trim() === "" && out.length > 0) out[out.length - 1] += piece;
    else out.push(piece);
  }
  return out;
}

// Stretches that are the same, and stretches that differ, of two lists.
function runs(a, b) {
  const [left, right] = [a.map((each) => each.trim()), b.map((each) => each.trim())];
  let start = 0;
  while (start < a.length && start < b.length && left[start] === right[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && left[a.length - 1 - end] === right[b.length - 1 - end]) end += 1;
  const out = [];
  if (start > 0) out.push({ same: b.slice(0, start) });
  middle(out, a.slice(start, a.length - end), b.slice(start, b.length - end), left.slice(start, a.length - end), right.slice(start, b.length - end));
  if (end > 0) out.push({ same: b.slice(b.length - end) });
  return out;
}

function middle(out, a, b, left, right) {
  if (a.length === 0 && b.length === 0) return;
  if (a.length * b.length > MOST_CELLS || a.length === 0 || b.length === 0) return void out.push({ gone: a, new: b });
  const wide = b.length + 1;
  const table = lengths(left, right, wide);
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const same = i < a.length && j < b.length && left[i] === right[j];
    const last = out.at(-1);
    if (same) {
      if (last?.same) last.same.push(b[j]);
      else out.push({ same: [b[j]] });
      i += 1;
      j += 1;
      continue;
    }
    const open = last && !last.same ? last : { gone: [], new: [] };
    if (open !== last) out.push(open);
    if (j >= b.length || (i < a.length && table[(i + 1) * wide + j] >= table[i * wide + j + 1])) open.gone.push(a[i++]);
    else open.new.push(b[j++]);
  }
}

// The length of the longest common sequence from each pair of places on.
function lengths(left, right, wide) {
  const table = new Uint16Array((left.length + 1) * wide);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      table[i * wide + j] = left[i] === right[j]
        ? table[(i + 1) * wide + j + 1] + 1
        : Math.max(table[(i + 1) * wide + j], table[i * wide + j + 1]);
    }
  }
  return table;
}
