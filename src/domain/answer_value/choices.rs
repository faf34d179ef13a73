//! Reads a question's options, an answer's choice among them, and yes-or-no answers.

use super::markup::strip_markup;

const YES_WORDS: &[&str] = &[
    "yes", "true", "correct", "ja", "wahr", "richtig", "oui", "vrai", "sí",
];
const NO_WORDS: &[&str] = &["no", "false", "incorrect", "nein", "falsch", "non", "faux"];

/// Words after "yes" or "no" that begin a reason. Before any other word, they may be part of a name: "No. 5",
/// "True North", "Yes, Minister".
const REASON_WORDS: &[&str] = &[
    "it",
    "it's",
    "this",
    "that",
    "the",
    "there",
    "they",
    "he",
    "she",
    "we",
    "you",
    "i",
    "because",
    "since",
    "as",
    "not",
    "es",
    "das",
    "er",
    "sie",
    "denn",
    "weil",
    "dies",
    "der",
    "die",
    "correct",
    "incorrect",
];

/// Words after a label that introduce a second option. If one follows, the answer has not chosen the first.
const JOINING_WORDS: &[&str] = &["and", "or", "und", "oder", "&", "+"];

/// An option of a question: its label in uppercase and its text in lowercase.
pub type LetteredOption = (char, String);

/// The option that an answer chooses, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionChoice {
    /// The answer chooses the option with this label.
    Label(char),
    /// The answer gives the label of one option and the text of another.
    Contradiction,
    /// The answer names no option, or more than one.
    Other,
}

/// Returns the options that a question lists ("A) tea  B) coffee"), on separate lines or on one; empty if there are
/// fewer than two.
pub fn options(question: &str) -> Vec<LetteredOption> {
    let characters: Vec<char> = question.chars().collect();
    let mut starts = Vec::new();
    for (at, window) in characters.windows(2).enumerate() {
        let (label, mark) = (window[0], window[1]);
        let char_before = at.checked_sub(1).map(|index| characters[index]);
        let begins = char_before.is_none_or(|c| c.is_whitespace() || c == '(');
        let is_label = label.is_ascii_alphanumeric();
        let ends = characters.get(at + 2).is_none_or(|c| c.is_whitespace());
        let is_first = char_before.is_none_or(|c| c == '\n');
        let is_mark = mark == ')'
            || (mark == '.' && is_first)
            || (mark == ':' && is_first && label.is_ascii_uppercase());
        if begins && is_label && is_mark && ends {
            starts.push((at, label.to_ascii_uppercase()));
        }
    }
    // "A: …" and "B: …" are options only if they form a list. Otherwise, they may be lines of a dialogue.
    let with_colon = |at: usize| characters[at + 1] == ':';
    let colons = starts.iter().filter(|(at, _)| with_colon(*at));
    let is_list = colons
        .map(|(_, label)| *label)
        .eq(('A'..='Z').take(starts.iter().filter(|(at, _)| with_colon(*at)).count()));
    starts.retain(|(at, _)| is_list || !with_colon(*at));
    // A single "a)" is not a list.
    if starts.len() < 2 {
        return Vec::new();
    }
    let ends = starts.iter().skip(1).map(|(at, _)| *at);
    let ends: Vec<usize> = ends.chain([characters.len()]).collect();
    let text = |((at, label), end): (&(usize, char), &usize)| {
        let text: String = characters[at + 2..*end].iter().collect();
        let text = text.lines().next().unwrap_or_default();
        let text = text.trim_end_matches(['(', ' ']);
        (*label, strip_markup(text).to_lowercase())
    };
    starts.iter().zip(&ends).map(text).collect()
}

