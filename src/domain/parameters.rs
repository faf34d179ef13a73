//! Sampling parameters: meaning, range, default, and presets, in one table used by the API, the pages, and
//! validation.

use serde::{Deserialize, Serialize};

/// Parameters that a user can set. Absent fields use the provider's default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Sampling temperature, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling: the probability mass to sample from, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Number of most likely tokens to sample from, 1 to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Maximum number of output tokens, 1 to 200,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Stop sequences: at most `MAX_STOPS`, each of 1 to 64 characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Random seed; any integer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Penalty for tokens that have already occurred, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Penalty for tokens in proportion to how often they have occurred, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Reasoning effort; one of `EFFORTS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Time limit of one call in seconds, 1 to 3,600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// Valid values of `reasoning_effort`.
pub const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Maximum number of stop sequences. High because Anthropic's clients send long lists; a provider with a
/// lower limit rejects the call itself.
const MAX_STOPS: usize = 64;

/// The description of one parameter.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct GlossaryEntry {
    /// Name of the parameter's field.
    pub name: &'static str,
    /// JSON type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Smallest value, for numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Largest value, for numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// What happens if the parameter is omitted, as text.
    pub default: &'static str,
    /// What the parameter does, as text.
    pub meaning: &'static str,
}

const fn number_entry(
    name: &'static str,
    kind: &'static str,
    range: (f64, f64),
    default: &'static str,
    meaning: &'static str,
) -> GlossaryEntry {
    GlossaryEntry {
        name,
        kind,
        minimum: Some(range.0),
        maximum: Some(range.1),
        default,
        meaning,
    }
}

/// Descriptions of all parameters.
pub const GLOSSARY: &[GlossaryEntry] = &[
    number_entry(
        "temperature",
        "number",
        (0.0, 2.0),
        "the model's own",
        "how freely the model chooses among likely words; changes variety, hardly accuracy; some vendors end at 1",
    ),
    number_entry(
        "top_p",
        "number",
        (0.0, 1.0),
        "the model's own",
        "keep only the likeliest words whose probabilities add up to this",
    ),
    number_entry(
        "top_k",
        "integer",
        (1.0, 1_000.0),
        "the model's own",
        "keep only this many likeliest words",
    ),
    number_entry(
        "max_tokens",
        "integer",
        (1.0, 200_000.0),
        "the model's own",
        "stop after this many tokens, whether the answer is complete or not",
    ),
    GlossaryEntry {
        name: "stop",
        kind: "array",
        minimum: None,
        maximum: None,
        default: "none",
        meaning: "up to 64 strings at which the model stops; some providers allow only 4",
    },
    number_entry(
        "seed",
        "integer",
        (i64::MIN as f64, i64::MAX as f64),
        "none",
        "asks the provider for reproducible output; few guarantee it, and some do not accept it",
    ),
    number_entry(
        "presence_penalty",
        "number",
        (-2.0, 2.0),
        "0",
        "above 0, words that have occurred become less likely",
    ),
    number_entry(
        "frequency_penalty",
        "number",
        (-2.0, 2.0),
        "0",
        "above 0, words become less likely each time they occur",
    ),
    GlossaryEntry {
        name: "reasoning_effort",
        kind: "string",
        minimum: None,
        maximum: None,
        default: "the model's own",
        meaning: "none, minimal, low, medium, high, xhigh or max: how long a reasoning model thinks; higher is slower and costs more; mapped to the nearest level that the model accepts",
    },
    number_entry(
        "timeout_s",
        "integer",
        (1.0, 3_600.0),
        "300",
        "time limit of one call in seconds",
    ),
];

/// A parameter that is out of range, with its permitted values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfRange {
    /// Name of the parameter's field.
    pub name: &'static str,
    /// The permitted values, as text.
    pub message: String,
}

/// Name and purpose of a preset, and a function that returns its values.
pub type Preset = (&'static str, &'static str, fn() -> Parameters);

/// Named presets for users who do not want to set numbers.
pub const PRESETS: &[Preset] = &[
    ("precise", "little variety: facts, extraction, code", || {
        sampling_preset(0.2, 0.9)
    }),
    ("balanced", "a compromise for most tasks", || {
        sampling_preset(0.7, 0.95)
    }),
    ("creative", "more variety: ideas, drafts, names", || {
        sampling_preset(1.1, 1.0)
    }),
];

fn sampling_preset(temperature: f64, top_p: f64) -> Parameters {
    Parameters {
        temperature: Some(temperature),
        top_p: Some(top_p),
        ..Parameters::default()
    }
}

