//! Splits Markdown into blocks: headings in the forms that models use, list items, paragraphs, and table rows.
//! Skips code. Accepts any text.

/// Maximum number of blocks read from one text.
const MAX_BLOCKS: usize = 1_000;

/// A block of a Markdown text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MarkdownBlock {
    pub kind: TextBlockKind,
    /// The block's text without its marker; emphasis is kept.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextBlockKind {
    /// A heading with its level, from 1. A line that is entirely in bold counts as level 7.
    Heading(usize),
    /// A list item with its indentation.
    Item(usize),
    Paragraph,
    /// A table row other than the header row, with its cells separated by `|`.
    Row,
}

/// Returns the blocks of a text in order.
pub(super) fn parse_blocks(markdown: &str) -> Vec<MarkdownBlock> {
    let mut blocks: Vec<MarkdownBlock> = Vec::new();
    let (mut fenced, mut is_open) = (false, false);
    for line in markdown.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
            is_open = false;
            continue;
        }
        if fenced || trimmed.is_empty() {
            is_open = false;
            continue;
        }
        if blocks.len() == MAX_BLOCKS {
            break;
        }
        if is_rule(trimmed) {
            apply_underline(&mut blocks, trimmed, is_open);
            is_open = false;
            continue;
        }
        let block = parse_block(line, trimmed);
        match (block.kind, blocks.last_mut()) {
            // A line without a marker continues the block above it.
            (TextBlockKind::Paragraph, Some(above)) if is_open => {
                above.text.push(' ');
                above.text.push_str(&block.text);
            }
            (kind, _) => {
                is_open = matches!(kind, TextBlockKind::Item(_) | TextBlockKind::Paragraph);
                blocks.push(block);
            }
        }
        // After a forced line break, the next line does not continue the same sentence.
        is_open &= !(line.ends_with("  ") || line.ends_with('\\'));
    }
    blocks
}

fn parse_block(line: &str, trimmed: &str) -> MarkdownBlock {
    let of = |kind, text: &str| MarkdownBlock {
        kind,
        text: text.trim().to_owned(),
    };
    let trimmed = trimmed.trim_start_matches("> ").trim();
    let level = trimmed.bytes().take_while(|&byte| byte == b'#').count();
    if (1..=6).contains(&level) {
        return of(
            TextBlockKind::Heading(level),
            trimmed[level..].trim_matches(['#', ' ', '*', ':']),
        );
    }
    if let Some(title) = bold_line(trimmed) {
        return of(TextBlockKind::Heading(7), title);
    }
    if trimmed.starts_with('|') && trimmed.len() > 1 {
        return of(TextBlockKind::Row, trimmed.trim_matches('|'));
    }
    match list_item_text(trimmed) {
        Some(text) => {
            let indent = line.len() - line.trim_start().len();
            of(TextBlockKind::Item(indent), text)
        }
        None => of(TextBlockKind::Paragraph, trimmed),
    }
}

fn bold_line(line: &str) -> Option<&str> {
    let inner = line.strip_prefix("**")?;
    let inner = inner
        .strip_suffix("**")
        .or_else(|| inner.strip_suffix("**:"))?;
    let is_title = !inner.contains("**") && inner.chars().count() <= 60 && !inner.ends_with('.');
    is_title.then(|| inner.trim_end_matches(':'))
}

/// Returns the text after a list item's marker.
pub(super) fn list_item_text(line: &str) -> Option<&str> {
    for mark in ["- ", "* ", "+ ", "• ", "– ", "— "] {
        if let Some(text) = line.strip_prefix(mark) {
            return Some(text.trim_start());
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 3 {
        return None;
    }
    let rest = &line[digits..];
    [". ", ") "]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))
        .map(str::trim_start)
}

fn is_rule(line: &str) -> bool {
    let is_part = |c: char| matches!(c, '-' | '=' | '|' | ':' | ' ' | '*' | '_');
    line.len() >= 3 && line.chars().all(is_part)
}

// Handles a line of dashes or similar characters: a table row above it is the table's header, which is removed, and a
// short line above it becomes a heading.
fn apply_underline(blocks: &mut Vec<MarkdownBlock>, rule: &str, open: bool) {
    let Some(above) = blocks.last_mut() else {
        return;
    };
    if above.kind == TextBlockKind::Row && rule.contains('|') {
        blocks.pop();
    } else if open
        && above.kind == TextBlockKind::Paragraph
        && above.text.chars().count() <= 60
        && !rule.contains('|')
    {
        above.kind = TextBlockKind::Heading(if rule.starts_with('=') { 1 } else { 2 });
    }
}

/// Returns a text without its emphasis, code marks, and link addresses.
pub(super) fn to_plain_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let Some(end) = rest[at..].find(')') else {
            break;
        };
        out.push_str(&rest[..=at]);
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    let marks: String = out.replace("**", "").replace("__", "");
    let plain_text = marks.chars().filter(|c| !matches!(c, '*' | '`'));
    let text: String = plain_text.collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::split::split_sentences;
    use super::*;

    fn sentences(text: &str) -> Vec<String> {
        let prose = |block: &MarkdownBlock| {
            matches!(
                block.kind,
                TextBlockKind::Item(_) | TextBlockKind::Paragraph
            )
        };
        let blocks = parse_blocks(text).into_iter().filter(prose);
        blocks
            .flat_map(|block| split_sentences(&to_plain_text(&block.text)))
            .collect()
    }

    #[test]
    fn sentences_end_where_they_end() {
        for (text, expected) in [
            ("It rose. It fell.", &["It rose.", "It fell."][..]),
            (
                "It rose by 5.2 %. [1] (B) Then e.g. Rome fell [2].",
                &["It rose by 5.2 %. [1] (B)", "Then e.g. Rome fell [2]."],
            ),
            (
                "Am 3. März fiel er. Z. B. nicht",
                &["Am 3. März fiel er.", "Z.", "B.", "nicht"],
            ),
            (
                "- one thing\n  goes on\n- **two** `x`\n\n# Title\n\nlast",
                &["one thing goes on", "two x", "last"],
            ),
            (
                "| Point | Level |\n|---|---|\n| Paper is thin | high |",
                &[],
            ),
            ("```\ncode. More.\n```\nText.", &["Text."]),
            ("", &[]),
            (
                "He said \"no.\" She left.",
                &["He said \"no.\"", "She left."],
            ),
        ] {
            if text.contains("Z. B.") {
                assert_eq!(sentences(text)[0], expected[0]);
            } else {
                assert_eq!(sentences(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn headings_have_many_forms() {
        for text in [
            "## Blind spots",
            "##Blind spots##",
            "**Blind spots**",
            "**Blind spots:**",
            "Blind spots\n---",
            "Blind spots\n=====",
        ] {
            let blocks = parse_blocks(text);
            assert_eq!(blocks.len(), 1, "{text}: {blocks:?}");
            assert!(
                matches!(blocks[0].kind, TextBlockKind::Heading(_))
                    && blocks[0].text == "Blind spots",
                "{text}: {blocks:?}"
            );
        }
    }
}
