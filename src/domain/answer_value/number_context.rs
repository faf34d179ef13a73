//! Classifies a number by the words around it: as negated, doubted, in a question, a bound, one of several
//! alternatives, or part of a prepositional phrase.

/// Words that deny the number after them: "not 6", "never equal to 6", "neither 5 nor 6".
const NEGATION_WORDS: &[&str] = &[
    "not", "never", "neither", "nor", "without", "except", "cannot", "no", "nicht", "kein",
    "keine", "weder", "noch", "pas", "ni", "não", "non", "не",
];
/// Words that cast doubt on everything after them: "I doubt it is 6".
const DOUBT_WORDS: &[&str] = &[
    "doubt",
    "doubtful",
    "unlikely",
    "improbable",
    "unsure",
    "bezweifle",
    "unwahrscheinlich",
];
/// Negations directly before a number in languages without spaces.
const ATTACHED_NEGATIONS: &[&str] = &["不是", "并非", "不等于", "不", "非"];
const ATTACHED_NEGATIONS_AFTER: &[&str] = &["ではな", "ではあり", "じゃな"];
/// Prepositions and similar words after which a number is not the result: "18 of 20", "18 for 3 people".
const PREPOSITIONS: &[&str] = &[
    "of", "from", "for", "in", "at", "by", "with", "per", "after", "before", "since", "until",
    "on", "out", "during", "see", "step", "page", "each", "every", "versus", "vs", "von", "aus",
    "für", "bei", "nach", "vor", "seit", "mit", "pro", "im", "am", "pour", "sur", "avec", "dans",
];
/// Words after which a preposition introduces the result: "a total of 18", "results in 18".
const RESULT_INTRODUCTIONS: &[&str] = &[
    "total",
    "sum",
    "product",
    "average",
    "mean",
    "answer",
    "value",
    "number",
    "count",
    "result",
    "results",
    "resulting",
    "resulted",
    "ends",
    "summe",
    "wert",
    "anzahl",
];
/// Words before "than" or "of" that deny the number after them: "rather than 6", "instead of 6".
const REPLACEMENT_WORDS: &[&str] = &["rather", "other", "instead"];
/// Words that deny the number before them: "5 is wrong".
const REFUTING_WORDS: &[&str] = &[
    "wrong",
    "incorrect",
    "false",
    "excluded",
    "impossible",
    "not",
    "falsch",
    "nicht",
    "faux",
];
/// Words that end the scope of a denial: "not 6 but 5".
const NEGATION_SCOPE_END_WORDS: &[&str] = &["but", "sondern", "mais", "is", "ist", "=", "so"];
/// Separators that make two numbers alternatives, a range, or a list, so that neither is the result: "5 or 6", "4-5".
const NUMBER_SEPARATORS: &[&str] = &[
    "or", "oder", "ou", "and", "und", "et", "to", "bis", "through", "-", "–", "—", ",", "/",
];
/// Words that introduce a result, so that a "to" after them does not mark a range: "3 and 2 add up to 5".
const RESULT_WORDS: &[&str] = &[
    "equal",
    "equals",
    "comes",
    "come",
    "amounts",
    "adds",
    "add",
    "up",
    "sums",
    "is",
    "makes",
    "rounds",
    "rounded",
    "simplifies",
    "reduces",
    "evaluates",
];
/// Words that make the number after them a bound, alone or together with "than", "to", or "of".
const BOUND_WORDS: &[&str] = &[
    "least",
    "most",
    "under",
    "over",
    "above",
    "below",
    "beyond",
    "exceeds",
    "exceed",
    "exceeding",
    "minimum",
    "maximum",
    "mindestens",
    "höchstens",
    "unter",
    "über",
];
/// Comparative adjectives that may precede "than".
const COMPARATIVES: &[&str] = &[
    "more", "less", "fewer", "greater", "larger", "bigger", "smaller", "higher", "lower", "mehr",
    "weniger", "größer", "kleiner", "plus", "moins",
];
/// Maximum number of words before or after a number that are searched for a denial or a bound.
const MAX_DENIAL_DISTANCE: usize = 4;
/// Maximum number of words between two numbers of a list or range: a unit and the joining word.
const MAX_JOINING_WORDS: usize = 3;

