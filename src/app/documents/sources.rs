//! Chooses what of a person's documents goes into a prompt: whole documents while they fit, else the
//! passages that the question finds, with the first one for orientation. Decides; reads nothing.

use crate::domain::chat::Source;
use crate::domain::document::{Hit, Passage};
use crate::domain::id::DocumentId;

/// A document with what is known of it before choosing.
pub(super) struct Candidate {
    /// Which document.
    pub id: DocumentId,
    /// Its file name.
    pub name: String,
    /// Its passages from the first on, as many as could be used at most.
    pub passages: Vec<Passage>,
    /// Whether these are all it has.
    pub whole: bool,
    /// What the question found in it, best first.
    pub hits: Vec<Hit>,
}

/// What a passage costs beside its text: its number, the document's name and the page.
pub(super) const FRAME: usize = 80;

/// The chosen passages, numbered from 1, documents in the order given and passages in theirs. Never
/// over `budget` characters, unless nothing at all would fit: then the first passage, cut.
pub(super) fn choose(candidates: &[Candidate], budget: usize) -> Vec<Source> {
    let chosen = share(candidates, budget);
    let mut sources = Vec::new();
    for (place, mut passages) in chosen.into_iter().enumerate() {
        passages.sort_by_key(|passage| passage.ordinal);
        for passage in passages {
            sources.push(source(candidates, place, passage, sources.len() + 1));
        }
    }
    if sources.is_empty()
        && let Some((place, first)) = candidates
            .iter()
            .enumerate()
            .find_map(|(place, candidate)| Some((place, candidate.passages.first()?)))
    {
        let mut cut = source(candidates, place, first, 1);
        cut.text = cut.text.chars().take(budget.max(200)).collect();
        sources.push(cut);
    }
    sources
}

/// Small documents first take what they need; what they leave goes to the larger ones.
fn share(candidates: &[Candidate], budget: usize) -> Vec<Vec<&Passage>> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&index| whole_cost(&candidates[index]).unwrap_or(usize::MAX));
    let mut chosen: Vec<Vec<&Passage>> = candidates.iter().map(|_| Vec::new()).collect();
    let mut left = budget;
    for (done, &index) in order.iter().enumerate() {
        let candidate = &candidates[index];
        let part = left / (order.len() - done);
        chosen[index] = match whole_cost(candidate) {
            Some(cost) if cost <= part => candidate.passages.iter().collect(),
            _ => best(candidate, part),
        };
        left -= chosen[index]
            .iter()
            .map(|passage| cost(passage))
            .sum::<usize>();
    }
    chosen
}

/// The first passage, then the hits from the best on, then more from the start, while they fit.
fn best(candidate: &Candidate, budget: usize) -> Vec<&Passage> {
    let first = candidate.passages.first();
    // A first passage that takes more than a quarter would crowd out what was asked for.
    let orientation =
        first.filter(|passage| candidate.hits.is_empty() || cost(passage) * 4 <= budget);
    let hits = candidate.hits.iter().map(|hit| &hit.passage);
    let mut left = budget;
    let mut taken: Vec<&Passage> = Vec::new();
    let rest = candidate
        .passages
        .iter()
        .filter(|_| candidate.hits.is_empty());
    for passage in orientation.into_iter().chain(hits).chain(rest) {
        let new = taken.iter().all(|known| known.ordinal != passage.ordinal);
        if new && cost(passage) <= left {
            left -= cost(passage);
            taken.push(passage);
        }
    }
    taken
}

fn whole_cost(candidate: &Candidate) -> Option<usize> {
    candidate
        .whole
        .then(|| candidate.passages.iter().map(cost).sum())
}

fn cost(passage: &Passage) -> usize {
    passage.text.chars().count() + FRAME
}

fn source(candidates: &[Candidate], place: usize, passage: &Passage, number: usize) -> Source {
    let Candidate { id, name, .. } = &candidates[place];
    // The heading says what a passage is about, unless the passage says so itself.
    let text = if passage.heading.is_empty() || passage.text.contains(&passage.heading) {
        passage.text.clone()
    } else {
        format!("({})\n{}", passage.heading, passage.text)
    };
    Source {
        number: number as u32,
        mark: format!("D{}:p{}", place + 1, passage.page),
        document_id: Some(id.clone()),
        start: passage.start,
        end: passage.end,
        document: name.to_owned(),
        page: passage.page,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn passage(ordinal: u32, length: usize) -> Passage {
        Passage {
            ordinal,
            page: 1,
            start: 0,
            end: length as u32,
            heading: String::new(),
            text: format!("{ordinal}:{}", "x".repeat(length - 2)),
        }
    }

    fn candidate(name: &str, passages: u32, hits: &[u32]) -> Candidate {
        Candidate {
            id: DocumentId::new(Timestamp::from_millis(0), 0),
            name: name.to_owned(),
            passages: (0..passages)
                .map(|ordinal| passage(ordinal, 1_000))
                .collect(),
            whole: true,
            hits: hits
                .iter()
                .map(|&ordinal| Hit {
                    document: DocumentId::new(Timestamp::from_millis(0), 0),
                    name: name.to_owned(),
                    passage: passage(ordinal, 1_000),
                    score: 1.0,
                })
                .collect(),
        }
    }

    fn check(candidates: &[Candidate], budget: usize, expected: &str) {
        let sources = choose(candidates, budget);
        let shown: Vec<String> = sources
            .iter()
            .map(|s| {
                format!(
                    "{}{}{}",
                    s.number,
                    s.document,
                    s.text.split(':').next().unwrap_or("")
                )
            })
            .collect();
        assert_eq!(shown.join(" "), expected);
        assert!(
            sources
                .iter()
                .map(|s| s.text.chars().count())
                .sum::<usize>()
                <= budget.max(200)
        );
    }

    #[test]
    fn what_fits_goes_in_whole_in_order() {
        check(&[candidate("a", 3, &[2])], 10_000, "1a0 2a1 3a2");
        check(
            &[candidate("a", 2, &[]), candidate("b", 1, &[])],
            10_000,
            "1a0 2a1 3b0",
        );
        check(&[], 10_000, "");
    }

    #[test]
    fn a_long_document_gives_its_hits_and_its_beginning() {
        check(&[candidate("a", 50, &[40, 7])], 5_400, "1a0 2a7 3a40");
        check(&[candidate("a", 50, &[40, 7])], 2_200, "1a7 2a40");
        check(&[candidate("a", 50, &[])], 3_300, "1a0 2a1 3a2");
    }

    #[test]
    fn a_small_document_leaves_its_share_to_the_large_one() {
        check(
            &[candidate("a", 50, &[9, 8, 7, 6]), candidate("b", 1, &[])],
            7_000,
            "1a0 2a6 3a7 4a8 5a9 6b0",
        );
    }

    #[test]
    fn something_is_always_given() {
        check(&[candidate("a", 5, &[3])], 10, "1a0");
    }

    #[test]
    fn a_heading_from_above_comes_along() {
        let mut with = candidate("a", 1, &[]);
        with.passages[0].heading = "Duties".into();
        assert!(choose(&[with], 5_000)[0].text.starts_with("(Duties)\n0:"));
    }
}
