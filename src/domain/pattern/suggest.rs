//! Which pattern suits a question, by the words it contains. A rule of thumb that says its reason; a
//! person chooses.

use super::Pattern;
use super::kept::Kept;

/// A pattern, how well it seems to fit (0 to 1), and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked<'a> {
    /// The pattern.
    pub pattern: &'a Pattern,
    /// 0 to 1.
    pub score: f64,
    /// For a person.
    pub reason: String,
}

/// Words that speak for a pattern.
const SIGNS: &[(&str, &[&str])] = &[
    (
        "summarize",
        &[
            "summarize",
            "summarise",
            "summary",
            "overview",
            "abstract",
            "tl;dr",
            "gist",
            "zusammenfassung",
            "shorten",
        ],
    ),
    (
        "analyze",
        &[
            "analyze",
            "analyse",
            "analysis",
            "explain",
            "interpret",
            "break down",
            "examine",
            "describe",
        ],
    ),
    (
        "confidence",
        &[
            "sure",
            "certain",
            "confidence",
            "confident",
            "likely",
            "probability",
            "reliable",
            "risk",
            "should we",
            "should i",
        ],
    ),
    (
        "critique",
        &[
            "critique",
            "review",
            "criticise",
            "criticize",
            "improve",
            "weakness",
            "feedback",
            "draft",
            "argument",
            "proposal",
            "plan",
        ],
    ),
    (
        "fact_check",
        &[
            "true",
            "fact",
            "verify",
            "correct",
            "claim",
            "evidence",
            "source",
            "really",
            "is it the case",
            "figures",
            "accurate",
        ],
    ),
    (
        "gut",
        &[
            "idea",
            "opinion",
            "think",
            "brainstorm",
            "gut",
            "quick",
            "suggest",
            "what about",
            "name",
        ],
    ),
];

/// All patterns, best first; those with no sign in the question keep their order behind.
pub fn rank<'a>(patterns: &'a [Kept], question: &str) -> Vec<Ranked<'a>> {
    let lower = question.to_lowercase();
    let mut ranked: Vec<Ranked> = patterns
        .iter()
        .map(|kept| {
            let pattern: &Pattern = &kept.pattern;
            let signs = SIGNS
                .iter()
                .find(|(id, _)| *id == pattern.id)
                .map_or(&[][..], |(_, signs)| *signs);
            let seen: Vec<&str> = signs
                .iter()
                .copied()
                .filter(|sign| has_word(&lower, sign))
                .collect();
            let score = 1.0 - 0.5f64.powi(seen.len() as i32);
            let reason = match seen.as_slice() {
                [] => format!(
                    "nothing in the question speaks for it in particular: {}",
                    pattern.description
                ),
                seen => format!(
                    "the question says {}: {}",
                    seen.join(", "),
                    pattern.description
                ),
            };
            Ranked {
                pattern,
                score,
                reason,
            }
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

// At the beginning of a word, so that "claims" counts and "disclaim" does not.
fn has_word(text: &str, sign: &str) -> bool {
    text.match_indices(sign)
        .any(|(start, _)| !text[..start].ends_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_count_at_the_beginning_of_words() {
        assert!(has_word("these claims", "claim"));
        assert!(!has_word("a disclaimer", "claim"));
    }
}
