//! Finds the parts of a page that should stay together, line by line: headings with their text, tables, and fenced
//! code.

use super::{MAX_HEADING_CHARS, MAX_LENGTH};

/// A heading line: byte range and text.
pub(super) struct Heading {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// A table or fenced code block, as the byte range from its first line to the end of its last.
pub(super) struct LayoutBlock {
    pub start: usize,
    pub end: usize,
    /// Whether the block is a table whose first line is the header row.
    is_table: bool,
}

impl LayoutBlock {
    /// Whether the block fits in one passage.
    pub fn is_small(&self) -> bool {
        self.end - self.start < MAX_LENGTH
    }
}

/// The headings, tables, and code blocks of a page.
#[derive(Default)]
pub(super) struct Layout {
    pub headings: Vec<Heading>,
    pub blocks: Vec<LayoutBlock>,
}

impl Layout {
    pub fn parse(text: &str) -> Self {
        let mut layout = Self::default();
        let mut at = 0;
        let mut open_block: Option<(usize, BlockKind)> = None;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let fence = trimmed.starts_with("```") || trimmed.starts_with("~~~");
            match open_block {
                Some((start, BlockKind::CodeFence)) if fence => {
                    layout.close_block(start, at + line.len(), BlockKind::CodeFence);
                    open_block = None;
                }
                Some((_, BlockKind::CodeFence)) => {}
                _ => {
                    let row = table_row_kind(trimmed);
                    if let Some((start, kind)) = open_block
                        && row != Some(kind)
                    {
                        layout.close_block(start, at, kind);
                        open_block = None;
                    }
                    if fence {
                        open_block = Some((at, BlockKind::CodeFence));
                    } else if let Some(kind) = row {
                        open_block = open_block.or(Some((at, kind)));
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
        // An unclosed fence does not count as a code block.
        if let Some((start, kind)) = open_block.filter(|&(_, kind)| kind != BlockKind::CodeFence) {
            layout.close_block(start, text.len(), kind);
        }
        layout
    }

    fn close_block(&mut self, start: usize, end: usize, kind: BlockKind) {
        self.blocks.push(LayoutBlock {
            start,
            end,
            is_table: kind == BlockKind::PipedRow,
        });
    }

    /// Returns the header row of the table that contains `at`; `None` outside a table and at its start.
    pub fn columns_at<'a>(&self, text: &'a str, at: usize) -> Option<&'a str> {
        let block_index = self.blocks.partition_point(|block| block.end <= at);
        let block = self.blocks.get(block_index)?;
        (block.is_table && block.start < at)
            .then(|| text[block.start..block.end].lines().next())
            .flatten()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    CodeFence,
    /// A row such as `| a | b |`. The first such row is the header.
    PipedRow,
    /// A row such as `Name: a | Age: 3`, which names the columns itself.
    NamedRow,
}

fn table_row_kind(line: &str) -> Option<BlockKind> {
    if line.starts_with('|') {
        Some(BlockKind::PipedRow)
    } else {
        line.contains(" | ").then_some(BlockKind::NamedRow)
    }
}

fn heading_text(line: &str) -> Option<String> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    if !(1..=6).contains(&level) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let words = rest.trim().trim_end_matches('#').trim_end();
    (!words.is_empty()).then(|| words.chars().take(MAX_HEADING_CHARS).collect())
}
