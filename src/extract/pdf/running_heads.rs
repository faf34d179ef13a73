//! Removes running heads: lines repeated at the top or bottom of pages, such as titles, dates, and page numbers.
//! Compares each page with a few neighbors, so that a document is never held in memory as a whole. The first occurrence
//! of a line is kept, unless it is only a page number.

use std::collections::{HashSet, VecDeque};

use super::layout::LayoutLine;

/// Number of pages before and after a page to compare it with.
const NEIGHBOR_PAGES: usize = 4;
/// Minimum number of these pages that must contain the line too. Fewer than half are enough, because left and right
/// pages may differ.
const MIN_REPEATS: usize = 3;
/// Share of the page height, 0 to 1, that counts as its top or bottom.
const MARGIN_SHARE: f64 = 0.13;
/// Number of lines to examine at each end of a page.
const EDGE_LINES: usize = 3;
/// Maximum number of different lines to remember.
const MAX_KINDS: usize = 10_000;

struct BufferedPage {
    number: u32,
    lines: Vec<LayoutLine>,
    /// Lines at the top or bottom of the page, each with its index and its normalized form.
    edges: Vec<(usize, String)>,
    is_returned: bool,
}

/// Sliding window over the pages around the next one to write.
pub struct PageWindow {
    pages: VecDeque<BufferedPage>,
    seen_kinds: HashSet<String>,
    removed_lines: usize,
}

impl PageWindow {
    /// Creates an empty window.
    pub fn new() -> Self {
        Self {
            pages: VecDeque::new(),
            seen_kinds: HashSet::new(),
            removed_lines: 0,
        }
    }

    /// Returns the number of lines removed so far.
    pub fn removed_lines(&self) -> usize {
        self.removed_lines
    }

    /// Adds a page. Returns the pages whose neighbors are now all known.
    pub fn push(
        &mut self,
        number: u32,
        lines: Vec<LayoutLine>,
        height: f64,
    ) -> Vec<(u32, Vec<LayoutLine>)> {
        let edges = edge_lines(&lines, height);
        self.pages.push_back(BufferedPage {
            number,
            lines,
            edges,
            is_returned: false,
        });
        let Some(next) = self.pages.len().checked_sub(NEIGHBOR_PAGES + 1) else {
            return Vec::new();
        };
        let ready = self.take_through(next);
        if self.pages.len() > 2 * NEIGHBOR_PAGES {
            self.pages.pop_front();
        }
        ready
    }

    /// Returns the remaining pages at the end of the document.
    pub fn finish(&mut self) -> Vec<(u32, Vec<LayoutLine>)> {
        match self.pages.len() {
            0 => Vec::new(),
            count => self.take_through(count - 1),
        }
    }

    /// Returns all pages up to `last` that have not been returned yet.
    fn take_through(&mut self, last: usize) -> Vec<(u32, Vec<LayoutLine>)> {
        let mut ready = Vec::new();
        for index in 0..=last {
            if !self.pages[index].is_returned {
                ready.push(self.remove_repeated(index));
            }
        }
        ready
    }

    fn remove_repeated(&mut self, index: usize) -> (u32, Vec<LayoutLine>) {
        let page = &self.pages[index];
        let mut drop = HashSet::new();
        for (at, kind) in &page.edges {
            let others = self.pages.iter().enumerate().filter(|(other, held)| {
                *other != index && held.edges.iter().any(|(_, edge)| edge == kind)
            });
            if others.count() < MIN_REPEATS {
                continue;
            }
            // The first occurrence of a title is kept, but page numbers are always removed.
            let is_number = !kind.chars().any(char::is_alphabetic);
            if is_number || self.seen_kinds.contains(kind) {
                drop.insert(*at);
            } else if self.seen_kinds.len() < MAX_KINDS {
                self.seen_kinds.insert(kind.clone());
            }
        }
        // A page that would be empty without these lines keeps them.
        if drop.len() == page.lines.len() {
            drop.clear();
        }
        self.removed_lines += drop.len();
        let page = &mut self.pages[index];
        page.is_returned = true;
        let mut lines = std::mem::take(&mut page.lines);
        let mut at = 0;
        lines.retain(|_| {
            at += 1;
            !drop.contains(&(at - 1))
        });
        (page.number, lines)
    }
}

