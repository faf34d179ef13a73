//! Recognizes the text of a document's scanned pages, once everything else in it has been read. If this fails
//! for a page, the page stays without text and the reason is recorded; the rest of the document is unaffected.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::child::ChildReader;
use super::ocr::{Ocr, OcrProgram};
use crate::domain::chunk::{PageText, count_words};
use crate::domain::document::PageWithoutText;
use crate::extract::{NO_TEXT_NOTE, PICTURE, ReadReport};
use crate::log;

/// The recognized text of a document's scanned pages, by page number.
pub(super) type RecognizedPages = BTreeMap<u32, String>;

/// Whether a file has pages to read with OCR.
pub(super) fn has_scans(report: &ReadReport) -> bool {
    report.kind == PICTURE || report.gaps.iter().any(|gap| gap.picture)
}

/// Records for each scanned page why it is not read with OCR, if OCR is switched on but cannot be used.
pub(super) fn explain_without_ocr(ocr: &Ocr, report: &mut ReadReport) {
    if !matches!(ocr, Ocr::Unusable(_)) {
        return;
    }
    list_image(report);
    let why = "OCR is turned on but cannot be used on this server";
    (report.gaps.iter_mut())
        .filter(|gap| gap.picture)
        .for_each(|gap| add_reason(gap, why));
    move_recognized_pages(report, &RecognizedPages::new());
}

// Lists an image file as a page of its own. Models with vision receive the image in any case.
fn list_image(report: &mut ReadReport) {
    if report.kind == PICTURE {
        report.gaps.push(PageWithoutText {
            page: 1,
            why: "a picture".to_owned(),
            picture: true,
        });
    }
}

/// Recognizes up to `remaining` bytes of text on the scanned pages listed in `report`, and updates the report. Before
/// each page, `should_continue` checks that the document still exists. Blocks.
///
/// # Errors
/// Returns an error if a process is stopped by this server.
pub(super) fn recognize(
    (program, reader): (&OcrProgram, &ChildReader),
    path: &Path,
    report: &mut ReadReport,
    mut remaining: usize,
    should_continue: &mut dyn FnMut() -> bool,
) -> io::Result<RecognizedPages> {
    let mut pages = RecognizedPages::new();
    list_image(report);
    let scan = Scan {
        program,
        reader,
        path,
        is_picture: report.kind == PICTURE,
    };
    let count = report.gaps.iter().filter(|gap| gap.picture).count();
    let mut attempted_count = 0;
    for gap in report.gaps.iter_mut().filter(|gap| gap.picture) {
        if !should_continue() {
            break;
        }
        let recognized = match attempted_count < program.max_pages() {
            true => match scan.page(gap.page) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::warn(
                        "a scanned page could not be given to OCR",
                        &[("why", &error)],
                    );
                    Err("OCR could not be started".to_owned())
                }
                found => found?,
            },
            false => Err(format!(
                "OCR reads only the first {} scanned pages",
                program.max_pages()
            )),
        };
        match recognized {
            Ok(text) if text.is_empty() => add_reason(gap, "OCR found no text"),
            Ok(text) if text.len() > remaining => {
                add_reason(gap, "the document's text is too long")
            }
            Ok(text) => {
                remaining -= text.len();
                pages.insert(gap.page, text);
            }
            Err(why) => add_reason(gap, &why),
        }
        attempted_count += 1;
        reader.progress.set(attempted_count as u64, count as u64);
    }
    move_recognized_pages(report, &pages);
    Ok(pages)
}

/// The scanned pages of one file.
struct Scan<'a> {
    program: &'a OcrProgram,
    reader: &'a ChildReader,
    path: &'a Path,
    is_picture: bool,
}

