//! Tests of fallbacks and time limits.

use proptest::prelude::*;

use super::*;
use crate::domain::analysis::RunDeadlines;
use crate::domain::chat::Format;
use crate::domain::pattern::PatternOutcome;

const MS_PER_SECOND: i64 = 1_000;

/// Creates a plan in which the fallback chain of `a` is `x`, then `y`.
fn plan_with_fallbacks() -> Plan {
    let mut plan = plan_of_four();
    plan.members[0].fallbacks = vec![member("x"), member("y")];
    plan
}

fn broken_stream(stage: usize, member: usize) -> RunInput {
    RunInput::Failed {
        call: CallId { stage, member },
        error: CallError::new(CallErrorKind::Overloaded, "busy"),
        bill: CallBill { tries: 3, ..bill() },
    }
}

fn stored_answers(outputs: &[RunOutput]) -> Vec<StageAnswer> {
    let answers = outputs.iter().filter_map(|output| match output {
        RunOutput::Store(stored) => Some((**stored).clone()),
        _ => None,
    });
    answers.collect()
}

fn outcome(outputs: &[RunOutput]) -> Option<PatternOutcome> {
    outputs.iter().find_map(|output| match output {
        RunOutput::Done(outcome) => Some((**outcome).clone()),
        _ => None,
    })
}

#[test]
fn a_fallback_takes_the_place_and_the_letter_for_the_rest_of_the_run() {
    let mut run = new_run(plan_with_fallbacks());
    outputs_as_text(&mut run, 0, RunInput::Started);
    run.handle(at(1), broken_stream(0, 0));
    let outputs = drain(&mut run);
    let failed = outputs.iter().find_map(|output| match output {
        RunOutput::Emit(RunEvent::MemberFailed {
            model,
            retried,
            fallback,
            ..
        }) => Some((model.clone(), *retried, fallback.clone())),
        _ => None,
    });
    assert_eq!(failed, Some(("a".into(), true, Some("x".into()))));
    assert!(outputs.iter().any(|output| matches!(output, RunOutput::Call(CallId { stage: 0, member: 0 }, request) if request.model == "x")));
    run.handle(at(2), answer_input(0, 0, "by x"));
    let answer = stored_answers(&drain(&mut run)).remove(0);
    assert_eq!(
        (answer.model.as_str(), answer.fallback_for.as_deref()),
        ("x", Some("a"))
    );
    assert_eq!(
        (answer.earlier.len(), answer.earlier[0].model.as_str()),
        (1, "a")
    );
    run.handle(at(3), answer_input(0, 1, "B"));
    run.handle(at(3), answer_input(0, 2, "C"));
    let outputs = drain(&mut run);
    let models: Vec<&str> = outputs
        .iter()
        .filter_map(|output| match output {
            RunOutput::Call(_, request) => Some(request.model.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        models,
        ["x", "b", "c"],
        "the planned model is not asked again"
    );
    run.handle(at(4), RunInput::Cancelled("enough".into()));
    let outcome = outcome(&drain(&mut run)).unwrap();
    // The failed call is charged too.
    assert_eq!((outcome.totals.failed, outcome.totals.answered), (1, 3));
    assert_eq!(outcome.totals.cost_usd, MicroDollars(20 * 4));
    assert!(
        outcome.totals.notes[0].contains("x takes its place"),
        "{:?}",
        outcome.totals.notes
    );
}

#[test]
fn a_chain_has_an_end_and_is_resumed_where_it_was() {
    let mut run = new_run(plan_with_fallbacks());
    let mut outputs = Vec::new();
    for input in [
        RunInput::Started,
        broken_stream(0, 0),
        broken_stream(0, 0),
        broken_stream(0, 0),
        answer_input(0, 1, "B"),
        answer_input(0, 2, "C"),
    ] {
        run.handle(at(1), input);
        outputs.extend(drain(&mut run));
    }
    let dropped = stored_answers(&outputs).remove(0);
    assert!(!dropped.answered());
    assert_eq!((dropped.model.as_str(), dropped.earlier.len()), ("y", 2));
    let mut plan = plan_with_fallbacks();
    plan.members[1].fallbacks = vec![member("z")];
    let mut run = new_run(plan.clone());
    let mut outputs = Vec::new();
    for input in [
        RunInput::Started,
        answer_input(0, 0, "A"),
        broken_stream(0, 1),
        answer_input(0, 1, "by z"),
        answer_input(0, 2, "C"),
    ] {
        run.handle(at(1), input);
        outputs.extend(drain(&mut run));
    }
    let mut again = StagedRun::restore(
        id(),
        plan,
        RunEstimate::default(),
        at(0),
        stored_answers(&outputs),
    );
    assert_eq!(
        outputs_as_text(&mut again, 9, RunInput::Started),
        ["+meta", "call 1 a", "call 1 z", "call 1 c"]
    );
    again.handle(at(10), RunInput::Cancelled("enough".into()));
    let notes = outcome(&drain(&mut again)).unwrap().totals.notes;
    assert!(
        notes.iter().any(|note| note.contains("z takes its place")),
        "{notes:?}"
    );
}

#[test]
fn an_unaffordable_fallback_drops_only_its_member() {
    let mut run = new_run(plan_with_fallbacks());
    outputs_as_text(&mut run, 0, RunInput::Started);
    run.handle(at(1), broken_stream(0, 0));
    reserve_and_grant(&mut run);
    run.handle(at(1), RunInput::Denied("the money is used up".into()));
    let dropped = stored_answers(&drain(&mut run)).remove(0);
    assert_eq!(dropped.error.unwrap().detail, "the money is used up");
    run.handle(at(2), answer_input(0, 1, "B"));
    assert_eq!(
        outputs_as_text(&mut run, 2, answer_input(0, 2, "C")),
        ["-initial 2/1", "+meta", "call 1 b", "call 1 c"]
    );
}

#[test]
fn the_synthesizer_s_fallback_comes_before_the_members() {
    let mut plan = two_stage_plan(&["a", "b"], "s");
    plan.synthesizer.fallbacks = vec![member("t")];
    let mut run = new_run(plan);
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "A"));
    outputs_as_text(&mut run, 1, answer_input(0, 1, "B"));
    run.handle(at(2), broken_stream(1, 0));
    let outputs = drain(&mut run);
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, RunOutput::Call(_, request) if request.model == "t"))
    );
    run.handle(at(3), answer_input(1, 1, "by t"));
    let answer = stored_answers(&drain(&mut run)).remove(0);
    assert_eq!(answer.fallback_for.as_deref(), Some("s"));
}

