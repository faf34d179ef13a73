//! The two texts of a blind comparison, or why there are none. The caller draws the order in which they are shown.

use std::fmt;

use super::blind::anonymize;
use crate::domain::analysis::{Analysis, StageAnswer, Status};

/// A panel's answer and a single draft, without anything that reveals their origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerPair {
    /// The panel's answer.
    pub panel: String,
    /// One member's first answer.
    pub single_draft: String,
}

/// Why an analysis cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotComparable {
    /// The analysis has no answer, or none yet.
    NotCompleted,
    /// The answer has a structured format, which reveals its origin.
    FormatRequested,
    /// Only one model was called, and only once, so there is no panel.
    OnlyOneModel,
    /// The texts are the same, or one of them is empty.
    SameText,
}

impl fmt::Display for NotComparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCompleted => "only a completed analysis can be compared",
            Self::FormatRequested => {
                "an answer in a requested format is recognizable, so it cannot be compared blindly"
            }
            Self::OnlyOneModel => "only one model was called: there is nothing to compare",
            Self::SameText => "the panel's answer and the single draft are the same",
        })
    }
}

impl AnswerPair {
    /// Builds the pair from an analysis and the chosen draft.
    ///
    /// # Errors
    /// Returns an error if the analysis has no answer or draft, its answer has a structured format, only one
    /// model was called, or the texts are empty or equal.
    pub fn new(analysis: &Analysis, draft: Option<&StageAnswer>) -> Result<Self, NotComparable> {
        let plan = &analysis.plan;
        let (Status::Completed, Some(synthesis), Some(draft)) =
            (analysis.status, &analysis.synthesis, draft)
        else {
            return Err(NotComparable::NotCompleted);
        };
        if plan.format.is_some() {
            return Err(NotComparable::FormatRequested);
        }
        if plan.members.len() < 2 && plan.stages.len() < 2 {
            return Err(NotComparable::OnlyOneModel);
        }
        let anonymize = |text: &str| anonymize(text, &plan.question, plan.members.len());
        let pair = Self {
            panel: anonymize(synthesis),
            single_draft: anonymize(&draft.text),
        };
        if pair.panel.is_empty() || pair.single_draft.is_empty() || pair.panel == pair.single_draft
        {
            return Err(NotComparable::SameText);
        }
        Ok(pair)
    }
}