impl Scan<'_> {
    /// Returns the text of one page, or why there is none.
    fn page(&self, page: u32) -> io::Result<Result<String, String>> {
        let image = match self.is_picture {
            true => Some(std::fs::read(self.path)?),
            false => {
                let rendered = self.reader.render_page(self.path, page)?;
                rendered.and_then(|(_, base64)| STANDARD.decode(base64).ok())
            }
        };
        let Some(image) = image else {
            return Ok(Err("its image cannot be read".to_owned()));
        };
        let text = self.program.recognize(self.reader, &image)?;
        Ok(text.map_err(|why| format!("OCR {why}")))
    }
}

fn add_reason(gap: &mut PageWithoutText, why: &str) {
    gap.why = format!("{}; {why}", gap.why);
}

/// Records the pages read with OCR and removes them from the list of unreadable pages.
fn move_recognized_pages(report: &mut ReadReport, pages: &RecognizedPages) {
    report.gaps.retain(|gap| !pages.contains_key(&gap.page));
    if report.kind == PICTURE {
        // An image file has no page to render: the file itself is displayed.
        report.gaps.iter_mut().for_each(|gap| gap.picture = false);
    }
    if pages.is_empty() {
        return;
    }
    report.recognized_pages.extend(pages.keys());
    report.recognized_pages.sort_unstable();
    report.recognized_pages.dedup();
    for note in &mut report.notes {
        if let Some(rest) = note.strip_suffix(NO_TEXT_NOTE) {
            *note = rest.to_owned();
        }
    }
    let count = match pages.len() {
        1 => "1 page".to_owned(),
        more => format!("{more} pages"),
    };
    report.notes.push(format!(
        "{count} read with OCR (tesseract); individual letters may be wrong"
    ));
    report.words += pages.values().map(|text| count_words(text)).sum::<u64>();
}

/// Merges the pages recognized by OCR with the file's other pages, in page order.
pub(super) struct Merge {
    recognized_pages: RecognizedPages,
    /// Number of pages that have only recognized text.
    pub added: u32,
}

impl Merge {
    /// Starts a merge before the first page.
    pub fn new(recognized: RecognizedPages) -> Self {
        Self {
            recognized_pages: recognized,
            added: 0,
        }
    }

    /// Returns this page with its recognized text added, preceded by the recognized pages that come before it.
    pub fn page(&mut self, mut page: PageText) -> Vec<PageText> {
        let mut pages = self.take_before(page.number);
        if let Some(text) = self.recognized_pages.remove(&page.number) {
            page.text = format!("{}\n\n{text}", page.text);
        }
        pages.push(page);
        pages
    }

    /// Returns the recognized pages after the last page of the file.
    pub fn rest(&mut self) -> Vec<PageText> {
        self.take_before(u32::MAX)
    }

    fn take_before(&mut self, number: u32) -> Vec<PageText> {
        let later = self.recognized_pages.split_off(&number);
        let pages = std::mem::replace(&mut self.recognized_pages, later);
        self.added += pages.len() as u32;
        let page = |(number, text)| PageText {
            number,
            title: String::new(),
            text,
        };
        pages.into_iter().map(page).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, text: &str) -> PageText {
        PageText {
            number,
            title: String::new(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn recognized_pages_are_inserted_in_order() {
        let recognized = [(1, "one"), (3, "three"), (5, "five"), (9, "nine")];
        let recognized = recognized.map(|(number, text)| (number, text.to_owned()));
        let mut merge = Merge::new(recognized.into());
        let mut pages = Vec::new();
        for text_page in [page(2, "two"), page(3, "stamp"), page(4, "four")] {
            pages.extend(merge.page(text_page));
        }
        pages.extend(merge.rest());
        let pages: Vec<_> = pages
            .iter()
            .map(|page| (page.number, &*page.text))
            .collect();
        let expected = [
            (1, "one"),
            (2, "two"),
            (3, "stamp\n\nthree"),
            (4, "four"),
            (5, "five"),
            (9, "nine"),
        ];
        assert_eq!(pages, expected);
        assert_eq!(merge.added, 3);
    }
}
