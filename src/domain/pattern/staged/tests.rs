//! Tests with scripted runs: the inputs of the state machine and the actions that it returns.

mod course;
mod evidence;
mod money;
mod orders;
mod parts;
mod votes;
mod ways;

use super::*;
use crate::domain::analysis::{CacheUse, Member, RunDeadlines, Stage, StageRole};
use crate::domain::chat::{CallBill, Finish, ModelRequest, Task, Usage};
use crate::domain::money::{MicroDollars, Price};
use crate::domain::parameters::Parameters;
use crate::domain::pattern::CallReservation;

fn member(model: &str) -> Member {
    Member {
        model: model.into(),
        parameters: Parameters::default(),
        price: Some(Price {
            input: 1.0,
            output: 2.0,
            cached_input: None,
            long: None,
        }),
        fallbacks: Vec::new(),
        sample: 0,
        reads: 0,
    }
}

fn plan(models: &[&str], synthesizer: &str, stages: &[(&str, StageRole, Task)]) -> Plan {
    let stage = |&(name, role, task): &(&str, StageRole, Task)| Stage {
        name: name.into(),
        role,
        task,
        prompt: "{question}\n{own_initial}|{own}\n{peers}".into(),
    };
    Plan {
        pattern: "p".into(),
        question: "why?".into(),
        members: models.iter().map(|model| member(model)).collect(),
        synthesizer: member(synthesizer),
        stages: stages.iter().map(stage).collect(),
        readings: Vec::new(),
        parts: Vec::new(),
        readers: Vec::new(),
        fits: Vec::new(),
        retrieval: None,
        sources: Vec::new(),
        nonce: "N".into(),
        seed: 1,
        cache: CacheUse::On,
        cache_max_age_s: None,
        budget: None,
        pictures: Vec::new(),
        notes: Vec::new(),
        turns: Vec::new(),
        history_budgets: Default::default(),
        answer_prefix: String::new(),
        tools: None,
        passthrough: None,
        bare: false,
        standings: Vec::new(),
        is_adaptive: false,
        is_live: false,
        times: RunDeadlines::default(),
        arrangement: Default::default(),
        agreement: None,
        evidence: Default::default(),
        canary: String::new(),
        format: None,
    }
}

fn plan_of_four() -> Plan {
    use Task::*;
    let (members, last) = (StageRole::Members, StageRole::Synthesizer);
    plan(
        &["a", "b", "c"],
        "s",
        &[
            ("initial", members, Answer),
            ("meta", members, Review),
            ("hyper", members, Revise),
            ("ultra", last, Synthesize),
        ],
    )
}

pub(in crate::domain) fn two_stage_plan(models: &[&str], synthesizer: &str) -> Plan {
    plan(
        models,
        synthesizer,
        &[
            ("initial", StageRole::Members, Task::Answer),
            ("ultra", StageRole::Synthesizer, Task::Synthesize),
        ],
    )
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

fn id() -> AnalysisId {
    AnalysisId::new(at(0), 1)
}

fn new_run(plan: Plan) -> StagedRun {
    StagedRun::new(id(), plan, RunEstimate::default())
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.into(),
        reasoning: String::new(),
        usage: Usage {
            input: 10,
            output: 5,
            ..Usage::default()
        },
        finish: Finish::Stop,
        calls: Vec::new(),
        extras: Default::default(),
    }
}

fn answer_input(stage: usize, member: usize, text: &str) -> RunInput {
    RunInput::Answered {
        call: CallId { stage, member },
        answer: answer(text),
        cached: false,
        bill: bill(),
    }
}

/// Returns the usage of `answer`, which costs 20 micro-dollars at the price of `member`.
fn bill() -> CallBill {
    CallBill {
        usage: answer("").usage,
        tries: 1,
        ..CallBill::default()
    }
}

fn failure_input(stage: usize, member: usize) -> RunInput {
    failed_with(
        CallId { stage, member },
        CallError::new(CallErrorKind::Overloaded, "busy"),
    )
}

fn failed_with(call: CallId, error: CallError) -> RunInput {
    RunInput::Failed {
        call,
        error,
        bill: CallBill::default(),
    }
}

/// Handles an input, and returns the resulting actions as text.
fn outputs_as_text(machine: &mut StagedRun, ms: i64, input: RunInput) -> Vec<String> {
    machine.handle(at(ms), input);
    drain(machine).iter().filter_map(output_text).collect()
}

fn drain(machine: &mut StagedRun) -> Vec<RunOutput> {
    let mut all = Vec::new();
    loop {
        match machine.poll() {
            RunOutput::Wait(_) => return all,
            RunOutput::Reserve { .. } => machine.handle(machine.stage_started, RunInput::Granted),
            output => all.push(output),
        }
    }
}

