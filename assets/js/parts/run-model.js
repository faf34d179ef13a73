// The client-side model of an analysis, built from a stored result or from live events (run-events.js). Pure:
// creates no elements and sends no requests. `version` counts changes, so that views know what to redraw.

/** Creates an analysis of which only these fields are known. */
export function newRun({ id, prompt = "", pattern = "", models = [], ultra = "", documents = [], createdAt = null }) {
  return {
    id, prompt, pattern, models, ultra, documents, createdAt,
    status: "queued", stages: [], sources: [], totals: null, problem: "", version: 0, single: null, offered: false,
    notes: [], degraded: "", citations: null, evidence: null, timeline: [], shared: false, vote: null, thread: "",
  };
}

/** Whether the run has ended. */
export function isOver(run) {
  return ["completed", "failed", "cancelled"].includes(run.status);
}

/** The member that writes the final answer; null if the last stage does not write it. */
export function synthesis(run) {
  const last = run.stages.at(-1);
  return last?.final ? last.members[0] ?? null : null;
}

/** The position of a member's text, in the format used by checked citations; null for the synthesis. */
export function placeOf(stage, member) {
  return stage.final ? null : { stage: stage.name, model: member.model, letter: member.letter };
}

/** The stages before the synthesis. */
export function panelStages(run) {
  return run.stages.filter((stage) => !stage.final);
}

/** The last text of each member, or of its fallback, in panel order; a member that failed late keeps its last text. */
export function lastTexts(run) {
  return run.models.map((model) => {
    const all = panelStages(run).filter((stage) => stage.name !== "tie").flatMap((stage) => stage.members.filter((member) => member.model === model || member.insteadOf === model));
    return all.filter((member) => member.text).at(-1) ?? all.at(-1) ?? newMember(run, model);
  });
}

/** Whether a stage writes the answer; false for a synthesizer that only breaks a tied vote. */
export function isFinal(who, stage) {
  return who === "synthesiser" && stage !== "tie";
}

/** The stage with this name, added if it does not exist yet. */
export function stageOf(run, name) {
  let stage = run.stages.find((existing) => existing.name === name);
  if (!stage) {
    stage = { name, status: "waiting", members: [], final: name === "ultra", ownDeltas: false };
    run.stages.push(stage);
  }
  return stage;
}

function newMember(run, model) {
  const place = run.models.indexOf(model);
  return {
    model, letter: place < 0 ? "" : letterAt(place), text: "", reasoning: "", status: "waiting",
    problem: "", note: "", usage: null, cost: undefined, latency: null, cached: false, version: 0,
    insteadOf: "", dropped: [], tries: 0,
  };
}

/** 0 → "A", 25 → "Z", 26 → "AA" */
export function letterAt(place) {
  const letter = String.fromCharCode(65 + (place % 26));
  return place < 26 ? letter : letterAt(Math.floor(place / 26) - 1) + letter;
}

/** The member of a stage, added if it does not exist yet. */
export function memberOf(run, stage, model) {
  let member = stage.final ? stage.members[0] : stage.members.find((existing) => existing.model === model);
  if (!member) {
    member = newMember(run, model);
    stage.members.push(member);
  }
  // Another synthesizer may take over: the slot stays, but the name changes.
  if (stage.final) member.model = model;
  return member;
}

/** Whether an error message does not yet contain the number of attempts. */
export function lacksAttempts(problem) {
  return !/\basked \d+ times\b/.test(problem);
}

/** Whether this error means that the owner stopped the member, or had the answer written without it. */
export function isStop(problem) {
  return /^(stopped by you|skipped: )/i.test(problem ?? "");
}

