//! Writes the named characters of HTML as one text. The table in the `html_escape` crate consists of references, which
//! would be relocated at every start, at a cost of 68 KB of memory per server.

/// Marks the end of each name in the text.
const END_OF_NAME: char = '\u{1F}';
/// Marks the end of each entry, after its characters.
const END_OF_ENTRY: char = '\u{1E}';

/// Returns all names in sorted order, each followed by the characters that it stands for.
///
/// # Errors
/// Returns an error if a name is not valid UTF-8.
pub(super) fn named_entities() -> super::BuildResult<String> {
    let mut text = String::new();
    for (name, character) in html_escape::NAMED_ENTITIES {
        text.push_str(std::str::from_utf8(name)?);
        text.push(END_OF_NAME);
        text.push_str(character);
        text.push(END_OF_ENTRY);
    }
    Ok(text)
}
