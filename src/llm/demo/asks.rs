//! Determines what a question asks for (a time, a number, a reason, …), and whether a sentence could contain such an
//! answer. Considers only the wording, and does not decide whether a sentence answers the question.

use super::numbers;
use super::text;

/// The kind of answer that a question word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// A date or duration.
    Time,
    /// An amount.
    Number,
    /// A person or organization.
    Person,
    /// A cause or purpose.
    Reason,
}

/// Question words, each with the kind of answer that it asks for. Longer ones come first, because the first match
/// counts.
const QUESTION_WORDS: &[(&str, AnswerKind)] = &[
    ("how many", AnswerKind::Number),
    ("how much", AnswerKind::Number),
    ("wie viel", AnswerKind::Number),
    ("wie viele", AnswerKind::Number),
    ("wieviel", AnswerKind::Number),
    ("combien", AnswerKind::Number),
    ("cuánto", AnswerKind::Number),
    ("cuántos", AnswerKind::Number),
    ("how long", AnswerKind::Time),
    ("wie lange", AnswerKind::Time),
    ("when", AnswerKind::Time),
    ("wann", AnswerKind::Time),
    ("quand", AnswerKind::Time),
    ("cuándo", AnswerKind::Time),
    ("who", AnswerKind::Person),
    ("whom", AnswerKind::Person),
    ("wer", AnswerKind::Person),
    ("wem", AnswerKind::Person),
    ("qui", AnswerKind::Person),
    ("quién", AnswerKind::Person),
    ("why", AnswerKind::Reason),
    ("warum", AnswerKind::Reason),
    ("wieso", AnswerKind::Reason),
    ("pourquoi", AnswerKind::Reason),
    ("por qué", AnswerKind::Reason),
];

const MONTH_NAMES: &[&str] = &[
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

const TIME_SPAN_WORDS: &[&str] = &[
    "second", "minute", "hour", "day", "week", "month", "year", "sekunden", "minuten", "stunden",
    "tag", "tage", "tagen", "woche", "wochen", "monat", "monate", "monaten", "jahr", "jahre",
    "jahren", "jour", "heure", "semaine", "mois", "an", "ans", "día", "semana", "mes", "año",
];

const REASON_WORDS: &[&str] = &[
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

impl AnswerKind {
    /// Returns a description of the kind, to be appended to "it asks for".
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "a date or duration",
            Self::Number => "a number",
            Self::Person => "a person or body",
            Self::Reason => "a reason",
        }
    }

    /// Returns whether a sentence contains something that could be an answer of this kind.
    pub fn matches_kind(self, sentence: &str) -> bool {
        match self {
            Self::Number => !numbers::figures(sentence).is_empty(),
            Self::Time => {
                let spans = numbers::figures(sentence).into_iter().any(|figure| {
                    let year = is_year(&figure.text);
                    year || figure
                        .unit
                        .is_some_and(|unit| TIME_SPAN_WORDS.contains(&unit.as_str()))
                });
                spans || contains_any(sentence, MONTH_NAMES)
            }
            Self::Person => {
                let later = text::words(sentence).into_iter().skip(1);
                let mut names = later.filter(|word| word.text.starts_with(char::is_uppercase));
                names.next().is_some()
            }
            Self::Reason => contains_any(sentence, REASON_WORDS),
        }
    }
}

/// Returns the first question word in a question, and the kind of answer that it asks for.
pub fn answer_kind(question: &str) -> Option<(&'static str, AnswerKind)> {
    let words: Vec<String> = text::words(question)
        .iter()
        .map(|word| word.text.to_lowercase())
        .collect();
    let question = format!(" {} ", words.join(" "));
    let mut kinds = QUESTION_WORDS
        .iter()
        .filter(|(word, _)| question.contains(&format!(" {word} ")));
    kinds.next().copied()
}

/// Returns whether a figure is a year such as `1998`, or a date that starts with one.
fn is_year(figure: &str) -> bool {
    let (Some(year), Some(rest)) = (figure.get(..4), figure.get(4..)) else {
        return false;
    };
    year.starts_with(['1', '2'])
        && year.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with('-'))
}

fn contains_any(sentence: &str, list: &[&str]) -> bool {
    text::words(sentence)
        .iter()
        .any(|word| list.contains(&word.text.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_words_determine_the_kind() {
        for (question, expected) in [
            ("When does it end?", Some(AnswerKind::Time)),
            ("How many days?", Some(AnswerKind::Number)),
            ("Warum gilt das?", Some(AnswerKind::Reason)),
            ("¿Por qué?", Some(AnswerKind::Reason)),
            ("Who signs, and when?", Some(AnswerKind::Time)),
            ("Summarise this", None),
            ("whenever", None),
        ] {
            let kind = answer_kind(question).map(|(_, kind)| kind);
            assert_eq!(kind, expected, "{question}");
        }
    }

    #[test]
    fn sentences_match_a_kind_by_wording() {
        for (sentence, kind, fits) in [
            ("It ends in 2007.", AnswerKind::Time, true),
            ("Within 30 days.", AnswerKind::Time, true),
            ("buster,2017-06-17", AnswerKind::Time, true),
            ("It cost 20000.", AnswerKind::Time, false),
            ("It cost £3€.", AnswerKind::Time, false),
            ("On 3 October it rained.", AnswerKind::Time, true),
            ("Some time later.", AnswerKind::Time, false),
            ("It was signed by Ada.", AnswerKind::Person, true),
            ("It was signed.", AnswerKind::Person, false),
            ("Because it rained.", AnswerKind::Reason, true),
            ("Section 7 applies.", AnswerKind::Number, false),
        ] {
            assert_eq!(kind.matches_kind(sentence), fits, "{sentence}");
        }
    }
}
