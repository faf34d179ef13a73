//! Record of an analysis's semantic search, with its usage and cost. It is part of the plan and of the result.

use serde::{Deserialize, Serialize};

use crate::domain::chat::Usage;
use crate::domain::money::{MicroDollars, Price};

/// Stage name of the semantic search's calls in estimates and in the timeline.
pub const RETRIEVAL_STAGE: &str = "retrieval";
/// Stage number of the semantic search's calls in the call log. It is higher than that of any pattern's stage.
pub const RETRIEVAL_STAGE_NUMBER: usize = 1_000;

/// Maximum number of output tokens of a rewriting call. Leaves room for a model that reasons a little first.
pub const REWRITING_TOKENS: u32 = 400;

/// Returns the prompt for rewriting a question for the search.
pub fn rewriting_prompt(question: &str) -> String {
    format!(
        "A full-text search finds no passage with the words of the question below. Write up to 15 other words that a \
         document answering it may use: synonyms, technical terms, names. Use the question's language. Reply with the \
         words alone, in one line, and do not answer the question.\n\nQuestion: {question}"
    )
}

/// A planned or completed semantic search for passages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RetrievalRecord {
    /// Full ID of the embedding model.
    pub model: String,
    /// The embedding model's price when the analysis was planned; `None` if unknown.
    pub price: Option<Price>,
    /// Number of passages in the documents.
    pub passages: u64,
    /// Number of passages that have a vector of this model.
    pub embedded: u64,
    /// Whether keyword matches are weak, so that the passages closest in meaning were added.
    pub is_weak: bool,
    /// The model that rewrites the question if keyword matches are weak; `None` if the panel has only demo models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewriter: Option<RewriterModel>,
    /// Search words into which the question was rewritten; empty if it was not rewritten.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rewriting: String,
    /// Usage of the calls made so far.
    pub usage: Usage,
    /// Cost of the calls whose price is known.
    pub cost: MicroDollars,
    /// Whether a call was made whose price is unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cost_incomplete: bool,
    /// Why the passages were ranked by keywords alone; empty if the semantic search succeeded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure: String,
}

/// A model that rewrites a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewriterModel {
    /// Full ID of the model.
    pub model: String,
    /// The model's price when the analysis was planned; `None` if unknown.
    pub price: Option<Price>,
}

impl RetrievalRecord {
    /// Adds the usage and the cost of a call; `None` means that its price is unknown.
    pub fn add(&mut self, usage: &Usage, cost: Option<MicroDollars>) {
        self.usage = self.usage.combined_with(usage);
        match cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.is_cost_incomplete = true,
        }
    }

    /// Returns the cost of all calls made; `None` if the price of any is unknown.
    pub fn known_cost(&self) -> Option<MicroDollars> {
        (!self.is_cost_incomplete).then_some(self.cost)
    }

    /// Returns the note shown with the result.
    pub fn note(&self) -> String {
        if !self.failure.is_empty() {
            return format!("passages were ranked by words alone: {}", self.failure);
        }
        let mut note = format!(
            "passages were ranked by words and by meaning ({})",
            self.model
        );
        if self.embedded < self.passages {
            note.push_str(&format!(
                "; {} of {} passages have no vector yet",
                self.passages - self.embedded,
                self.passages
            ));
        }
        if let Some(rewriter) = self
            .rewriter
            .as_ref()
            .filter(|_| !self.rewriting.is_empty())
        {
            note.push_str(&format!(
                "; {} rewrote the question for the search: \"{}\"",
                rewriter.model, self.rewriting
            ));
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_price_makes_the_cost_unknown() {
        let mut record = RetrievalRecord::default();
        let usage = Usage {
            input: 7,
            ..Usage::default()
        };
        record.add(&usage, Some(MicroDollars(3)));
        assert_eq!(record.known_cost(), Some(MicroDollars(3)));
        record.add(&usage, None);
        assert_eq!((record.usage.input, record.known_cost()), (14, None));
    }

    #[test]
    fn the_note_describes_the_search() {
        let record = RetrievalRecord {
            model: "p/vec".into(),
            passages: 9,
            embedded: 9,
            ..RetrievalRecord::default()
        };
        assert_eq!(
            record.note(),
            "passages were ranked by words and by meaning (p/vec)"
        );
        let rewritten = RetrievalRecord {
            embedded: 7,
            rewriting: "notice period".into(),
            rewriter: Some(RewriterModel {
                model: "p/small".into(),
                price: None,
            }),
            ..record.clone()
        };
        assert!(rewritten.note().ends_with(
            "; 2 of 9 passages have no vector yet; p/small rewrote the question for the search: \"notice period\""
        ));
        let failed = RetrievalRecord {
            failure: "the provider is down".into(),
            ..record
        };
        assert_eq!(
            failed.note(),
            "passages were ranked by words alone: the provider is down"
        );
    }
}
