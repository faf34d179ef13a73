//! Settings for text recognition (OCR). Only parses the values; does not look for the program.

use std::path::PathBuf;
use std::time::Duration;

use super::check::Checker;

/// Settings for reading scanned pages with tesseract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcrConfig {
    /// The executable; `None` for the first one on the PATH.
    pub program: Option<PathBuf>,
    /// Expected languages, as tesseract names them.
    pub languages: Vec<String>,
    /// Time limit of one page.
    pub page_timeout: Duration,
    /// Maximum number of pages per document.
    pub max_pages: usize,
    /// Maximum address space of the tesseract process, in bytes.
    pub memory: u64,
}

/// Reads the settings; `None` if OCR is switched off.
pub(super) fn read(checker: &mut Checker) -> Option<OcrConfig> {
    let is_on = checker.switch("DOCUMENT_OCR").unwrap_or(false);
    let ocr = OcrConfig {
        program: checker.configured("OCR_PROGRAM").map(PathBuf::from),
        languages: languages(checker),
        page_timeout: checker.seconds("OCR_PAGE_SECONDS"),
        max_pages: checker.number("OCR_MAX_PAGES") as usize,
        memory: checker.number("OCR_MEMORY_MB") << 20,
    };
    is_on.then_some(ocr)
}

/// Parses the languages. They are passed on a command line, so each must begin with a letter. A name may contain a
/// slash, as in `script/Latin`.
fn languages(checker: &mut Checker) -> Vec<String> {
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/');
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_part)
    };
    let split = |text: &str| -> Option<Vec<String>> {
        let names: Vec<&str> = text
            .split(['+', ',', ' '])
            .filter(|name| !name.is_empty())
            .collect();
        let is_valid = !names.is_empty() && names.iter().all(|name| is_name(name));
        is_valid.then(|| names.into_iter().map(str::to_owned).collect())
    };
    let expected = "a list of tesseract's languages, such as eng+deu";
    let languages = checker.read("OCR_LANGUAGES", split, expected);
    languages.unwrap_or_default()
}
