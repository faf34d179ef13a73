//! Splits pages of text into passages that fit a prompt, and counts words. Never changes the text: every
//! passage is an exact slice of its page.

use super::document::Passage;
use layout::Layout;

mod layout;

/// The text of a page, sheet, or section of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageText {
    /// Page number, starting at 1.
    pub number: u32,
    /// Title, if the format has one; otherwise empty.
    pub title: String,
    /// Text with `\n` line endings. Headings are lines that begin with `#`.
    pub text: String,
}

/// Maximum passage length in characters, exceeded only to include a remainder too short for its own passage.
pub const MAX_LENGTH: usize = 1_200;
/// A remainder of at most this many characters is appended to the preceding passage.
const MAX_REMAINDER_CHARS: usize = 200;
/// Minimum length of a passage, in characters, before it may end at a heading, table, or code block.
const MIN_SECTION_CHARS: usize = 300;
/// Minimum length of a passage, in characters, before it may end with a paragraph.
const MIN_PARAGRAPH_CHARS: usize = 700;
/// Minimum length of a passage, in characters, before it may end with a line, sentence, or word.
const MIN_SENTENCE_CHARS: usize = 900;
/// Maximum number of passages per document, which limits a document's share of the index. In practice, no text is lost:
/// the largest accepted text (64 MiB) has fewer passages, even if all of its sections have the minimum length.
pub const MAX_PASSAGES: usize = 250_000;
/// Maximum length of a heading in characters.
const MAX_HEADING_CHARS: usize = 200;

/// Splits a document into passages, in order. Omits the text after the first `MAX_PASSAGES` passages.
pub fn split_into_passages(pages: &[PageText]) -> Vec<Passage> {
    let mut splitter = PassageSplitter::new();
    pages
        .iter()
        .flat_map(|page| splitter.split_page(page))
        .collect()
}

/// Incremental splitter for a document that arrives page by page. Numbers passages across pages and carries the
/// current section heading across page boundaries.
#[derive(Debug, Default)]
pub struct PassageSplitter {
    ordinal: usize,
    section: String,
}

impl PassageSplitter {
    /// Creates a splitter positioned before the first page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits the next page into passages. Once `MAX_PASSAGES` passages have been returned, the rest of the text is
    /// ignored.
    pub fn split_page(&mut self, page: &PageText) -> Vec<Passage> {
        let layout = Layout::parse(&page.text);
        if !page.title.is_empty() {
            self.section = page.title.chars().take(MAX_HEADING_CHARS).collect();
        }
        let mut passages = Vec::new();
        let mut at = skip_blank_lines(&page.text, 0);
        while at < page.text.len() && self.ordinal < MAX_PASSAGES {
            let next = at + next_passage_length(&page.text[at..], &layout, at);
            let end = at + page.text[at..next].trim_end().len();
            if end > at {
                passages.push(Passage {
                    ordinal: self.ordinal as u32,
                    page: page.number,
                    start: at as u32,
                    end: end as u32,
                    heading: self.heading_of(&page.text, &layout, at, end),
                    text: page.text[at..end].to_owned(),
                });
                self.ordinal += 1;
            }
            at = skip_blank_lines(&page.text, next);
        }
        if let Some(last) = layout.headings.last() {
            self.section.clone_from(&last.text);
        }
        passages
    }

    /// Returns the heading nearest above the passage's first line of body text, plus the header row of the
    /// table in which the passage begins.
    fn heading_of(&self, text: &str, layout: &Layout, start: usize, end: usize) -> String {
        let mut body = start;
        let mut nearest = layout.headings.partition_point(|h| h.start < start);
        while let Some(heading) = layout.headings.get(nearest) {
            if heading.start >= end || !text[body..heading.start].trim().is_empty() {
                break;
            }
            body = heading.end.min(end);
            nearest += 1;
        }
        let mut heading = match nearest.checked_sub(1) {
            Some(index) => layout.headings[index].text.clone(),
            None => self.section.clone(),
        };
        if let Some(columns) = layout.columns_at(text, start) {
            let separator = if heading.is_empty() { "" } else { " " };
            heading.push_str(separator);
            heading.extend(columns.chars().take(MAX_HEADING_CHARS));
        }
        heading
    }
}

