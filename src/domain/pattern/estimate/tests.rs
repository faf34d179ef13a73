//! Property tests of the estimate over arbitrary plans.

use proptest::prelude::*;

use super::*;
use crate::domain::analysis::Stage;
use crate::domain::chat::Task;
use crate::domain::money::{LongCallPrice, Price};
use crate::domain::pattern::staged::tests::two_stage_plan;

/// Generates prices in dollars per million tokens: free, typical, and absurd ones.
fn dollars() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        0.0..200.0_f64,
        Just(1e6),
        Just(1e15),
        Just(f64::MAX)
    ]
}

fn price() -> impl Strategy<Value = Price> {
    let long =
        (any::<u64>(), dollars(), dollars()).prop_map(|(over, input, output)| LongCallPrice {
            over,
            input,
            output,
            cached_input: None,
        });
    let long = prop::option::of(long);
    (dollars(), dollars(), long).prop_map(|(input, output, long)| Price {
        input,
        output,
        cached_input: None,
        // A long call never costs less per token; otherwise, reading more could be cheaper.
        long: long.map(|long| LongCallPrice {
            input: long.input.max(input),
            output: long.output.max(output),
            ..long
        }),
    })
}

fn member() -> impl Strategy<Value = Member> {
    (
        prop::option::of(price()),
        prop::option::of(any::<u32>()),
        any::<u32>(),
    )
        .prop_map(|(price, max_tokens, reads)| {
            let mut member = two_stage_plan(&["m"], "s").synthesizer;
            member.price = price;
            member.parameters.max_tokens = max_tokens;
            member.reads = reads;
            member
        })
}

fn source() -> impl Strategy<Value = SourcePassage> {
    ("[a-z\u{4e00}]{0,40}", any::<u32>()).prop_map(|(text, number)| SourcePassage {
        number,
        mark: format!("D{number}:p1"),
        document_id: None,
        start: 0,
        end: u32::MAX,
        document: "a.txt".to_owned(),
        page: number,
        text,
    })
}

fn stage() -> impl Strategy<Value = Stage> {
    let role = prop_oneof![
        Just(StageRole::Readers),
        Just(StageRole::Members),
        Just(StageRole::Synthesizer)
    ];
    (role, ".{0,60}").prop_map(|(role, prompt)| Stage {
        name: "stage".to_owned(),
        role,
        task: Task::Answer,
        prompt,
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let sources = || prop::collection::vec(source(), 0..3);
    let all = |max_count| prop::collection::vec(member(), 0..max_count);
    (
        (all(6), member(), all(4)),
        prop::collection::vec(stage(), 0..6),
        (
            sources(),
            prop::collection::vec(sources(), 0..3),
            prop::collection::vec(sources(), 0..5),
        ),
        ".{0,200}",
    )
        .prop_map(
            |((members, synthesizer, readers), stages, documents, question)| {
                let (sources, readings, parts) = documents;
                Plan {
                    question,
                    members,
                    synthesizer,
                    readers,
                    stages,
                    sources,
                    readings,
                    parts,
                    ..two_stage_plan(&["m"], "s")
                }
            },
        )
}

proptest! {
    #[test]
    fn the_estimate_holds_for_any_plan(plan in plan()) {
        let calls = estimate_calls(&plan);
        for call in &calls {
            prop_assert!(call.upper_bound_tokens >= call.input_tokens + call.output_tokens);
            prop_assert_eq!(call.cost_usd.is_some(), call.upper_bound_usd.is_some());
            if let (Some(cost), Some(bound)) = (call.cost_usd, call.upper_bound_usd) {
                prop_assert!(MicroDollars(0) <= cost && cost <= bound, "{:?}", call);
            }
        }
        let (sum, bound, known_sum) = (total_estimate(&calls), upper_bound(&calls), known_cost(&calls));
        prop_assert_eq!(sum.calls as usize, calls.len());
        prop_assert_eq!(sum.cost_usd.is_some(), bound.is_some());
        if let (Some(cost), Some(bound)) = (sum.cost_usd, bound) {
            prop_assert!(MicroDollars(0) <= cost && cost <= bound);
            prop_assert_eq!(cost, known_sum);
            prop_assert!(first_stage_bound(&calls).cost <= bound);
        }
        prop_assert!(known_sum >= MicroDollars(0));
        for member in plan.members.iter().chain([&plan.synthesizer]) {
            prop_assert!(document_tokens_of(&plan, member) <= beginning_tokens_of(&plan, member));
        }
    }
}
