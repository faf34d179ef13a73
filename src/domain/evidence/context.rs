//! Finds text around quoted words that qualifies or retracts them, such as a condition or a doubt. The context can only
//! count against a quotation, never confirm it.

use super::tokens::tokens;

/// Maximum number of bytes of context read before and after a quotation.
const CONTEXT_BYTES: usize = 400;
/// Words that begin a condition.
const CONDITION_WORDS: &[&str] = &[
    "if",
    "provided",
    "providing",
    "assuming",
    "supposing",
    "unless",
    "whether",
    "außer",
    "falls",
    "ob",
    "wenn",
    "sofern",
    "soweit",
    "vorausgesetzt",
    "si",
];
/// Words that call a statement into question.
const DOUBT_PHRASES: &[&str] = &[
    "false",
    "falsely",
    "wrong",
    "wrongly",
    "untrue",
    "incorrect",
    "incorrectly",
    "mistaken",
    "mistakenly",
    "erroneous",
    "erroneously",
    "allegedly",
    "supposedly",
    "purportedly",
    "myth",
    "hoax",
    "deleted",
    "void",
    "repealed",
    "superseded",
    "withdrawn",
    "retracted",
    "obsolete",
    "denied",
    "denies",
    "disputed",
    "disputes",
    "refuted",
    "doubt",
    "doubts",
    "doubted",
    "doubtful",
    "contrary",
    "disagree",
    "disagrees",
    "unclear",
    "unproven",
    "correction",
    "corrected",
    "bezweifle",
    "bezweifelt",
    "entgegen",
    "falsch",
    "fälschlich",
    "fälschlicherweise",
    "unwahr",
    "irrtümlich",
    "irrig",
    "angeblich",
    "widerlegt",
    "bestritten",
    "bestreitet",
    "gestrichen",
    "aufgehoben",
    "ungültig",
];
/// Phrases at the beginning of a sentence that retract the sentence before it.
const REVERSAL_PHRASES: &[&str] = &[
    "in fact",
    "actually",
    "in reality",
    "tatsächlich",
    "in wahrheit",
    "hardly",
    "not so",
    "not quite",
    "wait",
    "no,",
    "scratch that",
    "nein",
];
/// Phrases that call the statement around them into question.
const DOUBTING_VERBS: &[&str] = &[
    "might think",
    "might believe",
    "used to be",
    "citation needed",
    "earlier draft",
    "earlier version",
    "previous version",
    "frühere fassung",
];

/// The text around a quotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct QuoteContext<'a> {
    /// The sentence before the one in which the quotation begins.
    previous_sentence: &'a str,
    /// The quotation's sentence up to the quoted words.
    text_before: &'a str,
    /// The text from the quoted words to the end of their sentence.
    text_after: &'a str,
    /// The sentence after the one with the quotation; empty if there is none.
    next_sentence: &'a str,
}

impl<'a> QuoteContext<'a> {
    /// Creates the context of the quotation at the byte range `start..end`.
    pub fn new(text: &'a str, start: usize, end: usize) -> Self {
        let begin = sentence_start(text, start);
        let over = sentence_end(text, end);
        let earlier = text[..begin].trim_end_matches(|c: char| c.is_whitespace() || is_end(c));
        Self {
            previous_sentence: &text[sentence_start(text, earlier.len())..begin],
            text_before: &text[begin..start],
            text_after: &text[end..over],
            next_sentence: &text[over..sentence_end(text, over + leading_spaces(&text[over..]))],
        }
    }

    /// Returns why the quoted words do not support a sentence in this context; `None` if the context raises no
    /// objection.
    pub fn objection(&self, sentence: &str) -> Option<String> {
        let contains_any = |text: &str, words: &[&str]| {
            let mut all = tokens(text).into_iter();
            all.any(|token| words.contains(&token.text.as_str()))
        };
        let context = [self.text_before, self.text_after];
        if has_condition(sentence) != has_condition(&context.join(" ")) && !has_condition(sentence)
        {
            return Some("the text says it only under a condition".to_owned());
        }
        let next = self.next_sentence.trim_start().to_lowercase();
        let is_reversed = REVERSAL_PHRASES.iter().any(|words| next.starts_with(words))
            || next.contains("not apply")
            || next.contains("no longer appl")
            || next.contains("gilt nicht");
        let is_question =
            self.text_after.trim_end().ends_with('?') && !sentence.trim_end().ends_with('?');
        let plain = self.text_after.trim_matches(|c: char| !c.is_alphanumeric());
        let is_negator = matches!(plain.to_lowercase().as_str(), "not" | "nicht");
        let nearby = [self.text_before, self.text_after, self.next_sentence]
            .join(" ")
            .to_lowercase();
        let is_reversed = is_reversed
            || is_question
            || is_negator
            || DOUBTING_VERBS.iter().any(|words| nearby.contains(words));
        let all = [
            self.previous_sentence,
            self.text_before,
            self.text_after,
            self.next_sentence,
        ];
        let is_doubted = all.iter().any(|text| contains_any(text, DOUBT_PHRASES))
            && !contains_any(sentence, DOUBT_PHRASES);
        (is_reversed || is_doubted).then(|| "the text around it calls it into question".to_owned())
    }
}

