//! Describes the forecast of an experiment: its stopping rule, and warnings for the user who pays for it.

use super::MAX_CONCURRENT;
use crate::app::{Error, Result};
use crate::domain::experiment::design::{Design, RaceStep};
use crate::domain::experiment::spec::ExperimentSpec;
use crate::domain::experiment::successive_halving::{
    MAX_EXHAUSTIVE_CONFIGURATIONS, SuccessiveHalving,
};
use crate::domain::experiment::{
    MIN_CASES, Objective, TrialOutcome, configuration_count, reserved_fraction,
};

/// Rejects a budget that allows no evaluation. A small space may start nevertheless if money or tokens are limited,
/// because costs are known only as upper bounds.
///
/// # Errors
/// `BadInput` if the budget does not cover two configurations on one case in addition to the share reserved for
/// the final comparison.
pub(super) fn check_reach(design: &Design) -> Result<()> {
    if matches!(
        SuccessiveHalving::new(design.clone()).next(),
        RaceStep::Evaluate(_)
    ) {
        return Ok(());
    }
    let budget = &design.budget;
    // An evaluation's cost is known only as an upper bound, so a small space with too little money starts
    // anyway, and may end with nothing evaluated.
    if design.arms.len() <= MAX_EXHAUSTIVE_CONFIGURATIONS
        && (budget.cost.is_some() || budget.tokens.is_some())
    {
        return Ok(());
    }
    let required = |of: &dyn Fn(&TrialOutcome) -> u64| {
        let highest_cost = design.declared.iter().map(of).max().unwrap_or(0);
        // Two evaluations must fit into the budget minus the reserve.
        (highest_cost as f64 * 2.0 / (1.0 - reserved_fraction(design))).ceil() as u64
    };
    let cost = budget.cost.map(|_| {
        let cost = required(&|outcome| outcome.total_cost().0.max(0) as u64);
        format!("{} dollars", cost as f64 / 1e6)
    });
    let tokens = budget
        .tokens
        .map(|_| format!("{} tokens", required(&TrialOutcome::total_tokens)));
    let time = budget.latency_ms.map(|_| {
        let seconds = required(&|outcome| outcome.latency_ms).div_ceil(1_000);
        format!("{seconds} seconds")
    });
    let count = budget.evaluations.map(|_| {
        format!(
            "{} evaluations",
            (2.0 / (1.0 - reserved_fraction(design))).ceil()
        )
    });
    let parts: Vec<String> = [cost, tokens, time, count].into_iter().flatten().collect();
    let why = format!(
        "is too small to compare two configurations on one case, which can require {}",
        parts.join(", ")
    );
    Err(Error::field(&["body", "budget"], "out_of_range", why))
}

/// Describes the stopping rule in words.
pub(super) fn stopping_rule_text(spec: &ExperimentSpec, design: &Design) -> String {
    let cost_rule = match spec.objective {
        Objective::Weighted {
            uses: Some(uses), ..
        } => format!(
            "when continuing would cost more than a better configuration could gain over {uses} questions, "
        ),
        _ => String::new(),
    };
    let search = match design.search {
        Some(search) => format!(
            "With at most half of the race's budget, a model reads failures and proposes up to {} better prompts; \
             those that are no worse than the prompt they improve join the race. ",
            search.max_proposals
        ),
        None => String::new(),
    };
    let queue = format!("{MAX_CONCURRENT} evaluations run at once, and other requests come first.");
    if configuration_count(design) == 2 {
        return format!(
            "Both configurations answer the same cases in the same order. The comparison stops when the difference is overwhelming \
             (according to a betting test that stays valid after every block of cases), {cost_rule}when the cases are \
             used up, or when the budget is spent. {queue}"
        );
    }
    format!(
        "{search}All configurations answer the same cases in the same order; those that are behind wait when the budget \
         is short, and those shown to be worse are eliminated. The race stops when one configuration is left, when the leader \
         is within {} of the best of the others in {:.0} of 100 resamples of the cases, {cost_rule}when the cases are used up, \
         or when its part of the budget is spent. The rest, at least {:.0} % of the budget, compares the leader with your \
         current configuration on cases that the race has not used; only that comparison is reported. {queue}",
        spec.indifference,
        (1.0 - spec.error_rate) * 100.0,
        reserved_fraction(design) * 100.0,
    )
}

