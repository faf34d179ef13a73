//! The two texts of a blind comparison, or why there is none. Draws no order; that is for who stores it.

use std::fmt;

use super::blind::plain;
use crate::domain::analysis::{Analysis, StageAnswer, Status};

/// A panel's answer and a single draft, without what tells which is which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The panel's answer.
    pub panel: String,
    /// The draft.
    pub single: String,
}

/// Why an analysis cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It has no answer, or not yet.
    NotCompleted,
    /// Its answer has a shape that no draft has.
    Shaped,
    /// One model was asked, once: there is no panel.
    Alone,
    /// Both texts are the same, or one of them is nothing.
    Same,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCompleted => "only an analysis that has its answer can be compared",
            Self::Shaped => {
                "an answer in a wanted shape is recognised, so it cannot be compared blindly"
            }
            Self::Alone => "only one model was asked: there is nothing to compare",
            Self::Same => "the panel's answer and the single draft are the same",
        })
    }
}

impl Pair {
    /// Of an analysis and the draft that was chosen.
    pub fn of(analysis: &Analysis, draft: Option<&StageAnswer>) -> Result<Self, Unfit> {
        let plan = &analysis.plan;
        let (Status::Completed, Some(synthesis), Some(draft)) =
            (analysis.status, &analysis.synthesis, draft)
        else {
            return Err(Unfit::NotCompleted);
        };
        if plan.format.is_some() {
            return Err(Unfit::Shaped);
        }
        if plan.members.len() < 2 && plan.stages.len() < 2 {
            return Err(Unfit::Alone);
        }
        let shown = |text: &str| plain(text, &plan.question, plan.members.len());
        let pair = Self {
            panel: shown(synthesis),
            single: shown(&draft.text),
        };
        if pair.panel.is_empty() || pair.single.is_empty() || pair.panel == pair.single {
            return Err(Unfit::Same);
        }
        Ok(pair)
    }
}
