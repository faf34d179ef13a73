//! A sentence as it is compared with others: its words without endings, its figures, whether it denies, and
//! which way it points. Compares wording, never meaning: what it cannot tell apart it does not tell apart.

use std::collections::BTreeSet;

use super::lexicon::{AXES, EMPTY, NEGATIONS};
use super::numbers::{self, Number};

/// Of the words of a long claim, so many must be in a sentence that says it.
const SAYS: f64 = 0.65;
/// Of the words of two sentences, so many must be shared for them to speak of one thing.
const SUBJECT: f64 = 0.5;

/// A sentence taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub text: String,
    /// Passages that it cites.
    pub cites: BTreeSet<u32>,
    /// Hashes of stems, sorted, once each. Hashes: a run compares millions of them.
    words: Vec<u64>,
    numbers: Vec<Number>,
    denies: bool,
    /// Axes on which it points somewhere, and whether up.
    turns: BTreeSet<(usize, bool)>,
}

impl Statement {
    pub fn of(text: &str) -> Self {
        let (bare, cites) = without_cites(text);
        let lower = bare.to_lowercase().replace('’', "'");
        let said = words(&lower);
        let mut turns = BTreeSet::new();
        let mut stems = Vec::new();
        let mut negations = 0;
        for (place, word) in said.iter().enumerate() {
            let next = said.get(place + 1).copied().unwrap_or_default();
            if is_negation(word) {
                negations += usize::from(!softens(next));
            } else if let Some(turn) = turn(word) {
                turns.insert(turn);
                // Which way it points is compared apart; what about is a word like others.
                stems.push(turn.0 as u64);
            } else if !EMPTY.contains(word) && !numbers::is_part(word) {
                stems.push(hash(stem(word)));
            }
        }
        stems.sort_unstable();
        stems.dedup();
        Self {
            text: text.trim().to_owned(),
            cites,
            words: stems,
            numbers: numbers::numbers(&lower),
            denies: negations % 2 == 1,
            turns,
        }
    }

    /// Two of them as one, for what is said across a full stop.
    pub fn with(&self, next: &Self) -> Self {
        Self::of(&format!("{} {}", self.text, next.text))
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.numbers.is_empty()
    }

    /// How many different words and figures it has.
    pub fn weight(&self) -> usize {
        self.words.len() + self.numbers.len()
    }

    /// The share of the other's words that are in this one.
    pub fn holds(&self, other: &Self) -> f64 {
        if other.words.is_empty() {
            return if other.is_empty() { 0.0 } else { 1.0 };
        }
        self.shared(other) as f64 / other.words.len() as f64
    }

    /// The share of words that both have, of those of the shorter one.
    pub fn overlap(&self, other: &Self) -> f64 {
        let least = self.words.len().min(other.words.len());
        match least {
            0 => 0.0,
            least => self.shared(other) as f64 / least as f64,
        }
    }

    /// This sentence says that claim, in its words and with its figures.
    pub fn says(&self, claim: &Self) -> bool {
        !claim.is_empty()
            && self.has_words(claim)
            && claim.numbers.iter().all(|one| self.has(one))
            && !self.is_turned(claim)
            && (!claim.words.is_empty() || !claim.numbers.is_empty())
    }

    // In a short claim every word may be the one that matters: "stored on site", "stored elsewhere".
    fn has_words(&self, claim: &Self) -> bool {
        let missing = claim.words.len() - self.shared(claim);
        match claim.words.len() {
            0..=3 => missing == 0,
            4..=6 => missing <= 1,
            _ => self.holds(claim) >= SAYS,
        }
    }

    /// The same words and figures, however they are put.
    pub fn equals(&self, other: &Self) -> bool {
        let holds = |one: &Self, two: &Self| two.numbers.iter().all(|number| one.has(number));
        self.words == other.words
            && holds(self, other)
            && holds(other, self)
            && !self.is_turned(other)
    }

    /// Both say the same: neither has a figure that the other lacks.
    pub fn same(&self, other: &Self) -> bool {
        self.says(other)
            && self.numbers.iter().all(|one| other.has(one))
            && self.words.len() <= other.words.len() * 2 + 2
            || other.says(self)
                && other.numbers.iter().all(|one| self.has(one))
                && other.words.len() <= self.words.len() * 2 + 2
    }

    /// Both speak of one thing, and cannot both be right.
    pub fn opposes(&self, other: &Self) -> bool {
        let least = self.words.len().min(other.words.len());
        let shared = self.shared(other);
        if least == 0 || (shared as f64) < least as f64 * SUBJECT || shared < least.min(2) {
            return false;
        }
        self.is_turned(other) || self.differs(other)
    }

    /// Their figures of one kind are different ones.
    fn differs(&self, other: &Self) -> bool {
        let comparable = |one: &Number, two: &Number| {
            one.unit == two.unit || one.unit.is_empty() || two.unit.is_empty()
        };
        let mut compared = false;
        for one in &self.numbers {
            for two in other.numbers.iter().filter(|two| comparable(one, two)) {
                if one.same(two) {
                    return false;
                }
                compared = true;
            }
        }
        compared
    }

