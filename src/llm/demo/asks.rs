//! Classifies what a question asks for (a time, a number, a reason …), and whether a sentence could contain it. Looks
//! at wording only; never says that a sentence is the answer.

use super::numbers;
use super::text;

/// What a question word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A date or duration.
    Time,
    /// An amount.
    Number,
    /// A person or body.
    Person,
    /// A cause or purpose.
    Reason,
}

/// Question words and what they ask for, longer ones first: the first match wins.
const WORDS: &[(&str, Kind)] = &[
    ("how many", Kind::Number),
    ("how much", Kind::Number),
    ("wie viel", Kind::Number),
    ("wie viele", Kind::Number),
    ("wieviel", Kind::Number),
    ("combien", Kind::Number),
    ("cuánto", Kind::Number),
    ("cuántos", Kind::Number),
    ("how long", Kind::Time),
    ("wie lange", Kind::Time),
    ("when", Kind::Time),
    ("wann", Kind::Time),
    ("quand", Kind::Time),
    ("cuándo", Kind::Time),
    ("who", Kind::Person),
    ("whom", Kind::Person),
    ("wer", Kind::Person),
    ("wem", Kind::Person),
    ("qui", Kind::Person),
    ("quién", Kind::Person),
    ("why", Kind::Reason),
    ("warum", Kind::Reason),
    ("wieso", Kind::Reason),
    ("pourquoi", Kind::Reason),
    ("por qué", Kind::Reason),
];

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "enero",
    "febrero",
    "abril",
    "mayo",
    "junio",
    "julio",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

const SPANS: &[&str] = &[
    "second", "minute", "hour", "day", "week", "month", "year", "sekunden", "minuten", "stunden",
    "tag", "tage", "tagen", "woche", "wochen", "monat", "monate", "monaten", "jahr", "jahre",
    "jahren", "jour", "heure", "semaine", "mois", "an", "ans", "día", "semana", "mes", "año",
];

const REASONS: &[&str] = &[
    "because",
    "since",
    "therefore",
    "thus",
    "hence",
    "reason",
    "purpose",
    "cause",
    "order",
    "consequence",
    "weil",
    "denn",
    "daher",
    "deshalb",
    "grund",
    "damit",
    "car",
    "puisque",
    "afin",
    "raison",
    "porque",
    "pues",
    "razón",
];

impl Kind {
    /// Name of the kind, for "it asks for …".
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "a date or duration",
            Self::Number => "a number",
            Self::Person => "a person or body",
            Self::Reason => "a reason",
        }
    }

    /// Whether the sentence contains something of this kind.
    pub fn fits(self, sentence: &str) -> bool {
        match self {
            Self::Number => !numbers::figures(sentence).is_empty(),
            Self::Time => {
                let spans = numbers::figures(sentence).into_iter().any(|figure| {
                    let year = is_year(&figure.text);
                    year || figure
                        .unit
                        .is_some_and(|unit| SPANS.contains(&unit.as_str()))
                });
                spans || any_word(sentence, MONTHS)
            }
            Self::Person => {
                let later = text::words(sentence).into_iter().skip(1);
                let mut names = later.filter(|word| word.text.starts_with(char::is_uppercase));
                names.next().is_some()
            }
            Self::Reason => any_word(sentence, REASONS),
        }
    }
}

/// Returns what the question asks for, and the question word.
pub fn kind(question: &str) -> Option<(&'static str, Kind)> {
    let words: Vec<String> = text::words(question)
        .iter()
        .map(|word| word.text.to_lowercase())
        .collect();
    let question = format!(" {} ", words.join(" "));
    let mut found = WORDS
        .iter()
        .filter(|(word, _)| question.contains(&format!(" {word} ")));
    found.next().copied()
}

/// A year such as `1998`, or a date that begins with one.
fn is_year(figure: &str) -> bool {
    let (Some(year), Some(rest)) = (figure.get(..4), figure.get(4..)) else {
        return false;
    };
    year.starts_with(['1', '2'])
        && year.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with('-'))
}

fn any_word(sentence: &str, list: &[&str]) -> bool {
    text::words(sentence)
        .iter()
        .any(|word| list.contains(&word.text.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_words_tell_the_kind() {
        for (question, expected) in [
            ("When does it end?", Some(Kind::Time)),
            ("How many days?", Some(Kind::Number)),
            ("Warum gilt das?", Some(Kind::Reason)),
            ("¿Por qué?", Some(Kind::Reason)),
            ("Who signs, and when?", Some(Kind::Time)),
            ("Summarise this", None),
            ("whenever", None),
        ] {
            let found = kind(question).map(|found| found.1);
            assert_eq!(found, expected, "{question}");
        }
    }

    #[test]
    fn sentences_fit_by_wording() {
        for (sentence, kind, fits) in [
            ("It ends in 2007.", Kind::Time, true),
            ("Within 30 days.", Kind::Time, true),
            ("buster,2017-06-17", Kind::Time, true),
            ("It cost 20000.", Kind::Time, false),
            ("It cost £3€.", Kind::Time, false),
            ("On 3 October it rained.", Kind::Time, true),
            ("Some time later.", Kind::Time, false),
            ("It was signed by Ada.", Kind::Person, true),
            ("It was signed.", Kind::Person, false),
            ("Because it rained.", Kind::Reason, true),
            ("Section 7 applies.", Kind::Number, false),
        ] {
            assert_eq!(kind.fits(sentence), fits, "{sentence}");
        }
    }
}
