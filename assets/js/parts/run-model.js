// The model of an analysis on the pages: built from live events, or from a stored result. Pure: no
// elements, no
// requests. `version` counts changes, so that views know what to redraw.

/** A new analysis of which only these fields are known. */
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

/** The stage whose text is the answer, with its one member. */
export function synthesis(run) {
  const last = run.stages.at(-1);
  return last?.final ? last.members[0] ?? null : null;
}

/** The position of a member's text, as checked citations name it; null for the synthesis. */
export function placeOf(stage, member) {
  return stage.final ? null : { stage: stage.name, model: member.model, letter: member.letter };
}

/** The stages before the synthesis. */
export function panelStages(run) {
  return run.stages.filter((stage) => !stage.final);
}

/** The last text of each member, or of its fallback, in the panel's order; one that failed late keeps its last text. */
export function lastWords(run) {
  return run.models.map((model) => {
    const all = panelStages(run).filter((stage) => stage.name !== "tie").flatMap((stage) => stage.members.filter((member) => member.model === model || member.insteadOf === model));
    return all.filter((member) => member.text).at(-1) ?? all.at(-1) ?? newMember(run, model);
  });
}

/** Applies one event. Returns the member whose text or state changed, if it was one. */
export function apply(run, name, data) {
  run.version += 1;
  switch (name) {
    case "analysis.started":
      return void begin(run, data);
    case "stage.started":
      return void Object.assign(stageOf(run, data.stage), { status: "running" });
    case "stage.completed":
      return void Object.assign(stageOf(run, data.stage), {
        status: "done", duration: data.duration_ms, answered: data.answered, failed: data.failed,
      });
    case "member.started":
      return change(run, data, (member) => {
        const instead = member.insteadOf ? `in the place of ${member.insteadOf}` : "";
        Object.assign(member, { text: "", reasoning: "", status: "running", problem: "", note: instead });
      });
    case "member.delta":
      return change(run, data, (member, stage) => {
        if (stage.final && stage.ownDeltas) return;
        member.text += data.text;
        member.status = "running";
      });
    case "member.reasoning":
      return change(run, data, (member) => {
        member.reasoning += data.text;
      });
    case "synthesis.delta":
      return addToSynthesis(run, data.text);
    case "member.completed":
      return change(run, data, (member) => Object.assign(member, {
        status: "done", usage: data.usage, cost: data.cost_usd, latency: data.latency_ms,
        firstToken: data.time_to_first_token_ms, cached: data.cached, finish: data.finish_reason, note: "",
        insteadOf: data.fallback_for ?? member.insteadOf, dropped: data.dropped_parameters ?? [],
      }));
    case "member.failed":
      return change(run, data, (member, stage) => {
        const note = [data.retried && untold(data.error) && "It was asked more than once.", data.fallback && `${data.fallback} takes its place.`];
        Object.assign(member, { status: "failed", problem: data.error, note: note.filter(Boolean).join(" ") });
        if (data.fallback) seat(run, stage, data.fallback, member);
      });
    case "analysis.completed":
    case "analysis.failed":
    case "analysis.cancelled":
      return void end(run, name.slice("analysis.".length), data);
    default:
      return null;
  }
}

function begin(run, data) {
  Object.assign(run, {
    status: "running", pattern: data.pattern ?? run.pattern, models: data.models ?? run.models,
    ultra: data.ultra_model ?? run.ultra, estimate: data.estimate ?? null,
  });
  const plan = data.plan ?? [];
  plan.forEach((planned, index) => {
    const stage = stageOf(run, planned.stage);
    stage.final = planned.who ? isFinal(planned.who, planned.stage) : index === plan.length - 1;
    for (const model of planned.models ?? []) memberOf(run, stage, model);
  });
}

// A synthesizer that only breaks a tie of votes does not write the answer.
function isFinal(who, stage) {
  return who === "synthesiser" && stage !== "tie";
}

function end(run, status, data) {
  run.status = status;
  run.problem = data.error ?? data.reason ?? "";
  run.totals = {
    ms: data.total_time_ms, usage: data.usage, cost: data.cost_usd, incomplete: data.cost_incomplete,
    answered: data.answered, failed: data.failed, cached: data.cached,
  };
  run.notes = data.notes ?? [];
  run.degraded = data.degraded ?? "";
  for (const stage of run.stages) {
    for (const member of stage.members) {
      if (member.status === "running" || member.status === "waiting") {
        member.status = !member.text ? "left" : status === "cancelled" ? "stopped" : "done";
        member.version += 1;
      }
    }
  }
}

