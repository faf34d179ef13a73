//! Turns what a person types into a full-text query that can never be a syntax error.
//! Knows FTS5's quoting; knows nothing of the database.

use std::collections::BTreeSet;

use super::chunk::is_ideograph;

/// A hit costs time, so a long question is searched by its most telling words.
const MOST_TERMS: usize = 12;
/// From this length on a word also finds its longer forms.
const PREFIX_FROM: usize = 5;
const LONGEST_TERM: usize = 64;
/// Enough for any question; a pasted book is searched by its beginning.
const MOST_PAIRS: usize = 512;

/// The words of `text` that are worth searching for, lower-cased, without duplicates, in order.
pub fn terms(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let word: String = word
            .chars()
            .take(LONGEST_TERM)
            .flat_map(char::to_lowercase)
            .collect();
        // One letter says nothing; one digit or ideograph does.
        let telling = match (word.chars().next(), word.chars().nth(1)) {
            (None, _) => false,
            (Some(only), None) => only.is_numeric() || is_ideograph(only),
            _ => true,
        };
        if telling && !STOP_WORDS.contains(&word.as_str()) && !found.contains(&word) {
            found.push(word);
            // Bounds the comparison above for a prompt of megabytes.
            if found.len() == 512 {
                break;
            }
        }
    }
    found
}

/// The FTS5 MATCH expression for `text`: quoted terms joined by OR, so that operators, quotes and
/// brackets in the text are never syntax. None when nothing is left to search for.
pub fn match_expression(text: &str) -> Option<String> {
    let mut terms = terms(text);
    if terms.len() > MOST_TERMS {
        let mut lengths: Vec<(usize, usize)> = terms
            .iter()
            .enumerate()
            .map(|(index, term)| (weight(term), index))
            .collect();
        lengths.sort_by_key(|&(weight, index)| (std::cmp::Reverse(weight), index));
        let kept: Vec<usize> = lengths
            .iter()
            .take(MOST_TERMS)
            .map(|&(_, index)| index)
            .collect();
        let mut index = 0;
        terms.retain(|_| {
            index += 1;
            kept.contains(&(index - 1))
        });
    }
    let expression: Vec<String> = terms.iter().map(|term| quoted(term)).collect();
    (!expression.is_empty()).then(|| expression.join(" OR "))
}

/// Long words and numbers tell more than short words.
fn weight(term: &str) -> usize {
    term.chars().count()
        + if term.chars().any(char::is_numeric) {
            4
        } else {
            0
        }
}

fn quoted(term: &str) -> String {
    let length = term.chars().count();
    let digits = term.chars().all(char::is_numeric);
    // Ideographs are indexed as whole runs, of which a prefix is the most that can be found.
    if term.chars().any(is_ideograph) {
        return format!("\"{term}\"*");
    }
    if length < PREFIX_FROM || digits {
        return format!("\"{term}\"");
    }
    // A plural finds its singular; "ss" and "us" are no plurals.
    let stem = match term.strip_suffix('s') {
        Some(stem) if !stem.ends_with(['s', 'u', 'i']) => stem,
        _ => term,
    };
    format!("\"{stem}\"*")
}

/// For questions in scripts without spaces, whose words the index does not know: which of `texts`
/// share the most pairs of neighbouring ideographs with the question, best first. Texts that share
/// none are left out; a question without such pairs ranks nothing.
pub fn rank_by_pairs<'a>(question: &str, texts: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let wanted: BTreeSet<(char, char)> = pairs(question).take(MOST_PAIRS).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut scores: Vec<(usize, usize)> = texts
        .enumerate()
        .map(|(index, text)| {
            let shared: BTreeSet<_> = pairs(text).filter(|pair| wanted.contains(pair)).collect();
            (shared.len(), index)
        })
        .filter(|&(score, _)| score > 0)
        .collect();
    scores.sort_by_key(|&(score, index)| (std::cmp::Reverse(score), index));
    scores.into_iter().map(|(_, index)| index).collect()
}

fn pairs(text: &str) -> impl Iterator<Item = (char, char)> {
    let next = text.chars().skip(1);
    text.chars()
        .zip(next)
        .filter(|&(first, second)| is_ideograph(first) && is_ideograph(second))
        // Pairs of kana are endings and particles: they are in every sentence.
        .filter(|&(first, second)| !(is_hiragana(first) && is_hiragana(second)))
}

fn is_hiragana(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{309F}')
}

