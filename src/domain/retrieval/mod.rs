//! Context allocation: chooses the text of a user's documents that goes into a prompt. Documents are included whole if
//! they fit. Otherwise, they are represented by the passages found for the question and, for orientation, their first
//! passage. Reads no files.

pub mod meaning;
mod near_duplicates;
pub mod record;

use super::chat::SourcePassage;
use super::document::{Passage, SearchHit};
use super::id::DocumentId;
use near_duplicates::Shingles;

/// A document from which passages can be selected.
pub struct Candidate {
    /// ID by which selected passages refer to the document.
    pub id: DocumentId,
    /// File name of the document, as shown in the prompt.
    pub name: String,
    /// The document's first passages, as many as could fit into the budget.
    pub passages: Vec<Passage>,
    /// Whether `passages` contains the whole document.
    pub is_whole: bool,
    /// Search results for the question in this document, best first.
    pub hits: Vec<SearchHit>,
}

/// Number of characters that a source needs besides its text: for the mark, the document's name, and the page.
pub const PASSAGE_OVERHEAD: usize = 80;

/// Maximum length of a source joined from neighboring passages, in bytes. A longer source would be too imprecise as a
/// citation.
const MAX_JOINED_CHARS: usize = 3_600;

/// Chooses passages within `budget` characters. They are numbered from 1, in the order of the documents and of
/// their text, with neighboring passages joined. If not even one fits, returns the first passage, truncated.
pub fn choose_passages(candidates: &[Candidate], budget: usize) -> Vec<SourcePassage> {
    let chosen_passages = divide_budget(candidates, budget);
    let mut sources: Vec<SourcePassage> = Vec::new();
    for (place, mut passages) in chosen_passages.into_iter().enumerate() {
        passages.sort_by_key(|passage| passage.ordinal);
        let mut previous_passage: Option<&Passage> = None;
        for passage in passages {
            let joined = previous_passage
                .zip(sources.last_mut())
                .is_some_and(|(previous, source)| merge_adjacent(source, previous, passage));
            if !joined {
                sources.push(source_passage(
                    candidates,
                    place,
                    passage,
                    sources.len() + 1,
                ));
            }
            previous_passage = Some(passage);
        }
    }
    if sources.is_empty()
        && let Some((place, first)) = candidates
            .iter()
            .enumerate()
            .find_map(|(place, candidate)| Some((place, candidate.passages.first()?)))
    {
        let mut excerpt = source_passage(candidates, place, first, 1);
        excerpt.text = excerpt.text.chars().take(budget.max(200)).collect();
        sources.push(excerpt);
    }
    sources
}

/// Appends a passage to the source that ends just before it. Returns false if the two are not adjacent on the same page
/// and under the same heading, or would be too long together.
fn merge_adjacent(source: &mut SourcePassage, before: &Passage, passage: &Passage) -> bool {
    let neighbors = before.page == passage.page
        && before.ordinal + 1 == passage.ordinal
        && before.heading == passage.heading
        && source.text.len() + passage.text.len() <= MAX_JOINED_CHARS;
    if neighbors {
        // Only whitespace separates the two, so all that needs to be kept is a paragraph break.
        let between = if passage.start > before.end + 1 {
            "\n\n"
        } else {
            "\n"
        };
        source.text.push_str(between);
        source.text.push_str(&passage.text);
        source.end = passage.end;
    }
    neighbors
}

/// Divides the budget among the documents, and selects their passages. Documents that fit into an equal share are
/// included whole, documents without hits are represented by their first passage, and the others get the remainder.
fn divide_budget(candidates: &[Candidate], budget: usize) -> Vec<Vec<&Passage>> {
    let has_hits = candidates
        .iter()
        .any(|candidate| !candidate.hits.is_empty());
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&index| {
        let candidate = &candidates[index];
        let whole_document_tokens = total_cost(candidate).unwrap_or(usize::MAX);
        let fits = whole_document_tokens <= budget / candidates.len().max(1);
        (!fits, !candidate.hits.is_empty(), whole_document_tokens)
    });
    let mut chosen_passages: Vec<Vec<&Passage>> = candidates.iter().map(|_| Vec::new()).collect();
    let mut selected_shingles: Vec<Shingles> = Vec::new();
    let mut left = budget;
    for (done, &index) in order.iter().enumerate() {
        let candidate = &candidates[index];
        let part = left / (order.len() - done);
        chosen_passages[index] = match total_cost(candidate) {
            Some(cost) if cost <= part => candidate.passages.iter().collect(),
            _ if has_hits && candidate.hits.is_empty() => candidate
                .passages
                .iter()
                .take(1)
                .filter(|first| passage_cost(first) <= part)
                .collect(),
            _ => select_passages(candidate, part, &mut selected_shingles),
        };
        left -= chosen_passages[index]
            .iter()
            .map(|passage| passage_cost(passage))
            .sum::<usize>();
    }
    chosen_passages
}

/// Selects passages within one document as long as they fit: the first passage, then hits by rank and, if
/// there are no hits, more passages from the start. Near-duplicates of selected hits are skipped.
fn select_passages<'a>(
    candidate: &'a Candidate,
    budget: usize,
    selected_shingles: &mut Vec<Shingles>,
) -> Vec<&'a Passage> {
    let first = candidate.passages.first();
    // If the first passage needs more than a quarter of the budget, leave it out, because it would displace hits.
    let opening_passage =
        first.filter(|passage| candidate.hits.is_empty() || passage_cost(passage) * 4 <= budget);
    let mut left = budget;
    let mut chosen_passages: Vec<&Passage> = Vec::new();
    if let Some(passage) = opening_passage.filter(|passage| passage_cost(passage) <= left) {
        left -= passage_cost(passage);
        chosen_passages.push(passage);
    }
    for hit in &candidate.hits {
        let passage = &hit.passage;
        let new = chosen_passages
            .iter()
            .all(|known| known.ordinal != passage.ordinal);
        if !new || passage_cost(passage) > left {
            continue;
        }
        let shingles = Shingles::from_text(&passage.text);
        if selected_shingles
            .iter()
            .all(|known| !known.is_near_duplicate(&shingles))
        {
            left -= passage_cost(passage);
            chosen_passages.push(passage);
            selected_shingles.push(shingles);
        }
    }
    let rest = candidate.passages.iter().skip(chosen_passages.len());
    for passage in rest.filter(|_| candidate.hits.is_empty()) {
        if passage_cost(passage) <= left {
            left -= passage_cost(passage);
            chosen_passages.push(passage);
        }
    }
    chosen_passages
}

fn total_cost(candidate: &Candidate) -> Option<usize> {
    candidate
        .is_whole
        .then(|| candidate.passages.iter().map(passage_cost).sum())
}

fn passage_cost(passage: &Passage) -> usize {
    passage.text.chars().count() + PASSAGE_OVERHEAD
}

fn source_passage(
    candidates: &[Candidate],
    place: usize,
    passage: &Passage,
    number: usize,
) -> SourcePassage {
    let Candidate { id, name, .. } = &candidates[place];
    // Put the heading first, unless the passage already contains it.
    let text = if passage.heading.is_empty() || passage.text.contains(&passage.heading) {
        passage.text.clone()
    } else {
        format!("({})\n{}", passage.heading, passage.text)
    };
    SourcePassage {
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
mod tests;
