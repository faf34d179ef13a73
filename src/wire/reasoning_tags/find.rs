//! Searches for markers in streamed text, at its beginning or anywhere in it.

use super::marks::FIRST_CHARACTERS;

/// Result of a search for markers at one position.
pub(super) enum MarkMatch<T> {
    Nothing,
    /// The text is too short to tell whether it begins with a marker.
    Incomplete,
    /// A marker was found: its value, and its length in bytes.
    Mark(T, usize),
}

/// Maximum length of a tag with its attributes, in bytes.
const MAX_TAG_BYTES: usize = 128;

/// Returns whether a text begins with a marker. Case is ignored, and a tag may have attributes.
fn match_mark(text: &str, mark: &str) -> MarkMatch<()> {
    let (bytes, mark_bytes) = (text.as_bytes(), mark.as_bytes());
    if let Some(name) = mark.strip_suffix('>')
        && name[1..].starts_with(|first: char| first.is_ascii_alphabetic())
        && bytes.get(name.len()) == Some(&b' ')
        && bytes[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    {
        return match_tag(text);
    }
    let length = bytes.len().min(mark_bytes.len());
    match bytes[..length].eq_ignore_ascii_case(&mark_bytes[..length]) {
        false => MarkMatch::Nothing,
        true if length == mark_bytes.len() => MarkMatch::Mark((), length),
        true => MarkMatch::Incomplete,
    }
}

fn match_tag(text: &str) -> MarkMatch<()> {
    let within = text.find(['>', '\n']).unwrap_or(text.len());
    match text.as_bytes().get(within) {
        Some(b'>') if within < MAX_TAG_BYTES && text[..within].contains('=') => {
            MarkMatch::Mark((), within + 1)
        }
        None if within < MAX_TAG_BYTES => MarkMatch::Incomplete,
        _ => MarkMatch::Nothing,
    }
}

pub(super) fn first_match<T: Copy>(
    text: &str,
    marks: impl Iterator<Item = (&'static str, T)>,
) -> MarkMatch<T> {
    let mut found = MarkMatch::Nothing;
    for (mark, value) in marks {
        match match_mark(text, mark) {
            MarkMatch::Mark((), length) => return MarkMatch::Mark(value, length),
            MarkMatch::Incomplete => found = MarkMatch::Incomplete,
            MarkMatch::Nothing => {}
        }
    }
    found
}

/// Finds the first occurrence of any of these markers. Returns its position and length.
///
/// # Errors
///
/// If there is none, returns the position of the first characters that may become a marker once more text arrives, or
/// the length of the text if there are no such characters.
pub(super) fn find_first(text: &str, marks: &[&'static str]) -> Result<(usize, usize), usize> {
    for (at, _) in text.match_indices(FIRST_CHARACTERS) {
        match first_match(&text[at..], marks.iter().map(|mark| (*mark, ()))) {
            MarkMatch::Mark((), length) => return Ok((at, length)),
            MarkMatch::Incomplete => return Err(at),
            MarkMatch::Nothing => {}
        }
    }
    Err(text.len())
}
