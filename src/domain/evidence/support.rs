//! Rates how well the cited passages support each sentence of an answer.

use super::answer;
use super::read::JudgedVerdict;
use super::verify::SearchedText;
use super::{Entailment, SentenceSupport, SupportLevel};
use crate::domain::analysis::Plan;
use crate::domain::citation::{self, CitationMark, ComparableText, marks};

/// Maximum number of passages that a sentence is compared with.
const MAX_PASSAGES: usize = 8;
/// Minimum number of words of a quotation in a sentence. Shorter ones are not looked up.
const MIN_WORDS: usize = 3;
/// Shown for a sentence that a passage contradicts.
const CONTRADICTED_REASON: &str = "the passage says otherwise";
/// Shown for a reported contradiction whose quoted words were not found.
const QUOTE_NOT_FOUND_REASON: &str =
    "a model says that a passage contradicts it, but the words that it quotes were not found there";
const QUOTATION_MARKS: [(char, char); 5] =
    [('“', '”'), ('"', '"'), ('„', '“'), ('«', '»'), ('「', '」')];

/// Returns the sentences of an answer with everything that can be determined without a model: their citations
/// and quotations.
pub(super) fn unchecked_sentences(plan: &Plan, answer: &str) -> Vec<SentenceSupport> {
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

/// Returns the numbers of the given passages that a sentence cites.
pub(super) fn cited_passages(plan: &Plan, sentence: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for mark in citation::find_mark_groups(sentence)
        .into_iter()
        .flat_map(|cite| cite.marks)
    {
        for source in plan.all_sources() {
            let is_cited = match mark {
                CitationMark::Number(number) => source.number == number,
                marked => marks::parse_marks(&source.mark, false)
                    .into_iter()
                    .any(|own| covers_mark(marked, own)),
            };
            if is_cited && !numbers.contains(&source.number) && numbers.len() < MAX_PASSAGES {
                numbers.push(source.number);
            }
        }
    }
    numbers
}

fn covers_mark(mark: CitationMark, own: CitationMark) -> bool {
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

/// Returns the text of the given passage with this number.
pub(super) fn passage_text(plan: &Plan, number: u32) -> Option<&str> {
    let source = plan.all_sources().find(|source| source.number == number)?;
    Some(&source.text)
}

// Whether every quotation in the sentence occurs in one of the cited passages.
fn is_quoted(plan: &Plan, sentence: &str, cites: &[u32]) -> bool {
    let quotes: Vec<&str> = find_quotations(sentence)
        .into_iter()
        .filter(|quote| ComparableText::from_text(quote).words().len() >= MIN_WORDS)
        .collect();
    let is_found = |quote: &&str| {
        let mut passages = cites
            .iter()
            .filter_map(|&number| passage_text(plan, number));
        passages.any(|text| SearchedText::new(text).find(quote).is_some())
    };
    !quotes.is_empty() && quotes.iter().all(is_found)
}

fn find_quotations(sentence: &str) -> Vec<&str> {
    let mut quotations = Vec::new();
    let mut rest = sentence;
    while let Some((at, open)) = rest
        .char_indices()
        .find(|(_, c)| QUOTATION_MARKS.iter().any(|(open, _)| open == c))
    {
        let inside = &rest[at + open.len_utf8()..];
        let closing = QUOTATION_MARKS
            .iter()
            .filter(|(opening, _)| *opening == open);
        let end = closing.filter_map(|&(_, close)| inside.find(close)).min();
        let Some(end) = end else { break };
        quotations.push(&inside[..end]);
        let close = inside[end..].chars().next().map_or(0, char::len_utf8);
        rest = &inside[end + close..];
    }
    quotations
}

/// Applies the checker's verdicts after the rules have lowered them. A contradicting verdict takes precedence
/// over an entailing one, even if its words were not found, because a sentence counts as supported only if
/// nothing contradicts it.
pub(super) fn apply_verdicts(
    plan: &Plan,
    verdicts: &[JudgedVerdict],
    sentences: &mut [SentenceSupport],
) {
    let mut weights = vec![VerdictWeight::Nothing; sentences.len()];
    for verdict in verdicts {
        let index = verdict.sentence.checked_sub(1);
        let Some(index) = index.filter(|&index| index < sentences.len()) else {
            continue;
        };
        let sentence = &mut sentences[index];
        let is_cited_contradiction =
            verdict.verdict == Entailment::Contradicts && !sentence.cites.is_empty();
        if !is_cited_contradiction && !sentence.cites.contains(&verdict.passage_number) {
            continue;
        }
        let (weight, checked_support) = checked_verdict(plan, verdict, sentence);
        if weight > weights[index] {
            weights[index] = weight;
            *sentence = checked_support;
        }
    }
    for sentence in sentences {
        if sentence.verdict == Some(Entailment::Entails) {
            sentence.level = SupportLevel::Supported;
        }
    }
}

/// How much a verdict weighs against others on the same sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum VerdictWeight {
    Nothing,
    Neither,
    Entails,
    /// The checker reports a contradiction, but its quoted words were not found.
    Contested,
    Contradicts,
}

fn checked_verdict(
    plan: &Plan,
    judged: &JudgedVerdict,
    sentence: &SentenceSupport,
) -> (VerdictWeight, SentenceSupport) {
    let build_support = |verdict: Entailment, quote: &str, lowered: Option<&str>| SentenceSupport {
        verdict: Some(verdict),
        passage: (sentence.cites.contains(&judged.passage_number)).then_some(judged.passage_number),
        quote: quote.to_owned(),
        lowered: lowered.map(str::to_owned),
        ..sentence.clone()
    };
    let neither = |why: Option<&str>| build_support(Entailment::Neither, "", why);
    let cited_text = passage_text(plan, judged.passage_number)
        .filter(|_| sentence.cites.contains(&judged.passage_number));
    let searched_text = SearchedText::new(cited_text.unwrap_or_default());
    let found_quote = searched_text.find(&judged.quote);
    match (judged.verdict, found_quote) {
        (Entailment::Neither, _) => (VerdictWeight::Neither, neither(None)),
        (Entailment::Contradicts, None) => (
            VerdictWeight::Contested,
            neither(Some(QUOTE_NOT_FOUND_REASON)),
        ),
        (Entailment::Contradicts, Some(found_quote)) => {
            let contradiction =
                build_support(judged.verdict, found_quote.words, Some(CONTRADICTED_REASON));
            (VerdictWeight::Contradicts, contradiction)
        }
        (Entailment::Entails, None) => {
            let why = "the quoted words are not in the passage";
            (VerdictWeight::Neither, neither(Some(why)))
        }
        (Entailment::Entails, Some(found_quote)) => match found_quote.objection(&sentence.text) {
            Some(why) => (VerdictWeight::Neither, neither(Some(why.as_str()))),
            None => (
                VerdictWeight::Entails,
                build_support(judged.verdict, found_quote.words, None),
            ),
        },
    }
}
