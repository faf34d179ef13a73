//! Collects a reader's text page by page, so that no reader holds a whole document in memory. Enforces the limits,
//! counts words, and records notes for the user. Does not read anything itself.

use super::ReadLimits;
use super::invisible::remove_invisible;
use crate::domain::chunk::{PageText, count_words};
use crate::domain::document::PageWithoutText;

/// Size in bytes after which a section of text without pages ends at the next newline: about a printed page, so that a
/// citation points close to its source.
const SECTION_BYTES: usize = 4 << 10;
/// Maximum size of a section in bytes; a longer paragraph is split.
const MAX_SECTION_BYTES: usize = 2 * SECTION_BYTES;
/// Maximum size of a page in bytes; each page is held in memory and sent as a whole.
const MAX_PAGE_BYTES: usize = 1 << 20;
/// Maximum number of notes kept; additional ones are only counted.
const MAX_NOTES: usize = 50;
/// Maximum number of pages without text to record; additional ones are only counted.
const MAX_GAPS: usize = 5_000;

/// The text or page limit has been reached, or the receiver accepts no more pages. The reader stops immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputFull;

/// Splits a document's text into pages and passes them on, within the limits.
pub struct Output<'a> {
    limits: &'a ReadLimits,
    sink: &'a mut dyn FnMut(PageText) -> bool,
    report: Option<&'a mut dyn FnMut(u64, u64)>,
    /// The most recently reported progress, in percent.
    percent: usize,
    text_bytes: usize,
    next_page: u32,
    /// Number of pages before the current file, if it is inside another one.
    base: u32,
    /// Names of the files inside the outermost file that lead to the current one; empty for the outermost file.
    path: Vec<String>,
    full: bool,
    last_page: u32,
    pub(super) pages: u32,
    pub(super) words: u64,
    pub(super) notes: Vec<String>,
    /// Number of notes dropped because there were too many.
    dropped_note_count: usize,
    pub(super) gaps: Vec<PageWithoutText>,
    pub(super) recognized: Vec<u32>,
}

impl<'a> Output<'a> {
    /// Creates an output that passes pages to `sink` until it returns false.
    pub(super) fn new(limits: &'a ReadLimits, sink: &'a mut dyn FnMut(PageText) -> bool) -> Self {
        Self {
            limits,
            sink,
            report: None,
            percent: 0,
            text_bytes: 0,
            next_page: 1,
            base: 0,
            path: Vec::new(),
            full: false,
            last_page: 0,
            pages: 0,
            words: 0,
            notes: Vec::new(),
            dropped_note_count: 0,
            gaps: Vec::new(),
            recognized: Vec::new(),
        }
    }

    /// Sets the function that progress is reported to.
    pub(super) fn with_progress(self, report: &'a mut dyn FnMut(u64, u64)) -> Self {
        Self {
            report: Some(report),
            ..self
        }
    }

    /// Reports how much of the file has been read, at most once per percent. The total may be in any unit; a value
    /// above the total counts as the total. Progress within an embedded file is ignored, because it does not reflect
    /// the whole file.
    pub fn progress(&mut self, done: usize, total: usize) {
        if total == 0 || !self.path.is_empty() {
            return;
        }
        let done = done.min(total);
        let percent = (done as u128 * 100 / total as u128) as usize;
        if percent > self.percent
            && let Some(report) = &mut self.report
        {
            self.percent = percent;
            report(done as u64, total as u64);
        }
    }

    /// Returns the number of the next page within the current file, for pages without a number of their own.
    pub fn next(&self) -> u32 {
        self.next_page - self.base
    }