fn output_text(output: &RunOutput) -> Option<String> {
    Some(match output {
        RunOutput::Call(call, request) => format!("call {} {}", call.stage, request.model),
        RunOutput::Stop(call) => format!("stop {} {}", call.stage, call.member),
        RunOutput::Emit(RunEvent::StageStarted { stage, .. }) => format!("+{stage}"),
        RunOutput::Emit(RunEvent::StageCompleted {
            stage,
            answered,
            failed,
            ..
        }) => format!("-{stage} {answered}/{failed}"),
        RunOutput::Emit(RunEvent::SynthesisDelta { text }) => format!("synthesis '{text}'"),
        RunOutput::Emit(RunEvent::MemberFailed {
            model, fallback, ..
        }) => format!("failed {model} then {fallback:?}"),
        RunOutput::Done(outcome) => {
            format!("{} {:?}", outcome.status.as_str(), outcome.synthesis)
        }
        _ => return None,
    })
}

#[test]
fn four_stages_flow_into_one_answer() {
    let mut machine = new_run(plan_of_four());
    assert_eq!(
        outputs_as_text(&mut machine, 0, RunInput::Started),
        ["+initial", "call 0 a", "call 0 b", "call 0 c"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 1, answer_input(0, 1, "B0")),
        [""; 0]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 2, answer_input(0, 0, "A0")),
        [""; 0]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 3, answer_input(0, 2, "C0")),
        ["-initial 3/0", "+meta", "call 1 a", "call 1 b", "call 1 c"]
    );
    for member in 0..2 {
        outputs_as_text(&mut machine, 4, answer_input(1, member, "M"));
    }
    assert_eq!(
        outputs_as_text(&mut machine, 5, answer_input(1, 2, "M")),
        ["-meta 3/0", "+hyper", "call 2 a", "call 2 b", "call 2 c"]
    );
    for member in 0..2 {
        outputs_as_text(&mut machine, 6, answer_input(2, member, "H"));
    }
    assert_eq!(
        outputs_as_text(&mut machine, 7, answer_input(2, 2, "H")),
        ["-hyper 3/0", "+ultra", "call 3 s"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 8, answer_input(3, 0, "U")),
        ["synthesis 'U'", "-ultra 1/0", "completed Some(\"U\")"]
    );
}

#[test]
fn first_answers_are_independent_and_later_readers_see_letters_only() {
    let mut machine = new_run(plan_of_four());
    machine.handle(at(0), RunInput::Started);
    let calls = |outputs: Vec<RunOutput>| -> Vec<Box<ModelRequest>> {
        outputs
            .into_iter()
            .filter_map(|output| {
                if let RunOutput::Call(_, request) = output {
                    Some(request)
                } else {
                    None
                }
            })
            .collect()
    };
    for request in calls(drain(&mut machine)) {
        assert!(request.brief.peers.is_empty() && request.brief.own_text.is_none());
    }
    machine.handle(at(1), answer_input(0, 0, "As Claude, I say alpha"));
    machine.handle(at(1), answer_input(0, 1, "beta"));
    machine.handle(at(1), answer_input(0, 2, "gamma"));
    let reviews = calls(drain(&mut machine));
    let mut seen_peers: Vec<(char, &str)> = reviews[1]
        .brief
        .peers
        .iter()
        .map(|peer| (peer.letter, peer.text.as_str()))
        .collect();
    seen_peers.sort_unstable();
    assert_eq!(seen_peers, [('A', "I say alpha"), ('C', "gamma")]);
    assert_eq!(reviews[1].brief.own_text.as_deref(), Some("beta"));
    assert!(reviews[1].messages[1].text.contains("beta|beta"));
}

#[test]
fn revision_prompt_separates_the_draft_from_the_review() {
    let mut machine = new_run(plan_of_four());
    machine.handle(at(0), RunInput::Started);
    for (stage, text) in [(0, "first"), (1, "review")] {
        for member in 0..3 {
            drain(&mut machine);
            machine.handle(
                at(1),
                answer_input(stage, member, &format!("{text} {member}")),
            );
        }
    }
    let outputs = drain(&mut machine);
    let request = outputs.iter().find_map(|output| match output {
        RunOutput::Call(
            CallId {
                stage: 2,
                member: 1,
            },
            request,
        ) => Some(request),
        _ => None,
    });
    let request = request.unwrap();
    assert!(
        request.messages[1].text.contains("first 1|review 1"),
        "{}",
        request.messages[1].text
    );
    assert_eq!(request.brief.own_text.as_deref(), Some("first 1"));
}

#[test]
fn a_failed_member_is_dropped_and_the_run_continues() {
    let mut machine = new_run(plan_of_four());
    outputs_as_text(&mut machine, 0, RunInput::Started);
    outputs_as_text(&mut machine, 1, answer_input(0, 0, "A"));
    outputs_as_text(&mut machine, 1, failure_input(0, 1));
    assert_eq!(
        outputs_as_text(&mut machine, 2, answer_input(0, 2, "C")),
        ["-initial 2/1", "+meta", "call 1 a", "call 1 c"]
    );
    outputs_as_text(&mut machine, 3, failure_input(1, 0));
    // A single text cannot be compared with others, so the run goes straight to the synthesis.
    assert_eq!(
        outputs_as_text(&mut machine, 4, answer_input(1, 2, "M")),
        ["-meta 1/1", "+ultra", "call 3 s"]
    );
}

