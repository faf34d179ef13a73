//! Looks up a model's quotations in the texts to which it attributes them. Quotations that are not found there do not
//! count.

use crate::domain::citation::{self, ComparableText};

use super::context::QuoteContext;
use super::rules::objection;
use super::tokens::tokens;
use super::words::reverses_meaning;

/// Minimum number of words of a quotation, unless it contains a number.
const MIN_WORDS: usize = 4;
/// Maximum length of a quotation in characters. A longer one is not looked up.
pub(super) const MAX_QUOTE_LENGTH: usize = 600;
const CLAUSE_END_MARKS: [char; 9] = [',', ';', ':', '.', '!', '?', '\n', '—', '–'];

/// A text in which quotations are looked up.
pub(super) struct SearchedText<'a> {
    text: &'a str,
    words: ComparableText,
}

/// A quotation that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundQuote<'a> {
    /// The quoted words, verbatim from the text.
    pub words: &'a str,
    /// The quoted words, extended to the beginning and end of the clauses that they are in.
    pub clause: &'a str,
    /// The sentences around the quoted words.
    pub context: QuoteContext<'a>,
}

impl<'a> SearchedText<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            words: ComparableText::from_text(text),
        }
    }

    /// Finds a quotation in one piece. Ellipses are not accepted, because they could omit words that reverse
    /// the meaning.
    pub fn find(&self, quote: &str) -> Option<FoundQuote<'a>> {
        let is_bounded = quote.chars().nth(MAX_QUOTE_LENGTH).is_none();
        if !is_bounded || quote.contains('…') || quote.contains("...") || !has_enough_words(quote)
        {
            return None;
        }
        let quote_match =
            citation::locate(quote, &self.words).filter(|found| found.omitted.is_empty())?;
        let (start, end) = (quote_match.start, quote_match.end);
        let words = self.text.get(start..end)?;
        let previous_clause_end = self.text.get(..start)?.rfind(CLAUSE_END_MARKS);
        let begin = previous_clause_end.map_or(0, |at| self.text.ceil_char_boundary(at + 1));
        let clause_end = self.text.get(end..)?.find(CLAUSE_END_MARKS);
        let clause = self
            .text
            .get(begin..clause_end.map_or(self.text.len(), |at| end + at))?;
        let context = QuoteContext::new(self.text, start, end);
        Some(FoundQuote {
            words,
            clause,
            context,
        })
    }
}

impl FoundQuote<'_> {
    /// Returns why the words, in their context, do not support a sentence; `None` if no rule objects.
    pub fn objection(&self, sentence: &str) -> Option<String> {
        if self.is_negated() {
            return Some("the quoted words leave out a negation".to_owned());
        }
        let context_objection = objection(sentence, self.words);
        context_objection.or_else(|| self.context.objection(sentence))
    }

    /// Whether the clause negates the quoted words.
    pub fn is_negated(&self) -> bool {
        let negations = |text: &str| {
            let words = tokens(text).into_iter();
            words.filter(|token| reverses_meaning(&token.text)).count()
        };
        negations(self.clause) % 2 != negations(self.words) % 2
    }
}

fn has_enough_words(quote: &str) -> bool {
    let quote = ComparableText::from_text(quote);
    let words = || quote.words().iter().filter(|word| !word.is_symbol);
    words().count() >= MIN_WORDS || words().any(|word| word.is_figure())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "The lease ends on 30 June 2027, and the tenant may not sublet it. Nobody pays rent.";

    #[test]
    fn only_contiguous_words_are_found() {
        let text = SearchedText::new(TEXT);
        for (quote, expected) in [
            ("ends on 30 June 2027", Some("ends on 30 June 2027")),
            ("“Ends on 30 june 2027”", Some("ends on 30 June 2027")),
            ("2027", Some("2027")),
            ("ends on 30 June 2028", None),
            ("the tenant may sublet it", None),
            ("The lease … may not sublet it", None),
            ("sublet it", None),
            ("", None),
        ] {
            let words = text.find(quote).map(|found| found.words);
            assert_eq!(words, expected, "{quote}");
        }
    }

    #[test]
    fn a_quotation_that_omits_a_negation_changes_its_meaning() {
        let text = SearchedText::new(
            "Nobody has the right to sublet the flat. It may be painted in white.",
        );
        let is_turned = |quote: &str| text.find(quote).expect(quote).is_negated();
        assert!(is_turned("has the right to sublet"));
        assert!(!is_turned("Nobody has the right to sublet"));
        assert!(!is_turned("may be painted in white"));
    }
}
