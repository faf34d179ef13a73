//! Tests that text that is visible in a file is extracted, on the right page, and that unreadable files are refused for
//! the right reason.

use quire::domain::chunk::PageText;
use quire::extract::ReadReport;

use crate::manifest::{Sample, load_samples};

fn fold_text(text: &str) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.retain(|c| {
        !matches!(
            c,
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{AD}'
        )
    });
    words
}

fn check_sample(sample: &Sample, faults: &mut Vec<String>) {
    let mut error = |what: String| faults.push(format!("{}: {what}", sample.path));
    match (sample.read(), &sample.refused) {
        (Err(why), Some(words)) => {
            let message = why.message().to_lowercase();
            for word in words {
                if !message.contains(word.as_str()) {
                    error(format!("refused, but not because of {word}: {message}"));
                }
            }
        }
        (Err(why), None) => error(format!("refused: {}", why.message())),
        (Ok((report, _)), Some(_)) => error(format!("read, {} words", report.words)),
        (Ok((report, pages)), None) => compare_with_reference(sample, &report, &pages, &mut error),
    }
}

fn compare_with_reference(
    sample: &Sample,
    report: &ReadReport,
    pages: &[PageText],
    error: &mut dyn FnMut(String),
) {
    let all: Vec<String> = pages.iter().map(|page| fold_text(&page.text)).collect();
    let text = all.join(" ");
    for words in &sample.words {
        if !text.contains(words.as_str()) {
            error(format!("«{words}» is missing"));
        }
    }
    for words in sample
        .absent
        .iter()
        .filter(|words| text.contains(words.as_str()))
    {
        error(format!("«{words}» is there"));
    }
    for words in &sample.once {
        let times = text.matches(words.as_str()).count();
        if times != 1 {
            error(format!("«{words}» is there {times} times"));
        }
    }
    for (number, words) in &sample.page_words {
        let number: u32 = number.parse().expect("a page's number");
        let page = pages.iter().position(|page| page.number == number);
        if !page.is_some_and(|at| all[at].contains(words.as_str())) {
            error(format!("«{words}» is not on page {number}"));
        }
    }
    for title in &sample.titles {
        if !pages.iter().any(|page| page.title.contains(title.as_str())) {
            error(format!("no page is titled «{title}»"));
        }
    }
    let gaps: Vec<u32> = report.gaps.iter().map(|gap| gap.page).collect();
    if sample.folder() == "pdf" && gaps != sample.gaps {
        error(format!(
            "pages without text {gaps:?}, not {:?}",
            sample.gaps
        ));
    }
    if report.gaps.iter().any(|gap| gap.why.is_empty()) {
        error("a page without text and no reason".to_owned());
    }
    let page_count = pages.len() + gaps.len();
    if sample.pages.is_some_and(|pages| pages != page_count) {
        error(format!("{page_count} pages, not {:?}", sample.pages));
    }
    for (what, actual, expected) in [
        ("kind", report.kind, &sample.kind),
        ("encoding", report.encoding.as_str(), &sample.encoding),
    ] {
        if expected.as_ref().is_some_and(|expected| expected != actual) {
            error(format!("{what} {actual}, not {expected:?}"));
        }
    }
}

#[test]
fn expected_text_is_extracted_from_each_file() {
    let mut faults = Vec::new();
    for sample in load_samples() {
        check_sample(&sample, &mut faults);
    }
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}
