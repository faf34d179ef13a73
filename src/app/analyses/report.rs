//! Builds the report of an analysis: the results of its calls, the best single draft, and whether to offer a blind
//! comparison.

use super::{Analyses, CallRecord};
use crate::domain::analysis::Analysis;
use crate::domain::answer::StageAnswer;
use crate::domain::id::AnalysisId;
use crate::domain::panel_vs_single::pair::AnswerPair;
use crate::domain::panel_vs_single::single::{self, SingleDraft};
use crate::store::threads::TurnLocation;

/// An analysis with the results of its calls.
#[derive(Debug, Clone)]
pub struct AnalysisReport {
    /// The stored analysis with its request, plan, and status.
    pub analysis: Analysis,
    /// The answers, by stage and member.
    pub answers: Vec<StageAnswer>,
    /// The best single draft; `None` before the analysis is over, or if there is no usable draft.
    pub single_draft: Option<SingleDraft>,
    /// Whether the owner is offered a blind comparison of the panel with the best single draft.
    pub comparison_offered: bool,
    /// All calls, ordered by start time. Empty once their rows have expired from the call log.
    pub calls: Vec<CallRecord>,
    /// The owner's vote on the result, if any.
    pub vote: Option<String>,
    /// Position of the analysis in its thread, for its owner; `None` outside the history.
    pub thread_position: Option<TurnLocation>,
}

impl AnalysisReport {
    /// Returns the draft that represents a single model, once the analysis has ended.
    pub fn best_single(&self) -> Option<&StageAnswer> {
        self.answers.get(self.single_draft?.index)
    }

    /// Returns the reason for each member's failure. Failed evidence calls are reported separately.
    pub fn failures(&self) -> Vec<String> {
        let reason = |answer: &StageAnswer| {
            answer
                .error
                .as_ref()
                .map(|error| format!("{}: {}", answer.model, error.detail))
        };
        let stages = self.analysis.plan.stages.len();
        let is_shown = |answer: &&StageAnswer| answer.stage < stages && !answer.is_partial();
        let failed = self.answers.iter().filter(is_shown);
        failed.filter_map(reason).collect()
    }
}

/// Whether the reader of an analysis may be offered a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComparisonOffer {
    /// Not offered: the comparison has already been decided, or the reader is not the owner.
    Never,
    /// Offered at the user's interval, or at the server's default if none is set.
    AtInterval(Option<u64>),
}

impl Analyses<'_> {
    /// Builds the report of an analysis, including its best single draft.
    pub(super) fn report_of(
        &self,
        analysis: Analysis,
        answers: Vec<StageAnswer>,
        calls: Vec<CallRecord>,
        offer: ComparisonOffer,
    ) -> AnalysisReport {
        let find_model = |model: &str| self.llm.find(analysis.user.as_ref(), model);
        let strength = |model: &str| find_model(model).map_or(0, |model| model.strength);
        let over = analysis.status.is_over();
        let best = over.then(|| single::best_draft(&analysis.plan, &answers, strength));
        let mut report = AnalysisReport {
            single_draft: best.flatten(),
            comparison_offered: false,
            analysis,
            answers,
            calls,
            vote: None,
            thread_position: None,
        };
        let interval = match offer {
            ComparisonOffer::Never => 0,
            ComparisonOffer::AtInterval(own) => own.unwrap_or(self.compare_every),
        };
        report.comparison_offered = is_sampled(&report.analysis.id, interval)
            && AnswerPair::new(&report.analysis, report.best_single()).is_ok();
        report
    }
}

// Samples one in `interval` analyses by the FNV-1a hash of the ID: the same result each time, but not predictable
// beforehand.
fn is_sampled(id: &AnalysisId, interval: u64) -> bool {
    let hash = id
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    interval > 0 && (hash >> 16).is_multiple_of(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn analyses_are_sampled_at_the_configured_rate() {
        let sampled_count = |interval: u64| {
            let ids = (0..2_000_u32).map(|n| {
                AnalysisId::new(Timestamp::from_millis(i64::from(n)), u128::from(n) * 977)
            });
            ids.filter(|id| is_sampled(id, interval)).count()
        };
        assert_eq!((sampled_count(0), sampled_count(1)), (0, 2_000));
        for interval in [2, 5, 20] {
            let expected = 2_000.0 / interval as f64;
            let sampled = sampled_count(interval) as f64;
            assert!(
                (sampled - expected).abs() < 5.0 * expected.sqrt(),
                "{sampled} for {interval}"
            );
        }
    }
}
