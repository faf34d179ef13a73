//! Cuts pages of text into passages of a size that fits a prompt, and counts words.
//! Never changes the text: every passage is exactly a slice of its page.

use super::document::Passage;
use layout::Layout;

mod layout;

/// A page, sheet or section of a document as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Counted from 1.
    pub number: u32,
    /// Its title where the format has one, else empty.
    pub title: String,
    /// The text, with `\n` line ends. Headings are lines that begin with `#`.
    pub text: String,
}

/// No passage has more characters, unless what is left over would be too small to stand alone.
pub const LONGEST: usize = 1_200;
/// A remainder under this many characters joins the passage before it.
const CRUMB: usize = 200;
/// From here on a heading ends the passage before it.
const SECTION: usize = 300;
/// From here on a paragraph's end is a good place to cut; for lesser places the passage must be longer.
const PARAGRAPH: usize = 700;
const SENTENCE: usize = 900;
/// Bounds what one document can add to the index. Nothing is lost by it: the longest text that is read,
/// 64 MiB, has fewer, even if all its sections are as short as they may be.
pub const MOST: usize = 250_000;
const HEADING_CHARS: usize = 200;

/// All passages of a document in order. At most `MOST`.
pub fn passages(pages: &[Page]) -> Vec<Passage> {
    let mut cutter = Cutter::new();
    pages.iter().flat_map(|page| cutter.page(page)).collect()
}

/// Cuts a document that comes page by page: passages are numbered throughout, and a page that begins
/// in the midst of a section knows what the section is called.
#[derive(Debug, Default)]
pub struct Cutter {
    ordinal: usize,
    section: String,
}

impl Cutter {
    /// Before the first page.
    pub fn new() -> Self {
        Self::default()
    }

    /// The passages of the next page; none after `MOST`.
    pub fn page(&mut self, page: &Page) -> Vec<Passage> {
        let layout = Layout::of(&page.text);
        if !page.title.is_empty() {
            self.section = page.title.chars().take(HEADING_CHARS).collect();
        }
        let mut found = Vec::new();
        let mut at = skip_blank_lines(&page.text, 0);
        while at < page.text.len() && self.ordinal < MOST {
            let next = at + cut(&page.text[at..], &layout, at);
            let end = at + page.text[at..next].trim_end().len();
            if end > at {
                found.push(Passage {
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
        found
    }

    /// The heading that stands nearest above the passage's first line of plain text, and the header of
    /// the table that the passage begins inside of.
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
        let mut found = match nearest.checked_sub(1) {
            Some(index) => layout.headings[index].text.clone(),
            None => self.section.clone(),
        };
        if let Some(columns) = layout.columns_at(text, start) {
            let separator = if found.is_empty() { "" } else { " " };
            found.push_str(separator);
            found.extend(columns.chars().take(HEADING_CHARS));
        }
        found
    }
}

/// Words as a person counts them: runs between spaces that hold a letter or digit, and each
/// ideograph, since Chinese and Japanese put no spaces between words.
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

/// Characters that are written without spaces between words.
pub fn is_ideograph(character: char) -> bool {
    matches!(u32::from(character), 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2FA1F)
}

/// How many bytes of `rest`, which starts at `base` in its page, belong to the next passage.
fn cut(rest: &str, layout: &Layout, base: usize) -> usize {
    let mut places = Places::default();
    let (mut characters, mut previous, mut blank) = (0, ' ', true);
    let mut next_heading = layout.headings.partition_point(|h| h.start <= base);
    let mut next_block = layout.blocks.partition_point(|b| b.end <= base);
    for (at, character) in rest.char_indices() {
        let here = base + at;
        if layout
            .headings
            .get(next_heading)
            .is_some_and(|h| h.start == here)
        {
            if characters >= SECTION {
                return at;
            }
            next_heading += 1;
        }
        let mut block = layout.blocks.get(next_block);
        if block.is_some_and(|block| block.end <= here) {
            next_block += 1;
            block = layout.blocks.get(next_block);
        }
        if let Some(block) = block.filter(|block| block.start == here)
            && characters >= SECTION
            && block.end - block.start < LONGEST
        {
            places.block = at;
        }
        let inside = block.filter(|block| block.start < here);
        if characters == LONGEST {
            // Looking a crumb ahead costs a bounded number of characters, never the whole rest.
            let crumb = rest[at..].chars().take(CRUMB + 1).count() <= CRUMB;
            let section = layout.headings.get(next_heading).is_some();
            return match (crumb && !section, inside) {
                (true, _) => rest.len(),
                (false, Some(_)) if places.block > 0 => places.block,
                _ => places.best().unwrap_or(at),
            };
        }
        let line_end = character == '\n';
        if characters >= PARAGRAPH && line_end && blank && inside.is_none_or(|b| !b.small()) {
            places.paragraph = at + 1;
        }
        if characters >= SENTENCE {
            places.see(at, previous, character, inside.is_some(), &rest[at..]);
        }
        blank = line_end || (blank && character.is_whitespace());
        previous = character;
        characters += 1;
    }
    rest.len()
}

/// The last good place of each kind seen so far; 0 is none.
#[derive(Default)]
struct Places {
    block: usize,
    paragraph: usize,
    line: usize,
    sentence: usize,
    word: usize,
}

impl Places {
    /// Looks at one character. Inside a table or code only the ends of lines are good.
    fn see(&mut self, at: usize, previous: char, character: char, block: bool, rest: &str) {
        if character == '\n' {
            self.line = at + 1;
        }
        if character.is_whitespace() {
            self.word = at + character.len_utf8();
            let mark = matches!(previous, '.' | '!' | '?' | '…' | ';' | ':');
            if mark && !block && !goes_on(rest) {
                self.sentence = self.word;
            }
        } else if matches!(character, '。' | '！' | '？') && !block {
            self.sentence = at + character.len_utf8();
        }
    }

    fn best(&self) -> Option<usize> {
        [self.paragraph, self.line.max(self.sentence), self.word]
            .into_iter()
            .find(|&place| place > 0)
    }
}

/// A small letter after a full stop: it was an abbreviation's.
fn goes_on(rest: &str) -> bool {
    let next = rest.chars().find(|c| !c.is_whitespace());
    next.is_some_and(char::is_lowercase)
}

/// Keeps the indentation of the first line that says something.
fn skip_blank_lines(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    let Some(first) = rest.find(|c: char| !c.is_whitespace()) else {
        return text.len();
    };
    from + rest[..first].rfind('\n').map_or(0, |line_end| line_end + 1)
}

#[cfg(test)]
mod tests;
