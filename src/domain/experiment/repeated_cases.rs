//! Repeated cases: the same question with the same documents. A model's answers to one question are
//! correlated, so repeats would wrongly count as independent evidence, and a repeat in the holdout would be a
//! question that the race has seen. Each question is therefore kept once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::Case;
use crate::domain::answer_value;
use crate::domain::case_folding::fold_case;

/// Statistics of removed repeated cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RepeatedCases {
    /// Number of cases before removal.
    pub given: usize,
    /// Number of cases that repeat an earlier one.
    pub repeats: usize,
    /// Number of repeats whose expected answer differs from that of the first case.
    pub conflicts: usize,
}

impl RepeatedCases {
    /// Whether no case is repeated.
    pub fn is_empty(&self) -> bool {
        self.repeats == 0
    }
    /// Returns a warning about removed cases; `None` if no case was removed.
    pub fn warning(&self) -> Option<String> {
        let count = self.count_text()?;
        let other = match self.conflicts {
            0 => String::new(),
            1 => " For 1 of them the expected answer differs; the first one counts.".to_owned(),
            some => {
                format!(" For {some} of them the expected answer differs; the first one counts.")
            }
        };
        let left = self.given - self.repeats;
        Some(format!(
            "{count}. Each question is asked and counted once, which leaves {left}.{other}"
        ))
    }
    /// Returns a warning about an experiment of an earlier version, which counted repeats as independent;
    /// `None` if there are no repeats.
    pub fn earlier_version_warning(&self) -> Option<String> {
        let count = self.count_text()?;
        Some(format!(
            "{count}, and this experiment counted them as independent: its result is less certain than it says"
        ))
    }
    fn count_text(&self) -> Option<String> {
        let verb = if self.repeats == 1 {
            "repeats"
        } else {
            "repeat"
        };
        let words = format!("{} of {} cases {verb} a question", self.repeats, self.given);
        (!self.is_empty()).then_some(words)
    }
}

/// Punctuation that ends a question.
const QUESTION_ENDS: [char; 12] = [
    '.', '?', '!', ',', ';', ':', '…', '。', '？', '！', '¿', '¡',
];

/// Returns a key shared by cases with the same question: the question with its documents, without differences
/// in case, spaces, final punctuation, compatibility forms, and invisible characters.
pub fn question_key(case: &Case) -> String {
    let visible = case.prompt.chars().filter(|c| !is_invisible(*c));
    let composed: String = visible.nfkc().collect();
    let folded = fold_case(&composed);
    let mut documents: Vec<&str> = case.documents.iter().map(String::as_str).collect();
    documents.sort_unstable();
    documents.dedup();
    let question =
        folded.trim_end_matches(|c: char| c.is_whitespace() || QUESTION_ENDS.contains(&c));
    let words = question.split_whitespace().chain(documents);
    words.collect::<Vec<_>>().join(" ")
}

// Whether this is a zero-width character, a direction mark, a soft hyphen, a variation selector, or a tag.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

// Whether two expected answers mean the same, such as "7", "7.", and "7.0".
fn is_same_expectation(question: &str, left: Option<&str>, right: Option<&str>) -> bool {
    match (left.map(str::trim), right.map(str::trim)) {
        (Some(left), Some(right)) => {
            left == right || answer_value::common_value(question, &[left, right]).is_some()
        }
        (left, right) => left == right,
    }
}

/// Keeps the first case of each question, in the original order.
pub fn remove_repeated(cases: Vec<Case>) -> (Vec<Case>, RepeatedCases) {
    let mut repeated = RepeatedCases {
        given: cases.len(),
        ..RepeatedCases::default()
    };
    let mut first_answers: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut unique = Vec::with_capacity(cases.len());
    for case in cases {
        let key = question_key(&case);
        match first_answers.get(&key) {
            Some(expected) => {
                repeated.repeats += 1;
                repeated.conflicts += usize::from(!is_same_expectation(
                    &case.prompt,
                    expected.as_deref(),
                    case.expected.as_deref(),
                ));
            }
            None => {
                first_answers.insert(key, case.expected.clone());
                unique.push(case);
            }
        }
    }
    (unique, repeated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(prompt: &str, expected: &str, documents: &[&str]) -> Case {
        Case {
            prompt: prompt.to_owned(),
            expected: Some(expected.to_owned()),
            documents: documents.iter().map(|&id| id.to_owned()).collect(),
            label: None,
        }
    }

    #[test]
    fn the_same_question_is_kept_once() {
        let (unique_cases, repeated) = remove_repeated(vec![
            case("What is 2 + 2?", "4", &[]),
            case("  what is  2 + 2? ", "4", &[]),
            case("What is 2 - 2?", "0", &[]),
            case("What is 2 + 2?", "5", &[]),
            case("What is 2 + 2?", "4.", &[]),
            case("What is 2 + 2?", " 4.0", &[]),
            case("Summarize.", "a", &["doc_1", "doc_2"]),
            case("Summarize.", "a", &["doc_2", "doc_1"]),
            case("Summarize.", "b", &["doc_3"]),
            case("Wie groß ist Österreich?", "c", &[]),
            case("WIE GROSS IST O\u{308}STERREICH?", "c", &[]),
        ]);
        let prompts: Vec<&str> = unique_cases
            .iter()
            .map(|case| case.prompt.as_str())
            .collect();
        assert_eq!(
            prompts,
            [
                "What is 2 + 2?",
                "What is 2 - 2?",
                "Summarize.",
                "Summarize.",
                "Wie groß ist Österreich?"
            ]
        );
        assert_eq!(
            (repeated.given, repeated.repeats, repeated.conflicts),
            (11, 6, 1)
        );
        let words = repeated.warning().expect("repeats");
        assert!(
            words.starts_with("6 of 11 cases repeat a question."),
            "{words}"
        );
        assert!(words.contains("leaves 5. For 1 of them"), "{words}");
    }

    #[test]
    fn disguised_copies_are_one_case() {
        let disguises = [
            "case 1 please",
            "Case 1 please?",
            "case 1 please!",
            "case 1 please.?! ",
            "CASE 1 PLEASE",
            "case 1\u{200b} please",
            "case 1 please\u{200b}\u{feff}",
            "\u{2060}case 1 ple\u{ad}ase",
            "case\n1   please\u{a0}",
            "case 1 please…",
            "case 1 please\u{e0041}",
        ];
        let cases = disguises
            .iter()
            .map(|prompt| case(prompt, "7", &[]))
            .collect();
        let (unique_cases, repeated) = remove_repeated(cases);
        assert_eq!(
            (unique_cases.len(), repeated.repeats),
            (1, disguises.len() - 1)
        );
        let others = ["C", "C++", "C#", "2 - 2", "2 + 2"];
        let cases = others.iter().map(|prompt| case(prompt, "7", &[])).collect();
        assert_eq!(remove_repeated(cases).0.len(), others.len());
    }

    #[test]
    fn copies_are_one_case_and_different_questions_none() {
        let copies = vec![case("case 1 please", "7", &[]); 60];
        let (unique_cases, repeated) = remove_repeated(copies);
        assert_eq!((unique_cases.len(), repeated.repeats), (1, 59));
        let all = (0..60).map(|n| case(&format!("case {n} please"), "7", &[]));
        let (unique_cases, found) = remove_repeated(all.collect());
        assert_eq!((unique_cases.len(), found.warning()), (60, None));
        assert_eq!(found.earlier_version_warning(), None);
    }
}