/// Whether the words before a number put it in a prepositional phrase, rather than introduce a result.
pub fn is_in_prepositional_phrase(before: &str) -> bool {
    let clause = before
        .rsplit(['.', ';', ':', '!', '?', '\n', ',', '='])
        .next();
    let words: Vec<String> = clause
        .unwrap_or_default()
        .split_whitespace()
        .map(strip_punctuation)
        .collect();
    let Some(at) = (0..words.len())
        .rev()
        .find(|&at| PREPOSITIONS.contains(&words[at].as_str()))
    else {
        return false;
    };
    let is_result = |word: &String| RESULT_WORDS.contains(&word.as_str()) || is_verb(word);
    let follows_introduction = at > 0 && RESULT_INTRODUCTIONS.contains(&words[at - 1].as_str());
    !follows_introduction && !words[at + 1..].iter().any(is_result)
}

/// Whether the sentence that continues with `rest` is a question.
pub fn is_question(rest: &str) -> bool {
    let ends = rest.char_indices().find(|(at, c)| {
        let follows = rest[at + c.len_utf8()..].starts_with(char::is_alphanumeric);
        matches!(c, '!' | '?' | '？' | '\n' | '。') || (*c == '.' && !follows)
    });
    ends.is_some_and(|(_, c)| matches!(c, '?' | '？'))
}

pub fn is_different(a: f64, b: f64) -> bool {
    (a - b).abs() > f64::EPSILON * a.abs().max(b.abs())
}

// Returns up to `MAX_DENIAL_DISTANCE` words from the end of the text's last clause, in lowercase and in reverse order.
fn nearest_words(before: &str) -> Vec<String> {
    let clause = before.rsplit(['.', ';', ':', '!', '?', '\n']).next();
    let words = clause.unwrap_or_default().split_whitespace().rev();
    words
        .take(MAX_DENIAL_DISTANCE)
        .map(strip_punctuation)
        .collect()
}

fn strip_punctuation(word: &str) -> String {
    let word = word.trim_start_matches(['(', '[', '"', '“', '*']);
    word.to_lowercase().replace('’', "'")
}

fn is_negation(word: &str) -> bool {
    NEGATION_WORDS.contains(&word) || word.ends_with("n't")
}

pub fn is_denied(before: &str) -> bool {
    let words = nearest_words(before);
    let is_replaced = matches!(words.as_slice(), [than, kind, ..]
        if matches!(than.as_str(), "than" | "of") && REPLACEMENT_WORDS.contains(&kind.as_str()));
    let clause = words.iter().take_while(|word| {
        !NEGATION_SCOPE_END_WORDS.contains(&word.as_str()) && !word.ends_with(',')
    });
    let is_attached = ATTACHED_NEGATIONS
        .iter()
        .any(|word| before.trim_end().ends_with(word));
    is_replaced
        || is_attached
        || is_doubted(&words)
        || clause.into_iter().any(|word| is_negation(word))
}

// Whether these words, the last of which comes first, express doubt: "I doubt it is", but not "no doubt it is".
fn is_doubted(words: &[String]) -> bool {
    let is_turn =
        |word: &&String| matches!(word.as_str(), "but" | "sondern" | "mais") || word.ends_with(',');
    let at = words
        .iter()
        .take_while(|word| !is_turn(word))
        .position(|word| DOUBT_WORDS.contains(&word.as_str()));
    at.is_some_and(|at| {
        let next_word = words.get(at + 1).map_or("", String::as_str);
        !matches!(next_word, "no" | "without" | "a" | "any")
    })
}

fn is_verb(word: &str) -> bool {
    matches!(
        word,
        "is" | "was" | "are" | "were" | "be" | "seems" | "ist" | "war" | "sind" | "est" | "cannot"
    ) || word.ends_with("n't")
}

