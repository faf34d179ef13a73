//! Merged cells of a spreadsheet: the value is repeated in each row that a merged cell spans.

use std::collections::BTreeMap;

use super::sheet_cells::column_index;
use crate::extract::zip::Zip;

/// Maximum number of merged cells to read.
const MAX_MERGED: usize = 100_000;
/// Maximum size in bytes of a value that is repeated.
const MAX_REPEATED_BYTES: usize = 80;
/// Number of bytes by which scanned chunks overlap. No tag of a merged cell is longer.
const OVERLAP_BYTES: usize = 200;

/// A cell that spans rows below it.
#[derive(Debug, Clone, Copy)]
struct MergedRange {
    last_row: u32,
    column: usize,
}

/// The merged cells of a sheet that span more than one row.
#[derive(Debug, Default)]
pub struct MergedCells {
    by_first_row: BTreeMap<u32, Vec<MergedRange>>,
    open_ranges: Vec<(MergedRange, String)>,
}

impl MergedCells {
    /// Finds the merged cells in a sheet's markup. They are listed after the regular cells, which are not parsed here.
    pub fn read(zip: &Zip<'_>, part: &str) -> Self {
        let mut merged = Self::default();
        let Some(entry) = zip.find(part) else {
            return merged;
        };
        let mut count = 0;
        zip.scan(entry, OVERLAP_BYTES, &mut |text, is_last| {
            let end = text.len();
            // The last bytes may contain a partial tag, which is repeated in the next chunk.
            let next = if is_last {
                end
            } else {
                end.saturating_sub(OVERLAP_BYTES)
            };
            for at in find_all(text, b"mergeCell ").take_while(|at| *at < next) {
                let tag = &text[at..(at + OVERLAP_BYTES).min(end)];
                count += usize::from(count < MAX_MERGED && merged.add(tag));
            }
        });
        merged
    }

    fn add(&mut self, tag: &[u8]) -> bool {
        let tag = String::from_utf8_lossy(tag);
        let range = tag.split_once("ref=").and_then(|(_, rest)| {
            let quote = rest.chars().next()?;
            rest[1..].split_once(quote).map(|(range, _)| range)
        });
        let ends = range.and_then(|range| range.split_once(':'));
        let Some((Some(first), Some(last))) =
            ends.map(|(first, last)| (parse_reference(first), parse_reference(last)))
        else {
            return false;
        };
        if last.0 > first.0 {
            let merged = MergedRange {
                last_row: last.0,
                column: first.1,
            };
            self.by_first_row.entry(first.0).or_default().push(merged);
        }
        true
    }

    /// Fills the empty cells of a row that a merged cell from above spans.
    pub fn fill(&mut self, number: u32, row: &mut Vec<String>) {
        self.open_ranges
            .retain(|(merged, _)| merged.last_row >= number);
        for (merged, value) in &self.open_ranges {
            if row.len() <= merged.column {
                row.resize(merged.column + 1, String::new());
            }
            if row[merged.column].is_empty() {
                row[merged.column].clone_from(value);
            }
        }
        for merged in self.by_first_row.remove(&number).unwrap_or_default() {
            let value = row.get(merged.column).cloned().unwrap_or_default();
            if !value.is_empty() && value.len() <= MAX_REPEATED_BYTES && merged.column < 4_096 {
                self.open_ranges.push((merged, value));
            }
        }
    }
}

/// Parses a cell reference such as `AB12` into its row, starting at 1, and its column, starting at 0.
fn parse_reference(text: &str) -> Option<(u32, usize)> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let row = text[digits..].parse().ok()?;
    Some((row, column_index(text)?))
}

fn find_all<'a>(text: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(needle.len())
        .enumerate()
        .filter(move |(_, window)| *window == needle)
        .map(|(at, _)| at)
}
