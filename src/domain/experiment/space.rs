//! The search space, which contains every valid combination of the values of its axes. A parameter that a
//! model does not accept stays at the model's default. Configurations that become equal as a result are tried
//! only once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ExperimentError;
use super::prompt_search::{DEFAULT_PROPOSALS, MAX_PROPOSALS};
use crate::domain::recipe::QUESTION_PLACEHOLDER;

/// Maximum number of configurations of a space.
pub const MAX_CONFIGURATIONS: usize = 10_000;

/// A parameter that an experiment can vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// The model, or a panel as a list of models.
    Model,
    /// Prompt variant, with `{{question}}` for the case's question.
    Prompt,
    /// The pattern, by its ID.
    Pattern,
    /// Number of panel members.
    Members,
    /// Reasoning effort.
    Effort,
    /// Sampling temperature.
    Temperature,
    /// Nucleus sampling: the probability mass to sample from, 0 to 1.
    TopP,
    /// Maximum number of output tokens.
    MaxTokens,
    /// Number of document passages in the prompt.
    Passages,
}

impl Parameter {
    /// Returns the stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Prompt => "prompt",
            Self::Pattern => "pattern",
            Self::Members => "members",
            Self::Effort => "effort",
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::MaxTokens => "max_tokens",
            Self::Passages => "passages",
        }
    }
    /// Whether only some models accept the parameter.
    const fn is_model_parameter(self) -> bool {
        matches!(
            self,
            Self::Effort | Self::Temperature | Self::TopP | Self::MaxTokens
        )
    }
    /// Whether the parameter accepts the value. Null stands for the default.
    fn accepts(self, value: &Value) -> bool {
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
        let is_integer_up_to = |max: u64| value.as_u64().is_some_and(|n| (1..=max).contains(&n));
        let between = |max: f64| value.as_f64().is_some_and(|n| (0.0..=max).contains(&n));
        value.is_null()
            || match self {
                Self::Model => {
                    let panel = value
                        .as_array()
                        .is_some_and(|list| !list.is_empty() && list.iter().all(text));
                    text(value) || panel
                }
                Self::Prompt | Self::Pattern | Self::Effort => text(value),
                Self::Members => is_integer_up_to(64),
                Self::Temperature => between(2.0),
                Self::TopP => between(1.0),
                Self::MaxTokens => is_integer_up_to(10_000_000),
                Self::Passages => is_integer_up_to(1_000),
            }
    }
}

/// A parameter and its candidate values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The parameter whose values are compared.
    #[serde(rename = "dial")]
    pub parameter: Parameter,
    /// Candidate values; null stands for the default.
    pub values: Vec<Value>,
    /// Settings of a search for better values, which is possible only for prompts; `None` if there is no search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub improve: Option<Improvement>,
}

/// Settings of the search for better prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Improvement {
    /// Full ID of the model that writes the prompts.
    pub model: String,
    /// Maximum number of proposals.
    #[serde(default = "default_proposals")]
    pub proposals: usize,
}

fn default_proposals() -> usize {
    DEFAULT_PROPOSALS
}

/// The axes of an experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchSpace(pub Vec<Axis>);

/// A configuration: for each axis, the index of its value, or `None` if the default applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Configuration(pub Vec<Option<usize>>);