impl Parameters {
    /// Returns the built-in preset with this name.
    pub fn preset(name: &str) -> Option<Self> {
        PRESETS
            .iter()
            .find(|preset| preset.0 == name)
            .map(|preset| preset.2())
    }

    /// Validates all parameters.
    ///
    /// # Errors
    /// Returns every parameter that is out of range, not only the first.
    pub fn check(&self) -> Result<(), Vec<OutOfRange>> {
        let value = |name: &str| match name {
            "temperature" => self.temperature,
            "top_p" => self.top_p,
            "top_k" => self.top_k.map(f64::from),
            "max_tokens" => self.max_tokens.map(f64::from),
            "presence_penalty" => self.presence_penalty,
            "frequency_penalty" => self.frequency_penalty,
            "timeout_s" => self.timeout_s.map(f64::from),
            _ => None,
        };
        let mut errors = Vec::new();
        for entry in GLOSSARY {
            let (Some(low), Some(high), Some(found)) =
                (entry.minimum, entry.maximum, value(entry.name))
            else {
                continue;
            };
            if !(low..=high).contains(&found) {
                errors.push(OutOfRange {
                    name: entry.name,
                    message: format!("must be between {low} and {high}"),
                });
            }
        }
        if self.stop.len() > MAX_STOPS
            || self
                .stop
                .iter()
                .any(|text| text.is_empty() || text.chars().count() > 64)
        {
            errors.push(OutOfRange {
                name: "stop",
                message: format!("must be at most {MAX_STOPS} strings of 1 to 64 characters"),
            });
        }
        if self
            .reasoning_effort
            .as_deref()
            .is_some_and(|effort| !EFFORTS.contains(&effort))
        {
            errors.push(OutOfRange {
                name: "reasoning_effort",
                message: format!("must be one of {}", EFFORTS.join(", ")),
            });
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Returns these parameters, with unset ones filled from `base`.
    pub fn overlay(&self, base: &Parameters) -> Parameters {
        Parameters {
            temperature: self.temperature.or(base.temperature),
            top_p: self.top_p.or(base.top_p),
            top_k: self.top_k.or(base.top_k),
            max_tokens: self.max_tokens.or(base.max_tokens),
            stop: if self.stop.is_empty() {
                base.stop.clone()
            } else {
                self.stop.clone()
            },
            seed: self.seed.or(base.seed),
            presence_penalty: self.presence_penalty.or(base.presence_penalty),
            frequency_penalty: self.frequency_penalty.or(base.frequency_penalty),
            reasoning_effort: self
                .reasoning_effort
                .clone()
                .or_else(|| base.reasoning_effort.clone()),
            timeout_s: self.timeout_s.or(base.timeout_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty_names(parameters: Parameters) -> Vec<&'static str> {
        parameters
            .check()
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|error| error.name)
            .collect()
    }

    #[test]
    fn ranges_include_their_bounds() {
        let with = |temperature| Parameters {
            temperature: Some(temperature),
            ..Parameters::default()
        };
        assert_eq!(faulty_names(with(0.0)), [""; 0]);
        assert_eq!(faulty_names(with(2.0)), [""; 0]);
        assert_eq!(faulty_names(with(2.01)), ["temperature"]);
        assert_eq!(faulty_names(with(f64::NAN)), ["temperature"]);
    }

    #[test]
    fn many_stop_sequences_are_allowed() {
        let with = |count| Parameters {
            stop: vec!["END".to_owned(); count],
            ..Parameters::default()
        };
        assert_eq!(faulty_names(with(MAX_STOPS)), [""; 0]);
        assert_eq!(faulty_names(with(MAX_STOPS + 1)), ["stop"]);
    }

    #[test]
    fn all_errors_are_reported_together() {
        let parameters = Parameters {
            top_p: Some(1.5),
            top_k: Some(0),
            stop: vec![String::new()],
            reasoning_effort: Some("huge".into()),
            timeout_s: Some(0),
            ..Parameters::default()
        };
        assert_eq!(
            faulty_names(parameters),
            ["top_p", "top_k", "timeout_s", "stop", "reasoning_effort"]
        );
    }

    #[test]
    fn presets_are_valid_and_explicit_values_override_them() {
        for (name, ..) in PRESETS {
            assert_eq!(
                Parameters::preset(name).map(|preset| preset.check()),
                Some(Ok(()))
            );
        }
        let own_parameters = Parameters {
            temperature: Some(0.0),
            ..Parameters::default()
        };
        let merged = own_parameters.overlay(&sampling_preset(1.0, 0.5));
        assert_eq!((merged.temperature, merged.top_p), (Some(0.0), Some(0.5)));
    }
}
