//! Tests with documents that are read in parts before the first answers.

use super::*;
use crate::domain::chat::SourcePassage;
use crate::domain::pattern::reading::{self, ReadCoverage};

pub(super) fn in_parts(mut plan: Plan, parts: usize) -> Plan {
    let part = |number: usize| SourcePassage {
        number: number as u32 + 1,
        mark: format!("D1:p{}", number + 1),
        document: "long.pdf".into(),
        page: number as u32 + 1,
        text: format!("text of page {}", number + 1),
        ..SourcePassage::default()
    };
    let panel = plan.members.clone();
    let reader = |number: usize| {
        let mut seats = panel.clone();
        seats.rotate_left(number % panel.len());
        let mut first = seats.remove(0);
        first.sample = (number / panel.len()) as u32;
        first.fallbacks = seats;
        first
    };
    plan.readers = (0..parts).map(reader).collect();
    plan.parts = (0..parts).map(|number| vec![part(number)]).collect();
    plan.stages.insert(0, reading::reading_stage());
    plan
}

fn calls(outputs: &[RunOutput]) -> Vec<&ModelRequest> {
    let mut calls: Vec<&ModelRequest> = Vec::new();
    for output in outputs {
        if let RunOutput::Call(_, request) = output {
            calls.push(request);
        }
    }
    calls
}

#[test]
fn each_part_is_read_once_and_replaced_by_its_notes() {
    let mut machine = new_run(in_parts(two_stage_plan(&["a", "b"], "s"), 3));
    machine.handle(at(0), RunInput::Started);
    let began = drain(&mut machine);
    let requests = calls(&began);
    let models: Vec<&str> = requests.iter().map(|request| &*request.model).collect();
    assert_eq!(models, ["a", "b", "a"]);
    for (number, request) in (1..).zip(&requests) {
        let prompt = &request.messages[0].text;
        assert!(prompt.contains(&format!("text of page {number}")));
        assert_eq!(prompt.matches("text of page").count(), 1);
        assert_eq!(request.brief.task, Task::Read);
    }
    outputs_as_text(&mut machine, 1, answer_input(0, 2, "third [D1:p3]"));
    outputs_as_text(&mut machine, 1, answer_input(0, 0, "first [D1:p1]"));
    machine.handle(at(2), answer_input(0, 1, "second [D1:p2]"));
    let next = drain(&mut machine);
    let first_answers = calls(&next);
    assert_eq!(first_answers.len(), 2);
    for request in first_answers {
        let notes: Vec<&str> = request
            .brief
            .sources
            .iter()
            .map(|source| &*source.text)
            .collect();
        assert_eq!(notes, ["first [D1:p1]", "second [D1:p2]", "third [D1:p3]"]);
        assert!(!request.messages[0].text.contains("text of page"));
        assert_eq!(request.brief.peers.len(), 0, "notes are nobody's answers");
    }
    outputs_as_text(&mut machine, 3, answer_input(1, 0, "A"));
    machine.handle(at(3), answer_input(1, 1, "B"));
    let last = drain(&mut machine);
    assert_eq!(calls(&last)[0].brief.peers.len(), 2);
    machine.handle(at(4), answer_input(2, 0, "S"));
    let Some(RunOutput::Done(outcome)) = drain(&mut machine).pop() else {
        panic!("not over");
    };
    assert_eq!(outcome.synthesis.as_deref(), Some("S"));
    let coverage_note = "every part of the documents was read: 3 of 3";
    assert!(
        outcome
            .totals
            .notes
            .iter()
            .any(|note| note == coverage_note)
    );
}

#[test]
fn unread_parts_go_to_another_reader_or_are_reported() {
    let mut machine = new_run(in_parts(two_stage_plan(&["a", "b"], "s"), 2));
    machine.handle(at(0), RunInput::Started);
    drain(&mut machine);
    assert_eq!(
        outputs_as_text(&mut machine, 1, failure_input(0, 0)),
        ["failed a then Some(\"b\")", "call 0 b"]
    );
    outputs_as_text(&mut machine, 2, failure_input(0, 0));
    // Both members are called although the reader with index 0 failed, because readers and members have separate slots.
    assert_eq!(
        outputs_as_text(&mut machine, 3, answer_input(0, 1, "second")),
        ["-reading 1/1", "+initial", "call 1 a", "call 1 b"]
    );
    outputs_as_text(&mut machine, 4, answer_input(1, 0, "A"));
    outputs_as_text(&mut machine, 4, answer_input(1, 1, "B"));
    machine.handle(at(5), answer_input(2, 0, "S"));
    let Some(RunOutput::Done(outcome)) = drain(&mut machine).pop() else {
        panic!("not over");
    };
    let note = "1 of 2 parts of the documents were read; not read: D1:p1 (busy)";
    assert!(
        outcome.totals.notes.iter().any(|one| one == note),
        "{:?}",
        outcome.totals.notes
    );
}