/// Counts words: runs of non-space characters that contain a letter or digit. Each ideograph counts as a
/// word, because Chinese and Japanese put no spaces between words.
pub fn count_words(text: &str) -> u64 {
    let (mut words, mut inside) = (0, false);
    for character in text.chars() {
        if is_ideograph(character) {
            words += 1;
            inside = false;
        } else if character.is_whitespace() {
            inside = false;
        } else if !inside && character.is_alphanumeric() {
            words += 1;
            inside = true;
        }
    }
    words
}

/// Whether the character is a Chinese character or Japanese kana, which are written without spaces between words.
pub fn is_ideograph(character: char) -> bool {
    matches!(u32::from(character), 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2FA1F)
}

/// Returns the length in bytes of the next passage in `rest`, which starts at offset `base` of its page.
fn next_passage_length(rest: &str, layout: &Layout, base: usize) -> usize {
    let mut places = LastBreaks::default();
    let (mut characters, mut previous, mut blank) = (0, ' ', true);
    let mut next_heading = layout.headings.partition_point(|h| h.start <= base);
    let mut next_block = layout.blocks.partition_point(|b| b.end <= base);
    for (at, character) in rest.char_indices() {
        let boundary = base + at;
        if layout
            .headings
            .get(next_heading)
            .is_some_and(|h| h.start == boundary)
        {
            if characters >= MIN_SECTION_CHARS {
                return at;
            }
            next_heading += 1;
        }
        let mut block = layout.blocks.get(next_block);
        if block.is_some_and(|block| block.end <= boundary) {
            next_block += 1;
            block = layout.blocks.get(next_block);
        }
        if let Some(block) = block.filter(|block| block.start == boundary)
            && characters >= MIN_SECTION_CHARS
            && block.end - block.start < MAX_LENGTH
        {
            places.block = at;
        }
        let inside = block.filter(|block| block.start < boundary);
        if characters == MAX_LENGTH {
            // Look ahead at most `MAX_REMAINDER_CHARS` characters instead of counting all of the rest.
            let is_small_remainder =
                rest[at..].chars().take(MAX_REMAINDER_CHARS + 1).count() <= MAX_REMAINDER_CHARS;
            let section = layout.headings.get(next_heading).is_some();
            return match (is_small_remainder && !section, inside) {
                (true, _) => rest.len(),
                (false, Some(_)) if places.block > 0 => places.block,
                _ => places.best_break().unwrap_or(at),
            };
        }
        let line_end = character == '\n';
        if characters >= MIN_PARAGRAPH_CHARS
            && line_end
            && blank
            && inside.is_none_or(|b| !b.is_small())
        {
            places.paragraph = at + 1;
        }
        if characters >= MIN_SENTENCE_CHARS {
            places.record_break(at, previous, character, inside.is_some(), &rest[at..]);
        }
        blank = line_end || (blank && character.is_whitespace());
        previous = character;
        characters += 1;
    }
    rest.len()
}

/// Byte offset of the last break point of each kind so far; 0 means none.
#[derive(Default)]
struct LastBreaks {
    block: usize,
    paragraph: usize,
    line: usize,
    sentence: usize,
    word: usize,
}

impl LastBreaks {
    /// Records a line, sentence, or word break after this character, if there is one. Inside a table or code block, the
    /// end of a sentence is not a break.
    fn record_break(
        &mut self,
        at: usize,
        previous: char,
        character: char,
        block: bool,
        rest: &str,
    ) {
        if character == '\n' {
            self.line = at + 1;
        }
        if character.is_whitespace() {
            self.word = at + character.len_utf8();
            let mark = matches!(previous, '.' | '!' | '?' | '…' | ';' | ':');
            if mark && !block && !is_abbreviation(rest) {
                self.sentence = self.word;
            }
        } else if matches!(character, '。' | '！' | '？') && !block {
            self.sentence = at + character.len_utf8();
        }
    }

    fn best_break(&self) -> Option<usize> {
        [self.paragraph, self.line.max(self.sentence), self.word]
            .into_iter()
            .find(|&place| place > 0)
    }
}

/// Whether a lowercase letter follows the period, which suggests an abbreviation.
fn is_abbreviation(rest: &str) -> bool {
    let next = rest.chars().find(|c| !c.is_whitespace());
    next.is_some_and(char::is_lowercase)
}

/// Skips blank lines but keeps the indentation of the first non-blank line.
fn skip_blank_lines(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    let Some(first) = rest.find(|c: char| !c.is_whitespace()) else {
        return text.len();
    };
    from + rest[..first].rfind('\n').map_or(0, |line_end| line_end + 1)
}

#[cfg(test)]
mod tests;