/// Words that are in every text of their language: English, German, French, Spanish.
const STOP_WORDS: &[&str] = &[
    "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "being", "but", "by", "can", "could", "did", "do", "does", "for", "from", "give",
    "had", "has", "have", "he", "her", "his", "how", "if", "in", "into", "is", "it", "its", "me",
    "more", "most", "my", "no", "not", "of", "on", "one", "or", "other", "our", "out", "over",
    "please", "she", "should", "so", "some", "such", "tell", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "to", "up", "us", "was", "we",
    "were", "what", "when", "where", "which", "who", "whom", "why", "will", "with", "would", "you",
    "your", // de
    "aber", "als", "am", "auch", "auf", "aus", "bei", "bin", "bis", "da", "das", "dass", "dem",
    "den", "der", "des", "die", "dies", "diese", "dieser", "dieses", "doch", "du", "durch", "ein",
    "eine", "einem", "einen", "einer", "eines", "er", "es", "für", "hat", "ich", "ihr", "ihre",
    "im", "ist", "kann", "man", "mit", "nach", "nicht", "noch", "nur", "oder", "ohne", "sein",
    "sich", "sie", "sind", "und", "uns", "unter", "vom", "von", "vor", "wann", "war", "warum",
    "was", "welche", "welcher", "welches", "wenn", "wer", "werden", "wie", "wird", "wir", "wo",
    "zu", "zum", "zur", "über", // fr
    "au", "aux", "avec", "ce", "ces", "cette", "comme", "comment", "dans", "de", "du", "elle",
    "en", "est", "et", "il", "ils", "je", "la", "le", "les", "leur", "lui", "mais", "ne", "nous",
    "on", "ou", "où", "par", "pas", "plus", "pour", "pourquoi", "quand", "que", "quel", "quelle",
    "quelles", "quels", "qui", "quoi", "sa", "se", "ses", "son", "sont", "sur", "un", "une", "vos",
    "votre", "vous", // es
    "al", "como", "con", "cual", "cuál", "cuando", "cuándo", "cómo", "del", "donde", "dónde", "el",
    "ella", "ellos", "entre", "era", "esta", "este", "esto", "fue", "hay", "la", "las", "lo",
    "los", "más", "muy", "no", "nos", "para", "pero", "por", "porque", "que", "quien", "quién",
    "qué", "ser", "si", "sin", "sobre", "son", "su", "sus", "también", "un", "una", "uno", "y",
    "ya",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expressions() {
        for (text, expected) in [
            ("", None),
            ("the and of", None),
            ("¿Qué es el ? — !!", None),
            ("a b c", None),
            ("payment terms", Some(r#""payment"* OR "term"*"#)),
            ("What is the GDP of Chad?", Some(r#""gdp" OR "chad""#)),
            ("tax tax TAX", Some(r#""tax""#)),
            (
                r#"foo" OR bar* NEAR(x y) AND NOT {col}: ^z -1"#,
                Some(r#""foo" OR "bar" OR "near" OR "col" OR "1""#),
            ),
            ("section 7 in 2026", Some(r#""section"* OR "7" OR "2026""#)),
            ("status process", Some(r#""status"* OR "process"*"#)),
            ("Kündigungsfristen", Some(r#""kündigungsfristen"*"#)),
            ("量子計算", Some(r#""量子計算"*"#)),
            ("o'brien", Some(r#""brien"*"#)),
        ] {
            assert_eq!(match_expression(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn long_questions_keep_their_most_telling_words_in_order() {
        let text = "abc def ghi jkl mno pqr stu vwx yza bcd efg hij photosynthesis 1789";
        let expression = match_expression(text).unwrap_or_default();
        assert_eq!(expression.split(" OR ").count(), 12);
        assert!(
            expression.ends_with(r#""photosynthesis"* OR "1789""#),
            "{expression}"
        );
    }

    #[test]
    fn scripts_without_spaces_are_ranked_by_pairs() {
        let texts = [
            "本合同自签字之日起生效。",
            "租金每月九百元，押金两个月。",
            "no ideographs",
        ];
        for (question, expected) in [
            ("押金是多少？", vec![1]),
            ("合同何时生效，租金呢", vec![0, 1]),
            ("deposit", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(
                rank_by_pairs(question, texts.into_iter()),
                expected,
                "{question}"
            );
        }
        assert!(rank_by_pairs("それはですか", ["これはですか"].into_iter()).is_empty());
    }

    proptest! {
        #[test]
        fn never_syntax(text in "\\PC{0,200}") {
            if let Some(expression) = match_expression(&text) {
                for term in expression.split(" OR ") {
                    let inner = term.trim_end_matches('*');
                    prop_assert!(inner.len() > 2 && inner.starts_with('"') && inner.ends_with('"'));
                    prop_assert!(inner[1..inner.len() - 1].chars().all(char::is_alphanumeric), "{}", term);
                }
            }
        }
    }
}
