//! Experiment specification: search space, fixed settings, scoring, and budget. Converts a configuration into the
//! settings of an analysis, without checking that the models exist.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prompt_search::Proposal;
use super::repeated_cases::{self, RepeatedCases};
use super::verdict_sentence::Baseline;
use super::{
    Case, Configuration, ExperimentBudget, ExperimentError, JudgeCost, Objective, Parameter,
    Scoring, SearchSpace,
};
use crate::domain::request::Request;

/// ID of the pattern that sends the question to one model unchanged.
pub const PLAIN_PATTERN: &str = "plain";

/// Maximum length of a name in characters.
pub const MAX_NAME: usize = 80;

/// Specification of an experiment without its cases. Stored with the experiment; only a prompt search adds to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentSpec {
    /// Name given by the user.
    pub name: String,
    /// The parameters to vary, with the values to try.
    pub space: SearchSpace,
    /// Settings common to all configurations.
    pub base: Request,
    /// The current configuration. Axes that are missing here use their first value.
    #[serde(default)]
    pub current: BTreeMap<Parameter, Value>,
    /// How answers are scored.
    pub evaluator: Scoring,
    /// What "best" means in this experiment.
    pub objective: Objective,
    /// Spending limit.
    pub budget: ExperimentBudget,
    /// Smallest difference in value that matters to the user, 0 to 1.
    pub indifference: f64,
    /// Permitted probability of a wrong result, 0 to 1.
    #[serde(rename = "wrong")]
    pub error_rate: f64,
    /// Seed of the random choices, so that the experiment can be repeated exactly.
    pub seed: u64,
    /// Prompts proposed by the prompt search so far, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<PromptProposal>,
    /// Statistics of removed repeated cases.
    #[serde(default, skip_serializing_if = "RepeatedCases::is_empty")]
    pub repeated: RepeatedCases,
}

/// A prompt that a model proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptProposal {
    /// Index of the configuration that the prompt improves.
    pub parent: usize,
    /// The proposed prompt; `None` if the reply was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Why the reply was rejected; `None` if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Cost and tokens of writing the prompt.
    #[serde(default)]
    pub cost: JudgeCost,
}

