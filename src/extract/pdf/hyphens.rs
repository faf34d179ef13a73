//! Joins words that are split at the end of a line or page. Keeps a hyphen between digits, before a capital, and in a
//! word that the document writes with a hyphen elsewhere.

use std::collections::HashSet;

/// Maximum number of words to remember.
const MAX_WORDS: usize = 200_000;
/// Words that may follow a suspended hyphen, as in German `Vor- und Nachteile`.
const CONJUNCTIONS: &[&str] = &[
    "und", "oder", "bzw", "sowie", "bis", "and", "or", "to", "et", "ou", "y", "o", "e", "en", "of",
    "och", "og", "i",
];

/// The words seen in a document so far.
#[derive(Default)]
pub struct WordList {
    words: HashSet<String>,
    hyphenated: HashSet<String>,
}

/// How a line is joined to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineJoin {
    /// Not joined: the next line stays separate.
    Break,
    /// Joined without the hyphen, which only marks the split.
    WithoutHyphen,
    /// Joined with the hyphen, which belongs to the word.
    WithHyphen,
    /// Joined with a space: the hyphen stands for the rest of a word.
    WithSpace,
}

impl WordList {
    /// Remembers the words of a line.
    pub fn learn_words(&mut self, text: &str) {
        for word in text.split_whitespace() {
            let word = word
                .trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase();
            if word.len() < 3 || self.words.len() + self.hyphenated.len() >= MAX_WORDS {
                continue;
            }
            let set = if word.contains(['-', '‐']) {
                &mut self.hyphenated
            } else {
                &mut self.words
            };
            set.insert(word.replace('‐', "-"));
        }
    }

    /// Returns how to join `next` to the preceding `text`, depending on whether that ends in a hyphen.
    pub fn join(&self, text: &str, next: &str) -> LineJoin {
        let Some(hyphen) = text
            .chars()
            .next_back()
            .filter(|c| matches!(c, '-' | '\u{AD}' | '‐'))
        else {
            return LineJoin::Break;
        };
        let head = text[..text.len() - hyphen.len_utf8()]
            .rsplit(|c: char| c.is_whitespace() || "(\"“„'|/".contains(c))
            .next()
            .unwrap_or_default();
        let tail: &str = next
            .split(|c: char| c.is_whitespace() || c == '|')
            .next()
            .unwrap_or_default();
        let (Some(before), Some(after)) = (head.chars().next_back(), tail.chars().next()) else {
            return LineJoin::Break;
        };
        let bare_tail = tail.trim_end_matches(|c: char| !c.is_alphanumeric());
        if !before.is_alphanumeric() || !after.is_alphanumeric() {
            return LineJoin::Break;
        }
        if hyphen == '\u{AD}' {
            return LineJoin::WithoutHyphen;
        }
        if CONJUNCTIONS.contains(&bare_tail)
            && !self
                .words
                .contains(&format!("{head}{bare_tail}").to_lowercase())
        {
            return LineJoin::WithSpace;
        }
        let capitals = |word: &str| {
            word.chars().filter(|c| c.is_alphabetic()).count() > 1
                && word.chars().all(|c| !c.is_lowercase())
        };
        if before.is_numeric() || after.is_numeric() {
            return LineJoin::WithHyphen;
        }
        if after.is_uppercase() && !(capitals(head) && capitals(bare_tail)) {
            return LineJoin::WithHyphen;
        }
        let (head, tail) = (head.to_lowercase(), bare_tail.to_lowercase());
        let is_compound = matches!(head.as_str(), "well" | "self") && tail.len() >= 5;
        let is_kept = (is_compound || self.hyphenated.contains(&format!("{head}-{tail}")))
            && !self.words.contains(&format!("{head}{tail}"));
        if is_kept {
            LineJoin::WithHyphen
        } else {
            LineJoin::WithoutHyphen
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hyphen_that_belongs_to_the_word_stays() {
        let mut words = WordList::default();
        words.learn_words("a well-known rule of the re-election and the reelection");
        for (text, next, expected) in [
            ("an exam-", "ple of", LineJoin::WithoutHyphen),
            ("infor\u{AD}", "mation", LineJoin::WithoutHyphen),
            ("the well-", "known, old", LineJoin::WithHyphen),
            ("the re-", "election", LineJoin::WithoutHyphen),
            ("2019-", "2024 was", LineJoin::WithHyphen),
            ("COVID-", "19", LineJoin::WithHyphen),
            ("Ms. Miller-", "Young", LineJoin::WithHyphen),
            ("INFOR-", "MATION", LineJoin::WithoutHyphen),
            ("Vor-", "und Nachteile", LineJoin::WithSpace),
            ("a dash -", "and more", LineJoin::Break),
            ("no hyphen", "here", LineJoin::Break),
        ] {
            assert_eq!(words.join(text, next), expected, "{text} {next}");
        }
    }
}
