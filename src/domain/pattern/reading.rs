//! The reading stage, in which long documents are read in parts before the panel answers: one reader takes notes on
//! each part, and from then on, the notes replace the part. Defines the prompt and the coverage; `staged` controls the
//! sequence.

use std::fmt::Write;

use crate::domain::analysis::{Plan, Stage, StageAnswer, StageRole};
use crate::domain::chat::{SourcePassage, Task};

/// Name of the reading stage.
pub const READING_STAGE: &str = "reading";
/// Maximum number of parts per analysis.
pub const MAX_PARTS: usize = 64;
/// Maximum number of characters of all notes in a member's prompt.
const TOTAL_NOTES_CHARS: usize = 96_000;
/// Maximum number of characters of the notes on one part.
const MAX_NOTES_CHARS: usize = 8_000;

const READING_PROMPT: &str = "\
The passages above are one part of longer documents; others read the other parts. Another call will answer this \
question from everybody's notes:

{question}

Do not answer it yourself. Write notes on what this part says about it: facts, figures, names, dates, definitions, \
conditions and exceptions, each with the mark of its passage right behind it, and the exact words in quotation marks \
where the wording matters. Leave out what has nothing to do with the question. If nothing here has to do with it, \
write only: nothing on this here.";

/// Returns the reading stage, which precedes all others.
pub fn reading_stage() -> Stage {
    Stage {
        name: READING_STAGE.to_owned(),
        role: StageRole::Readers,
        task: Task::Read,
        prompt: READING_PROMPT.to_owned(),
    }
}

/// Returns the maximum number of characters of the notes on each part, given the number of parts.
pub fn notes_budget(parts: usize) -> usize {
    (TOTAL_NOTES_CHARS / parts.max(1)).min(MAX_NOTES_CHARS)
}

/// Converts the readers' notes, given as pairs of a part's index and its notes, into source passages for all later
/// stages. Truncates the notes on each part to [`notes_budget`].
pub fn reading_notes(plan: &Plan, answers: &[(usize, &str)]) -> Vec<SourcePassage> {
    let budget = notes_budget(plan.parts.len());
    let note = |&(part, text): &(usize, &str)| {
        let of = plan.parts.get(part)?;
        Some(SourcePassage {
            number: part as u32 + 1,
            mark: page_span(of),
            document: format!("notes on {}", document_names(of)),
            page: of.first().map_or(1, |source| source.page),
            text: text.chars().take(budget).collect(),
            ..SourcePassage::default()
        })
    };
    answers.iter().filter_map(note).collect()
}

/// Which parts of the documents were read in the reading stage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReadCoverage {
    /// Number of parts that the documents were split into.
    pub parts: usize,
    /// Number of parts that were read.
    pub read: usize,
    /// For each part that was not read, its page span and the reason.
    pub missing: Vec<(String, String)>,
}

impl ReadCoverage {
    /// Determines the coverage; `None` if the documents are not read in parts.
    pub fn from_answers(plan: &Plan, answers: &[StageAnswer]) -> Option<Self> {
        if plan.parts.is_empty() {
            return None;
        }
        let mut coverage = Self {
            parts: plan.parts.len(),
            read: 0,
            missing: Vec::new(),
        };
        for (part, sources) in plan.parts.iter().enumerate() {
            let answer = answers
                .iter()
                .find(|answer| answer.stage == 0 && answer.member == part);
            match answer.map(|answer| answer.error.as_ref()) {
                Some(None) => coverage.read += 1,
                Some(Some(error)) => coverage
                    .missing
                    .push((page_span(sources), error.detail.clone())),
                None => coverage
                    .missing
                    .push((page_span(sources), "not read yet".to_owned())),
            }
        }
        Some(coverage)
    }

    /// Describes the coverage for users.
    pub fn sentence(&self) -> String {
        if self.missing.is_empty() {
            return format!(
                "every part of the documents was read: {} of {}",
                self.read, self.parts
            );
        }
        let missing: Vec<String> = self
            .missing
            .iter()
            .map(|(mark, why)| format!("{mark} ({why})"))
            .collect();
        format!(
            "{} of {} parts of the documents were read; not read: {}",
            self.read,
            self.parts,
            missing.join(", ")
        )
    }
}

/// Formats the page range of each document in a part, as in `D1:p1-12, D2:p1`.
pub fn page_span(sources: &[SourcePassage]) -> String {
    let mut spans: Vec<(&str, u32, u32)> = Vec::new();
    for source in sources {
        let document = source.mark.split(':').next().unwrap_or_default();
        match spans.last_mut() {
            Some((known, _, last)) if *known == document => *last = source.page.max(*last),
            _ => spans.push((document, source.page, source.page)),
        }
    }
    let mut text = String::new();
    for (document, first, last) in spans {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = match first == last {
            true => write!(text, "{comma}{document}:p{first}"),
            false => write!(text, "{comma}{document}:p{first}-{last}"),
        };
    }
    text
}

fn document_names(sources: &[SourcePassage]) -> String {
    let mut names: Vec<&str> = sources.iter().map(|source| &*source.document).collect();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(document: u32, page: u32) -> SourcePassage {
        SourcePassage {
            mark: format!("D{document}:p{page}"),
            document: format!("file{document}.pdf"),
            page,
            ..SourcePassage::default()
        }
    }

    #[test]
    fn page_spans_name_every_document_of_a_part() {
        let part = |pairs: &[(u32, u32)]| -> Vec<SourcePassage> {
            pairs.iter().map(|&(d, p)| source(d, p)).collect()
        };
        for (pairs, expected) in [
            (&[(1, 4)][..], "D1:p4"),
            (&[(1, 4), (1, 4), (1, 9)], "D1:p4-9"),
            (&[(1, 9), (2, 1), (2, 2)], "D1:p9, D2:p1-2"),
            (&[], ""),
        ] {
            assert_eq!(page_span(&part(pairs)), expected);
        }
        assert_eq!(
            document_names(&part(&[(1, 9), (2, 1), (2, 2)])),
            "file1.pdf, file2.pdf"
        );
    }

    #[test]
    fn many_parts_share_the_room_for_notes() {
        assert_eq!(notes_budget(1), 8_000);
        assert_eq!(notes_budget(MAX_PARTS), 1_500);
        assert!(notes_budget(24) * 24 <= TOTAL_NOTES_CHARS);
    }
}