#[test]
fn a_run_that_read_no_part_fails() {
    let mut machine = new_run(in_parts(two_stage_plan(&["a"], "s"), 2));
    machine.handle(at(0), RunInput::Started);
    drain(&mut machine);
    outputs_as_text(&mut machine, 1, failure_input(0, 0));
    machine.handle(at(2), failure_input(0, 1));
    let Some(RunOutput::Done(outcome)) = drain(&mut machine).pop() else {
        panic!("not over");
    };
    assert_eq!(outcome.status, Status::Failed);
}

#[test]
fn an_interrupted_run_resumes_reading() {
    let plan = in_parts(plan_of_four(), 3);
    let mut machine = new_run(plan.clone());
    machine.handle(at(0), RunInput::Started);
    drain(&mut machine);
    machine.handle(at(1), answer_input(0, 1, "second"));
    let stored_answers: Vec<StageAnswer> = drain(&mut machine)
        .into_iter()
        .filter_map(|output| match output {
            RunOutput::Store(stored_answers) => Some(*stored_answers),
            _ => None,
        })
        .collect();
    let read = ReadCoverage::from_answers(&plan, &stored_answers).expect("in parts");
    assert_eq!((read.read, read.missing.len()), (1, 2));
    let mut again = StagedRun::restore(id(), plan, RunEstimate::default(), at(0), stored_answers);
    assert_eq!(
        outputs_as_text(&mut again, 9, RunInput::Started),
        ["+reading", "call 0 a", "call 0 c"]
    );
}

#[test]
fn finish_early_waits_for_the_first_answers() {
    let mut machine = new_run(in_parts(plan_of_four(), 2));
    machine.handle(at(0), RunInput::Started);
    drain(&mut machine);
    assert_eq!(
        outputs_as_text(&mut machine, 1, RunInput::FinishEarly),
        [""; 0]
    );
    outputs_as_text(&mut machine, 1, answer_input(0, 0, "first"));
    outputs_as_text(&mut machine, 1, answer_input(0, 1, "second"));
    assert_eq!(
        outputs_as_text(&mut machine, 2, answer_input(1, 1, "B")),
        [
            "stop 1 0",
            "failed a then None",
            "stop 1 2",
            "failed c then None",
            "-initial 1/2",
            "+ultra",
            "call 4 s"
        ]
    );
}

#[test]
fn one_member_is_skipped_on_request() {
    let mut machine = new_run(plan_of_four());
    machine.handle(at(0), RunInput::Started);
    drain(&mut machine);
    outputs_as_text(&mut machine, 1, answer_input(0, 0, "A"));
    assert_eq!(
        outputs_as_text(&mut machine, 2, RunInput::SkipModel("nobody".into())),
        [""; 0]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 2, RunInput::SkipModel("b".into())),
        ["stop 0 1", "failed b then None"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 3, RunInput::SkipModel("b".into())),
        [""; 0],
        "once is enough"
    );
    let next = outputs_as_text(&mut machine, 4, answer_input(0, 2, "C"));
    assert_eq!(next[0], "-initial 2/1");
}

#[test]
fn one_model_alone_reads_and_answers() {
    let plan = plan(
        &["a"],
        "a",
        &[("initial", StageRole::Synthesizer, Task::Answer)],
    );
    let mut machine = new_run(in_parts(
        Plan {
            arrangement: crate::domain::analysis::Arrangement::Single,
            ..plan
        },
        2,
    ));
    machine.handle(at(0), RunInput::Started);
    drain(&mut machine);
    outputs_as_text(&mut machine, 1, answer_input(0, 0, "first"));
    assert_eq!(
        outputs_as_text(&mut machine, 1, answer_input(0, 1, "second")),
        ["-reading 2/0", "+initial", "call 1 a"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 2, answer_input(1, 0, "Yes.")),
        [
            "synthesis 'Yes.'",
            "-initial 1/0",
            "completed Some(\"Yes.\")"
        ]
    );
}
