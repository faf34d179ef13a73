//! Finds the known word that is closest to a mistyped one, for error messages.

/// Words are compared up to this many characters, because the time grows with the square of the length.
const MAX_CHARS: usize = 64;

/// Returns the candidate with the smallest edit distance to `word`, ignoring case. `None` if every candidate differs by
/// more edits than a third of the word's characters (but at least one edit is allowed), or by as many edits as the word
/// has characters.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(MAX_CHARS).collect();
    let max_edits = (word.len() / 3).max(1);
    let scored = candidates.into_iter().map(|candidate| {
        let letters: Vec<char> = candidate.to_lowercase().chars().take(MAX_CHARS).collect();
        (edit_distance(&word, &letters), candidate)
    });
    let best = scored.filter(|(edits, _)| *edits <= max_edits && *edits < word.len());
    best.min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Returns the ID of the model closest to `word`, which may lack the provider before the slash.
pub fn closest_model<'a>(
    word: &str,
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if let Some(id) = closest(word, ids.clone()) {
        return Some(id);
    }
    let name = |id: &'a str| id.split_once('/').map_or(id, |(_, name)| name);
    let closest_name = closest(word, ids.clone().map(name))?;
    ids.into_iter().find(|id| name(id) == closest_name)
}

/// Returns the optimal string alignment distance: the number of insertions, deletions, substitutions, and
/// transpositions of adjacent characters that turn one word into the other.
fn edit_distance(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (at, character) in from.iter().enumerate() {
        let mut row = vec![at + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(character != other);
            let mut min_edits = replaced.min(last[column + 1] + 1).min(row[column] + 1);
            let is_swapped =
                at > 0 && column > 0 && *character == to[column - 1] && from[at - 1] == *other;
            if is_swapped {
                min_edits = min_edits.min(before_last[column - 1] + 1);
            }
            row.push(min_edits);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognized() {
        let words = ["panel", "pattern", "port", "data", "models"];
        for (word, expected) in [
            ("pannel", Some("panel")),
            ("prot", Some("port")),
            ("PATERN", Some("pattern")),
            ("model", Some("models")),
            ("dtaa", Some("data")),
            ("panel", Some("panel")),
            ("elephant", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, words), expected, "{word}");
        }
        let models = ["openai/gpt-4o", "demo/extract"];
        for (word, expected) in [
            ("gpt-4p", Some("openai/gpt-4o")),
            ("demo/extrakt", Some("demo/extract")),
            ("claude", None),
        ] {
            assert_eq!(closest_model(word, models.into_iter()), expected, "{word}");
        }
        let long = "x".repeat(10_000);
        assert_eq!(closest(&long, words), None);
    }
}