/// Returns the outermost lines in normalized form: the line's words, with every number replaced by the same character,
/// because page numbers count up.
fn edge_lines(lines: &[LayoutLine], height: f64) -> Vec<(usize, String)> {
    let mut order: Vec<usize> = (0..lines.len())
        .filter(|&at| lines[at].y.is_finite())
        .collect();
    order.sort_by(|&a, &b| lines[b].y.total_cmp(&lines[a].y));
    let top = order
        .iter()
        .take(EDGE_LINES)
        .filter(|&&at| lines[at].y > (1.0 - MARGIN_SHARE) * height);
    let bottom_lines = order
        .iter()
        .rev()
        .take(EDGE_LINES)
        .filter(|&&at| lines[at].y < MARGIN_SHARE * height);
    let mut edges: Vec<(usize, String)> = top
        .map(|&at| (at, normalize('t', &lines[at].text)))
        .chain(bottom_lines.map(|&at| (at, normalize('f', &lines[at].text))))
        .collect();
    edges.dedup_by_key(|edge| edge.0);
    edges
}

fn normalize(end: char, text: &str) -> String {
    let mut kind = String::new();
    for character in text.chars().take(200) {
        if character.is_ascii_digit() {
            if !kind.ends_with('0') {
                kind.push('0');
            }
        } else if !character.is_whitespace() {
            kind.push(character);
        }
    }
    // Roman numerals count as numbers too.
    if !kind.is_empty()
        && kind.len() < 8
        && kind.chars().all(|character| "ivxlc".contains(character))
    {
        kind = "0".to_owned();
    }
    // The position is part of the normalized form. It is not marked by a letter, because a line without letters counts
    // as a page number.
    kind.insert(0, if end == 't' { '^' } else { '_' });
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, y: f64) -> LayoutLine {
        LayoutLine {
            text: text.to_owned(),
            y,
            size: 10.0,
            starts_paragraph: true,
        }
    }

    fn run(pages: Vec<Vec<LayoutLine>>) -> (Vec<String>, usize) {
        let mut window = PageWindow::new();
        let mut all = Vec::new();
        for (index, lines) in pages.into_iter().enumerate() {
            all.extend(window.push(index as u32 + 1, lines, 800.0));
        }
        all.extend(window.finish());
        let numbers: Vec<u32> = all.iter().map(|page| page.0).collect();
        assert_eq!(numbers, (1..=all.len() as u32).collect::<Vec<_>>());
        let text = |page: &(u32, Vec<LayoutLine>)| {
            page.1
                .iter()
                .map(|line| line.text.clone())
                .collect::<Vec<_>>()
                .join("/")
        };
        (all.iter().map(text).collect(), window.removed_lines())
    }

    #[test]
    fn repeated_lines_are_kept_once() {
        let page = |number: usize| {
            vec![
                line("Annual report", 780.0),
                line(
                    &format!(
                        "text {}",
                        "abcdefghijklmnopqrst".chars().nth(number).unwrap_or('z')
                    ),
                    400.0,
                ),
                line(&format!("- {number} -"), 20.0),
            ]
        };
        let (pages, removed_lines) = run((1..=12).map(page).collect());
        assert_eq!(pages[0], "Annual report/text b");
        assert_eq!(pages[1], "text c");
        assert_eq!(pages[11], "text m");
        assert_eq!(removed_lines, 23);
    }

    #[test]
    fn short_documents_and_body_lines_are_kept() {
        let page = || vec![line("same", 780.0), line("same too", 400.0)];
        assert_eq!(run(vec![page(), page(), page()]).0[2], "same/same too");
        let (pages, _) = run((0..9).map(|_| page()).collect());
        assert_eq!(pages[8], "same too");
    }
}