impl SearchSpace {
    /// Enumerates every valid configuration once, in axis order. `accepts` returns whether a model accepts a
    /// parameter; it is called only for model parameters, with an empty name when there is no model axis.
    ///
    /// # Errors
    /// Returns an error if there is no axis, an axis is empty or repeated, a value is invalid or repeated, or
    /// there are more than `MAX_CONFIGURATIONS` combinations.
    pub fn enumerate_configurations(
        &self,
        accepts: &dyn Fn(&str, Parameter) -> bool,
    ) -> Result<Vec<Configuration>, ExperimentError> {
        self.check()?;
        let mut all: Vec<Vec<usize>> = vec![Vec::new()];
        for axis in &self.0 {
            if all.len() * axis.values.len() > MAX_CONFIGURATIONS {
                return Err(ExperimentError::TooMany(
                    "configurations",
                    MAX_CONFIGURATIONS,
                ));
            }
            let extended = |start: &Vec<usize>| {
                let start = start.clone();
                (0..axis.values.len()).map(move |place| [&start[..], &[place]].concat())
            };
            all = all.iter().flat_map(extended).collect();
        }
        let mut seen_configurations = BTreeSet::new();
        let valid_configurations = all.iter().map(|places| self.make_valid(places, accepts));
        Ok(valid_configurations
            .filter(|arm| seen_configurations.insert(arm.clone()))
            .collect())
    }
    /// Returns the value of a configuration's parameter; `None` if the default applies.
    pub fn value<'a>(&'a self, arm: &Configuration, parameter: Parameter) -> Option<&'a Value> {
        let axis = self.0.iter().position(|axis| axis.parameter == parameter)?;
        let value_index = (*arm.0.get(axis)?)?;
        self.0[axis]
            .values
            .get(value_index)
            .filter(|value| !value.is_null())
    }
    /// Returns the search for better prompts, if any.
    pub fn improvement(&self) -> Option<&Improvement> {
        self.0.iter().find_map(|axis| axis.improve.as_ref())
    }
    fn check(&self) -> Result<(), ExperimentError> {
        let mut seen_parameters = BTreeSet::new();
        for axis in &self.0 {
            if let Some(improve) = &axis.improve {
                check_improvement(axis, improve)?;
            }
            if axis.values.is_empty() {
                return Err(ExperimentError::Empty("value for a dial"));
            }
            if !seen_parameters.insert(axis.parameter) {
                return Err(ExperimentError::DuplicateAxis(axis.parameter));
            }
            if let Some(bad) = axis
                .values
                .iter()
                .find(|value| !axis.parameter.accepts(value))
            {
                return Err(ExperimentError::Value(axis.parameter, bad.clone()));
            }
            let again = (1..axis.values.len()).find(|&duplicate_index| {
                axis.values[..duplicate_index].contains(&axis.values[duplicate_index])
            });
            if let Some(duplicate_index) = again {
                return Err(ExperimentError::DuplicateValue(
                    axis.parameter,
                    axis.values[duplicate_index].clone(),
                ));
            }
        }
        if seen_parameters.is_empty() {
            Err(ExperimentError::Empty("axis"))
        } else {
            Ok(())
        }
    }
    fn make_valid(
        &self,
        places: &[usize],
        accepts: &dyn Fn(&str, Parameter) -> bool,
    ) -> Configuration {
        let model = self
            .0
            .iter()
            .zip(places)
            .find(|(axis, _)| axis.parameter == Parameter::Model);
        let models: Vec<&str> = match model.map(|(axis, &place)| &axis.values[place]) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(panel)) => panel.iter().filter_map(Value::as_str).collect(),
            _ => vec![""],
        };
        let places = self.0.iter().zip(places).map(|(axis, &place)| {
            let is_refused = axis.parameter.is_model_parameter()
                && !models.iter().all(|model| accepts(model, axis.parameter));
            (!is_refused && !axis.values[place].is_null()).then_some(place)
        });
        Configuration(places.collect())
    }
}

fn check_improvement(axis: &Axis, improve: &Improvement) -> Result<(), ExperimentError> {
    let error = |why: String| Err(ExperimentError::Improvement(why));
    if axis.parameter != Parameter::Prompt {
        return error(format!(
            "only prompts can be improved, not {}",
            axis.parameter.as_str()
        ));
    }
    if !(1..=MAX_PROPOSALS).contains(&improve.proposals) {
        return error(format!("proposals must be from 1 to {MAX_PROPOSALS}"));
    }
    let is_missing = |value: &&Value| {
        value
            .as_str()
            .is_some_and(|text| !text.contains(QUESTION_PLACEHOLDER))
    };
    match axis.values.iter().find(is_missing) {
        Some(_) => error(format!(
            "a prompt needs {QUESTION_PLACEHOLDER} where the question goes"
        )),
        None => Ok(()),
    }
}

/// Returns a configuration as a JSON object of parameter values, with null for defaults.
pub fn to_json(space: &SearchSpace, arm: &Configuration) -> Value {
    let values = space.0.iter().map(|axis| {
        let value = space.value(arm, axis.parameter).cloned();
        (
            axis.parameter.as_str().to_owned(),
            value.unwrap_or_default(),
        )
    });
    Value::Object(values.collect())
}

