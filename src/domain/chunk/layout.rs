//! Finds what must not be torn apart in a page of text: headings with what follows them, tables, and
//! code between fences. Reads line by line; knows nothing of sizes.

use super::{HEADING_CHARS, LONGEST};

/// A heading line: where it starts, where it ends, and what it says.
pub(super) struct Heading {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// A table or fenced code, from its first line to behind its last.
pub(super) struct Block {
    pub start: usize,
    pub end: usize,
    /// Whether its first line names the columns of all the others.
    table: bool,
}

impl Block {
    /// Whether it can be one passage.
    pub fn small(&self) -> bool {
        self.end - self.start < LONGEST
    }
}

/// What a page consists of.
#[derive(Default)]
pub(super) struct Layout {
    pub headings: Vec<Heading>,
    pub blocks: Vec<Block>,
}

impl Layout {
    pub fn of(text: &str) -> Self {
        let mut layout = Self::default();
        let mut at = 0;
        let mut open: Option<(usize, Kind)> = None;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let fence = trimmed.starts_with("```") || trimmed.starts_with("~~~");
            match open {
                Some((start, Kind::Fence)) if fence => {
                    layout.close(start, at + line.len(), Kind::Fence);
                    open = None;
                }
                Some((_, Kind::Fence)) => {}
                _ => {
                    let row = row_of(trimmed);
                    if let Some((start, kind)) = open
                        && row != Some(kind)
                    {
                        layout.close(start, at, kind);
                        open = None;
                    }
                    if fence {
                        open = Some((at, Kind::Fence));
                    } else if let Some(kind) = row {
                        open = open.or(Some((at, kind)));
                    } else if let Some(words) = heading_text(line) {
                        layout.headings.push(Heading {
                            start: at,
                            end: at + line.len(),
                            text: words,
                        });
                    }
                }
            }
            at += line.len();
        }
        // A fence that is never closed was none.
        if let Some((start, kind)) = open.filter(|&(_, kind)| kind != Kind::Fence) {
            layout.close(start, text.len(), kind);
        }
        layout
    }

    fn close(&mut self, start: usize, end: usize, kind: Kind) {
        self.blocks.push(Block {
            start,
            end,
            table: kind == Kind::Piped,
        });
    }

    /// The first line of the table in whose midst `at` is.
    pub fn columns_at<'a>(&self, text: &'a str, at: usize) -> Option<&'a str> {
        let place = self.blocks.partition_point(|block| block.end <= at);
        let block = self.blocks.get(place)?;
        (block.table && block.start < at)
            .then(|| text[block.start..block.end].lines().next())
            .flatten()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fence,
    /// `| a | b |`: the first row names the columns.
    Piped,
    /// `Name: a | Age: 3`: each row names them itself.
    Named,
}

fn row_of(line: &str) -> Option<Kind> {
    if line.starts_with('|') {
        Some(Kind::Piped)
    } else {
        line.contains(" | ").then_some(Kind::Named)
    }
}

fn heading_text(line: &str) -> Option<String> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    if !(1..=6).contains(&level) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let words = rest.trim().trim_end_matches('#').trim_end();
    (!words.is_empty()).then(|| words.chars().take(HEADING_CHARS).collect())
}