function stageOf(run, name) {
  let stage = run.stages.find((known) => known.name === name);
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

/** A, B … Z, then AA. */
export function letterAt(place) {
  const letter = String.fromCharCode(65 + (place % 26));
  return place < 26 ? letter : letterAt(Math.floor(place / 26) - 1) + letter;
}

function memberOf(run, stage, model) {
  let member = stage.final ? stage.members[0] : stage.members.find((known) => known.model === model);
  if (!member) {
    member = newMember(run, model);
    stage.members.push(member);
  }
  // Another synthesizer may take over: the slot stays, the name changes.
  if (stage.final) member.model = model;
  return member;
}

// The reason may already contain the number of attempts.
function untold(problem) {
  return !/\basked \d+ times\b/.test(problem);
}

// A fallback takes the letter of the failed member; a chain of fallbacks leads back to the planned one.
function seat(run, stage, model, failed) {
  const planned = failed.insteadOf || failed.model;
  const member = memberOf(run, stage, model);
  // A fallback that is a member of the panel itself keeps its own slot.
  if (stage.final || !member.letter) Object.assign(member, { insteadOf: planned, letter: failed.letter });
  member.version += 1;
  return member;
}

function change(run, data, edit) {
  const stage = stageOf(run, data.stage);
  const member = memberOf(run, stage, data.model);
  edit(member, stage);
  member.version += 1;
  return member;
}

function addToSynthesis(run, text) {
  const stage = run.stages.at(-1)?.final ? run.stages.at(-1) : stageOf(run, "ultra");
  stage.final = true;
  const member = memberOf(run, stage, stage.members[0]?.model ?? run.ultra);
  // The server may also send the same text as member.delta; it is counted once.
  if (!stage.ownDeltas) member.text = "";
  stage.ownDeltas = true;
  member.text += text;
  member.status = "running";
  member.version += 1;
  return member;
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
  stages.forEach((told) => {
    const stage = stageOf(run, told.name ?? told.stage);
    Object.assign(stage, { status: "done", final: isFinal(told.who, stage.name) });
    // A failed attempt of the synthesizer comes before its fallback's text.
    for (const answer of told.answers ?? []) {
      for (const earlier of answer.earlier ?? []) {
        restore(seatFor(run, stage, earlier.model), { ...earlier, letter: answer.letter, stoodIn: answer.model });
      }
      restore(seatFor(run, stage, answer.model), answer);
    }
    stage.members.sort((a, b) => a.letter.length - b.letter.length || (a.letter < b.letter ? -1 : 1));
  });
  // An analysis that stopped early never reached its later stages.
  run.stages = run.stages.filter((stage) => stage.members.length > 0);
  if (results.ultra_response && !synthesis(run)?.text) {
    const stage = stageOf(run, "ultra");
    stage.status = "done";
    restore(memberOf(run, stage, run.ultra), { text: results.ultra_response });
  }
  const told = results.performance ?? stored.performance;
  if (told) {
    run.totals = {
      ms: (told.total_time_seconds ?? 0) * 1000, cost: told.cost_usd, incomplete: told.cost_incomplete,
      usage: told.usage ?? usageOf(told.token_counts), cached: told.cached,
    };
  }
  return run;
}

// One model may be the fallback of several members: each answer has a slot of its own, except the final
// one.
function seatFor(run, stage, model) {
  if (stage.final) return memberOf(run, stage, model);
  const member = newMember(run, model);
  stage.members.push(member);
  return member;
}

function restore(member, answer) {
  // What was stopped has no fault: its text is the beginning of an answer.
  const stopped = answer.status === "stopped";
  const problem = stopped ? "" : textOf(answer.error);
  if (problem && member.text) return;
  const note = [answer.tries > 1 && untold(problem) && `It was asked ${answer.tries} times.`, answer.stoodIn && `${answer.stoodIn} took its place.`];
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

function usageOf(counts) {
  if (!counts) return null;
  if (typeof counts.input === "number") return counts;
  const sum = { input: 0, output: 0 };
  for (const each of Object.values(counts)) {
    if (typeof each === "number") sum.output += each;
    else {
      sum.input += each?.input ?? 0;
      sum.output += each?.output ?? 0;
    }
  }
  return sum;
}
