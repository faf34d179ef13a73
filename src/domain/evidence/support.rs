//! How well each sentence of an answer is supported by the passages that it cites.

use super::answer;
use super::read::JudgedVerdict;
use super::rules::objection;
use super::verify::SearchedText;
use super::{Entailment, SentenceSupport, SupportLevel};
use crate::domain::analysis::Plan;
use crate::domain::citation::{self, CitationMark, ComparableText, marks};

/// Maximum number of passages that a sentence is compared with.
const MOST_PASSAGES: usize = 8;
/// Minimum number of words of a quotation in a sentence.
const LEAST_WORDS: usize = 3;
/// Opening and closing quotation marks.
const QUOTATION_MARKS: [(char, char); 5] =
    [('“', '”'), ('"', '"'), ('„', '“'), ('«', '»'), ('「', '」')];

/// The sentences of an answer with what needs no model: their citations and quotations.
pub(super) fn of(plan: &Plan, answer: &str) -> Vec<SentenceSupport> {
    let sentence = |text: String| {
        let cites = cited_passages(plan, &text);
        let level = match () {
            () if cites.is_empty() => SupportLevel::None,
            () if is_quoted(plan, &text, &cites) => SupportLevel::Quoted,
            () => SupportLevel::Cited,
        };
        SentenceSupport {
            text,
            cites,
            level,
            ..SentenceSupport::default()
        }
    };
    answer::sentences(answer)
        .into_iter()
        .map(sentence)
        .collect()
}

/// The numbers of the given passages that a sentence cites.
pub(super) fn cited_passages(plan: &Plan, sentence: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for mark in citation::cites(sentence)
        .into_iter()
        .flat_map(|cite| cite.marks)
    {
        for source in plan.all_sources() {
            let is_meant = match mark {
                CitationMark::Number(number) => source.number == number,
                marked => marks::read(&source.mark, false)
                    .into_iter()
                    .any(|own| covers(marked, own)),
            };
            if is_meant && !numbers.contains(&source.number) && numbers.len() < MOST_PASSAGES {
                numbers.push(source.number);
            }
        }
    }
    numbers
}

fn covers(mark: CitationMark, own: CitationMark) -> bool {
    let pages = |mark: CitationMark| match mark {
        CitationMark::Pages { document, from, to } => Some((document, from, to)),
        CitationMark::Document(document) => Some((document, 1, u32::MAX)),
        CitationMark::Number(_) => None,
    };
    match (pages(mark), pages(own)) {
        (Some((one, from, to)), Some((other, first, last))) => {
            one == other && from <= last && first <= to
        }
        _ => false,
    }
}

/// The text of a given passage.
pub(super) fn passage(plan: &Plan, number: u32) -> Option<&str> {
    let source = plan.all_sources().find(|source| source.number == number)?;
    Some(&source.text)
}

// Whether every quotation in the sentence occurs in one of the cited passages.
fn is_quoted(plan: &Plan, sentence: &str, cites: &[u32]) -> bool {
    let quotes: Vec<&str> = quotations(sentence)
        .into_iter()
        .filter(|quote| ComparableText::of(quote).words().len() >= LEAST_WORDS)
        .collect();
    let stands = |quote: &&str| {
        let mut passages = cites.iter().filter_map(|&number| passage(plan, number));
        passages.any(|text| SearchedText::of(text).find(quote).is_some())
    };
    !quotes.is_empty() && quotes.iter().all(stands)
}

fn quotations(sentence: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = sentence;
    while let Some((at, open)) = rest
        .char_indices()
        .find(|(_, c)| QUOTATION_MARKS.iter().any(|(open, _)| open == c))
    {
        let inside = &rest[at + open.len_utf8()..];
        let closing = QUOTATION_MARKS.iter().filter(|(one, _)| *one == open);
        let end = closing.filter_map(|&(_, close)| inside.find(close)).min();
        let Some(end) = end else { break };
        found.push(&inside[..end]);
        let close = inside[end..].chars().next().map_or(0, char::len_utf8);
        rest = &inside[end + close..];
    }
    found
}

/// Takes in the checker's verdicts: only those whose words occur in the passage, lowered by the rules. Of several
/// passages, one that contradicts a sentence counts before one that entails it: support is claimed only where nothing that
/// is cited speaks against it.
pub(super) fn apply(plan: &Plan, verdicts: &[JudgedVerdict], sentences: &mut [SentenceSupport]) {
    for verdict in verdicts {
        let index = verdict.sentence.checked_sub(1);
        let Some(sentence) = index.and_then(|index| sentences.get_mut(index)) else {
            continue;
        };
        if !sentence.cites.contains(&verdict.passage) {
            continue;
        }
        let checked = checked(plan, verdict, sentence);
        if rank(checked.verdict) > rank(sentence.verdict) {
            *sentence = checked;
        }
    }
    for sentence in sentences {
        if sentence.verdict == Some(Entailment::Entails) {
            sentence.level = SupportLevel::Supported;
        }
    }
}

fn rank(verdict: Option<Entailment>) -> u8 {
    match verdict {
        None => 0,
        Some(Entailment::Neither) => 1,
        Some(Entailment::Entails) => 2,
        Some(Entailment::Contradicts) => 3,
    }
}

fn checked(plan: &Plan, given: &JudgedVerdict, sentence: &SentenceSupport) -> SentenceSupport {
    let neither = |lowered: Option<String>| SentenceSupport {
        verdict: Some(Entailment::Neither),
        passage: Some(given.passage),
        quote: String::new(),
        lowered,
        ..sentence.clone()
    };
    if given.verdict == Entailment::Neither {
        return neither(None);
    }
    let text = passage(plan, given.passage).unwrap_or_default();
    let Some(found) = SearchedText::of(text).find(&given.quote) else {
        return neither(Some("the quoted words are not in the passage".to_owned()));
    };
    let why = match given.verdict {
        Entailment::Entails if found.is_turned() => {
            Some("the quoted words leave out a negation".to_owned())
        }
        Entailment::Entails => objection(&sentence.text, found.words),
        _ => None,
    };
    if why.is_some() {
        return neither(why);
    }
    SentenceSupport {
        verdict: Some(given.verdict),
        passage: Some(given.passage),
        quote: found.words.to_owned(),
        lowered: None,
        ..sentence.clone()
    }
}