#[test]
fn a_failed_stage_passes_on_the_previous_answers() {
    let mut machine = new_run(plan_of_four());
    outputs_as_text(&mut machine, 0, RunInput::Started);
    for member in 0..3 {
        outputs_as_text(&mut machine, 1, answer_input(0, member, "first"));
    }
    outputs_as_text(&mut machine, 2, failure_input(1, 0));
    outputs_as_text(&mut machine, 2, failure_input(1, 1));
    machine.handle(at(3), failure_input(1, 2));
    let outputs = drain(&mut machine);
    let Some(RunOutput::Call(_, request)) = outputs
        .iter()
        .find(|output| matches!(output, RunOutput::Call(..)))
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (request.model.as_str(), request.brief.peers.len()),
        ("s", 3)
    );
    assert!(request.brief.peers.iter().all(|peer| peer.text == "first"));
}

#[test]
fn run_without_any_answer_fails_with_every_reason() {
    let mut machine = new_run(two_stage_plan(&["a", "b"], "s"));
    outputs_as_text(&mut machine, 0, RunInput::Started);
    outputs_as_text(&mut machine, 1, failure_input(0, 0));
    machine.handle(at(2), answer_input(0, 1, "  \n"));
    let Some(RunOutput::Done(outcome)) = drain(&mut machine).pop() else {
        panic!("not over")
    };
    assert_eq!(
        outcome.error.as_deref(),
        Some("no member answered (a: busy; b: the model returned an empty answer)")
    );
}

#[test]
fn another_member_writes_when_the_synthesizer_fails() {
    let mut machine = new_run(two_stage_plan(&["a", "s", "b"], "s"));
    outputs_as_text(&mut machine, 0, RunInput::Started);
    for member in 0..3 {
        outputs_as_text(&mut machine, 1, answer_input(0, member, "x"));
    }
    assert_eq!(
        outputs_as_text(&mut machine, 2, failure_input(1, 0)),
        ["failed s then Some(\"a\")", "call 1 a"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 3, failure_input(1, 1)),
        ["failed a then Some(\"b\")", "call 1 b"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 4, failure_input(1, 2))
            .last()
            .map(String::as_str),
        Some("completed Some(\"x\")")
    );
}

#[test]
fn canceling_stops_every_open_call_and_nothing_follows() {
    let mut machine = new_run(two_stage_plan(&["a", "b"], "s"));
    outputs_as_text(&mut machine, 0, RunInput::Started);
    outputs_as_text(&mut machine, 1, answer_input(0, 0, "x"));
    assert_eq!(
        outputs_as_text(&mut machine, 2, RunInput::Cancelled("stop".into())),
        ["stop 0 1", "cancelled None"]
    );
    assert_eq!(
        outputs_as_text(&mut machine, 3, answer_input(0, 1, "y")),
        [""; 0]
    );
}

#[test]
fn a_call_that_never_ends_times_out() {
    let mut machine = new_run(two_stage_plan(&["a"], "s"));
    outputs_as_text(&mut machine, 0, RunInput::Started);
    let RunOutput::Wait(Some(until)) = machine.poll() else {
        panic!("no time limit")
    };
    assert_eq!(until, at(305_000));
    assert_eq!(
        outputs_as_text(&mut machine, 305_000, RunInput::Tick),
        [
            "stop 0 0",
            "failed a then None",
            "-initial 0/1",
            "failed None"
        ]
    );
}

#[test]
fn a_restored_run_makes_only_missing_calls() {
    let mut first = new_run(plan_of_four());
    let mut outputs = Vec::new();
    for input in [
        RunInput::Started,
        answer_input(0, 0, "A"),
        answer_input(0, 1, "B"),
        failure_input(0, 2),
        answer_input(1, 0, "M"),
    ] {
        first.handle(at(1), input);
        outputs.extend(drain(&mut first));
    }
    let stored_answers = outputs.into_iter().filter_map(|output| {
        if let RunOutput::Store(stored_answer) = output {
            Some(*stored_answer)
        } else {
            None
        }
    });
    let mut second = StagedRun::restore(
        id(),
        plan_of_four(),
        RunEstimate::default(),
        at(0),
        stored_answers.collect(),
    );
    assert_eq!(
        outputs_as_text(&mut second, 9, RunInput::Started),
        ["+meta", "call 1 b"]
    );
    assert_eq!(
        outputs_as_text(&mut second, 10, answer_input(1, 1, "M")),
        ["-meta 2/0", "+hyper", "call 2 a", "call 2 b"]
    );
}

/// Skips the actions before the next reservation, and returns the calls to reserve.
fn reserve_and_grant(machine: &mut StagedRun) -> Vec<CallReservation> {
    loop {
        match machine.poll() {
            RunOutput::Reserve { calls, .. } => return calls,
            RunOutput::Wait(_) | RunOutput::Done(_) => panic!("nothing was asked for"),
            _ => {}
        }
    }
}
