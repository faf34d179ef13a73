//! Tests of the evidence calls: those after the synthesis, those that decide whether stages are skipped, and runs that
//! continue without them.

use serde_json::{Value, json};

use super::*;
use crate::domain::analysis::Arrangement;
use crate::domain::evidence::{EvidenceStatus, build_map};
use crate::domain::pattern::PatternOutcome;
use crate::domain::plan::{EvidenceCall, EvidencePlan};

/// Creates a plan with two members, a synthesis, and a judge.
fn judged_plan() -> Plan {
    Plan {
        evidence: EvidencePlan {
            judge: Some(member("s")),
            checkers: vec![member("a"), member("s")],
            ..EvidencePlan::default()
        },
        ..two_stage_plan(&["a", "b"], "s")
    }
}

fn cascade_plan() -> Plan {
    Plan {
        arrangement: Arrangement::Cascade,
        agreement: Some(0.8),
        ..judged_plan()
    }
}

/// Starts the run and feeds it two first answers and the synthesis. Returns the actions that follow, as text.
fn synthesis_texts(run: &mut StagedRun) -> Vec<String> {
    outputs_as_text(run, 0, RunInput::Started);
    outputs_as_text(run, 1, answer_input(0, 0, "The fee is 30 euros."));
    outputs_as_text(run, 1, answer_input(0, 1, "The fee is 40 euros."));
    outputs_as_text(run, 2, answer_input(1, 0, "The fee is 30 or 40 euros."))
}

/// Returns the judge's reply on the members' statements about the fee. Each statement is attributed to both
/// letters, because the order is shuffled.
fn judge_reply(second: &str) -> String {
    let stance = |letter: &str, stance: &str, quote: &str| json!({ "member": letter, "stance": stance, "quote": quote });
    let stances: Vec<Value> = ["A", "B"]
        .iter()
        .flat_map(|letter| {
            [
                stance(letter, "asserts", "The fee is 30 euros"),
                stance(letter, second, "The fee is 40 euros"),
            ]
        })
        .collect();
    json!({ "claims": [{ "text": "The fee is 30 euros.", "stances": stances }] }).to_string()
}

fn outcome(run: &mut StagedRun) -> PatternOutcome {
    let pattern_outcome = drain(run).into_iter().find_map(|output| match output {
        RunOutput::Done(outcome) => Some(*outcome),
        _ => None,
    });
    pattern_outcome.expect("it is over")
}

const MAP_STAGE: usize = 2;
const DRAFTS_STAGE: usize = 4;

#[test]
fn the_run_ends_once_the_answers_are_compared() {
    let mut run = new_run(judged_plan());
    let text = "synthesis 'The fee is 30 or 40 euros.'";
    assert_eq!(synthesis_texts(&mut run), [text, "-ultra 1/0", "call 2 s"]);
    let final_outputs = outputs_as_text(
        &mut run,
        3,
        answer_input(MAP_STAGE, 0, &judge_reply("denies")),
    );
    assert_eq!(
        final_outputs,
        ["completed Some(\"The fee is 30 or 40 euros.\")"]
    );
    let (plan, answers) = run.into_parts();
    assert_eq!(plan.evidence_call(MAP_STAGE), Some(EvidenceCall::Map));
    let map = build_map(&plan, &answers, Some("The fee is 30 or 40 euros."));
    assert_eq!(
        (map.status, map.contradictions.len()),
        (EvidenceStatus::Judged, 1)
    );
}

#[test]
fn a_model_that_failed_before_is_not_the_judge() {
    let mut run = new_run(judged_plan());
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "The fee is 30 euros."));
    outputs_as_text(&mut run, 1, answer_input(0, 1, "The fee is 40 euros."));
    outputs_as_text(&mut run, 2, failure_input(1, 0));
    let outputs = outputs_as_text(
        &mut run,
        3,
        answer_input(1, 1, "The fee is 30 or 40 euros."),
    );
    assert_eq!(
        outputs.last().map(String::as_str),
        Some("call 2 a"),
        "{outputs:?}"
    );
}

#[test]
fn totals_include_the_cost_of_the_comparison() {
    let mut run = new_run(judged_plan());
    synthesis_texts(&mut run);
    run.handle(at(3), answer_input(MAP_STAGE, 0, &judge_reply("denies")));
    let totals = outcome(&mut run).totals;
    assert_eq!(totals.cost_usd, MicroDollars(4 * 20));
    assert_eq!(
        (totals.answered, totals.failed),
        (3, 0),
        "members and the writer"
    );
}

#[test]
fn a_failed_comparison_keeps_the_answer() {
    let late = Duration::from_secs(600);
    for (input, why) in [
        (failure_input(MAP_STAGE, 0), "busy"),
        (answer_input(MAP_STAGE, 0, "  "), "an empty answer"),
        (RunInput::FinishEarly, "user's request"),
        (
            RunInput::Cancelled("stopped by its owner".into()),
            "stopped by its owner",
        ),
        (
            answer_input(MAP_STAGE, 0, "no JSON at all"),
            "no JSON object",
        ),
        (RunInput::Tick, "time limit"),
    ] {
        let mut run = new_run(judged_plan());
        synthesis_texts(&mut run);
        let moment = match input {
            RunInput::Tick => at(3) + late,
            _ => at(3),
        };
        run.handle(moment, input);
        let outcome = outcome(&mut run);
        assert_eq!(outcome.status, Status::Completed, "{why}");
        let (plan, answers) = run.into_parts();
        let map = build_map(&plan, &answers, outcome.synthesis.as_deref());
        assert_eq!(map.status, EvidenceStatus::Failed, "{why}");
        let reason = map.reason.unwrap_or_default();
        assert!(reason.contains(why), "{why}: {reason}");
    }
}

