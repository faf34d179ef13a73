//! Scoring of an experiment's answers: a reproducible rule or an LLM judge.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Evaluator;
use super::power::ScoreKind;

/// How answers are scored.
#[derive(Debug, Clone, PartialEq)]
pub enum Scoring {
    /// By a deterministic rule.
    Rule(Evaluator),
    /// By an LLM judge.
    Judge(JudgeSpec),
}

/// An LLM judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeSpec {
    /// Whether the judge scores individual answers or compares two.
    pub kind: JudgeMode,
    /// Full ID of the judging model.
    pub model: String,
    /// Whether the judge may judge answers from models of its own family.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_family: bool,
}

/// How the judge arrives at a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeMode {
    /// The judge compares the answer with the current configuration's answer, in both orders.
    Pairwise,
    /// The judge gives marks for accuracy and other criteria.
    Rubric,
}

impl Scoring {
    /// Returns the kind of scores that this method gives.
    pub fn score_kind(&self) -> ScoreKind {
        match self {
            Self::Rule(Evaluator::Likeness) => ScoreKind::Graded,
            Self::Rule(_) => ScoreKind::YesNo,
            Self::Judge(judge) if judge.kind == JudgeMode::Pairwise => ScoreKind::Preference,
            Self::Judge(_) => ScoreKind::Graded,
        }
    }
    /// Returns the judge; `None` if a rule scores the answers.
    pub fn judge(&self) -> Option<&JudgeSpec> {
        match self {
            Self::Rule(_) => None,
            Self::Judge(judge) => Some(judge),
        }
    }
}

// Implemented by hand, because the derived error of an untagged enum says only that no variant matches.
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
    fn evaluator_kind_distinguishes_rules_from_judges() {
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
            let error = serde_json::from_value::<Scoring>(text).expect_err("refused");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
