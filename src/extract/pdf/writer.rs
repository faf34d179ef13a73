//! Writes the lines of pages as text: running heads are removed, headings are marked, and words split at a page end are
//! joined.

use super::hyphens::{LineJoin, WordList};
use super::layout::{self, LayoutLine};
use super::running_heads::PageWindow;
use crate::extract::output::{Output, OutputFull};

/// Writer that holds back pages until their running heads and split words are known.
pub struct PdfPageWriter {
    titles: Vec<String>,
    window: PageWindow,
    body_size: BodySize,
    words: WordList,
    /// The page written last, held back because the next page may continue its last word.
    pending_page: Option<(u32, String)>,
}

impl PdfPageWriter {
    /// Creates a writer. `titles` are the page titles by index.
    pub fn new(titles: Vec<String>) -> Self {
        Self {
            titles,
            window: PageWindow::new(),
            body_size: BodySize::default(),
            words: WordList::default(),
            pending_page: None,
        }
    }

    /// Adds a page with this height in points, and writes the pages whose neighbors are now all known.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn push(
        &mut self,
        number: u32,
        lines: Vec<LayoutLine>,
        height: f64,
        out: &mut Output<'_>,
    ) -> Result<(), OutputFull> {
        self.body_size.add_lines(&lines);
        lines
            .iter()
            .for_each(|line| self.words.learn_words(&line.text));
        let ready = self.window.push(number, lines, height);
        self.write(ready, out)
    }

    /// Writes the remaining pages. Returns the number of lines removed as running heads.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn finish(&mut self, out: &mut Output<'_>) -> Result<usize, OutputFull> {
        let rest = self.window.finish();
        self.write(rest, out)?;
        self.write_pending(out)?;
        Ok(self.window.removed_lines())
    }

    fn write(
        &mut self,
        pages: Vec<(u32, Vec<LayoutLine>)>,
        out: &mut Output<'_>,
    ) -> Result<(), OutputFull> {
        for (number, lines) in pages {
            let mut text = layout::to_text(&lines, self.body_size.size(), &self.words);
            if let Some((before, end)) = &mut self.pending_page
                && *before + 1 == number
            {
                rejoin_split_word(end, &mut text, &self.words);
            }
            self.write_pending(out)?;
            self.pending_page = Some((number, text));
        }
        Ok(())
    }

    fn write_pending(&mut self, out: &mut Output<'_>) -> Result<(), OutputFull> {
        let Some((number, text)) = self.pending_page.take() else {
            return Ok(());
        };
        let title = self
            .titles
            .get(number as usize - 1)
            .map_or("", String::as_str);
        out.page(number, title, &text)
    }
}

/// Moves the rest of a word that is split between two pages to the page where the word begins.
fn rejoin_split_word(page: &mut String, next: &mut String, words: &WordList) {
    let join = words.join(page, next);
    let end = next.find(char::is_whitespace).unwrap_or(next.len());
    if !matches!(join, LineJoin::WithoutHyphen | LineJoin::WithHyphen) || end == next.len() {
        return;
    }
    if join == LineJoin::WithoutHyphen {
        page.pop();
    }
    page.push_str(&next[..end]);
    *next = next[end..].trim_start().to_owned();
}

/// Determines the font size of the document's body text: the size in which most bytes of text have been set so far.
#[derive(Default)]
struct BodySize {
    /// Number of bytes of text by font size, in half-point steps.
    sizes: std::collections::BTreeMap<u32, usize>,
}

impl BodySize {
    fn add_lines(&mut self, lines: &[LayoutLine]) {
        for line in lines {
            let step = (line.size * 2.0).round().clamp(0.0, 2_000.0) as u32;
            *self.sizes.entry(step).or_default() += line.text.len();
        }
    }

    fn size(&self) -> f64 {
        let largest = self.sizes.iter().max_by_key(|(_, count)| **count);
        largest.map_or(0.0, |(step, _)| f64::from(*step) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_across_pages_are_joined() {
        for (page, next, expected, rest) in [
            (
                "the respon-",
                "sibility of all",
                "the responsibility",
                "of all",
            ),
            ("from 2019-", "2024 on", "from 2019-2024", "on"),
            ("the end.", "Next page", "the end.", "Next page"),
            ("cut-", "off", "cut-", "off"),
        ] {
            let (mut page, mut next) = (page.to_owned(), next.to_owned());
            rejoin_split_word(&mut page, &mut next, &WordList::default());
            assert_eq!((page.as_str(), next.as_str()), (expected, rest));
        }
    }
}
