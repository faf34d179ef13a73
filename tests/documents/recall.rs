//! Tests recall: the share of the words found by another program (pdftotext, pandoc, LibreOffice, Python's email
//! package and its decoders) that the reader finds too. It is measured over all files, and must reach minimum values.

use std::collections::BTreeMap;

use crate::manifest::load_samples;
use crate::words::{recall, word_counts};

/// Minimum median recall. The first value is for all files and for PDFs, the second for each other kind. The second is
/// lower because of web pages, whose menus the reader omits, unlike pandoc.
const MIN_MEDIAN: f64 = 0.97;
const MIN_MEDIAN_PER_KIND: f64 = 0.95;
/// Maximum share of files whose recall is less than 0.9.
const MAX_LOW_SHARE: f64 = 0.08;

#[test]
fn most_words_are_found() {
    let mut by_kind: BTreeMap<String, Vec<(f64, String)>> = BTreeMap::new();
    for sample in load_samples() {
        let Some(reference) = sample.reference() else {
            continue;
        };
        let Ok((_, pages)) = sample.read() else {
            continue;
        };
        let text: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
        let got = recall(&word_counts(&text.join("\n")), &word_counts(&reference));
        let row = (got, sample.path.clone());
        for kind in [sample.folder(), "all"] {
            by_kind
                .entry(kind.to_owned())
                .or_default()
                .push(row.clone());
        }
    }
    for (kind, rows) in &mut by_kind {
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        let median = rows[rows.len() / 2].0;
        let low: Vec<_> = rows.iter().filter(|row| row.0 < 0.9).collect();
        println!(
            "{kind}: {} files, median {median:.3}, under 0.9: {low:?}",
            rows.len()
        );
        let expected = match kind.as_str() {
            "all" | "pdf" => MIN_MEDIAN,
            _ => MIN_MEDIAN_PER_KIND,
        };
        assert!(median >= expected, "{kind}: median {median:.3}");
        // In a small group, two files are more than this share. One example is sheets that contain only times,
        // which the other program formats in the American style.
        assert!(
            low.len() as f64 <= (MAX_LOW_SHARE * rows.len() as f64).max(2.0),
            "{kind}: {low:?}"
        );
    }
}