/// Warns about too few cases or evaluations.
pub(super) fn warnings(
    race_cases: usize,
    final_cases: usize,
    configurations: u64,
    evaluations: u64,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if final_cases < MIN_CASES {
        warnings.push(format!(
            "only {final_cases} cases are left for the final comparison, too few to show any difference; \
             use 30 cases or more",
        ));
    } else if final_cases < 10 {
        warnings.push(format!(
            "only {final_cases} cases are left for the final comparison, which will find only large differences; \
             use 30 cases or more",
        ));
    }
    if evaluations < configurations.saturating_mul(4.min(race_cases as u64)) {
        warnings.push(format!(
            "{evaluations} evaluations are too few for {configurations} configurations: some will hardly be tested"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::draft::{EvaluationCost, forecast};
    use super::*;
    use crate::domain::experiment::{Case, Configuration, ExperimentBudget, JudgeCost};
    use crate::domain::money::MicroDollars;

    #[test]
    fn too_few_cases_cause_a_warning() {
        let of = |final_cases| warnings(50, final_cases, 2, 1_000).join(" ");
        assert!(
            of(5).contains("too few to show any difference"),
            "{}",
            of(5)
        );
        assert!(of(6).contains("only large differences"), "{}", of(6));
        assert_eq!(of(30), "");
    }

    fn any_amount() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..4, 0u64..1_000_000, Just(u64::MAX), any::<u64>()]
    }

    fn outcome() -> impl Strategy<Value = TrialOutcome> {
        (any_amount(), any_amount(), any_amount()).prop_map(|(cost, tokens, latency_ms)| {
            TrialOutcome {
                score: 0.0,
                cost: MicroDollars((cost >> 1) as i64),
                tokens,
                latency_ms,
                judged: JudgeCost {
                    cost: MicroDollars((tokens >> 1) as i64),
                    tokens: cost,
                },
            }
        })
    }

    fn budget() -> impl Strategy<Value = ExperimentBudget> {
        let part = || prop::option::of(any_amount());
        (part(), part(), part(), part()).prop_map(|(cost, tokens, latency_ms, evaluations)| {
            ExperimentBudget {
                cost: cost.map(|cost| MicroDollars((cost >> 1) as i64)),
                tokens,
                latency_ms,
                evaluations,
            }
        })
    }

    proptest! {
        /// Any specification is either rejected or forecast with consistent numbers.
        #[test]
        fn every_specification_has_a_forecast(
            budget in budget(),
            loads in prop::collection::vec((outcome(), outcome(), any::<bool>()), 1..90),
            cases in 1usize..40,
            seed in any::<u64>(),
        ) {
            let loads: Vec<EvaluationCost> = loads
                .into_iter()
                .map(|(expected, max, priced)| EvaluationCost { expected, max, is_priced: priced })
                .collect();
            let spec: ExperimentSpec = serde_json::from_value(json!({
                "name": "n", "space": [], "base": {}, "evaluator": {"kind": "exact"},
                "objective": {"kind": "weighted", "dollar": 1.0, "second": 0.1, "uses": seed}, "budget": {},
                "indifference": 0.02, "wrong": 0.1, "seed": seed,
            })).expect("a specification");
            let spec = ExperimentSpec { budget, ..spec };
            let design = Design {
                arms: (0..loads.len()).map(|place| Configuration(vec![Some(place)])).collect(),
                current: loads.len() / 2,
                cases,
                objective: spec.objective,
                budget,
                declared: loads.iter().map(|load| load.max).collect(),
                indifference: 0.02,
                error_rate: 0.1,
                seed,
                search: None,
            };
            let _ = check_reach(&design);
            let estimate = forecast(spec, design, vec![Case::default(); cases], &loads);
            prop_assert!(estimate.evaluations <= (loads.len() * cases) as u64 + 2 * cases as u64);
            // A race without evaluations leaves all cases to the holdout, so both numbers may be equal.
            prop_assert!(estimate.holdout_count <= cases);
            let amounts = [estimate.cost, estimate.cost_at_most].into_iter().flatten();
            for amount in amounts {
                prop_assert!(amount.0 >= 0, "{:?}", amount);
            }
        }
    }
}