/** Builds the model from the response of GET /api/analyses/{id}. */
export function fromStored(stored) {
  const results = stored.results ?? {};
  const run = newRun({
    id: stored.analysis_id, prompt: stored.prompt, pattern: stored.pattern, models: stored.models ?? [],
    ultra: stored.ultra_model ?? "", documents: stored.document_ids ?? [], createdAt: stored.created_at,
  });
  run.status = stored.status;
  run.problem = textOf(stored.error);
  run.notes = stored.notes ?? [];
  run.degraded = stored.degraded ?? "";
  run.single = stored.best_single ?? null;
  run.offered = Boolean(stored.comparison_offered);
  run.citations = stored.citations ?? null;
  run.evidence = stored.evidence ?? null;
  run.timeline = stored.timeline ?? [];
  run.shared = Boolean(stored.shared);
  run.thread = stored.thread_id ?? "";
  run.vote = stored.vote ?? null;
  run.ballot = stored.ballot ?? null;
  run.sources = stored.sources ?? results.sources ?? [];
  const stages = results.stages ?? [];
  stages.forEach((storedStage) => {
    const stage = stageOf(run, storedStage.name ?? storedStage.stage);
    Object.assign(stage, { status: "done", final: isFinal(storedStage.who, stage.name) });
    // A failed synthesizer attempt precedes its fallback's text.
    for (const answer of storedStage.answers ?? []) {
      for (const earlier of answer.earlier ?? []) {
        fillMember(addSlot(run, stage, earlier.model), { ...earlier, letter: answer.letter, stoodIn: answer.model });
      }
      fillMember(addSlot(run, stage, answer.model), answer);
    }
    stage.members.sort((a, b) => a.letter.length - b.letter.length || (a.letter < b.letter ? -1 : 1));
  });
  // An analysis that stopped early never reached its later stages.
  run.stages = run.stages.filter((stage) => stage.members.length > 0);
  if (results.ultra_response && !synthesis(run)?.text) {
    const stage = stageOf(run, "ultra");
    stage.status = "done";
    fillMember(memberOf(run, stage, run.ultra), { text: results.ultra_response });
  }
  const performance = results.performance ?? stored.performance;
  if (performance) {
    run.totals = {
      ms: (performance.total_time_seconds ?? 0) * 1000, cost: performance.cost_usd, incomplete: performance.cost_incomplete,
      usage: performance.usage ?? usageOf(performance.token_counts), cached: performance.cached,
    };
  }
  return run;
}

// One model may be the fallback of several members: each answer gets its own slot, except the final one.
function addSlot(run, stage, model) {
  if (stage.final) return memberOf(run, stage, model);
  const member = newMember(run, model);
  stage.members.push(member);
  return member;
}

function fillMember(member, answer) {
  // A stopped call is not an error: its text is a partial answer.
  const stopped = answer.status === "stopped" || isStop(textOf(answer.error));
  const problem = stopped ? "" : textOf(answer.error);
  if (problem && member.text) return;
  const note = [answer.tries > 1 && lacksAttempts(problem) && `Called ${answer.tries} times.`, answer.stoodIn && `${answer.stoodIn} took its place.`];
  Object.assign(member, {
    letter: answer.letter ?? member.letter, text: answer.text ?? "", reasoning: answer.reasoning ?? "",
    problem, note: note.filter(Boolean).join(" "), status: stopped ? "stopped" : problem ? "failed" : "done", usage: answer.usage ?? null, cost: answer.cost_usd,
    latency: answer.latency_ms ?? null, firstToken: answer.time_to_first_token_ms, cached: Boolean(answer.cached), finish: answer.finish_reason,
    insteadOf: answer.fallback_for ?? "", dropped: answer.dropped_parameters ?? [], tries: answer.tries ?? 0,
  });
}

function textOf(problem) {
  if (!problem) return "";
  return typeof problem === "string" ? problem : problem.detail ?? problem.message ?? problem.kind ?? "failed";
}

function usageOf(tokenCounts) {
  if (!tokenCounts) return null;
  if (typeof tokenCounts.input === "number") return tokenCounts;
  const sum = { input: 0, output: 0 };
  for (const each of Object.values(tokenCounts)) {
    if (typeof each === "number") sum.output += each;
    else {
      sum.input += each?.input ?? 0;
      sum.output += each?.output ?? 0;
    }
  }
  return sum;
}