fn run_with_limits(plan: Plan, stage: u32, run: u32) -> StagedRun {
    new_run(Plan {
        times: RunDeadlines { stage, run },
        ..plan
    })
}

fn call_limits_s(outputs: &[RunOutput]) -> Vec<u64> {
    let limits = outputs.iter().filter_map(|output| match output {
        RunOutput::Call(_, request) => Some(request.deadline.as_secs()),
        _ => None,
    });
    limits.collect()
}

#[test]
fn call_timeout_is_the_time_left_in_its_stage_and_run() {
    let mut run = run_with_limits(plan_of_four(), 100, 1_000);
    run.handle(at(0), RunInput::Started);
    assert_eq!(call_limits_s(&drain(&mut run)), [100, 100, 100]);
    let mut run = run_with_limits(plan_of_four(), 600, 300);
    run.handle(at(0), RunInput::Started);
    // A fifth of the time is reserved for the synthesis.
    assert_eq!(call_limits_s(&drain(&mut run)), [240, 240, 240]);
    for member in 0..3 {
        run.handle(at(100 * MS_PER_SECOND), answer_input(0, member, "text"));
    }
    assert_eq!(call_limits_s(&drain(&mut run)), [140, 140, 140]);
}

#[test]
fn stages_without_time_are_left_out_and_the_synthesis_is_written() {
    let mut run = run_with_limits(plan_of_four(), 600, 300);
    outputs_as_text(&mut run, 0, RunInput::Started);
    run.handle(at(239 * MS_PER_SECOND), answer_input(0, 0, "A"));
    run.handle(at(239 * MS_PER_SECOND), answer_input(0, 1, "B"));
    let late = CallError::new(CallErrorKind::Timeout, "slow");
    run.handle(
        at(240 * MS_PER_SECOND),
        failed_with(
            CallId {
                stage: 0,
                member: 2,
            },
            late,
        ),
    );
    let outputs = drain(&mut run);
    assert_eq!(
        stored_answers(&outputs)[2].error.as_ref().unwrap().detail,
        "the stage reached its time limit"
    );
    assert_eq!(call_limits_s(&outputs), [60]);
    run.handle(at(250 * MS_PER_SECOND), answer_input(3, 0, "the synthesis"));
    let outcome = outcome(&drain(&mut run)).unwrap();
    assert_eq!(outcome.synthesis.as_deref(), Some("the synthesis"));
    assert!(outcome.totals.degraded.unwrap().contains("nearly reached"));
}

