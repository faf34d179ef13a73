//! Finds the answers of an earlier run that a plan can reuse, without making any calls. A call whose prompt
//! depends on an answer that is not known yet does not count as reusable.

use super::StagedRun;
use crate::domain::analysis::{Plan, StageAnswer, StageRole};
use crate::domain::event::RunEstimate;
use crate::domain::id::AnalysisId;
use crate::domain::time::Timestamp;

impl StagedRun {
    /// Returns the reusable answers with their stage and member in the new plan.
    pub fn reusable_answers(
        plan: &Plan,
        earlier: &Plan,
        answers: &[StageAnswer],
    ) -> Vec<StageAnswer> {
        let mut answered = Self::answered_requests(earlier, answers);
        let id = AnalysisId::new(Timestamp::default(), 0);
        let mut run = Self::new(id, plan.clone(), RunEstimate::default());
        let mut reused = Vec::new();
        for (stage, of) in plan.stages.iter().enumerate() {
            let slot_count = match of.role {
                StageRole::Readers => plan.parts.len(),
                StageRole::Members => plan.members.len(),
                StageRole::Synthesizer => 1,
            };
            let mut reusable = Vec::new();
            for member in 0..slot_count {
                let request = run.state.build_request(stage, member);
                let same = answered
                    .iter()
                    .position(|(_, known_request)| known_request.is_same_question(&request));
                let Some(at) = same else { continue };
                let (answer, _) = answered.swap_remove(at);
                reusable.push(StageAnswer {
                    stage,
                    member,
                    ..answer
                });
            }
            let complete = reusable.len() == slot_count;
            run.state.restore(reusable.clone());
            reused.extend(reusable);
            if !complete {
                break;
            }
        }
        reused
    }
}