impl ExperimentSpec {
    /// Adds a proposal, with its prompt as a new value of the axis, and returns it in the form that the race
    /// accepts.
    pub fn add_proposal(&mut self, proposal: PromptProposal) -> Proposal {
        let axis = (self.space.0.iter_mut()).find(|axis| axis.parameter == Parameter::Prompt);
        if let (Some(axis), Some(prompt)) = (axis, &proposal.prompt)
            && !axis.values.iter().any(|value| value == prompt)
        {
            axis.values.push(Value::String(prompt.clone()));
        }
        let step = self.proposal_of(&proposal);
        self.proposals.push(proposal);
        step
    }
    /// Returns the proposals in the form that the race accepts.
    pub fn proposals(&self) -> impl Iterator<Item = Proposal> {
        self.proposals
            .iter()
            .map(|proposal| self.proposal_of(proposal))
    }
    fn proposal_of(&self, proposal: &PromptProposal) -> Proposal {
        let axis = (self.space.0.iter()).find(|axis| axis.parameter == Parameter::Prompt);
        let prompt_index = axis
            .zip(proposal.prompt.as_ref())
            .and_then(|(axis, prompt)| axis.values.iter().position(|value| value == prompt));
        Proposal {
            prompt_index,
            bill: proposal.cost,
        }
    }
    /// Removes repeated cases and records how many there were.
    pub fn without_repeats(&mut self, cases: Vec<Case>) -> Vec<Case> {
        let (unique_cases, repeated) = repeated_cases::remove_repeated(cases);
        self.repeated = repeated;
        unique_cases
    }
    /// Returns what the report calls the configuration with which the leader is compared: the current one or, if the
    /// user named none, the first one.
    pub fn baseline(&self) -> Baseline {
        match self.current.is_empty() {
            true => Baseline::First,
            false => Baseline::Current,
        }
    }
    /// Returns the index of the current configuration.
    ///
    /// # Errors
    /// Returns an error if `current` names a parameter without an axis, or if it matches none of the configurations.
    pub fn current_index(&self, arms: &[Configuration]) -> Result<usize, ExperimentError> {
        if let Some(dial) = (self.current.keys())
            .find(|&&dial| self.space.0.iter().all(|axis| axis.parameter != dial))
        {
            let why = format!("{} is not a dial of the space", dial.as_str());
            return Err(ExperimentError::Current(why));
        }
        let fits = |arm: &Configuration, is_lenient: bool| {
            self.space.0.iter().zip(&arm.0).all(|(axis, place)| {
                let requested_value = self.current.get(&axis.parameter).unwrap_or(&axis.values[0]);
                match place.and_then(|place| axis.values.get(place)) {
                    Some(value) => value == requested_value,
                    None => requested_value.is_null() || is_lenient,
                }
            })
        };
        // A parameter that the model does not accept stays at its default, whatever was requested, so it need
        // not match.
        let exact = arms.iter().position(|arm| fits(arm, false));
        let index = exact.or_else(|| arms.iter().position(|arm| fits(arm, true)));
        index.ok_or_else(|| {
            ExperimentError::Current("it is not among the configurations".to_owned())
        })
    }
    /// Returns the settings of an analysis under this configuration.
    pub fn request_for(&self, arm: &Configuration) -> Request {
        let mut body = self.base.clone();
        let value = |dial| self.space.value(arm, dial);
        let text = |dial| value(dial).and_then(Value::as_str).map(str::to_owned);
        let number = |dial| value(dial).and_then(Value::as_u64).map(|n| n as u32);
        match value(Parameter::Model) {
            Some(Value::String(model)) => body.models = vec![model.clone()],
            Some(Value::Array(panel)) => {
                let names = panel.iter().filter_map(Value::as_str);
                body.models = names.map(str::to_owned).collect();
            }
            _ => {}
        }
        if let Some(members) = number(Parameter::Members) {
            body.models.truncate(members as usize);
            // In the `self` arrangement, this is the number of samples.
            body.samples = Some(members).filter(|&members| members > 1);
        }
        if let Some(prompt) = text(Parameter::Prompt) {
            body.prompt = prompt;
        }
        body.pattern = text(Parameter::Pattern).or(body.pattern);
        body.passages = number(Parameter::Passages).or(body.passages);
        let parameters = &mut body.parameters;
        parameters.reasoning_effort =
            text(Parameter::Effort).or(parameters.reasoning_effort.take());
        let real = |dial| value(dial).and_then(Value::as_f64);
        parameters.temperature = real(Parameter::Temperature).or(parameters.temperature);
        parameters.top_p = real(Parameter::TopP).or(parameters.top_p);
        parameters.max_tokens = number(Parameter::MaxTokens).or(parameters.max_tokens);
        // A single model with neither a pattern nor a depth is sent the question unchanged.
        if body.models.len() == 1 && body.pattern.is_none() && body.depth.is_none() {
            body.pattern = Some(PLAIN_PATTERN.to_owned());
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(space: Value, base: Value, current: Value) -> ExperimentSpec {
        serde_json::from_value(json!({
            "name": "n", "space": space, "base": base, "current": current,
            "evaluator": {"kind": "exact"}, "objective": {"kind": "quality"}, "budget": {},
            "indifference": 0.02, "wrong": 0.1, "seed": 1,
        }))
        .expect("a spec")
    }

    #[test]
    fn varied_values_override_fixed_ones() {
        let spec = spec(
            json!([
                {"dial": "model", "values": ["p/a", ["p/a", "p/b", "p/c"]]},
                {"dial": "temperature", "values": [null, 0.5]},
                {"dial": "members", "values": [null, 2]},
            ]),
            json!({"models": ["p/z"], "parameters": {"temperature": 0.1, "seed": 7}}),
            json!({}),
        );
        let arms = spec
            .space
            .enumerate_configurations(&|_, _| true)
            .expect("arms");
        let of = |places: [Option<usize>; 3]| {
            let arm = Configuration(places.to_vec());
            assert!(arms.contains(&arm));
            spec.request_for(&arm)
        };
        let single = of([Some(0), None, None]);
        assert_eq!(
            (single.models.len(), single.pattern.as_deref()),
            (1, Some(PLAIN_PATTERN))
        );
        assert_eq!(single.parameters.temperature, Some(0.1));
        let panel = of([Some(1), Some(1), Some(1)]);
        assert_eq!(panel.models, ["p/a", "p/b"]);
        assert_eq!((panel.samples, panel.pattern), (Some(2), None));
        assert_eq!(panel.parameters.temperature, Some(0.5));
        assert_eq!(panel.parameters.seed, Some(7));
    }

    #[test]
    fn the_current_configuration_is_enumerated() {
        let axes = json!([
            {"dial": "model", "values": ["p/a", "p/b"]}, {"dial": "temperature", "values": [0, 1]},
        ]);
        let accepts = |model: &str, _: Parameter| model == "p/a";
        for (current, expected) in [
            (json!({}), Ok(0)),
            (json!({"temperature": 1}), Ok(1)),
            (json!({"model": "p/b", "temperature": 1}), Ok(2)),
            (
                json!({"model": "p/c"}),
                Err("it is not among the configurations"),
            ),
            (json!({"top_p": 1}), Err("top_p is not a dial of the space")),
        ] {
            let spec = spec(axes.clone(), json!({}), current.clone());
            let arms = spec.space.enumerate_configurations(&accepts).expect("arms");
            let expected = expected.map_err(|why| ExperimentError::Current(why.to_owned()));
            assert_eq!(spec.current_index(&arms), expected, "{current}");
        }
    }

    #[test]
    fn a_proposed_prompt_becomes_a_value_once() {
        let axes =
            json!([{"dial": "prompt", "values": ["{{question}}"], "improve": {"model": "w"}}]);
        let mut spec = spec(axes, json!({}), json!({}));
        let proposal = |prompt: Option<&str>| PromptProposal {
            parent: 0,
            prompt: prompt.map(str::to_owned),
            refused: None,
            cost: JudgeCost::default(),
        };
        for (prompt, place) in [
            (Some("Think. {{question}}"), Some(1)),
            (None, None),
            (Some("{{question}}"), Some(0)),
            (Some("Think. {{question}}"), Some(1)),
        ] {
            assert_eq!(
                spec.add_proposal(proposal(prompt)).prompt_index,
                place,
                "{prompt:?}"
            );
        }
        assert_eq!(spec.space.0[0].values.len(), 2);
        // Proposals that are stored and read back lead to the same configurations.
        let text = serde_json::to_string(&spec).expect("JSON");
        let read: ExperimentSpec = serde_json::from_str(&text).expect("a spec");
        let places: Vec<_> = read.proposals().map(|step| step.prompt_index).collect();
        assert_eq!(places, [Some(1), None, Some(0), Some(1)]);
        let single = spec.request_for(&Configuration(vec![Some(1)]));
        assert_eq!(single.prompt, "Think. {{question}}");
    }
}