#[test]
fn an_exhausted_budget_skips_only_the_comparison() {
    let mut run = new_run(judged_plan());
    run.handle(at(0), RunInput::Started);
    let mut reserved_calls = 0;
    let mut texts = ["The fee is 30 euros.", "The fee is 40 euros.", "Both."].into_iter();
    loop {
        match run.poll() {
            RunOutput::Reserve {
                stage: MAP_STAGE, ..
            } => {
                run.handle(at(3), RunInput::Denied("the budget is spent".into()));
            }
            RunOutput::Reserve { .. } => {
                reserved_calls += 1;
                run.handle(at(1), RunInput::Granted);
            }
            RunOutput::Call(call, _) => {
                run.handle(
                    at(2),
                    answer_input(call.stage, call.member, texts.next().expect("a call")),
                );
            }
            RunOutput::Done(outcome) => {
                assert_eq!(outcome.status, Status::Completed);
                break;
            }
            RunOutput::Wait(_) => panic!("it waits"),
            _ => {}
        }
    }
    assert_eq!(reserved_calls, 2, "the members and the writer");
    let (plan, answers) = run.into_parts();
    let map = build_map(&plan, &answers, Some("Both."));
    assert!(
        map.reason
            .is_some_and(|why| why.contains("the budget is spent"))
    );
}

#[test]
fn a_restored_run_resumes_its_comparison() {
    let stored_answers = |run: &mut StagedRun, inputs: Vec<RunInput>| {
        let mut stored_answers = Vec::new();
        for input in inputs {
            run.handle(at(1), input);
            stored_answers.extend(drain(run).into_iter().filter_map(|output| match output {
                RunOutput::Store(answer) => Some(*answer),
                _ => None,
            }));
        }
        stored_answers
    };
    let inputs = || {
        vec![
            RunInput::Started,
            answer_input(0, 0, "The fee is 30 euros."),
            answer_input(0, 1, "The fee is 40 euros."),
            answer_input(1, 0, "Both."),
        ]
    };
    let answers_before = stored_answers(&mut new_run(judged_plan()), inputs());
    let restore = |stored_answers| {
        StagedRun::restore(
            id(),
            judged_plan(),
            RunEstimate::default(),
            at(0),
            stored_answers,
        )
    };
    let mut again = restore(answers_before);
    assert_eq!(
        outputs_as_text(&mut again, 9, RunInput::Started),
        ["call 2 s"]
    );
    let all = inputs()
        .into_iter()
        .chain([answer_input(MAP_STAGE, 0, &judge_reply("denies"))]);
    let answers_after = stored_answers(&mut new_run(judged_plan()), all.collect());
    assert_eq!(answers_after.len(), 4);
    let mut again = restore(answers_after);
    assert_eq!(
        outputs_as_text(&mut again, 9, RunInput::Started),
        ["completed Some(\"Both.\")"]
    );
}

#[test]
fn a_cascade_calls_the_judge_before_it_decides() {
    for (texts, judgment, expected) in [
        (
            ["The fee is 30 euros.", "In all, The fee is 30 euros."],
            "silent",
            "completed Some(\"The fee is 30 euros.\")",
        ),
        (
            ["The fee is 30 euros.", "The fee is 40 euros."],
            "denies",
            "+ultra",
        ),
    ] {
        let mut run = new_run(cascade_plan());
        outputs_as_text(&mut run, 0, RunInput::Started);
        outputs_as_text(&mut run, 1, answer_input(0, 0, texts[0]));
        let outputs = outputs_as_text(&mut run, 1, answer_input(0, 1, texts[1]));
        assert_eq!(outputs, ["-initial 2/0", "call 4 s"]);
        let outputs = outputs_as_text(
            &mut run,
            2,
            answer_input(DRAFTS_STAGE, 0, &judge_reply(judgment)),
        );
        assert!(outputs.iter().any(|line| line == expected), "{outputs:?}");
        let notes = run.notes.join("; ");
        assert!(
            notes.contains("as compared by s, with a threshold of 0.80"),
            "{notes}"
        );
    }
}

#[test]
fn a_cascade_without_a_judgment_compares_closing_lines() {
    // A draft that has not been compared yet is compared when it becomes the answer.
    for (text, expected) in [
        ("Measured.\nAnswer: 30", "call 2 s"),
        ("It is 30.", "+ultra"),
    ] {
        let mut run = new_run(cascade_plan());
        outputs_as_text(&mut run, 0, RunInput::Started);
        outputs_as_text(&mut run, 1, answer_input(0, 0, text));
        outputs_as_text(&mut run, 1, answer_input(0, 1, text));
        let outputs = outputs_as_text(&mut run, 2, failure_input(DRAFTS_STAGE, 0));
        assert!(
            outputs.iter().any(|line| line.starts_with(expected)),
            "{outputs:?}"
        );
        let notes = run.notes.join("; ");
        assert!(
            notes.contains("the answers were not compared: busy"),
            "{notes}"
        );
    }
}

#[test]
fn finish_early_does_not_wait_for_the_judge() {
    let mut run = new_run(cascade_plan());
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "The fee is 30 euros."));
    outputs_as_text(&mut run, 1, answer_input(0, 1, "The fee is 40 euros."));
    let outputs = outputs_as_text(&mut run, 2, RunInput::FinishEarly);
    assert_eq!(outputs, ["stop 4 0", "+ultra", "call 1 s"]);
}
