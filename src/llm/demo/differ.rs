//! Finds pairs of lines that seem to be about the same thing but contain different figures. It cannot tell which of the
//! figures is right.

use std::collections::BTreeMap;

use super::numbers::{Figure, figures};
use super::reading::ParsedPrompt;
use super::text;

/// Two lines that seem to give different figures for the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureDifference {
    /// Index of the earlier line in the reading's lines.
    pub first_line: usize,
    /// Index of the later line in the reading's lines.
    pub second_line: usize,
    /// The two figures, each with the word that it counts, such as `30 days`.
    pub figures: (String, String),
}

/// Finds pairs of lines that share words but differ in a figure with the same unit. Returns at most `max_count` pairs,
/// the most similar first.
pub fn differences(reading: &ParsedPrompt, max_count: usize) -> Vec<FigureDifference> {
    let mut by_unit: BTreeMap<String, Vec<(usize, Figure)>> = BTreeMap::new();
    for (index, line) in reading.lines.iter().enumerate() {
        for figure in figures(&line.text) {
            if let Some(unit) = figure.unit.clone() {
                let mentions = by_unit.entry(unit).or_default();
                // Limited, because the comparison is quadratic in the number of lines that mention a unit.
                if mentions.len() < 60 {
                    mentions.push((index, figure));
                }
            }
        }
    }
    let mut differences: Vec<(f64, FigureDifference)> = Vec::new();
    for mentions in by_unit.values() {
        for (place, (left, first)) in mentions.iter().enumerate() {
            for (right, second) in &mentions[place + 1..] {
                let (a, b) = (&reading.lines[*left].terms, &reading.lines[*right].terms);
                if left == right || first.text == second.text || text::count_shared(a, b) < 4 {
                    continue;
                }
                let similarity = text::jaccard_similarity(a, b);
                let with_units = (with_unit(first), with_unit(second));
                if similarity >= 0.25
                    && !differences
                        .iter()
                        .any(|(_, known)| known.figures == with_units)
                {
                    differences.push((
                        similarity,
                        FigureDifference {
                            first_line: *left,
                            second_line: *right,
                            figures: with_units,
                        },
                    ));
                }
            }
        }
    }
    differences.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then(a.1.first_line.cmp(&b.1.first_line))
    });
    differences
        .into_iter()
        .take(max_count)
        .map(|(_, difference)| difference)
        .collect()
}

fn with_unit(figure: &Figure) -> String {
    format!("{} {}", figure.text, figure.counted_word)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::brief;

    #[test]
    fn differences_need_the_same_unit_and_words() {
        for (text, expected) in [
            (
                "The notice period for ending this contract is 30 days. Either party may end this contract with a notice period of 60 days.",
                1,
            ),
            (
                "The notice period for ending this contract is 30 days. The notice period for ending this contract is 30 days long.",
                0,
            ),
            (
                "Cats sleep 16 hours. The notice period ends after 24 hours.",
                0,
            ),
        ] {
            assert_eq!(
                differences(&ParsedPrompt::of(&brief("x", &[text])), 5).len(),
                expected,
                "{text}"
            );
        }
    }
}
