//! Tests of votes: waves, ties, resumed runs, and denied calls.

use super::*;
use crate::domain::analysis::Arrangement;
use crate::domain::ballot;
use crate::domain::standing::MemberTrackRecord;

/// Creates a vote whose members have equal strength, with a stage that breaks ties.
fn vote_plan(models: &[&str]) -> Plan {
    let mut plan = plan(
        models,
        "s",
        &[("initial", StageRole::Members, Task::Answer)],
    );
    plan.question = "How many?".into();
    plan.arrangement = Arrangement::Vote;
    plan.is_adaptive = true;
    plan.standings = vec![MemberTrackRecord::default(); models.len()];
    plan.stages.push(ballot::tie_stage());
    plan
}

fn notes(machine: &mut StagedRun) -> String {
    match drain(machine).pop() {
        Some(RunOutput::Done(outcome)) => outcome.totals.notes.join("\n"),
        other => panic!("not over: {other:?}"),
    }
}

#[test]
fn a_majority_is_called_first_and_the_rest_only_if_needed() {
    let mut run = new_run(vote_plan(&["a", "b", "c"]));
    let started = outputs_as_text(&mut run, 0, RunInput::Started);
    assert_eq!(started, ["+initial", "call 0 a", "call 0 b"]);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: $1,200.00"));
    run.handle(at(2), answer_input(0, 1, "Answer: $1.2k"));
    let expected_notes = notes(&mut run);
    assert!(
        expected_notes.contains("2 of 2 votes for $1,200.00 (A, B)"),
        "{expected_notes}"
    );
    assert!(
        expected_notes.contains("could not change: C (saved 1 call, about $"),
        "{expected_notes}"
    );

    let mut run = new_run(vote_plan(&["a", "b", "c"]));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    assert_eq!(
        outputs_as_text(&mut run, 2, answer_input(0, 1, "Answer: 6")),
        ["call 0 c"]
    );
    assert_eq!(
        outputs_as_text(&mut run, 3, answer_input(0, 2, "Six.\nAnswer: 6.0")),
        [
            "-initial 3/0",
            "synthesis 'Answer: 6'",
            "completed Some(\"Answer: 6\")"
        ]
    );
    // If a call of the first wave fails, the second wave decides.
    let mut run = new_run(vote_plan(&["a", "b", "c"]));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    assert_eq!(
        outputs_as_text(&mut run, 2, failure_input(0, 1))
            .last()
            .unwrap(),
        "call 0 c"
    );
    // If the plan is not adaptive, all members are called at once.
    let mut run = new_run(Plan {
        is_adaptive: false,
        ..vote_plan(&["a", "b", "c"])
    });
    let started = outputs_as_text(&mut run, 0, RunInput::Started);
    assert_eq!(started, ["+initial", "call 0 a", "call 0 b", "call 0 c"]);
}

#[test]
fn the_synthesizer_breaks_a_tie_without_writing_the_answer() {
    let mut run = new_run(vote_plan(&["a", "b"]));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Five.\nAnswer: 5"));
    assert_eq!(
        outputs_as_text(&mut run, 2, answer_input(0, 1, "Six.\nAnswer: 6")),
        ["-initial 2/0", "+tie", "call 1 s"]
    );
    run.handle(
        at(3),
        answer_input(1, 0, "The second step of the other is wrong.\nAnswer: 6.0"),
    );
    let out = drain(&mut run);
    let texts: Vec<String> = out.iter().filter_map(output_text).collect();
    assert_eq!(
        texts,
        [
            "-tie 1/0",
            "synthesis 'Six.\nAnswer: 6'",
            "completed Some(\"Six.\\nAnswer: 6\")"
        ]
    );
    let Some(RunOutput::Done(outcome)) = out.last() else {
        panic!("{out:?}")
    };
    let notes = outcome.totals.notes.join("\n");
    assert!(notes.contains("broken by the synthesizer"), "{notes}");
    // The votes and the tie-breaking call are all paid for.
    assert_eq!(outcome.totals.cost_usd, MicroDollars(60));
}

#[test]
fn standings_break_a_tie_without_a_call() {
    let mut plan = vote_plan(&["a", "b"]);
    plan.standings[1].strength = 3;
    let mut run = new_run(plan);
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    assert_eq!(
        outputs_as_text(&mut run, 2, answer_input(0, 1, "Answer: 6")),
        [
            "-initial 2/0",
            "synthesis 'Answer: 6'",
            "completed Some(\"Answer: 6\")"
        ]
    );
}

#[test]
fn an_unbroken_tie_is_drawn_and_reported() {
    let mut run = new_run(vote_plan(&["a", "b"]));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    outputs_as_text(&mut run, 2, answer_input(0, 1, "Answer: 6"));
    // Only the synthesizer is called, because a member would choose its own vote.
    run.handle(at(3), failure_input(1, 0));
    let notes = notes(&mut run);
    assert!(notes.contains("broken by a random draw"), "{notes}");
    assert!(notes.contains("s could not break the tie"), "{notes}");
}

#[test]
fn a_voter_does_not_break_its_own_tie() {
    let mut plan = vote_plan(&["a", "b"]);
    plan.synthesizer.model = plan.members[0].model.clone();
    let mut run = new_run(plan);
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    run.handle(at(2), answer_input(0, 1, "Answer: 6"));
    let notes = notes(&mut run);
    assert!(notes.contains("broken by a random draw"), "{notes}");
    assert!(notes.contains("because it voted itself"), "{notes}");
}

#[test]
fn a_resumed_vote_decides_the_same() {
    let plan = vote_plan(&["a", "b", "c"]);
    let mut run = new_run(plan.clone());
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    outputs_as_text(&mut run, 2, answer_input(0, 1, "Answer: 6"));
    outputs_as_text(&mut run, 3, failure_input(0, 2));
    // The run is interrupted while the tie is being broken.
    let (_, results) = run.clone().into_parts();
    let mut resumed = StagedRun::restore(id(), plan, RunEstimate::default(), at(0), results);
    assert_eq!(
        outputs_as_text(&mut resumed, 9, RunInput::Started),
        ["+tie", "call 1 s"]
    );
    let end = outputs_as_text(&mut resumed, 10, answer_input(1, 0, "Answer: 5"));
    assert_eq!(
        end,
        outputs_as_text(&mut run, 10, answer_input(1, 0, "Answer: 5"))
    );
}

#[test]
fn a_budget_spent_in_the_first_wave_counts_the_votes_so_far() {
    let mut run = new_run(vote_plan(&["a", "b", "c"]));
    outputs_as_text(&mut run, 0, RunInput::Started);
    outputs_as_text(&mut run, 1, answer_input(0, 0, "Answer: 5"));
    run.handle(
        at(2),
        answer_input(0, 1, "It is hard to say how many there are."),
    );
    let asks = (0..50).any(|_| matches!(run.poll(), RunOutput::Reserve { .. }));
    assert!(asks, "the third member was not asked");
    run.handle(at(3), RunInput::Denied("the budget is spent".into()));
    let Some(RunOutput::Done(outcome)) = drain(&mut run).pop() else {
        panic!("not over")
    };
    assert_eq!(outcome.synthesis.as_deref(), Some("Answer: 5"));
    assert_eq!(
        outcome.totals.degraded.as_deref(),
        Some("the budget is spent")
    );
}
