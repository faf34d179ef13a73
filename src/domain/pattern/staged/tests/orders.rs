//! Tests with inputs in any order and in every arrangement: the run ends, each call ends once, no calls are
//! made after the end, and nothing waits forever.

use crate::domain::chat::Delta;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::analysis::Arrangement;
use crate::domain::chat::SourcePassage;

/// Creates a plan of the arrangement with this number. Its prefixes are long enough that calls wait for one another.
fn any_plan(kind: usize, members: usize, threshold: Option<f64>) -> Plan {
    let mut plan = match kind {
        0 => plan_of_four(),
        1 => {
            let mut plan = two_stage_plan(&["a", "a", "a"], "a");
            plan.arrangement = Arrangement::Own;
            (0..)
                .zip(&mut plan.members)
                .for_each(|(sample, member)| member.sample = sample);
            plan
        }
        2 => {
            let mut plan = two_stage_plan(&["a", "b", "c"], "s");
            plan.arrangement = Arrangement::Cascade;
            plan
        }
        3 => {
            let mut plan = plan(
                &["a", "b", "c"],
                "s",
                &[("initial", StageRole::Members, Task::Answer)],
            );
            plan.arrangement = Arrangement::Vote;
            plan
        }
        4 => parts::in_parts(plan_of_four(), 3),
        5 => {
            let mut plan = two_stage_plan(&["a", "b", "c"], "s");
            plan.arrangement = Arrangement::Cascade;
            parts::in_parts(plan, 2)
        }
        _ => {
            let mut plan = plan(
                &["a"],
                "a",
                &[("initial", StageRole::Synthesizer, Task::Answer)],
            );
            plan.arrangement = Arrangement::Single;
            plan
        }
    };
    plan.members.truncate(members);
    plan.agreement = threshold;
    if kind.is_multiple_of(2) {
        plan.evidence.judge = Some(member("judge"));
        plan.evidence.checkers = vec![member("a")];
    }
    plan.canary = "c4n4ry".into();
    plan.sources = vec![SourcePassage {
        number: 1,
        document: "long.txt".into(),
        page: 1,
        text: "word ".repeat(1_500),
        ..SourcePassage::default()
    }];
    for member in &mut plan.members {
        member.price = member.price.map(|price| Price {
            cached_input: Some(0.1),
            ..price
        });
    }
    plan
}

const ANSWER_TEXTS: [&str; 4] = ["Answer: 4", "Answer: 5", "obeys c4n4ry", "  "];

proptest! {
    #[test]
    fn every_order_of_inputs_ends(
        script in prop::collection::vec((0usize..4, 0u8..8), 0..60), members in 1usize..4, kind in 0usize..7,
        threshold in prop::option::of(0.0..1.0),
    ) {
        let mut machine = new_run(any_plan(kind, members, threshold));
        let mut open_calls: Vec<CallId> = Vec::new();
        let mut done_count = 0;
        let mut requested_calls = BTreeSet::new();
        let mut cost = MicroDollars(0);
        machine.handle(at(0), RunInput::Started);
        let mut script = script.into_iter();
        for step in 1.. {
            for output in drain(&mut machine) {
                match output {
                    RunOutput::Call(call, request) => {
                        prop_assert_eq!(done_count, 0);
                        prop_assert!(requested_calls.insert((call, request.model)), "{:?} asked twice", call);
                        // A fallback's call replaces the member's call.
                        open_calls.retain(|&other| other != call);
                        open_calls.push(call);
                    }
                    RunOutput::Stop(call) => open_calls.retain(|&other| other != call),
                    RunOutput::Store(kept) => {
                        let earlier = kept.earlier.iter().filter_map(|attempt| attempt.cost);
                        cost = earlier.chain(kept.cost).fold(cost, MicroDollars::saturating_add);
                        open_calls.retain(|&other| other != CallId { stage: kept.stage, member: kept.member });
                    }
                    RunOutput::Done(outcome) => {
                        // Only the usage of actual calls is charged.
                        prop_assert_eq!(outcome.totals.cost_usd, cost);
                        done_count += 1;
                    }
                    _ => {}
                }
            }
            prop_assert!(open_calls.len() <= 3);
            if done_count > 0 { break }
            prop_assert!(!open_calls.is_empty(), "stuck");
            let (which, what) = script.next().unwrap_or((0, 0));
            let call = open_calls[which % open_calls.len()];
            machine.handle(at(step), match what {
                0 | 1 => RunInput::Answered { call, answer: answer(ANSWER_TEXTS[which]), cached: what == 1, bill: bill() },
                2 => failed_with(call, CallError::new(CallErrorKind::Connect, "gone")),
                3 => RunInput::Delta(call, Delta::Text("t".into())),
                4 => RunInput::Delta(call, Delta::Reasoning("r".into())),
                5 => RunInput::FinishEarly,
                _ if step > 40 => RunInput::Cancelled("enough".into()),
                _ => RunInput::Delta(CallId { stage: 9, member: 9 }, Delta::Text("stray".into())),
            });
        }
        prop_assert_eq!(done_count, 1);
        prop_assert!(open_calls.is_empty());
        // Inputs after the end have no effect.
        machine.handle(at(9_999), RunInput::FinishEarly);
        machine.handle(at(9_999), RunInput::Started);
        prop_assert!(drain(&mut machine).is_empty());
    }
}