#[test]
fn a_run_whose_writers_all_fail_keeps_the_best_draft() {
    let mut run = new_run(two_stage_plan(&["a", "b"], "s"));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "draft A"));
    outputs_as_text(&mut run, 1, answer_input(0, 1, "draft B"));
    let mut outputs = Vec::new();
    for attempt in 0..3 {
        run.handle(at(2), broken_stream(1, attempt));
        outputs.extend(drain(&mut run));
    }
    let outcome = outcome(&outputs).unwrap();
    assert_eq!(
        (outcome.status, outcome.synthesis.as_deref()),
        (Status::Completed, Some("draft A"))
    );
    assert!(outcome.totals.degraded.unwrap().contains("busy"));
}

#[test]
fn response_format_applies_only_to_the_final_answer() {
    let format = Format {
        name: "answer".into(),
        schema: serde_json::json!({ "type": "object" }),
        ..Format::default()
    };
    let mut run = new_run(Plan {
        format: Some(format.clone()),
        ..two_stage_plan(&["a", "b"], "s")
    });
    run.handle(at(0), RunInput::Started);
    let shapes = |outputs: &[RunOutput]| -> Vec<bool> {
        outputs
            .iter()
            .filter_map(|output| match output {
                RunOutput::Call(_, request) => Some(request.format == Some(format.clone())),
                _ => None,
            })
            .collect()
    };
    assert_eq!(shapes(&drain(&mut run)), [false, false]);
    run.handle(at(1), answer_input(0, 0, "A"));
    run.handle(at(1), answer_input(0, 1, "B"));
    assert_eq!(shapes(&drain(&mut run)), [true]);
}

proptest! {
    // No matter when calls fail, the run ends once, there are never more open calls than members, and each call ends.
    #[test]
    fn every_order_of_failures_ends(script in prop::collection::vec((0usize..4, 0u8..6, 0i64..90), 0..80), chain in 0usize..3) {
        let mut plan = plan_of_four();
        plan.times = RunDeadlines { stage: 60, run: 200 };
        for seat in &mut plan.members {
            seat.fallbacks = (0..chain).map(|at| member(&format!("{}{at}", seat.model))).collect();
        }
        plan.synthesizer.fallbacks = vec![member("t")];
        let mut machine = new_run(plan);
        let mut open_calls: Vec<CallId> = Vec::new();
        let (mut now, mut done_count) = (0, 0);
        machine.handle(at(0), RunInput::Started);
        let mut script = script.into_iter();
        for _ in 0..500 {
            let mut asking = 0;
            loop {
                let output = machine.poll();
                match output {
                    RunOutput::Wait(_) => break,
                    RunOutput::Reserve { calls, .. } => {
                        asking = calls.len();
                        let deny = script.len() % 7 == 3;
                        machine.handle(at(now), if deny { RunInput::Denied("no money".into()) } else { RunInput::Granted });
                    }
                    RunOutput::Call(call, request) => {
                        prop_assert_eq!(done_count, 0);
                        prop_assert!(request.deadline <= std::time::Duration::from_secs(200));
                        open_calls.push(call);
                    }
                    RunOutput::Stop(call) => open_calls.retain(|&other| other != call),
                    RunOutput::Store(stored) => open_calls.retain(|&other| other != CallId { stage: stored.stage, member: stored.member }),
                    RunOutput::Done(_) => done_count += 1,
                    RunOutput::Emit(_) => {}
                }
            }
            prop_assert!(open_calls.len() <= 3 && asking <= 3);
            if done_count > 0 { break }
            prop_assert!(!open_calls.is_empty(), "stuck");
            let (which, what, later) = script.next().unwrap_or((0, 0, 0));
            let call = open_calls[which % open_calls.len()];
            now += later * MS_PER_SECOND;
            let fails = |kind| failed_with(call, CallError::new(kind, "gone"));
            let input = match what {
                0 | 1 => answer_input(call.stage, call.member, "text"),
                2 => fails(CallErrorKind::Connect),
                3 => fails(CallErrorKind::Timeout),
                4 => RunInput::Tick,
                _ => fails(CallErrorKind::Cancelled),
            };
            // The caller forgets a call that has ended.
            if !matches!(input, RunInput::Tick) {
                open_calls.retain(|&other| other != call);
            }
            machine.handle(at(now), input);
        }
        prop_assert_eq!(done_count, 1);
        prop_assert!(open_calls.is_empty(), "{:?} still open", open_calls);
    }
}
