//! Checks and prices a prompt search before the experiment starts.

use serde_json::Value;

use super::{Experiments, prompt_writer};
use crate::app::{Error, Result};
use crate::domain::experiment::prompt_search::{MAX_PROMPT_LENGTH, SearchDesign};
use crate::domain::experiment::spec::ExperimentSpec;
use crate::domain::experiment::{Case, Configuration, JudgeCost};
use crate::domain::id::UserId;
use crate::domain::recipe::QUESTION_PLACEHOLDER;
use crate::domain::usage;

impl Experiments<'_> {
    /// Returns the prompt search as part of the design, if requested.
    ///
    /// # Errors
    /// `BadInput` if the writer model is unknown, is a demo, or has no price although one is needed.
    pub(super) fn prompt_search(
        &self,
        user: &UserId,
        spec: &ExperimentSpec,
        configurations: &[Configuration],
        cases: &[Case],
    ) -> Result<Option<SearchDesign>> {
        let mut axes = spec.space.0.iter().enumerate();
        let improved_axis = axes.find_map(|(place, axis)| Some((place, axis.improve.as_ref()?)));
        let Some((axis, improve)) = improved_axis else {
            return Ok(None);
        };
        let error = |why: String| Error::field(&["body", "space"], "value_error", why);
        let Some(model) = self.0.llm.find(Some(user), &improve.model) else {
            return Err(error(format!("no model is called {:?}", improve.model)));
        };
        if model.mock {
            return Err(error("a demo algorithm cannot improve a prompt".to_owned()));
        }
        let (bill, tokens) = prompt_writer::max_cost(usage::price_of(&model), cases);
        if bill.is_none() && spec.budget.cost.is_some() {
            let why = "is unknown: set tokens or evaluations instead of a cost";
            return Err(error(format!("the price of {} {why}", model.id)));
        }
        Ok(Some(SearchDesign {
            axis,
            given: configurations.len(),
            max_proposals: improve.proposals,
            declared: JudgeCost {
                cost: bill.unwrap_or_default().cost,
                tokens,
            },
        }))
    }
}

/// Returns a copy of the specification in which each prompt to be improved is padded to the maximum length of a
/// proposal.
pub(super) fn with_longest_prompts(spec: &ExperimentSpec) -> ExperimentSpec {
    let mut spec = spec.clone();
    for axis in spec
        .space
        .0
        .iter_mut()
        .filter(|axis| axis.improve.is_some())
    {
        for value in &mut axis.values {
            let text = value.as_str().unwrap_or(QUESTION_PLACEHOLDER);
            let missing = MAX_PROMPT_LENGTH.saturating_sub(text.chars().count());
            *value = Value::String(format!("{text}{}", " word".repeat(missing / 5)));
        }
    }
    spec
}