/// Whether a text contains a word that begins a condition.
pub(super) fn has_condition(text: &str) -> bool {
    let mut all = tokens(text).into_iter();
    all.any(|token| CONDITION_WORDS.contains(&token.text.as_str()))
}

fn leading_spaces(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn is_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '。' | '！' | '？' | '।')
}

// Returns the start of the sentence at this position. A period inside a number or a word does not end a sentence.
fn sentence_start(text: &str, place: usize) -> usize {
    let earliest = text.ceil_char_boundary(place.saturating_sub(CONTEXT_BYTES));
    let mut following = text[place..].chars().next();
    for (at, c) in text[earliest..place].char_indices().rev() {
        let is_bound = following.is_none_or(|next| next.is_whitespace() || !next.is_ascii());
        if c == '\n' || (is_end(c) && is_bound) {
            return earliest + at + c.len_utf8();
        }
        following = Some(c);
    }
    earliest
}

// Returns the end of the sentence at this position, after its period.
fn sentence_end(text: &str, place: usize) -> usize {
    let limit = text.floor_char_boundary((place + CONTEXT_BYTES).min(text.len()));
    let mut characters = text[place..limit].char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|&(_, next)| next);
        let is_bound = next.is_none_or(|next| next.is_whitespace() || !next.is_ascii());
        if c == '\n' || (is_end(c) && is_bound) {
            return place + at + c.len_utf8();
        }
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_condition(text: &str, sentence: &str) -> Option<String> {
        let words = "the lease ends on 30 June 2027";
        let start = text.find(words).expect("the words");
        QuoteContext::new(text, start, start + words.len()).objection(sentence)
    }

    #[test]
    fn context_can_retract_a_quotation() {
        for (text, expected) in [
            ("False: the lease ends on 30 June 2027.", "question"),
            (
                "The seller wrongly wrote that the lease ends on 30 June 2027. So it goes.",
                "question",
            ),
            (
                "He wrote that the lease ends on 30 June 2027. In fact it ends in 2030.",
                "question",
            ),
            (
                "Some claim that the lease ends on 30 June 2027. They are wrong.",
                "question",
            ),
            (
                "Deleted clause. Here the lease ends on 30 June 2027.",
                "question",
            ),
            (
                "Here the lease ends on 30 June 2027.  The above clause does not apply.",
                "question",
            ),
            ("We say the lease ends on 30 June 2027 – not.", "question"),
            ("So the lease ends on 30 June 2027? Hardly.", "question"),
            ("I doubt the lease ends on 30 June 2027.", "question"),
            (
                "You might think the lease ends on 30 June 2027, but it does not.",
                "question",
            ),
            (
                "Contrary to the claim that the lease ends on 30 June 2027, it runs on.",
                "question",
            ),
            (
                "Here the lease ends on 30 June 2027. Correction: it ends in 2030.",
                "question",
            ),
            (
                "Here the lease ends on 30 June 2027. Wait, it ends in 2030.",
                "question",
            ),
            (
                "Here the lease ends on 30 June 2027 [citation needed].",
                "question",
            ),
            (
                "Earlier drafts said the lease ends on 30 June 2027; the signed text says 2030.",
                "question",
            ),
            (
                "Whether the lease ends on 30 June 2027 is unknown.",
                "condition",
            ),
            (
                "Here the lease ends on 30 June 2027 unless renewed.",
                "condition",
            ),
            (
                "If the tenant pays, the lease ends on 30 June 2027.",
                "condition",
            ),
            (
                "Here the lease ends on 30 June 2027 only if the city agrees.",
                "condition",
            ),
        ] {
            let why = find_condition(text, "The lease ends on 30 June 2027.");
            assert!(
                why.as_ref().is_some_and(|why| why.contains(expected)),
                "{text}: {why:?}"
            );
        }
    }

    #[test]
    fn unrelated_or_repeated_conditions_retract_nothing() {
        for (text, sentence) in [
            (
                "Here the lease ends on 30 June 2027. It may be renewed.",
                "The lease ends then.",
            ),
            (
                "That is wrong. It is old. Here the lease ends on 30 June 2027.",
                "It ends then.",
            ),
            (
                "If he pays, the lease ends on 30 June 2027.",
                "If he pays, the lease ends.",
            ),
            ("x the lease ends on 30 June 2027", "It ends then."),
        ] {
            assert_eq!(find_condition(text, sentence), None, "{text}");
        }
    }
}
