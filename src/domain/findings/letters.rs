//! Who is meant: the letters under which members are named in a text. A capital letter that is a word, a
//! plan or a vitamin is nobody.

use std::collections::BTreeSet;

/// A mention: where it begins and ends, in bytes, and whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub start: usize,
    pub end: usize,
    pub letters: BTreeSet<char>,
    /// It stands in brackets behind what it is about.
    pub bracketed: bool,
}

/// Words that may stand beside letters in brackets.
const BESIDE: &[&str] = &[
    "and",
    "und",
    "or",
    "oder",
    "member",
    "members",
    "answer",
    "answers",
    "text",
    "texts",
    "draft",
    "drafts",
    "mitglied",
    "mitglieder",
    "antwort",
    "antworten",
    "by",
    "from",
    "von",
    "only",
    "nur",
    "see",
    "siehe",
    "per",
    "also",
    "both",
    "beide",
];

/// Words before a letter that make it the name of something else.
const NAMING: &[&str] = &[
    "vitamin",
    "plan",
    "section",
    "type",
    "appendix",
    "option",
    "schedule",
    "exhibit",
    "figure",
    "table",
    "hepatitis",
    "class",
    "grade",
    "part",
    "annex",
    "series",
    "variant",
    "phase",
    "group",
    "abschnitt",
    "anhang",
    "typ",
    "klasse",
    "teil",
    "variante",
    "step",
    "case",
    "point",
    "company",
];

/// The letters of members, of so many.
pub(super) fn all(members: usize) -> BTreeSet<char> {
    (0..members.min(26))
        .map(crate::domain::prompt::letter)
        .collect()
}

/// Letters in brackets, as in "(A, C)" or "(B3)", and cells of a table that hold nothing else.
pub(super) fn bracketed(text: &str, members: usize) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('(') {
        let start = from + at;
        let Some(length) = text[start..].find(')') else {
            break;
        };
        let inner = &text[start + 1..start + length];
        // A bracket within the bracket is the one that counts.
        if let Some(nested) = inner.rfind('(') {
            from = start + 1 + nested;
            continue;
        }
        if let Some(letters) = listed(inner, members) {
            found.push(Mention {
                start,
                end: start + length + 1,
                letters,
                bracketed: true,
            });
        }
        from = start + length + 1;
    }
    if text.contains('|') {
        let cells = text.split('|').filter_map(|cell| listed(cell, members));
        found.extend(cells.map(|letters| Mention {
            start: text.len(),
            end: text.len(),
            letters,
            bracketed: true,
        }));
    }
    found
}

// What holds letters and nothing that is not beside them.
fn listed(inner: &str, members: usize) -> Option<BTreeSet<char>> {
    let (inner, _) = super::statement::without_cites(inner);
    let everybody = all(members);
    let mut letters = BTreeSet::new();
    let words = inner.split(|c: char| c.is_whitespace() || ",;/&+:*".contains(c));
    for word in words.filter(|word| !word.is_empty()) {
        let lower = word.to_lowercase();
        let first = word.chars().next()?;
        let is_letter = word.len() == 1
            || (word.len() <= 3 && word[first.len_utf8()..].bytes().all(|b| b.is_ascii_digit()));
        if ["all", "alle"].contains(&lower.as_str()) {
            letters.extend(&everybody);
        } else if is_letter && first.is_ascii_uppercase() {
            letters.extend(everybody.get(&first));
        } else if !BESIDE.contains(&lower.as_str()) {
            return None;
        }
    }
    (!letters.is_empty()).then_some(letters)
}