/// Returns the option that a statement chooses: by its label, its text, or both.
pub fn chosen_option(statement: &str, options: &[LetteredOption]) -> OptionChoice {
    let lower = statement.to_lowercase();
    let lower = ["option ", "choice ", "answer "]
        .into_iter()
        .find_map(|mark| lower.strip_prefix(mark))
        .unwrap_or(&lower);
    if let Some((label, _)) = options.iter().find(|(_, text)| text == lower) {
        return OptionChoice::Label(*label);
    }
    if let Some(choice) = label_at_end(lower, options) {
        return choice;
    }
    let Some((label, mark, rest)) = labeled_option(lower) else {
        return OptionChoice::Other;
    };
    let Some((_, option_text)) = options.iter().find(|(known, _)| *known == label) else {
        return OptionChoice::Other;
    };
    let rest = strip_markup(rest);
    if rest.is_empty() || begins_with(rest, option_text) || begins_with(option_text, rest) {
        return OptionChoice::Label(label);
    }
    let is_other = |(known, text): &LetteredOption| {
        *known != label && !text.is_empty() && begins_with(rest, text)
    };
    if options.iter().any(is_other) {
        return OptionChoice::Contradiction;
    }
    let first = rest.split_whitespace().next().unwrap_or_default();
    let is_second = JOINING_WORDS.contains(&first)
        || labeled_option(rest)
            .is_some_and(|(next, ..)| options.iter().any(|(known, _)| *known == next));
    match mark {
        // In "A cup of tea", "A" is a word, not a label.
        ' ' => OptionChoice::Other,
        _ if is_second => OptionChoice::Other,
        _ => OptionChoice::Label(label),
    }
}

/// Returns several chosen labels in one spelling: "A, C" for "A and C". Accepts uppercase letters and the options' own
/// labels. `None` unless the statement lists at least two labels and nothing else.
pub fn chosen_labels(statement: &str, options: &[LetteredOption]) -> Option<String> {
    let words = statement.split(|c: char| c == ',' || c == '&' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty() && !matches!(*word, "and" | "und"));
    let label = |word: &str| {
        let inner = word
            .strip_prefix('(')
            .and_then(|word| word.strip_suffix(')'));
        let mut characters = inner.unwrap_or(word).chars();
        let single_character = characters
            .next()
            .filter(|_| characters.as_str().is_empty())?;
        let upper = single_character.to_ascii_uppercase();
        let is_known_option = options.iter().any(|(known, _)| *known == upper);
        let fits = single_character.is_ascii_alphabetic()
            && (is_known_option || single_character.is_ascii_uppercase());
        fits.then(|| upper.to_string())
    };
    let labels: Option<Vec<String>> = words.map(label).collect();
    let labels = labels.filter(|labels| labels.len() > 1)?;
    statement
        .contains([',', '&'])
        .then_some(())
        .or_else(|| (statement.contains(" and ") || statement.contains(" und ")).then_some(()))?;
    Some(labels.join(", "))
}

/// Reads "yes" or "no", alone or followed by a reason; `None` for any other statement.
pub fn yes_or_no(statement: &str) -> Option<bool> {
    let lower = statement.to_lowercase();
    let end = lower
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(lower.len());
    let (word, rest) = lower.split_at(end);
    let answer = match word {
        word if YES_WORDS.contains(&word) => true,
        word if NO_WORDS.contains(&word) => false,
        _ => return None,
    };
    let mut words = rest
        .strip_prefix([',', ';', ':', '.'])
        .or_else(|| rest.strip_prefix(" -"))
        .or_else(|| rest.trim_start().strip_prefix(['—', '–']))
        .map(str::split_whitespace);
    let reason = words.as_mut().and_then(Iterator::next);
    (rest.is_empty() || reason.is_some_and(|word| REASON_WORDS.contains(&word))).then_some(answer)
}

