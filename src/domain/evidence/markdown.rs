//! Splits Markdown into blocks and sentences: headings in the forms that models use, list items, paragraphs, and
//! table rows. Code is left out. Accepts any text.

/// Blocks read from one text at most.
const MOST: usize = 1_000;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MarkdownBlock {
    pub kind: TextBlockKind,
    /// Without marks of its kind; emphasis is still in it.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextBlockKind {
    /// From 1; a line that is bold as a whole counts as 7.
    Heading(usize),
    /// How far it is indented.
    Item(usize),
    Paragraph,
    /// Of a table, the cells parted by `|`; the row above the rule is none.
    Row,
}

/// The blocks of a text in order.
pub(super) fn blocks(markdown: &str) -> Vec<MarkdownBlock> {
    let mut found: Vec<MarkdownBlock> = Vec::new();
    let (mut fenced, mut open) = (false, false);
    for line in markdown.lines() {
        let bare = line.trim();
        if bare.starts_with("```") || bare.starts_with("~~~") {
            fenced = !fenced;
            open = false;
            continue;
        }
        if fenced || bare.is_empty() {
            open = false;
            continue;
        }
        if found.len() == MOST {
            break;
        }
        if is_rule(bare) {
            underline(&mut found, bare, open);
            open = false;
            continue;
        }
        let block = block(line, bare);
        match (block.kind, found.last_mut()) {
            // A line without a mark continues the line above.
            (TextBlockKind::Paragraph, Some(above)) if open => {
                above.text.push(' ');
                above.text.push_str(&block.text);
            }
            (kind, _) => {
                open = matches!(kind, TextBlockKind::Item(_) | TextBlockKind::Paragraph);
                found.push(block);
            }
        }
    }
    found
}

fn block(line: &str, bare: &str) -> MarkdownBlock {
    let of = |kind, text: &str| MarkdownBlock {
        kind,
        text: text.trim().to_owned(),
    };
    let bare = bare.trim_start_matches("> ").trim();
    let level = bare.bytes().take_while(|&byte| byte == b'#').count();
    if (1..=6).contains(&level) {
        return of(
            TextBlockKind::Heading(level),
            bare[level..].trim_matches(['#', ' ', '*', ':']),
        );
    }
    if let Some(title) = bold_line(bare) {
        return of(TextBlockKind::Heading(7), title);
    }
    if bare.starts_with('|') && bare.len() > 1 {
        return of(TextBlockKind::Row, bare.trim_matches('|'));
    }
    match item(bare) {
        Some(text) => {
            let indent = line.len() - line.trim_start().len();
            of(TextBlockKind::Item(indent), text)
        }
        None => of(TextBlockKind::Paragraph, bare),
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

/// The text after a list item's marker.
pub(super) fn item(line: &str) -> Option<&str> {
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

// A rule below a row makes that row a table's head; below a lone line it makes a heading.
fn underline(found: &mut Vec<MarkdownBlock>, rule: &str, open: bool) {
    let Some(above) = found.last_mut() else {
        return;
    };
    if above.kind == TextBlockKind::Row && rule.contains('|') {
        found.pop();
    } else if open
        && above.kind == TextBlockKind::Paragraph
        && above.text.chars().count() <= 60
        && !rule.contains('|')
    {
        above.kind = TextBlockKind::Heading(if rule.starts_with('=') { 1 } else { 2 });
    }
}

/// A text without emphasis, code marks and links' addresses.
pub(super) fn plain(text: &str) -> String {
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
    let kept = marks.chars().filter(|c| !matches!(c, '*' | '`'));
    let text: String = kept.collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Abbreviations whose period does not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "e.g", "i.e", "vs", "approx", "ca", "no", "nr", "fig", "dr", "mr", "mrs", "ms", "st", "bzw",
    "inc", "ltd", "jan", "feb", "aug", "sept", "oct", "nov", "dec", "abs", "art", "evtl", "ggf",
    "mio", "mrd", "vgl", "eq", "sec", "p", "pp", "cf",
];

/// The sentences of a block without marks.
pub(super) fn split(text: &str) -> Vec<String> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let mut found = Vec::new();
    let mut start = 0;
    for (place, &(at, character)) in characters.iter().enumerate() {
        if !matches!(character, '.' | '!' | '?' | '…') || at < start {
            continue;
        }
        let mut after = at + character.len_utf8();
        // Quotation marks and brackets that close belong to the sentence.
        for &(_, next) in &characters[place + 1..] {
            if !matches!(next, '"' | '”' | '“' | '’' | '\'' | ')' | '«' | '»') {
                break;
            }
            after += next.len_utf8();
        }
        let Some(rest) = text.get(after..) else {
            continue;
        };
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            continue;
        }
        let is_bare = after == at + character.len_utf8();
        let after = after + marks(rest);
        let next = text[after..].trim_start().chars().next();
        let begins = next.is_none_or(|next| !next.is_lowercase());
        if !begins || (character == '.' && is_bare && is_abbreviated(&text[start..at])) {
            continue;
        }
        found.push(text[start..after].trim().to_owned());
        start = after;
    }
    found.push(text[start..].trim().to_owned());
    found.retain(|sentence| !sentence.is_empty());
    found
}

// Letters and citations after the period, as in "It rose. [1] (B)", belong to the sentence before them.
fn marks(rest: &str) -> usize {
    let mut end = 0;
    loop {
        let ahead = rest[end..].trim_start();
        let skipped = rest[end..].len() - ahead.len();
        let close = match ahead.chars().next() {
            Some('[') => ']',
            Some('(') => ')',
            _ => return end,
        };
        let Some(length) = ahead.find(close).filter(|&length| length <= 24) else {
            return end;
        };
        let next = ahead[length + 1..].trim_start().chars().next();
        if next.is_some_and(char::is_lowercase) {
            return end;
        }
        end += skipped + length + 1;
    }
}

fn is_abbreviated(before: &str) -> bool {
    let word = before
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"'))
        .next()
        .unwrap_or_default();
    let is_day = word.len() <= 2 && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let is_letter = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    // "in 3. März" and "z. B." continue the sentence; "is 12." before a capital may too, and is then joined to what follows.
    (is_day && before.len() > word.len() && is_ordinal_place(before, word))
        || is_letter && word.chars().all(char::is_lowercase)
        || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

// A number with a stop is an ordinal behind an article or a preposition of German.
fn is_ordinal_place(before: &str, word: &str) -> bool {
    let ahead = before[..before.len() - word.len()].trim_end();
    let last = ahead.rsplit(' ').next().unwrap_or_default();
    ["am", "der", "den", "dem", "zum", "vom", "die", "bis"].contains(&last.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<String> {
        let prose = |block: &MarkdownBlock| {
            matches!(
                block.kind,
                TextBlockKind::Item(_) | TextBlockKind::Paragraph
            )
        };
        let blocks = blocks(text).into_iter().filter(prose);
        blocks
            .flat_map(|block| split(&plain(&block.text)))
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
            let found = blocks(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(
                matches!(found[0].kind, TextBlockKind::Heading(_))
                    && found[0].text == "Blind spots",
                "{text}: {found:?}"
            );
        }
    }
}
