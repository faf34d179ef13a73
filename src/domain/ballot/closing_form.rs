//! Recognizes from a question's wording how it wants the final answer to be written.

/// The form in which a question requests the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosingForm {
    /// `#### X`, as in GSM8K.
    Hashes,
    /// `\boxed{X}`.
    Boxed,
    /// `Answer: X`. Also used if the question requests no form, because members are always asked for this line.
    Line,
    /// The option or value and nothing else, as in "Reply with only the letter".
    Bare,
    /// A bare number without its unit, as in "Reply with only the number".
    Number,
    /// A JSON object, as in "Reply as JSON {\"answer\": …}".
    Json,
}

impl ClosingForm {
    /// Recognizes the form that the wording of a question or an earlier turn asks for.
    pub fn from_wording(wording: &str) -> Self {
        if wording.contains("####") {
            Self::Hashes
        } else if wording.contains("\\boxed") {
            Self::Boxed
        } else if requests_any_phrase(wording, JSON_PHRASES) {
            Self::Json
        } else if let Some(instruction) = find_instruction(wording) {
            let words = lowercase_words(instruction);
            match words
                .iter()
                .any(|word| NUMBER_PHRASES.contains(&word.as_str()))
            {
                true => Self::Number,
                false => Self::Bare,
            }
        } else {
            Self::Line
        }
    }
}

/// Verbs that introduce the requested form of the answer.
const DEMAND_VERBS: &[&str] = &["reply", "respond", "answer", "output", "return", "give"];
/// Maximum number of words before a verb that are searched for a negation.
const MAX_WORD_DISTANCE: usize = 3;
const BARE_ANSWER_PHRASES: &[&str] = &[
    " with only",
    " only",
    " with just",
    " just",
    " with nothing but",
    " using only",
    " with the letter only",
    " with the number only",
    " with a single",
    " with one word",
    " with one letter",
    " in one word",
];
const JSON_PHRASES: &[&str] = &[
    " as json",
    " in json",
    " with json",
    " as a json",
    " with a json",
    " only json",
    " with only json",
    " using json",
    " only with json",
    " json",
];

/// Words by which a question requests a number.
const NUMBER_PHRASES: &[&str] = &[
    "number", "integer", "figure", "digit", "zahl", "nombre", "número", "numero", "numeral",
];
/// Words by which a question requests a short answer other than a number.
const SHORT_PHRASES: &[&str] = &[
    "letter",
    "word",
    "answer",
    "option",
    "choice",
    "value",
    "name",
    "result",
    "label",
    "yes",
    "no",
    "true",
    "false",
    "buchstabe",
    "buchstaben",
    "wort",
    "antwort",
    "ergebnis",
    "lettre",
    "mot",
    "réponse",
    "letra",
    "palabra",
    "respuesta",
];
/// Words that exclude everything but the requested answer.
const RESTRICTING_WORDS: &[&str] = &[
    "only",
    "just",
    "nothing",
    "solely",
    "nur",
    "lediglich",
    "uniquement",
    "seulement",
    "solo",
    "solamente",
];
/// Other words that may occur in an instruction such as "Please give me only the final number, nothing else".
const FILLER_WORDS: &[&str] = &[
    "please",
    "reply",
    "respond",
    "answer",
    "output",
    "return",
    "give",
    "write",
    "state",
    "print",
    "provide",
    "say",
    "me",
    "with",
    "by",
    "as",
    "a",
    "an",
    "the",
    "one",
    "single",
    "final",
    "correct",
    "and",
    "or",
    "but",
    "else",
    "your",
    "of",
    "in",
    "bitte",
    "antworte",
    "gib",
    "nenne",
    "schreibe",
    "mit",
    "der",
    "die",
    "das",
    "den",
    "dem",
    "einer",
    "einem",
    "ein",
    "eine",
    "an",
    "mir",
    "réponds",
    "répondez",
    "répondre",
    "par",
    "avec",
    "le",
    "la",
    "l",
    "un",
    "une",
    "responde",
    "con",
    "el",
    "svp",
];

// Returns the sentence that permits only a short answer: either one that consists entirely of words from the lists
// above, or one with a verb such as "reply" followed by "only".
fn find_instruction(wording: &str) -> Option<&str> {
    let mut sentences = wording.split_inclusive(['.', '!', '?', ';', '\n']);
    sentences.find(|sentence| {
        is_instruction(sentence) || requests_any_phrase(sentence, BARE_ANSWER_PHRASES)
    })
}

fn is_instruction(sentence: &str) -> bool {
    let words = lowercase_words(sentence);
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let is_known = |word: &String| {
        [
            NUMBER_PHRASES,
            SHORT_PHRASES,
            RESTRICTING_WORDS,
            FILLER_WORDS,
        ]
        .iter()
        .any(|known| known.contains(&word.as_str()))
    };
    !sentence.trim_end().ends_with('?')
        && any(RESTRICTING_WORDS)
        && (any(NUMBER_PHRASES) || any(SHORT_PHRASES))
        && words.iter().all(is_known)
}

