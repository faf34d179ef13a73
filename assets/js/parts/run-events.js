// Applies live events to the analysis model (run-model.js). Pure: creates no elements and sends no requests.
import { isFinal, isStop, memberOf, stageOf, lacksAttempts } from "./run-model.js";

/** Applies one event. Returns the member whose text or state changed, if any. */
export function apply(run, name, data) {
  run.version += 1;
  switch (name) {
    case "analysis.started":
      return void applyStart(run, data);
    case "stage.started":
      return void Object.assign(stageOf(run, data.stage), { status: "running" });
    case "stage.completed":
      return void Object.assign(stageOf(run, data.stage), {
        status: "done", duration: data.duration_ms, answered: data.answered, failed: data.failed,
      });
    case "member.started":
      return change(run, data, (member) => {
        const instead = member.insteadOf ? `in place of ${member.insteadOf}` : "";
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
        const note = [data.retried && lacksAttempts(data.error) && "Called more than once.", data.fallback && `${data.fallback} takes its place.`];
        // A stopped or skipped member did not fail.
        if (isStop(data.error)) Object.assign(member, { status: "stopped", problem: "", note: "" });
        else Object.assign(member, { status: "failed", problem: data.error, note: note.filter(Boolean).join(" ") });
        if (data.fallback) addFallback(run, stage, data.fallback, member);
      });
    case "analysis.completed":
    case "analysis.failed":
    case "analysis.cancelled":
      return void applyEnd(run, name.slice("analysis.".length), data);
    default:
      return null;
  }
}

function applyStart(run, data) {
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

function applyEnd(run, status, data) {
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

// A fallback takes over the letter of the failed member; a chain of fallbacks leads back to the planned member.
function addFallback(run, stage, model, failed) {
  const planned = failed.insteadOf || failed.model;
  const member = memberOf(run, stage, model);
  // A fallback that is itself a panel member keeps its own slot.
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
  // The server may also send the same text as member.delta; it must be counted only once.
  if (!stage.ownDeltas) member.text = "";
  stage.ownDeltas = true;
  member.text += text;
  member.status = "running";
  member.version += 1;
  return member;
}
