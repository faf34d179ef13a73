//! Finds the letter of the option that a text names.

/// Words that may precede the letter of an option.
const ANSWER_WORDS: &[&str] = &["answer", "option", "choice", "antwort", "respuesta"];
/// Verbs between an answer word and the letter, as in "the answer is B".
const ANSWER_VERBS: &[&str] = &["is", "ist", "es"];
/// Verbs between a letter and the word that refutes it, as in "B is wrong".
const REFUTING_VERBS: &[&str] = &[
    "is", "was", "seems", "looks", "sounds", "appears", "can", "cannot", "ist", "scheint",
];
/// Words that refute the letter before them.
const REFUTING_WORDS: &[&str] = &[
    "wrong",
    "incorrect",
    "false",
    "not",
    "cannot",
    "unlikely",
    "impossible",
    "excluded",
    "falsch",
    "nicht",
];
/// Words that exclude the letter after them, as in "eliminate option B".
const EXCLUDING_WORDS: &[&str] = &[
    "not",
    "never",
    "except",
    "without",
    "exclude",
    "excludes",
    "excluding",
    "eliminate",
    "eliminates",
    "rule",
    "rules",
    "ruled",
    "nicht",
    "cannot",
];
/// Words that may join two letters. If one of them does, neither letter is chosen.
const JOINING_WORDS: &[&str] = &["or", "and", "oder", "und", "&", "/", "nor"];
/// Number of words searched for a refutation or exclusion.
const MAX_WORD_DISTANCE: usize = 3;

/// Returns the letter that a text chooses: the whole text; the last letter after "answer", "option", or "choice", or in
/// "it is B"; "B) …" at the start; or the last "(B)" or "**B**". `None` if the letter is refuted, questioned, or one of
/// several.
pub fn named_choice(text: &str) -> Option<char> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let candidates = [
        letter_after_mark(&words),
        first_letter(&words),
        bracketed_letter(&words),
    ];
    let mut candidates = candidates.into_iter().flatten();
    let at = candidates.find(|&at| !words[at].ends_with('?'))?;
    parse_letter(words[at]).filter(|_| !is_one_of_several(&words, at))
}

fn parse_letter(word: &str) -> Option<char> {
    let bare_word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let mut characters = bare_word.chars();
    let letter = characters.next().filter(char::is_ascii_alphabetic)?;
    characters
        .next()
        .is_none()
        .then(|| letter.to_ascii_uppercase())
}

fn normalize_word(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}

fn letter_after_mark(words: &[&str]) -> Option<usize> {
    let word_before =
        |at: usize, count: usize| at.checked_sub(count).map(|at| normalize_word(words[at]));
    (1..words.len()).rev().find(|&at| {
        let verb = word_before(at, 1).filter(|word| ANSWER_VERBS.contains(&word.as_str()));
        let mark_at = if verb.is_some() { 2 } else { 1 };
        let mark = word_before(at, mark_at).unwrap_or_default();
        // Matches "It is B." and "it's B", but not "it is a pity".
        let ends = words[at].ends_with(['.', ',', ';', '!']) || at + 1 == words.len();
        let follows_it = ends
            && ((verb.is_some() && matches!(mark.as_str(), "it" | "es"))
                || word_before(at, 1).is_some_and(|word| matches!(word.as_str(), "it's" | "it’s")));
        parse_letter(words[at]).is_some()
            && (ANSWER_WORDS.contains(&mark.as_str()) || follows_it)
            && !is_refuted(words, at)
            && !is_excluded(words, at - mark_at.min(at))
    })
}

// Returns the index of a letter at the start that labels an option. Without a mark, a single letter might be
// the article "A".
fn first_letter(words: &[&str]) -> Option<usize> {
    let word = words.first()?;
    let is_label = words.len() == 1 || word.ends_with([')', '.', ':']);
    // The text continues as a question, as in "A: correct? No, it is B."
    let is_question = words
        .iter()
        .take_while(|word| !word.ends_with(['.', '!']))
        .any(|word| word.ends_with('?'));
    (is_label && parse_letter(word).is_some() && !(words.len() > 1 && is_question)).then_some(0)
}

fn bracketed_letter(words: &[&str]) -> Option<usize> {
    let is_marked = |word: &str| word.starts_with('(') || word.starts_with("**");
    let at = (0..words.len()).rev().find(|&at| is_marked(words[at]))?;
    let fits =
        parse_letter(words[at]).is_some() && !is_refuted(words, at) && !is_excluded(words, at);
    fits.then_some(at)
}

fn is_refuted(words: &[&str], at: usize) -> bool {
    if words[at].ends_with(['.', ',', ';', '!', '?']) {
        return false;
    }
    let following: Vec<String> = words[at + 1..]
        .iter()
        .take(MAX_WORD_DISTANCE)
        .map(|word| normalize_word(word))
        .collect();
    let is_denial = |word: &str| word.ends_with("n't") || word.ends_with("n’t");
    let Some(verb) = following.first() else {
        return false;
    };
    (REFUTING_VERBS.contains(&verb.as_str()) || is_denial(verb))
        && following
            .iter()
            .any(|word| REFUTING_WORDS.contains(&word.as_str()) || is_denial(word))
}

fn is_excluded(words: &[&str], mark: usize) -> bool {
    let words_before = words[..mark].iter().rev().take(MAX_WORD_DISTANCE);
    words_before
        .take_while(|word| !word.ends_with(['.', ',', ';', ':', '!', '?']))
        .any(|word| {
            let word = normalize_word(word);
            EXCLUDING_WORDS.contains(&word.as_str())
                || word.ends_with("n't")
                || word.ends_with("n’t")
        })
}

fn is_one_of_several(words: &[&str], at: usize) -> bool {
    let is_conjunction = |at: usize| {
        let word = words.get(at).map_or("", |word| *word);
        JOINING_WORDS.contains(&word.to_lowercase().as_str())
    };
    let names = |at: usize| {
        words
            .get(at)
            .is_some_and(|word| parse_letter(word).is_some())
    };
    (is_conjunction(at + 1) && names(at + 2))
        || (at > 1 && is_conjunction(at - 1) && names(at - 2))
        || (words[at].ends_with([',', '/']) && names(at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_chosen_only_where_it_is_the_answer() {
        for (text, expected) in [
            ("B", Some('B')),
            ("(b)", Some('B')),
            ("**B) Paris**", Some('B')),
            ("The correct answer is (B) Paris.", Some('B')),
            (
                "B) Paris is correct because A) Rome is in Italy.",
                Some('B'),
            ),
            ("D. None of the above", Some('D')),
            ("E = mc^2, so the answer is A.", Some('A')),
            ("Option C is right, option B is wrong.", Some('C')),
            ("A: correct? No, it is B.", Some('B')),
            ("Die Antwort ist B.", Some('B')),
            ("B or C", None),
            ("Answer: B or C", None),
            ("Answer: B, C", None),
            ("Option B seems wrong.", None),
            ("Option B isn't right.", None),
            ("Not option B.", None),
            ("I would rule out option B", None),
            ("Is it option B?", None),
            ("B?", None),
            ("It is not B.", None),
            ("It is a pity.", None),
            ("A lot of people think B.", None),
            ("I am torn between A and B.", None),
            ("", None),
        ] {
            assert_eq!(named_choice(text), expected, "{text}");
        }
    }
}