    /// Runs `read` for the file `name` inside the current one. The pages of this file continue the numbering, and their
    /// titles begin with its name.
    pub(super) fn read_contained<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let previous_base = std::mem::replace(&mut self.base, self.next_page - 1);
        self.path.push(name.to_owned());
        let read = read(self);
        self.path.pop();
        self.base = previous_base;
        read
    }

    /// Returns the number of files that enclose the current one; 0 for the outermost file.
    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    /// Returns whether a limit has been reached or the receiver accepts no more pages.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Prefixes a title or note with the path of the inner file to which it belongs.
    fn with_path(&self, text: &str) -> String {
        match (self.path.is_empty(), text.is_empty()) {
            (true, _) => text.to_owned(),
            (false, true) => self.path.join(": "),
            (false, false) => format!("{}: {text}", self.path.join(": ")),
        }
    }

    /// Returns the limits on the cost of reading.
    pub(super) fn limits(&self) -> &'a ReadLimits {
        self.limits
    }

    /// Returns how many more bytes of text fit within the limit.
    pub fn remaining_bytes(&self) -> usize {
        self.limits.text.saturating_sub(self.text_bytes)
    }

    /// Adds a page with its own number. A number that does not increase is replaced by the next one. A page without
    /// words is skipped; the reader reports the reason with `add_textless_page`.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit has been reached or the receiver is gone.
    pub fn page(&mut self, number: u32, title: &str, text: &str) -> Result<(), OutputFull> {
        let result = self.add_page(number.saturating_add(self.base), title, text);
        self.full |= result.is_err();
        result
    }

    fn add_page(&mut self, number: u32, title: &str, text: &str) -> Result<(), OutputFull> {
        // A damaged file may number its pages arbitrarily. The number identifies a page, so it must be unique.
        let number = number.max(self.last_page.saturating_add(1));
        self.next_page = number.saturating_add(1);
        let visible = remove_invisible(text);
        let text = visible.trim_start_matches('\n').trim_end();
        let words = count_words(text);
        if text.is_empty() {
            return Ok(());
        }
        if self.pages as usize >= self.limits.pages {
            self.add_note(format!(
                "only the first {} pages are used",
                self.limits.pages
            ));
            return Err(OutputFull);
        }
        let room = self.remaining_bytes();
        let cut_end = prefix_length(text, room.min(MAX_PAGE_BYTES));
        if cut_end < text.len() && room > MAX_PAGE_BYTES {
            self.add_note(format!(
                "page {number} is longer than {} KiB; the rest is omitted",
                MAX_PAGE_BYTES >> 10
            ));
        }
        self.text_bytes += cut_end;
        self.last_page = number;
        self.pages += 1;
        self.words += if cut_end < text.len() {
            count_words(&text[..cut_end])
        } else {
            words
        };
        let title = self.with_path(&remove_invisible(title));
        let is_accepted = cut_end == 0
            || (self.sink)(PageText {
                number,
                title,
                text: text[..cut_end].replace('\u{C}', "\n"),
            });
        if cut_end < text.len() && room <= MAX_PAGE_BYTES {
            self.add_note(format!(
                "only the first {} KiB of text are used",
                self.limits.text >> 10
            ));
            return Err(OutputFull);
        }
        if is_accepted { Ok(()) } else { Err(OutputFull) }
    }

    /// Adds text from a format without pages under one title, split into sections of about the size of a printed page.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit has been reached or the receiver is gone.
    pub fn add_sections(&mut self, title: &str, text: &str) -> Result<(), OutputFull> {
        self.sections(title, text, false)
    }

    /// Like [`Self::add_sections`], for the text of a whole file; also reports progress.
    ///
    /// # Errors
    /// Returns the same errors as [`Self::add_sections`].
    pub fn flow_all(&mut self, title: &str, text: &str) -> Result<(), OutputFull> {
        self.sections(title, text, true)
    }

    fn sections(&mut self, title: &str, text: &str, is_complete: bool) -> Result<(), OutputFull> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = section_end(rest);
            self.page(self.next(), title, &rest[..end])?;
            rest = &rest[end..];
            if is_complete {
                self.progress(text.len() - rest.len(), text.len());
            }
        }
        Ok(())
    }

    /// Adds a note for the user about the current file, unless the same note exists.
    pub fn add_note(&mut self, note: String) {
        let note = self.with_path(&note);
        if self.notes.contains(&note) {
            return;
        }
        match self.notes.len() < MAX_NOTES {
            true => self.notes.push(note),
            false => self.dropped_note_count += 1,
        }
    }

    /// Takes all notes. The last one gives the number of dropped notes, if any.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        if self.dropped_note_count > 0 {
            notes.push(format!("{} more remarks", self.dropped_note_count));
        }
        notes
    }

    /// Records that the text of a page was recognized in a scanned image.
    pub fn record_recognized(&mut self, page: u32) {
        if self.recognized.len() < MAX_GAPS {
            self.recognized.push(page.saturating_add(self.base));
        }
    }

    /// Records that a page has no text, and why. `picture` tells whether the page can be shown to a vision model as an
    /// image.
    pub fn add_textless_page(&mut self, page: u32, why: impl Into<String>, picture: bool) {
        let page = page.saturating_add(self.base);
        // Pages of an inner file cannot be rendered as images.
        let picture = picture && self.path.is_empty();
        self.next_page = self.next_page.max(page.saturating_add(1));
        if self.gaps.len() < MAX_GAPS {
            let why = self.with_path(&why.into());
            self.gaps.push(PageWithoutText { page, why, picture });
        }
    }
}

