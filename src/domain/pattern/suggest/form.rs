//! The form of a question, regardless of its topic, such as a closed question, a decision, or a long text.

use super::has_word_prefix;

/// A form of question, with the patterns that it suggests and the weight of each.
pub(super) struct QuestionForm {
    pub reason: &'static str,
    pub weights: &'static [(&'static str, f64)],
}

const CLOSED_QUESTION: QuestionForm = QuestionForm {
    reason: "it can be answered with yes, no, one choice or one figure",
    weights: &[
        ("vote", 0.6),
        ("cascade", 0.35),
        ("fact_check", 0.2),
        ("single", 0.1),
    ],
};
const DECISION_QUESTION: QuestionForm = QuestionForm {
    reason: "it asks for a decision",
    weights: &[
        ("confidence", 0.35),
        ("critique", 0.3),
        ("perspective", 0.3),
        ("scenario", 0.2),
        ("stakeholder", 0.15),
    ],
};
const SHORT_QUESTION: QuestionForm = QuestionForm {
    reason: "it is short and asks for one thing",
    weights: &[("single", 0.35), ("cascade", 0.3), ("gut", 0.1)],
};
const LONG_QUESTION: QuestionForm = QuestionForm {
    reason: "it includes a long text",
    weights: &[
        ("summarize", 0.25),
        ("improvement", 0.2),
        ("critique", 0.2),
        ("extract", 0.15),
    ],
};
const MANY_QUESTIONS: QuestionForm = QuestionForm {
    reason: "it asks several questions",
    weights: &[("analyze", 0.3), ("synthesis", 0.15)],
};
const CALCULATION_QUESTION: QuestionForm = QuestionForm {
    reason: "it asks for a calculation or code, where several attempts of one model help",
    weights: &[("self", 0.55), ("vote", 0.2)],
};

/// Minimum length of a long question, in characters.
const MIN_LONG_CHARS: usize = 1_500;
/// Maximum number of words of a short question.
const MAX_SHORT_WORDS: usize = 12;

/// Detects the forms of a question. `lower` is the beginning of the question in lowercase, and `length` is the length
/// of the whole question in characters.
pub(super) fn question_forms(lower: &str, length: usize) -> Vec<QuestionForm> {
    let mut forms = Vec::new();
    let any = |words: &[&str]| words.iter().any(|word| has_word_prefix(lower, word));
    let decision = any(&[
        "should we",
        "should i",
        "should the",
        "should our",
        "sollen wir",
        "sollte ich",
        "soll ich",
        "sollten wir",
        "soll die",
        "soll der",
        "soll das",
    ]);
    let is_closed_question =
        !decision && (starts_closed_question(lower) || has_options(lower) || any(QUANTITY_WORDS));
    if is_closed_question {
        forms.push(CLOSED_QUESTION);
    }
    if decision {
        forms.push(DECISION_QUESTION);
    }
    if any(CALCULATION_WORDS) {
        forms.push(CALCULATION_QUESTION);
    }
    let question_marks = lower.matches('?').count();
    if question_marks > 1 {
        forms.push(MANY_QUESTIONS);
    } else if question_marks == 1
        && lower.split_whitespace().count() <= MAX_SHORT_WORDS
        && !decision
    {
        forms.push(SHORT_QUESTION);
    }
    if length >= MIN_LONG_CHARS {
        forms.push(LONG_QUESTION);
    }
    forms
}

const QUANTITY_WORDS: &[&str] = &[
    "how many",
    "how much",
    "what year",
    "which year",
    "what percentage",
    "yes or no",
    "true or false",
    "wie viele",
    "wie viel",
    "wie hoch",
    "in welchem jahr",
    "ja oder nein",
    "richtig oder falsch",
    "which of the following",
    "welche der folgenden",
    "classify",
    "klassifiziere",
];

const CALCULATION_WORDS: &[&str] = &[
    "calculate",
    "compute",
    "prove",
    "solve",
    "equation",
    "integral",
    "write a function",
    "write code",
    "implement",
    "algorithm",
    "regex",
    "sql query",
    "berechne",
    "beweise",
    "löse",
    "gleichung",
    "schreibe eine funktion",
    "programmiere",
];

fn starts_closed_question(lower: &str) -> bool {
    let first: String = lower.chars().take_while(|c| c.is_alphabetic()).collect();
    let verbs = [
        "is", "are", "was", "were", "does", "do", "did", "has", "have", "had", "can", "ist",
        "sind", "war", "waren", "hat", "haben", "kann", "gibt", "enthält",
    ];
    // A longer question that starts with one of these verbs rarely has a one-word answer.
    verbs.contains(&first.as_str()) && lower.contains('?') && lower.split_whitespace().count() <= 25
}

// Whether the question lists options, such as "A) … B) …" or "(a) … (b) …".
fn has_options(lower: &str) -> bool {
    let option = |letter: &str| {
        [format!("{letter})"), format!("{letter}.")]
            .iter()
            .any(|mark| {
                lower
                    .match_indices(mark.as_str())
                    .any(|(at, _)| lower[..at].ends_with([' ', '\n', '(']) || at == 0)
            })
    };
    option("a") && option("b")
}