/// Formats a configuration, such as `model p/a, temperature 0.5`. Long values are shortened.
pub fn label(space: &SearchSpace, arm: &Configuration) -> String {
    // Parameters with a single value do not distinguish configurations.
    let varied_axes = space.0.iter().filter(|axis| axis.values.len() > 1);
    let words = varied_axes.filter_map(|axis| {
        let value = match space.value(arm, axis.parameter)? {
            Value::String(text) => text.clone(),
            Value::Array(list) => {
                let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                names.join(" + ")
            }
            other => other.to_string(),
        };
        let mut short: String = value.chars().take(60).collect();
        if short.len() < value.len() {
            short.push('\u{2026}');
        }
        Some(format!(
            "{} {short}",
            axis.parameter.as_str().replace('_', " ")
        ))
    });
    let words: Vec<String> = words.collect();
    match words.is_empty() {
        true => "the default configuration".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn space(axes: Value) -> SearchSpace {
        serde_json::from_value(axes).expect("a space")
    }

    #[test]
    fn each_valid_configuration_is_enumerated_once() {
        let space = space(json!([
            {"dial": "model", "values": ["a/warm", "b/thinks", ["a/warm", "b/thinks"]]},
            {"dial": "temperature", "values": [null, 0.0, 1.0]},
            {"dial": "effort", "values": ["low", "high"]},
        ]));
        let accepts = |model: &str, parameter: Parameter| match parameter {
            Parameter::Temperature => model == "a/warm",
            Parameter::Effort => model == "b/thinks",
            _ => true,
        };
        let arms = space.enumerate_configurations(&accepts).expect("legal");
        let listed_arms: Vec<_> = arms.iter().map(|arm| arm.0.clone()).collect();
        assert_eq!(
            listed_arms,
            [
                vec![Some(0), None, None],
                vec![Some(0), Some(1), None],
                vec![Some(0), Some(2), None],
                vec![Some(1), None, Some(0)],
                vec![Some(1), None, Some(1)],
                vec![Some(2), None, None],
            ]
        );
        assert_eq!(
            space.value(&arms[1], Parameter::Temperature),
            Some(&json!(0.0))
        );
        assert_eq!(space.value(&arms[0], Parameter::Temperature), None);
        assert_eq!(space.value(&arms[0], Parameter::Passages), None);
    }

    #[test]
    fn invalid_search_spaces_are_rejected() {
        for (axes, error) in [
            (json!([]), ExperimentError::Empty("axis")),
            (
                json!([{"dial": "effort", "values": []}]),
                ExperimentError::Empty("value for a dial"),
            ),
            (
                json!([{"dial": "top_p", "values": [0.5]}, {"dial": "top_p", "values": [0.9]}]),
                ExperimentError::DuplicateAxis(Parameter::TopP),
            ),
            (
                json!([{"dial": "temperature", "values": [0.5, 3]}]),
                ExperimentError::Value(Parameter::Temperature, json!(3)),
            ),
            (
                json!([{"dial": "top_p", "values": [0.5, 0.9, 0.5]}]),
                ExperimentError::DuplicateValue(Parameter::TopP, json!(0.5)),
            ),
            (
                json!([{"dial": "model", "values": [[]]}]),
                ExperimentError::Value(Parameter::Model, json!([])),
            ),
        ] {
            assert_eq!(
                space(axes).enumerate_configurations(&|_, _| true),
                Err(error)
            );
        }
        for (axes, why) in [
            (
                json!([{"dial": "model", "values": ["a", "b"], "improve": {"model": "w"}}]),
                "only prompts",
            ),
            (
                json!([{"dial": "prompt", "values": ["Think."], "improve": {"model": "w"}}]),
                "{{question}}",
            ),
            (
                json!([{"dial": "prompt", "values": ["{{question}}"],
                        "improve": {"model": "w", "proposals": 25}}]),
                "from 1 to 24",
            ),
        ] {
            let error = space(axes)
                .enumerate_configurations(&|_, _| true)
                .expect_err("refused");
            assert!(error.to_string().contains(why), "{error}");
        }
        let many_values: Vec<u64> = (1..=101).collect();
        let large = space(json!([
            {"dial": "max_tokens", "values": many_values}, {"dial": "passages", "values": many_values},
        ]));
        assert_eq!(
            large.enumerate_configurations(&|_, _| true),
            Err(ExperimentError::TooMany(
                "configurations",
                MAX_CONFIGURATIONS
            ))
        );
    }
}