/// Every mention in a text, in brackets or as a word of its own, in order; neighbors are one.
pub(super) fn mentions(text: &str, members: usize) -> Vec<Mention> {
    let mut found = bracketed(text, members);
    let inside: Vec<(usize, usize)> = found.iter().map(|one| (one.start, one.end)).collect();
    let everybody = all(members);
    let words = words(text);
    for (place, &(start, word)) in words.iter().enumerate() {
        let covered = inside.iter().any(|&(from, to)| from <= start && start < to);
        let before = place.checked_sub(1).map_or("", |place| words[place].1);
        let next = words.get(place + 1).map_or("", |&(_, word)| word);
        let end = start + word.len();
        if covered {
            continue;
        }
        let letters = match word {
            "All" | "Everybody" | "Alle" if place == 0 => everybody.clone(),
            _ if word.len() == 1 && is_named(word, before, next, &text[end..]) => {
                let letter = word.chars().next().filter(|one| everybody.contains(one));
                letter.into_iter().collect()
            }
            _ => continue,
        };
        if !letters.is_empty() {
            found.push(Mention {
                start,
                end,
                letters,
                bracketed: false,
            });
        }
    }
    found.sort_by_key(|mention| mention.start);
    joined(text, found)
}

fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_part = character.is_alphanumeric() || matches!(character, '\'' | '’' | '-' | '&');
        match (is_part, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn is_named(word: &str, before: &str, next: &str, after: &str) -> bool {
    if NAMING.contains(&before.to_lowercase().as_str()) {
        return false;
    }
    let lead = before.to_lowercase();
    let introduced = BESIDE.contains(&lead.as_str());
    match word {
        // An article and a pronoun before they are letters.
        "A" | "I" => {
            let is_letter = |word: &str| word.len() == 1 && word.as_bytes()[0].is_ascii_uppercase();
            let follows = after.trim_start_matches(['*', '_', '"', '”']);
            introduced && !["and", "und", "or", "by", "from"].contains(&lead.as_str())
                || is_letter(before)
                || follows.starts_with([':', ',', ')', '/', ';', '.', '='])
                || after.is_empty()
                || (BESIDE.contains(&next) || next == "&") && after.len() > next.len() + 1
                || SAYING.contains(&next)
        }
        _ => word.as_bytes()[0].is_ascii_uppercase(),
    }
}

/// What is done by somebody who has a letter.
const SAYING: &[&str] = &[
    "says",
    "say",
    "claims",
    "holds",
    "gives",
    "puts",
    "argues",
    "states",
    "thinks",
    "reports",
    "sagt",
    "nennt",
    "meint",
    "behauptet",
    "gibt",
    "names",
    "cites",
    "has",
    "had",
    "writes",
    "recommends",
    "prefers",
    "chooses",
    "denies",
    "sees",
    "expects",
    "favours",
    "favors",
    "alone",
    "wants",
    "advises",
    "empfiehlt",
    "insists",
    "does",
    "adds",
    "suggests",
    "proposes",
    "calls",
];

// "A, B and C" names three at once.
fn joined(text: &str, found: Vec<Mention>) -> Vec<Mention> {
    let mut groups: Vec<Mention> = Vec::new();
    for mention in found {
        if let Some(last) = groups.last_mut()
            && let Some(between) = text.get(last.end..mention.start)
            && !last.bracketed
            && !mention.bracketed
            && between
                .split(|c: char| c.is_whitespace() || ",/&+*".contains(c))
                .all(|word| ["", "and", "und", "or", "oder"].contains(&word))
        {
            last.end = mention.end;
            last.letters.extend(mention.letters);
            continue;
        }
        groups.push(mention);
    }
    groups
}

/// Everybody who is named.
pub(super) fn named(text: &str, members: usize) -> BTreeSet<char> {
    let found = mentions(text, members);
    found.into_iter().flat_map(|one| one.letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_members_where_they_stand_for_them() {
        for (text, expected) in [
            ("It is thin (A, C).", "AC"),
            ("It is thin (B3) [1].", "B"),
            ("It is thin (all).", "ABC"),
            ("It is thin (a, b).", ""),
            ("A says 5, B and C say 6.", "ABC"),
            ("A higher price is worse.", ""),
            ("Only B mentions it.", "B"),
            ("Vitamin C and Plan B help.", ""),
            ("Member A: it is thin", "A"),
            ("(D) is no member, (A and B) are", "AB"),
            ("**A, C**: both say so", "AC"),
            ("Point | high | A, B | [1]", "AB"),
            ("the (very (C)) end", "C"),
            ("Alle nennen 30 Tage", "ABC"),
        ] {
            let found: String = named(text, 3).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
