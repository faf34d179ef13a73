//! Documents that are read in parts before the panel answers: each part by one reader, whose notes stand in
//! for the part from then on. Says what is asked and what the notes cover; the flow is in `staged`.

use std::fmt::Write;

use crate::domain::analysis::{Plan, Stage, StageAnswer, Who};
use crate::domain::chat::{Source, Task};

/// What the stage is called.
pub const STAGE: &str = "reading";
/// Parts of one analysis at most.
pub const MOST_PARTS: usize = 64;
/// Characters of all notes together, as members get to see them.
const NOTES: usize = 96_000;
/// Characters of one part's notes.
const LONGEST_NOTES: usize = 8_000;

const PROMPT: &str = "\
The passages above are one part of longer documents; others read the other parts. Another call will answer this \
question from everybody's notes:

{question}

Do not answer it yourself. Write notes on what this part says about it: facts, figures, names, dates, definitions, \
conditions and exceptions, each with the mark of its passage right behind it, and the exact words in quotation marks \
where the wording matters. Leave out what has nothing to do with the question. If nothing here has to do with it, \
write only: nothing on this here.";

/// The stage that comes before all others.
pub fn stage() -> Stage {
    Stage {
        name: STAGE.to_owned(),
        who: Who::Readers,
        task: Task::Read,
        prompt: PROMPT.to_owned(),
    }
}

/// Characters of the notes on one of so many parts.
pub fn notes_budget(parts: usize) -> usize {
    (NOTES / parts.max(1)).min(LONGEST_NOTES)
}

/// The notes as the passages of every later stage, in the order of the parts.
pub fn notes(plan: &Plan, answers: &[(usize, &str)]) -> Vec<Source> {
    let budget = notes_budget(plan.parts.len());
    let note = |&(part, text): &(usize, &str)| {
        let of = plan.parts.get(part)?;
        Some(Source {
            number: part as u32 + 1,
            mark: span(of),
            document: format!("notes on {}", names(of)),
            page: of.first().map_or(1, |source| source.page),
            text: text.chars().take(budget).collect(),
            ..Source::default()
        })
    };
    answers.iter().filter_map(note).collect()
}

/// What of the documents has been read, once a run has left the stage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// How many parts there are.
    pub parts: usize,
    /// How many were read.
    pub read: usize,
    /// The marks of those that were not, and why.
    pub missing: Vec<(String, String)>,
}

impl Coverage {
    /// None where nothing is read in parts.
    pub fn of(plan: &Plan, answers: &[StageAnswer]) -> Option<Self> {
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
                Some(Some(error)) => coverage.missing.push((span(sources), error.detail.clone())),
                None => coverage
                    .missing
                    .push((span(sources), "it was not read yet".to_owned())),
            }
        }
        Some(coverage)
    }

    /// For a person.
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

/// `D1:p1-12, D2:p1`: the pages of a part.
pub fn span(sources: &[Source]) -> String {
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

fn names(sources: &[Source]) -> String {
    let mut names: Vec<&str> = sources.iter().map(|source| &*source.document).collect();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(document: u32, page: u32) -> Source {
        Source {
            mark: format!("D{document}:p{page}"),
            document: format!("file{document}.pdf"),
            page,
            ..Source::default()
        }
    }

    #[test]
    fn spans_name_every_document_of_a_part() {
        let part = |pairs: &[(u32, u32)]| -> Vec<Source> {
            pairs.iter().map(|&(d, p)| source(d, p)).collect()
        };
        for (pairs, expected) in [
            (&[(1, 4)][..], "D1:p4"),
            (&[(1, 4), (1, 4), (1, 9)], "D1:p4-9"),
            (&[(1, 9), (2, 1), (2, 2)], "D1:p9, D2:p1-2"),
            (&[], ""),
        ] {
            assert_eq!(span(&part(pairs)), expected);
        }
        assert_eq!(
            names(&part(&[(1, 9), (2, 1), (2, 2)])),
            "file1.pdf, file2.pdf"
        );
    }

    #[test]
    fn many_parts_share_the_room_for_notes() {
        assert_eq!(notes_budget(1), 8_000);
        assert_eq!(notes_budget(MOST_PARTS), 1_500);
        assert!(notes_budget(24) * 24 <= NOTES);
    }
}