/// Whether the words after a number refute it: "is wrong", "isn't right", "cannot be it". A "not" directly
/// before the next number denies that number instead.
pub fn is_refuted(after: &str, has_next: bool) -> bool {
    let end = after.find(['.', ',', ';', ':', '!', '?', '\n', '(']);
    let clause = &after[..end.unwrap_or(after.len())];
    let words: Vec<String> = clause.split_whitespace().map(strip_punctuation).collect();
    let last = words
        .len()
        .checked_sub(1)
        .filter(|_| has_next && end.is_none());
    if ATTACHED_NEGATIONS_AFTER
        .iter()
        .any(|word| after.starts_with(word))
    {
        return true;
    }
    let mut after_verb = false;
    for (at, word) in words.iter().enumerate().take(MAX_DENIAL_DISTANCE) {
        let is_refuting = REFUTING_WORDS.contains(&word.as_str()) || word.ends_with("n't");
        if is_refuting && last != Some(at) && (after_verb || is_verb(word)) {
            return true;
        }
        if word == "cannot" {
            return true;
        }
        after_verb |= is_verb(word);
    }
    false
}

/// Whether the text between two numbers makes them parts of a list or range.
pub fn is_joining_text(between: &str) -> bool {
    let words: Vec<String> = between.split_whitespace().map(strip_punctuation).collect();
    let Some(last) = words.last() else {
        return false;
    };
    // This is a list such as "6, seven, 8".
    let is_listed = between.starts_with(',') && between.trim_end().ends_with(',');
    let is_joiner = is_listed
        || NUMBER_SEPARATORS.contains(&last.as_str())
        || (words.len() > 1 && matches!(last.as_str(), "also"));
    let has_result = words
        .iter()
        .any(|word| RESULT_WORDS.contains(&word.as_str()));
    let is_denied = NEGATION_WORDS.contains(&last.as_str());
    (is_joiner || is_denied) && words.len() <= MAX_JOINING_WORDS && !has_result
}

pub fn is_bound(text_before: &str) -> bool {
    let text_before = text_before.trim_end();
    if text_before.ends_with(['<', '≤', '≥']) {
        return true;
    }
    // The greater-than sign in "->" and "=>" points to a result.
    if let Some(left) = text_before.strip_suffix('>') {
        return !left.ends_with(['-', '=']);
    }
    let words = nearest_words(text_before);
    let is_one_of = |at: usize, known: &[&str]| {
        words
            .get(at)
            .is_some_and(|word| known.contains(&word.as_str()))
    };
    let is_linked = is_one_of(0, &["than", "to", "of", "als", "de", "equal"]);
    let is_or_equal = is_one_of(0, &["to"]) && is_one_of(1, &["equal"]);
    let is_up_to = is_one_of(0, &["to"]) && is_one_of(1, &["up"]) && !is_one_of(2, RESULT_WORDS);
    is_one_of(0, BOUND_WORDS)
        || (is_linked && (is_one_of(1, COMPARATIVES) || is_one_of(1, &["minimum", "maximum"])))
        || (is_or_equal && is_one_of(2, &["or"]))
        || is_up_to
}

/// Whether the words after a number make it a bound: "5 or more", "5+", "5 at most".
pub fn is_bound_after(after: &str) -> bool {
    if after.starts_with('+') || after.trim_start().starts_with('±') {
        return true;
    }
    let end = after.find(['.', ',', ';', ':', '!', '?', '\n']);
    let clause = &after[..end.unwrap_or(after.len())];
    let words: Vec<String> = clause
        .split_whitespace()
        .take(MAX_DENIAL_DISTANCE)
        .map(strip_punctuation)
        .collect();
    words.windows(2).any(|pair| {
        let (first, second) = (pair[0].as_str(), pair[1].as_str());
        match first {
            "or" | "oder" | "ou" => {
                COMPARATIVES.contains(&second) || matches!(second, "above" | "below" | "over")
            }
            "and" => matches!(second, "up" | "above" | "over" | "below"),
            "at" => matches!(second, "least" | "most"),
            _ => false,
        }
    })
}