    // One denies what the other says, or points the other way; both at once cancel.
    fn is_turned(&self, other: &Self) -> bool {
        let turned = self
            .turns
            .iter()
            .any(|&(axis, up)| other.turns.contains(&(axis, !up)))
            && self.turns.is_disjoint(&other.turns);
        turned != (self.denies != other.denies)
    }

    fn has(&self, number: &Number) -> bool {
        self.numbers.iter().any(|one| one.same(number))
    }

    fn shared(&self, other: &Self) -> usize {
        let (mut one, mut two, mut shared) = (0, 0, 0);
        while let (Some(left), Some(right)) = (self.words.get(one), other.words.get(two)) {
            shared += usize::from(left == right);
            one += usize::from(left <= right);
            two += usize::from(right <= left);
        }
        shared
    }
}

/// A text without `[n]`, and the numbers that stood in it.
pub(super) fn without_cites(text: &str) -> (String, BTreeSet<u32>) {
    let (mut bare, mut cites) = (String::new(), BTreeSet::new());
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        bare.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let inner = after.find(']').map(|end| &after[..end]);
        let read: Option<Vec<u32>> = inner.and_then(|inner| {
            let parts = inner.split([',', ';', ' ']).filter(|part| !part.is_empty());
            parts.map(|part| part.parse().ok()).collect()
        });
        match (inner, read) {
            (Some(inner), Some(numbers)) if !numbers.is_empty() && inner.len() <= 24 => {
                cites.extend(numbers);
                rest = &after[inner.len() + 1..];
            }
            _ => {
                bare.push('[');
                rest = after;
            }
        }
    }
    bare.push_str(rest);
    (bare, cites)
}

fn words(lower: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '-');
    lower
        .split(|c: char| !is_part(c))
        .flat_map(|word| match word.starts_with("non-") {
            true => vec!["not", &word[4..]],
            false => word.split('-').collect(),
        })
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .collect()
}

fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word) || word.ends_with("n't")
}

// "No later than" and "not only" deny nothing.
fn softens(next: &str) -> bool {
    [
        "later", "only", "less", "more", "fewer", "earlier", "nur", "just", "doubt",
    ]
    .contains(&next)
}

fn turn(word: &str) -> Option<(usize, bool)> {
    // Too common to point anywhere.
    if ["on", "off", "can", "right", "left", "most"].contains(&word) {
        return None;
    }
    AXES.iter().enumerate().find_map(|(axis, (up, down))| {
        let way = up.contains(&word).then_some(true);
        way.or_else(|| down.contains(&word).then_some(false))
            .map(|up| (axis, up))
    })
}

// Endings of the commonest kinds in English and German; a real stemmer would gain little here.
fn stem(word: &str) -> &str {
    for ending in ["ing", "ed", "es", "en", "er", "em", "e", "s"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 4
        {
            return stem;
        }
    }
    word
}

// FNV-1a (Fowler, Noll, Vo): the same on every machine, and nobody gains by a collision here.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_both_be_right_opposes_and_what_says_the_same_does_not() {
        for (one, two, opposes) in [
            ("Revenue rose by 5 %.", "Revenue rose by 7 %.", true),
            (
                "Revenue rose by 5 %.",
                "Revenue rose by 5 percent in all.",
                false,
            ),
            ("Revenue rose in 2023.", "Revenue fell in 2023.", true),
            (
                "Pets are allowed in the flat.",
                "Pets are not allowed in the flat.",
                true,
            ),
            (
                "Pets are not allowed in the flat.",
                "Pets are forbidden in the flat.",
                false,
            ),
            (
                "The contract runs for 24 months.",
                "The contract runs for two years.",
                false,
            ),
            (
                "The contract runs for 24 months.",
                "The contract runs for three years.",
                true,
            ),
            (
                "It opened on 12 March 2024.",
                "It opened on 2024-03-12.",
                false,
            ),
            (
                "It opened on 12 March 2024.",
                "It opened on 21 March 2024.",
                true,
            ),
            ("The bridge is 300 m long.", "Tickets cost 12 euros.", false),
            ("Pay no later than 5 May.", "Pay by 5 May.", false),
            (
                "Die Miete steigt um 3 Prozent.",
                "Die Miete sinkt um 3 Prozent.",
                true,
            ),
        ] {
            let (left, right) = (Statement::of(one), Statement::of(two));
            assert_eq!(left.opposes(&right), opposes, "{one} / {two}");
            assert_eq!(right.opposes(&left), opposes, "{two} / {one}");
        }
    }

    #[test]
    fn a_sentence_says_a_claim_with_its_words_and_figures() {
        for (sentence, claim, says) in [
            (
                "The fee is 30 euros a month, due on Mondays [2].",
                "The fee is 30 euros",
                true,
            ),
            ("The fee is 40 euros a month.", "The fee is 30 euros", false),
            ("The fee is not due.", "The fee is due", false),
            ("Nothing of note.", "", false),
        ] {
            let (sentence, claim) = (Statement::of(sentence), Statement::of(claim));
            assert_eq!(sentence.says(&claim), says, "{sentence:?}");
        }
        assert_eq!(
            Statement::of("a [1, 2] b [x]").cites,
            BTreeSet::from([1, 2])
        );
    }
}
