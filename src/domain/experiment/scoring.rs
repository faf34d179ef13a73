//! How the answers of an experiment are scored: by a rule that anybody can repeat, or by a model as judge.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Evaluator;

/// A rule or a judge.
#[derive(Debug, Clone, PartialEq)]
pub enum Scoring {
    /// The same score each time.
    Rule(Evaluator),
    /// A model's opinion.
    Judge(Judge),
}

/// A model that judges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// What it is asked.
    pub kind: Way,
    /// Its name.
    pub model: String,
    /// It may judge answers of models of its own family.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_family: bool,
}

/// What a judge is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Which of two answers is better, in both orders: against the current setting's answer.
    Pairwise,
    /// Marks for accuracy and the rest.
    Rubric,
}

impl Scoring {
    /// The judge, where it is one.
    pub fn judge(&self) -> Option<&Judge> {
        match self {
            Self::Rule(_) => None,
            Self::Judge(judge) => Some(judge),
        }
    }
}

// By hand, because an untagged enum says of a wrong field only that nothing fits.
impl<'de> Deserialize<'de> for Scoring {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let is_judge = matches!(value["kind"].as_str(), Some("pairwise" | "rubric"));
        let read = match is_judge {
            true => serde_json::from_value(value).map(Self::Judge),
            false => serde_json::from_value(value).map(Self::Rule),
        };
        read.map_err(serde::de::Error::custom)
    }
}

impl Serialize for Scoring {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Rule(rule) => rule.serialize(serializer),
            Self::Judge(judge) => judge.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_and_judges_are_told_apart_by_their_kind() {
        for (text, is_judge) in [
            (json!({"kind": "exact"}), false),
            (
                json!({"kind": "number", "absolute": 0.1, "relative": 0.0}),
                false,
            ),
            (json!({"kind": "pairwise", "model": "p/a"}), true),
            (
                json!({"kind": "rubric", "model": "p/a", "same_family": true}),
                true,
            ),
        ] {
            let scoring: Scoring = serde_json::from_value(text.clone()).expect("sound");
            assert_eq!(scoring.judge().is_some(), is_judge, "{text}");
            assert_eq!(serde_json::to_value(&scoring).expect("JSON"), text);
        }
        for (text, why) in [
            (json!({"kind": "luck"}), "luck"),
            (json!({"kind": "pairwise"}), "model"),
            (json!({"kind": "rubric", "model": "a", "mood": 1}), "mood"),
        ] {
            let fault = serde_json::from_value::<Scoring>(text).expect_err("refused");
            assert!(fault.to_string().contains(why), "{fault}");
        }
    }
}