fn lowercase_words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

// Whether a demand verb that is not negated is followed by one of these phrases. Folds only ASCII case, so that byte
// offsets stay the same.
fn requests_any_phrase(wording: &str, phrases: &[&str]) -> bool {
    let lower = wording.to_ascii_lowercase();
    let is_condition = |rest: &str| {
        [" only if", " only when", " only after"]
            .iter()
            .any(|candidate| rest.starts_with(candidate))
    };
    DEMAND_VERBS.iter().any(|verb| {
        lower.match_indices(verb).any(|(at, _)| {
            let is_word = !lower[..at].ends_with(|c: char| c.is_alphanumeric());
            let rest = &lower[at + verb.len()..];
            let is_demand = is_word && !is_condition(rest) && !is_denied(&lower[..at]);
            is_demand && phrases.iter().any(|phrase| rest.starts_with(phrase))
        })
    })
}

// Whether the words before a verb deny it: "Do not", "Never", "Please don't just".
fn is_denied(before: &str) -> bool {
    let sentence = before.rsplit(['.', '!', '?', ';', ',', ':', '\n']).next();
    let words = sentence.unwrap_or_default().split_whitespace().rev();
    words.take(MAX_WORD_DISTANCE).any(|word| {
        matches!(word, "not" | "never" | "without" | "cannot" | "dont")
            || word.ends_with("n't")
            || word.ends_with("n’t")
    })
}

/// Returns the key of the JSON object that the wording asks for, if the wording shows an object with one key or names
/// one (`with key "total"`); otherwise, returns "answer".
pub fn json_key_in(wording: &str) -> String {
    let example_key = wording.find('{').and_then(|at| {
        let key = wording[at + 1..].trim_start().strip_prefix('"')?;
        let (key, rest) = key.split_once('"')?;
        let value = rest.trim_start().strip_prefix(':')?.split('}').next()?;
        (!value.contains("\":")).then(|| key.to_owned())
    });
    example_key
        .or_else(|| find_named_key(wording))
        .unwrap_or_else(|| "answer".to_owned())
}

// Returns the "total" of `with key "total"`; `None` if the wording names no key, or several.
fn find_named_key(wording: &str) -> Option<String> {
    let mut keys = ["key", "field", "property", "attribute"]
        .iter()
        .flat_map(|mark| {
            wording
                .match_indices(mark)
                .map(|(at, mark)| at + mark.len())
        })
        .filter_map(|end| {
            let rest = wording[end..].trim_start_matches([' ', ':']);
            let introductory_words = ["named ", "called ", "of "];
            let rest = introductory_words
                .iter()
                .find_map(|word| rest.strip_prefix(word))
                .unwrap_or(rest);
            let quote = rest.chars().next()?;
            let close = match quote {
                '"' | '\'' | '`' => quote,
                '“' => '”',
                _ => return None,
            };
            let (key, _) = rest[quote.len_utf8()..].split_once(close)?;
            let is_key = !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            is_key.then(|| key.to_owned())
        });
    let first = keys.next()?;
    keys.all(|key| key == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_instructions_must_be_separate_sentences() {
        for (wording, form) in [
            ("How far? Reply with only the number.", ClosingForm::Number),
            ("Price? Only the number.", ClosingForm::Number),
            ("Just give me the number.", ClosingForm::Number),
            ("Please respond with a number only.", ClosingForm::Number),
            (
                "Output only the final number, nothing else.",
                ClosingForm::Number,
            ),
            ("Was kostet es? Nur die Zahl bitte.", ClosingForm::Number),
            ("Réponds uniquement par le nombre.", ClosingForm::Number),
            ("Respond with just the letter.", ClosingForm::Bare),
            ("Answer only yes or no.", ClosingForm::Bare),
            ("Is it only a number?", ClosingForm::Line),
            ("Only the number of apples counts.", ClosingForm::Line),
            ("Do not answer with only the number.", ClosingForm::Line),
            ("Answer yes or no.", ClosingForm::Line),
            ("The number is not the only answer.", ClosingForm::Line),
        ] {
            assert_eq!(ClosingForm::from_wording(wording), form, "{wording}");
        }
    }

    #[test]
    fn the_key_is_the_only_one_named() {
        for (wording, key) in [
            ("Return JSON: {\"n\": 1}", "n"),
            ("Answer in JSON with key \"total\".", "total"),
            ("Answer in JSON with a field named `sum`.", "sum"),
            ("Answer in JSON with the keys \"a\" and \"b\".", "answer"),
            ("Answer in JSON with key \"a\" and key \"b\".", "answer"),
            ("Which key opens it? Answer in JSON.", "answer"),
        ] {
            assert_eq!(json_key_in(wording), key, "{wording}");
        }
    }
}
