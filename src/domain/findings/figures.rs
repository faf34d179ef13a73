//! Statistics of each stage of a run: time, tokens, and cost.

use serde::{Deserialize, Serialize};

use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::chat::Usage;
use crate::domain::money::MicroDollars;
use crate::domain::plan::EVIDENCE_STAGE;

/// Statistics of one stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StageFigures {
    /// Name of the stage, or `EVIDENCE_STAGE` for the evidence calls.
    pub stage: String,
    /// Number of successful calls.
    pub answered: u32,
    /// Number of failed calls, including those that were replaced by a call to another model.
    pub failed: u32,
    /// Number of answers that came from the cache.
    pub cached: u32,
    /// Wall-clock duration in ms; the duration of the longest call if the stage was not timed.
    pub duration_ms: u64,
    /// Tokens of all calls.
    pub usage: Usage,
    /// Sum of the known costs of all calls.
    pub cost_usd: MicroDollars,
    /// Whether the price of any call is unknown.
    pub cost_incomplete: bool,
}

/// Returns the statistics of every stage of the plan, in order, followed by the statistics of the evidence calls if any
/// were made.
pub(super) fn stage_figures(plan: &Plan, answers: &[StageAnswer]) -> Vec<StageFigures> {
    let stage = |(index, stage): (usize, &crate::domain::analysis::Stage)| {
        let mut figures = StageFigures {
            stage: stage.name.clone(),
            ..StageFigures::default()
        };
        for answer in answers.iter().filter(|answer| answer.stage == index) {
            figures.add_answer(answer);
        }
        figures
    };
    let mut found: Vec<StageFigures> = plan.stages.iter().enumerate().map(stage).collect();
    let evidence: Vec<&StageAnswer> = (answers.iter())
        .filter(|answer| plan.evidence_call(answer.stage).is_some())
        .collect();
    if !evidence.is_empty() {
        let mut figures = StageFigures {
            stage: EVIDENCE_STAGE.to_owned(),
            ..StageFigures::default()
        };
        evidence
            .into_iter()
            .for_each(|answer| figures.add_answer(answer));
        found.push(figures);
    }
    found
}

impl StageFigures {
    fn add_answer(&mut self, answer: &StageAnswer) {
        match answer.answered() {
            true => self.answered += 1,
            false => self.failed += 1,
        }
        self.failed += answer.earlier.len() as u32;
        self.cached += u32::from(answer.cached && answer.answered());
        self.duration_ms = self.duration_ms.max(answer.latency_ms);
        let earlier = answer
            .earlier
            .iter()
            .map(|attempt| (&attempt.usage, attempt.cost));
        for (usage, cost) in earlier.chain([(&answer.usage, answer.cost)]) {
            self.usage = self.usage.combined_with(usage);
            match cost {
                Some(cost) => self.cost_usd = self.cost_usd.saturating_add(cost),
                None => self.cost_incomplete = true,
            }
        }
    }
}
