//! Renders Markdown for a terminal, line by line as it arrives: headings, emphasis, lists, code, quotations, and links.
//! Wraps lines at word boundaries, and removes every character that could control the terminal. Pure.

use super::text_width::{width, width_of};

/// Maximum width of a line, in columns, because wider lines are hard to read.
const MAX_COLUMNS: usize = 100;

const BOLD: &str = "\x1b[1m";
const ITALIC: &str = "\x1b[3m";
const DIM: &str = "\x1b[2m";
const CODE: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// A renderer of streamed Markdown.
pub(super) struct Markdown {
    width: usize,
    is_colored: bool,
    /// Text received after the last newline.
    rest: String,
    /// Whether the current line is in a code block.
    in_code: bool,
}

impl Markdown {
    /// Creates a renderer for a terminal of `width` columns. The width is clamped to 20 to 100 columns.
    pub(super) fn new(width: usize, is_colored: bool) -> Self {
        Self {
            width: width.clamp(20, MAX_COLUMNS),
            is_colored,
            rest: String::new(),
            in_code: false,
        }
    }

    /// Adds a piece of text and returns the rendered lines that it completes.
    pub(super) fn push(&mut self, piece: &str) -> String {
        self.rest.push_str(piece);
        let Some(end) = self.rest.rfind('\n') else {
            return String::new();
        };
        let unfinished_line = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, unfinished_line);
        lines.lines().map(|line| self.render_line(line)).collect()
    }

    /// Returns the last line, rendered, if the text did not end with a newline.
    pub(super) fn finish(&mut self) -> String {
        match std::mem::take(&mut self.rest) {
            rest if rest.is_empty() => rest,
            rest => self.render_line(&rest),
        }
    }

    fn render_line(&mut self, line: &str) -> String {
        let line = remove_control_characters(line);
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with("```") || text.starts_with("~~~") {
            self.in_code = !self.in_code;
            return String::new();
        }
        if self.in_code {
            return format!("    {}\n", self.styled(CODE, &line));
        }
        let hashes = text.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&hashes) && text[hashes..].starts_with(' ') {
            let title = text[hashes..].trim().trim_end_matches('#').trim_end();
            return self.wrap_text(title, "", "", Some(BOLD));
        }
        if text.len() >= 3 && ["-", "*", "_"].iter().any(|rule| consists_of(text, rule)) {
            return format!("{}\n", self.styled(DIM, &"─".repeat(self.width / 2)));
        }
        if text.starts_with('|') {
            return format!("{}\n", inline_html(&line, " "));
        }
        let padding = " ".repeat(indent.min(12));
        let text = &inline_html(text, "\n");
        if text.contains('\n') {
            let lines = text.split('\n');
            return lines
                .map(|part| self.render_line(&format!("{padding}{part}")))
                .collect();
        }
        for (mark, shown) in [("- [ ] ", "☐ "), ("- [x] ", "☑ "), ("- [X] ", "☑ ")] {
            if let Some(item) = text.strip_prefix(mark) {
                return self.wrap_text(
                    item,
                    &format!("{padding}{shown}"),
                    &format!("{padding}  "),
                    None,
                );
            }
        }
        if let Some(quoted) = text.strip_prefix('>') {
            let bar = format!("{padding}│ ");
            return self.wrap_text(quoted.trim_start(), &bar, &bar, None);
        }
        for bullet in ["- ", "* ", "+ "] {
            if let Some(item) = text.strip_prefix(bullet) {
                return self.wrap_text(
                    item,
                    &format!("{padding}• "),
                    &format!("{padding}  "),
                    None,
                );
            }
        }
        match list_number_length(text) {
            Some(mark) => {
                let hanging_indent = format!("{padding}{}", " ".repeat(mark));
                let first = format!("{padding}{}", &text[..mark]);
                self.wrap_text(&text[mark..], &first, &hanging_indent, None)
            }
            None => self.wrap_text(text, &padding, &padding, None),
        }
    }

    // Wraps text at word boundaries. Escape sequences count as zero columns wide.
    fn wrap_text(&self, text: &str, first: &str, other: &str, style: Option<&str>) -> String {
        let mut out = String::from(first);
        let mut column = width(first);
        let mut inline = InlineState::default();
        let start_style =
            |out: &mut String| out.push_str(style.filter(|_| self.is_colored).unwrap_or(""));
        start_style(&mut out);
        for (at, word) in text.split_whitespace().enumerate() {
            // Each word is a slice of `text`, so the pointers give its position.
            let end = word.as_ptr() as usize - text.as_ptr() as usize + word.len();
            let rendered_word = inline.render_word(word, &text[end..]);
            let length: usize = rendered_word
                .iter()
                .map(MarkdownPiece::width_in_columns)
                .sum();
            if at > 0 && column + 1 + length > self.width {
                out.push('\n');
                out.push_str(other);
                column = width(other);
            } else if at > 0 {
                out.push(' ');
                column += 1;
            }
            column += length;
            for piece in rendered_word {
                match piece {
                    MarkdownPiece::Text(character) => out.push(character),
                    MarkdownPiece::Style(code) if self.is_colored => {
                        out.push_str(code);
                        if code == RESET {
                            start_style(&mut out);
                        }
                    }
                    MarkdownPiece::Style(_) => {}
                }
            }
        }
        let is_styled = style.is_some() || !inline.is_closed();
        if self.is_colored && is_styled {
            out.push_str(RESET);
        }
        out + "\n"
    }

    fn styled(&self, style: &str, text: &str) -> String {
        match self.is_colored {
            true => format!("{style}{text}{RESET}"),
            false => text.to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
enum MarkdownPiece {
    Text(char),
    Style(&'static str),
}

impl MarkdownPiece {
    fn width_in_columns(&self) -> usize {
        match self {
            Self::Text(character) => width_of(*character),
            Self::Style(_) => 0,
        }
    }
}

/// The styles that are open at a position in a line.
#[derive(Default)]
struct InlineState {
    bold: bool,
    italic: bool,
    code: bool,
}

impl InlineState {
    fn is_closed(&self) -> bool {
        !self.bold && !self.italic && !self.code
    }

    // Renders a word without its delimiters. A single asterisk or underscore is a delimiter only at the edge of a word,
    // so `2*3` and `snake_case` contain no emphasis.
    fn render_word(&mut self, word: &str, line: &str) -> Vec<MarkdownPiece> {
        let mut out = Vec::new();
        let mut rest = word;
        while let Some(character) = rest.chars().next() {
            let char_before = word[..word.len() - rest.len()].chars().next_back();
            let after_mark = &rest[character.len_utf8()..];
            if self.is_emphasis(character, char_before, after_mark)
                && (self.italic || is_closed(character, after_mark) || is_closed(character, line))
            {
                self.italic = !self.italic;
                out.push(MarkdownPiece::Style(if self.italic {
                    ITALIC
                } else {
                    RESET
                }));
                if !self.italic && self.bold {
                    out.push(MarkdownPiece::Style(BOLD));
                }
                rest = &rest[1..];
                continue;
            }
            let doubled = rest.starts_with("**") || rest.starts_with("__");
            if !self.code && (rest.starts_with("***") || rest.starts_with("~~")) {
                // `***` starts or ends bold text. `~~` is dropped, and the text in it stays plain.
                let width = if rest.starts_with('*') { 3 } else { 2 };
                if width == 3 {
                    self.bold = !self.bold;
                    out.push(MarkdownPiece::Style(if self.bold { BOLD } else { RESET }));
                }
                rest = &rest[width..];
                continue;
            }
            if character == '`' {
                self.code = !self.code;
                out.push(MarkdownPiece::Style(if self.code { CODE } else { RESET }));
                rest = &rest[1..];
            } else if doubled && !self.code {
                self.bold = !self.bold;
                out.push(MarkdownPiece::Style(if self.bold { BOLD } else { RESET }));
                rest = &rest[2..];
            } else {
                out.push(MarkdownPiece::Text(character));
                rest = &rest[character.len_utf8()..];
            }
        }
        out
    }

    /// Returns whether a delimiter opens or closes emphasis. It opens emphasis at the start of a word and closes it at
    /// the end of a word.
    fn is_emphasis(&self, mark: char, before: Option<char>, after: &str) -> bool {
        if !matches!(mark, '*' | '_') || self.code || before == Some(mark) {
            return false;
        }
        let next = after.chars().next();
        if next == Some(mark) {
            return false;
        }
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        match self.italic {
            false => !is_word(before) && next.is_some_and(|c| !c.is_whitespace()),
            true => before.is_some() && !is_word(next),
        }
    }
}

/// Returns whether a text contains a closing delimiter, that is, one that follows a character other than whitespace.
fn is_closed(mark: char, text: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        text[..at]
            .chars()
            .next_back()
            .is_some_and(|c| !c.is_whitespace() && c != mark)
    })
}

/// Removes inline HTML tags from a text, replaces `<br>` with `line_break`, and decodes common entities. Leaves code
/// unchanged.
fn inline_html(text: &str, line_break: &str) -> String {
    const INLINE_TAGS: [&str; 6] = ["sub", "sup", "kbd", "b", "i", "u"];
    let parts = text.split('`').enumerate().map(|(place, part)| {
        if place % 2 == 1 || !part.contains(['<', '&']) {
            return part.to_owned();
        }
        let mut part = part
            .replace("<br>", line_break)
            .replace("<br/>", line_break);
        for tag in INLINE_TAGS {
            let (open_tag, close) = (format!("<{tag}>"), format!("</{tag}>"));
            if part.contains(&open_tag) && part.contains(&close) {
                let prefix = if tag == "sup" { "^" } else { "" };
                part = part.replace(&open_tag, prefix).replace(&close, "");
            }
        }
        ENTITIES
            .iter()
            .fold(part, |part, (name, shown)| part.replace(name, shown))
    });
    parts.collect::<Vec<_>>().join("`")
}

/// HTML entities that models write. The ampersand comes last, so that its result is not decoded again.
const ENTITIES: [(&str, &str); 10] = [
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&copy;", "©"),
    ("&mdash;", "—"),
    ("&ndash;", "–"),
    ("&hellip;", "…"),
    ("&times;", "×"),
    ("&amp;", "&"),
];

/// Returns the length, in bytes, of a list number such as `12. ` at the start of a line.
fn list_number_length(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[digits..];
    let is_mark = rest.starts_with(". ") || rest.starts_with(") ");
    ((1..=4).contains(&digits) && is_mark).then_some(digits + 2)
}

fn consists_of(text: &str, mark: &str) -> bool {
    text.trim_end().replace(mark, "").is_empty()
}

/// Removes characters that control a terminal or change the writing direction. Replaces tabs with spaces.
pub(super) fn remove_control_characters(text: &str) -> String {
    let text = text.replace('\t', "    ");
    let is_control_or_bidi =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !is_control_or_bidi(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_word(text: &str, is_colored: bool) -> String {
        let mut markdown = Markdown::new(30, is_colored);
        let first = markdown.push(text);
        first + &markdown.finish()
    }

    #[test]
    fn markdown_without_styles_is_plain_text() {
        for (text, expected) in [
            ("# A title #\n", "A title\n"),
            ("a **bold** `word`", "a bold word\n"),
            ("2*3 and snake_case", "2*3 and snake_case\n"),
            (
                "an *emphasized* word, _also so_.",
                "an emphasized word, also so.\n",
            ),
            ("*a note without an end", "*a note without an end\n"),
            ("2 * 3 * 4 and a*b*c", "2 * 3 * 4 and a*b*c\n"),
            ("- one\n  - two\n", "• one\n  • two\n"),
            ("1. first\n12) x", "1. first\n12) x\n"),
            ("> said", "│ said\n"),
            (
                "```rust\nlet a = **b;\n```\nafter",
                "    let a = **b;\nafter\n",
            ),
            ("---\n", "───────────────\n"),
            ("| a | b |\n", "| a | b |\n"),
            (
                "- a long line that has to be broken somewhere",
                "• a long line that has to be\n  broken somewhere\n",
            ),
            ("\n\n", "\n\n"),
            (
                "日本語日本語日本 日本語日本語日本",
                "日本語日本語日本\n日本語日本語日本\n",
            ),
            ("\x1b[2Jgone\u{202e}x", "[2Jgonex\n"),
        ] {
            assert_eq!(render_word(text, false), expected, "{text:?}");
        }
    }

    #[test]
    fn styles_are_closed() {
        for (text, expected) in [
            ("a **bold one** b", "a \x1b[1mbold one\x1b[0m b\n"),
            ("**open", "\x1b[1mopen\x1b[0m\n"),
            ("an *em* x", "an \x1b[3mem\x1b[0m x\n"),
            ("`x`", "\x1b[36mx\x1b[0m\n"),
            ("# t", "\x1b[1mt\x1b[0m\n"),
        ] {
            assert_eq!(render_word(text, true), expected, "{text:?}");
        }
    }

    #[test]
    fn piece_sizes_do_not_change_the_output() {
        let text = "# T\n\nA **b** c\n- d\n```\nx\n```\nend";
        let rendered_whole = render_word(text, true);
        let mut markdown = Markdown::new(30, true);
        let mut pieces: String = text
            .chars()
            .map(|c| markdown.push(&c.to_string()))
            .collect();
        pieces += &markdown.finish();
        assert_eq!(pieces, rendered_whole);
    }

    #[test]
    fn terminals_show_the_cases_of_all_renderers() {
        let cases = include_str!("../../tests/data/markdown/cases.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(cases).unwrap();
        let mut count = 0;
        for case in cases {
            let Some(expected) = case["terminal"].as_str() else {
                continue;
            };
            count += 1;
            let mut markdown = Markdown::new(80, false);
            let text = markdown.push(case["markdown"].as_str().unwrap()) + &markdown.finish();
            assert_eq!(text.trim_end(), expected, "{}", case["about"]);
        }
        assert!(count > 10, "{count}");
    }
}