// Reads an option's text followed by a label: "black coffee (b)".
fn label_at_end(lower: &str, options: &[LetteredOption]) -> Option<OptionChoice> {
    let (text, label) = lower.strip_suffix(')')?.rsplit_once('(')?;
    let mut characters = label.trim().chars();
    let label = characters
        .next()
        .filter(|_| characters.as_str().is_empty())?;
    let text = strip_markup(text);
    let (named, _) = options.iter().find(|(_, option)| option == text)?;
    let label = label.to_ascii_uppercase();
    options.iter().find(|(known, _)| *known == label)?;
    Some(match *named == label {
        true => OptionChoice::Label(label),
        false => OptionChoice::Contradiction,
    })
}

// Splits "(b) black coffee" into the label, the character after it, and the rest.
fn labeled_option(text: &str) -> Option<(char, char, &str)> {
    let inner = text.strip_prefix('(').unwrap_or(text);
    let mut characters = inner.chars();
    let label = characters.next().filter(char::is_ascii_alphanumeric)?;
    let rest = characters.as_str();
    let mark = rest.chars().next().unwrap_or(')');
    if mark.is_alphanumeric() {
        return None;
    }
    let rest = rest.get(mark.len_utf8()..).unwrap_or_default();
    // "2.5" and "1,000" are numbers, not labels.
    let is_number = label.is_ascii_digit() && rest.starts_with(|c: char| c.is_ascii_digit());
    let is_mark = matches!(mark, ')' | '.' | ':' | ',' | ';' | '-' | '–' | '—' | ' ');
    let mark = match rest.trim_start().chars().next() {
        Some(next) if mark == ' ' && matches!(next, '-' | '–' | '—' | '(') => next,
        _ => mark,
    };
    (is_mark && !is_number).then(|| {
        (
            label.to_ascii_uppercase(),
            mark,
            rest.trim_start_matches(['-', '–', '—', ' ']),
        )
    })
}

// Whether the text begins with these whole words.
fn begins_with(text: &str, words: &str) -> bool {
    !words.is_empty()
        && text
            .strip_prefix(words)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_chosen_by_label_or_text() {
        let options = options("What is best?\nA) tea\nB) black coffee\nC) water");
        assert_eq!(options.len(), 3);
        use OptionChoice::{Contradiction, Label, Other};
        for (statement, expected) in [
            ("B", Label('B')),
            ("(b) black coffee", Label('B')),
            ("B. black coffee", Label('B')),
            ("b: because it is hot", Label('B')),
            ("b - black coffee", Label('B')),
            ("option c", Label('C')),
            ("Black Coffee", Label('B')),
            ("B) water", Contradiction),
            ("B and C", Other),
            ("B, C", Other),
            ("B) and C)", Other),
            ("A cup of tea", Other),
            ("D", Other),
            ("", Other),
        ] {
            assert_eq!(chosen_option(statement, &options), expected, "{statement}");
        }
        for (statement, expected) in [
            ("Black coffee (B)", Label('B')),
            ("water (b)", Contradiction),
            ("water (hot)", Other),
        ] {
            assert_eq!(chosen_option(statement, &options), expected, "{statement}");
        }
        let colons = super::options("Welche Stadt?\nA: Rom\nB: Paris");
        assert_eq!(chosen_option("Paris", &colons), Label('B'));
        for dialogue in ["Q: Why?\nA: So.", "A: Hi.\nB: Hello.\nA: Bye."] {
            assert_eq!(super::options(dialogue), []);
        }
        let numbered = super::options("1) one\n2) two");
        assert_eq!(chosen_option("2", &numbered), Label('2'));
        assert_eq!(chosen_option("2.5", &numbered), Other);
    }

    #[test]
    fn yes_and_no_match_only_whole_words() {
        for (statement, expected) in [
            ("Yes", Some(true)),
            ("No, it is not", Some(false)),
            ("No. It is not", Some(false)),
            ("Nein", Some(false)),
            ("True", Some(true)),
            ("No. 5", None),
            ("No 5", None),
            ("True North", None),
            ("Yes, Minister", None),
            ("Nothing", None),
            ("not", None),
        ] {
            assert_eq!(yes_or_no(statement), expected, "{statement}");
        }
    }
}