/// Returns the offset at which a section ends: before a heading, or else after a paragraph, a line, or a word. A short
/// remainder stays in the same section.
fn section_end(text: &str) -> usize {
    if text.len() <= MAX_SECTION_BYTES {
        // Two sections of similar size read better than a full one followed by a short remainder.
        if text.len() <= SECTION_BYTES + SECTION_BYTES / 2 {
            return text.len();
        }
    }
    let max_end = text.floor_char_boundary(MAX_SECTION_BYTES.min(text.len()));
    let first = text.floor_char_boundary(SECTION_BYTES.min(text.len()));
    let break_near = |pattern: &str| {
        text[..first]
            .rfind(pattern)
            .filter(|&at| at > SECTION_BYTES / 2)
            .or_else(|| text[first..max_end].find(pattern).map(|at| first + at))
            .map(|at| at + pattern.len())
    };
    // A heading starts its section.
    let heading = text[..first]
        .rfind("\n#")
        .filter(|&at| at > SECTION_BYTES / 2);
    heading
        .map(|at| at + 1)
        .or_else(|| break_near("\n\n"))
        .or_else(|| break_near("\n"))
        .or_else(|| break_near(" "))
        .unwrap_or(max_end)
}

/// Returns the length of the longest prefix within `limit` bytes, ending at a newline if there is one in its second
/// half.
fn prefix_length(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    let end = text.floor_char_boundary(limit);
    let line = text[..end].rfind('\n').filter(|&at| at > end / 2);
    line.unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        limits: &ReadLimits,
        write: impl FnOnce(&mut Output) -> Result<(), OutputFull>,
    ) -> (Vec<PageText>, Vec<String>, bool) {
        let mut pages = Vec::new();
        let mut sink = |page| {
            pages.push(page);
            true
        };
        let mut out = Output::new(limits, &mut sink);
        let full = write(&mut out).is_err();
        let notes = out.notes;
        (pages, notes, full)
    }

    #[test]
    fn a_long_text_is_split_into_sections_without_loss() {
        let limits = ReadLimits::default();
        let paragraphs: Vec<String> = (0..200)
            .map(|n| format!("Paragraph {n} says: {}", "word ".repeat(n % 60).trim_end()))
            .collect();
        for text in [
            paragraphs.join("\n\n"),
            paragraphs.join("\n"),
            "é".repeat(30_000),
            format!("{}\n# Next\n{}", "a ".repeat(1_800), "b ".repeat(1_800)),
        ] {
            let (pages, notes, full) = run(&limits, |out| out.add_sections("t", &text));
            assert!(pages.len() > 1 && notes.is_empty() && !full);
            assert!(
                pages
                    .iter()
                    .all(|page| page.text.len() <= MAX_SECTION_BYTES)
            );
            let joined: String = pages.iter().map(|page| page.text.as_str()).collect();
            let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(without_spaces(&joined), without_spaces(&text));
            let numbers: Vec<u32> = pages.iter().map(|page| page.number).collect();
            assert_eq!(numbers, (1..=pages.len() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn limits_end_the_text_with_a_note() {
        let limits = ReadLimits {
            text: 3_000,
            pages: 3,
            ..ReadLimits::default()
        };
        let (pages, notes, full) = run(&limits, |out| {
            out.page(1, "", &"line of text\n".repeat(400))
        });
        assert!(full && pages[0].text.len() <= 3_000);
        assert_eq!(notes, ["only the first 2 KiB of text are used"]);
        let (pages, notes, full) = run(&limits, |out| {
            (1..9).try_for_each(|number| out.page(number, "", "x y"))
        });
        assert!(full && pages.len() == 3);
        assert_eq!(notes, ["only the first 3 pages are used"]);
    }

    #[test]
    fn progress_is_reported_by_percent_and_only_for_the_whole_file() {
        let limits = ReadLimits::default();
        let mut sink = |_| true;
        let mut reported = Vec::new();
        let mut report = |done, total| reported.push((done, total));
        let mut out = Output::new(&limits, &mut sink).with_progress(&mut report);
        for page in 0..=400 {
            out.progress(page, 400);
        }
        out.progress(0, 0);
        out.read_contained("inner", |out| out.progress(1, 1));
        assert_eq!((reported.len(), reported[0]), (100, (4, 400)));
        assert_eq!(reported.last(), Some(&(400, 400)));
    }

    #[test]
    fn pages_without_words_are_skipped_and_keep_their_numbers() {
        let limits = ReadLimits::default();
        let (pages, _, _) = run(&limits, |out| {
            out.page(1, "", "\n \n")?;
            out.add_textless_page(2, "a scanned picture without text", true);
            out.page(out.next(), "", "three")?;
            assert_eq!((out.words, out.pages, out.gaps.len()), (1, 1, 1));
            Ok(())
        });
        assert_eq!(pages[0].number, 3);
    }
}
