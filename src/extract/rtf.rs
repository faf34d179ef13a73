//! RTF: text in the code pages of its fonts, headings by outline level, tables by row, footnotes after their paragraph,
//! and at the end any headers and footers that appear nowhere else. Omits images, embedded objects, and hidden or
//! deleted text, with a note, as well as field codes.

use std::collections::HashMap;

use encoding_rs::Encoding;

use super::office::{BodyText, HeaderFooterLines, ParagraphRole};
use super::output::{Output, OutputFull};
use super::raised::{RunBuffer, RunStyle, Script};
use super::rtf_encodings::{encoding_of_charset, encoding_of_code_page};
use super::rtf_omitted::RtfOmitted;
use super::{FileInput, Unreadable};

/// Maximum depth of nested groups.
const MAX_DEPTH: usize = 2_000;
/// Maximum size of one paragraph, in bytes.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;
/// Maximum size of a header or footer, in bytes.
const MAX_HEADER_OR_FOOTER_BYTES: usize = 4 << 10;
/// Groups whose content is not part of the document text.
const SKIPPED_GROUPS: &[&str] = &[
    "colortbl",
    "stylesheet",
    "info",
    "fldinst",
    "sp",
    "xe",
    "tc",
    "nonesttables",
    "filetbl",
    "revtbl",
    "atnid",
    "atnauthor",
];

/// Reads an RTF file.
///
/// # Errors
/// Never fails: a file without readable text has no pages. The signature matches the other readers'.
pub(super) fn read(input: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    let mut rtf = Rtf {
        body: BodyText::new(out, true),
        state: RtfState::default(),
        outer_states: Vec::new(),
        bytes: Vec::new(),
        text: String::new(),
        runs: RunBuffer::default(),
        headers_and_footers: HeaderFooterLines::default(),
        header_or_footer_text: String::new(),
        omitted: RtfOmitted::default(),
        row: Vec::new(),
        cell: String::new(),
        in_table: false,
        font_encodings: HashMap::new(),
        code_page: encoding_rs::WINDOWS_1252,
        pending_fallback: 0,
        high_surrogate: None,
        notes: 0,
    };
    // If the output is full, the text so far has been passed on.
    let _: Result<(), OutputFull> = rtf.walk(input.bytes);
    let omitted = rtf.omitted;
    omitted.report(out);
    Ok(())
}

#[derive(Clone, Default)]
struct RtfState {
    is_skipped: bool,
    is_hidden: bool,
    in_font_table: bool,
    font: i32,
    /// Number of characters to skip after `\u`, because they repeat its character for programs without Unicode support.
    fallback_chars: Option<usize>,
    outline: Option<usize>,
    note: Option<usize>,
    /// Whether the note is a comment, which has no reference mark in the text.
    is_comment: bool,
    /// Start of a list item's number or bullet in the paragraph's text.
    mark_start: Option<usize>,
    /// Whether the group contains the same text twice: in a version for old programs, which is skipped, and in Unicode.
    is_duplicated: bool,
    style: RunStyle,
    /// The kind of header or footer to which the text belongs; `None` for the document text.
    header_or_footer_kind: Option<&'static str>,
}

struct Rtf<'o, 's> {
    body: BodyText<'o, 's>,
    state: RtfState,
    outer_states: Vec<RtfState>,
    bytes: Vec<u8>,
    text: String,
    runs: RunBuffer,
    headers_and_footers: HeaderFooterLines,
    header_or_footer_text: String,
    omitted: RtfOmitted,
    row: Vec<String>,
    cell: String,
    in_table: bool,
    font_encodings: HashMap<i32, &'static Encoding>,
    code_page: &'static Encoding,
    pending_fallback: usize,
    high_surrogate: Option<u32>,
    notes: usize,
}

impl Rtf<'_, '_> {
    fn walk(&mut self, input: &[u8]) -> Result<(), OutputFull> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            at += 1;
            match byte {
                b'{' => {
                    self.flush();
                    if self.outer_states.len() >= MAX_DEPTH {
                        break;
                    }
                    self.outer_states.push(self.state.clone());
                    self.pending_fallback = 0;
                }
                b'}' => self.close(),
                b'\\' => at = self.read_control(input, at)?,
                b'\r' | b'\n' => {}
                _ => self.push_byte(byte),
            }
        }
        self.state = RtfState::default();
        self.end_paragraph()?;
        if !self.row.is_empty() || !self.cell.is_empty() {
            // A row that the file does not end still counts as a row.
            self.end_cell();
            self.end_row()?;
        }
        if std::mem::take(&mut self.in_table) {
            self.body.close_table()?;
        }
        for line in self.headers_and_footers.take_labeled_lines() {
            self.body.paragraph(&line, &ParagraphRole::Plain)?;
        }
        self.body.finish()
    }

    fn close(&mut self) {
        self.flush();
        let Some(outer_state) = self.outer_states.pop() else {
            return;
        };
        if let (Some(kind), None) = (
            self.state.header_or_footer_kind,
            outer_state.header_or_footer_kind,
        ) {
            self.headers_and_footers
                .add_line(&std::mem::take(&mut self.header_or_footer_text), kind);
        }
        self.runs.flush(&mut self.text);
        if let (Some(start), None) = (self.state.note, outer_state.note) {
            let start = self.text.floor_char_boundary(start.min(self.text.len()));
            let words = self.text.split_off(start);
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            if self.state.is_comment {
                self.body.add_footnote(format!("[comment: {words}]"));
            } else {
                self.notes += 1;
                let number = self.notes;
                self.text.push_str(&format!("[^{number}]"));
                self.body.add_footnote(format!("[^{number}]: {words}"));
            }
        }
        if let (Some(start), None) = (self.state.mark_start, outer_state.mark_start) {
            let start = self.text.floor_char_boundary(start.min(self.text.len()));
            let mark = self.text.split_off(start);
            // Bullets are stored as characters of a symbol font.
            match mark.trim() {
                mark if mark.contains(char::is_alphanumeric) => self.text += &format!("{mark} "),
                _ => self.text.push_str("- "),
            }
        }
        // A paragraph's role outlives the group that sets it.
        let outline = self.state.outline;
        self.state = outer_state;
        self.state.outline = outline;
        self.pending_fallback = 0;
    }

    fn push_byte(&mut self, byte: u8) {
        if self.pending_fallback > 0 {
            self.pending_fallback -= 1;
        } else if !self.state.is_skipped && self.bytes.len() < MAX_PARAGRAPH_BYTES {
            self.bytes.push(byte);
        }
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let encoding = self
                .font_encodings
                .get(&self.state.font)
                .copied()
                .unwrap_or(self.code_page);
            let text = encoding.decode_without_bom_handling(&bytes).0;
            self.push_text(&text);
        }
    }

    fn push_text(&mut self, text: &str) {
        if self.state.is_skipped || self.text.len() >= MAX_PARAGRAPH_BYTES {
            return;
        }
        if self.state.is_hidden {
            self.omitted.hidden_count += usize::from(!text.trim().is_empty());
        } else if self.state.header_or_footer_kind.is_some() {
            if self.header_or_footer_text.len() < MAX_HEADER_OR_FOOTER_BYTES {
                self.header_or_footer_text.push_str(text);
            }
        } else {
            self.runs.write(self.state.style, text, &mut self.text);
        }
    }

    /// Handles a control word or symbol, and returns the offset after it.
    fn read_control(&mut self, input: &[u8], at: usize) -> Result<usize, OutputFull> {
        let rest = &input[at..];
        let Some(&first) = rest.first() else {
            return Ok(at);
        };
        if !first.is_ascii_alphabetic() {
            return self.read_symbol(first, rest, at);
        }
        let length = rest
            .iter()
            .take(32)
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let word = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let digits = &rest[length..];
        let sign_length = usize::from(digits.first() == Some(&b'-'));
        let count = digits[sign_length..]
            .iter()
            .take(10)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let number = std::str::from_utf8(&digits[..sign_length + count])
            .ok()
            .and_then(|n| n.parse::<i32>().ok());
        let mut end = at + length + if count > 0 { sign_length + count } else { 0 };
        if input.get(end) == Some(&b' ') {
            end += 1;
        }
        if word == "bin" {
            let skipped = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
            return Ok(end.saturating_add(skipped).min(input.len()));
        }
        self.flush();
        if self.pending_fallback > 0 && word != "u" {
            self.pending_fallback -= 1;
            return Ok(end);
        }
        self.apply_word(word, number)?;
        Ok(end)
    }

    fn read_symbol(&mut self, sign: u8, rest: &[u8], at: usize) -> Result<usize, OutputFull> {
        match sign {
            b'\'' => {
                let digit =
                    |index: usize| rest.get(index).and_then(|b| char::from(*b).to_digit(16));
                if let (Some(high), Some(low)) = (digit(1), digit(2)) {
                    self.push_byte((high * 16 + low) as u8);
                    return Ok(at + 3);
                }
            }
            b'*' => {
                // Destinations that contain text, including the text boxes of old programs (`do`).
                let destinations: [&[u8]; 5] =
                    [b"shpinst", b"footnote", b"annotation", b"ud", b"do"];
                let word = rest.get(2..).unwrap_or_default();
                let length = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                self.state.is_skipped |= !destinations.contains(&&word[..length]);
            }
            b'~' => self.push_byte(b' '),
            b'_' => self.push_byte(b'-'),
            b'\r' | b'\n' => {
                self.flush();
                self.end_paragraph()?;
            }
            b'\\' | b'{' | b'}' => self.push_byte(sign),
            _ => {}
        }
        Ok(at + 1)
    }

    fn apply_word(&mut self, word: &str, number: Option<i32>) -> Result<(), OutputFull> {
        let is_on = number != Some(0);
        match word {
            "par" | "sect" => self.end_paragraph()?,
            "page" => {
                self.end_paragraph()?;
                self.body.break_page(false)?;
            }
            "line" => self.push_text("\n"),
            "tab" => self.push_text("\t"),
            "emdash" => self.push_text("—"),
            "endash" => self.push_text("–"),
            "bullet" => self.push_text("•"),
            "lquote" => self.push_text("‘"),
            "rquote" => self.push_text("’"),
            "ldblquote" => self.push_text("“"),
            "rdblquote" => self.push_text("”"),
            "emspace" | "enspace" => self.push_text(" "),
            "u" => self.push_code_point(number.unwrap_or(0)),
            "uc" => self.state.fallback_chars = usize::try_from(number.unwrap_or(1)).ok(),
            "v" | "deleted" => self.state.is_hidden = is_on,
            "plain" => (self.state.is_hidden, self.state.style) = (false, RunStyle::default()),
            "super" | "sub" | "nosupersub" | "up" | "dn" | "strike" | "strikedl" => {
                self.apply_style(word, number);
            }
            "header" | "headerl" | "headerr" | "headerf" => {
                self.state.header_or_footer_kind = Some("header")
            }
            "footer" | "footerl" | "footerr" | "footerf" => {
                self.state.header_or_footer_kind = Some("footer")
            }
            "pict" | "object" => {
                let is_object = word == "object";
                self.omitted.picture_count += usize::from(!is_object && !self.state.is_skipped);
                self.omitted.object_count += usize::from(is_object && !self.state.is_skipped);
                self.state.is_skipped = true;
            }
            "pard" => self.state.outline = None,
            "outlinelevel" => {
                let level = number.and_then(|level| usize::try_from(level).ok());
                self.state.outline = level.filter(|level| *level < 9);
            }
            "cell" | "nestcell" => self.end_cell(),
            "row" => self.end_row()?,
            "footnote" | "annotation" if !self.state.is_skipped => {
                self.runs.flush(&mut self.text);
                self.state.style = RunStyle::default();
                self.state.note = Some(self.text.len());
                self.state.is_comment = word == "annotation";
                self.state.outline = None;
            }
            "listtext" | "pntext" if !self.state.is_skipped => {
                self.runs.flush(&mut self.text);
                self.state.mark_start = Some(self.text.len());
            }
            "upr" if !self.state.is_skipped => {
                (self.state.is_duplicated, self.state.is_skipped) = (true, true)
            }
            "ud" if self.state.is_duplicated => self.state.is_skipped = false,
            // Counts check boxes and lists (types 1 and 2). The text of other fields is part of the document.
            "fftype" => self.omitted.field_count += usize::from(number.unwrap_or(0) > 0),
            "mmath" => self.omitted.formula_count += usize::from(!self.state.is_skipped),
            "fonttbl" => (self.state.in_font_table, self.state.is_skipped) = (true, true),
            "f" | "deff" => self.state.font = number.unwrap_or(0),
            "fcharset" if self.state.in_font_table => {
                let encoding = encoding_of_charset(number.unwrap_or(0));
                if self.font_encodings.len() < 10_000 {
                    encoding.map(|encoding| self.font_encodings.insert(self.state.font, encoding));
                }
            }
            "ansicpg" => {
                self.code_page =
                    encoding_of_code_page(number.unwrap_or(0)).unwrap_or(self.code_page)
            }
            "mac" => self.code_page = encoding_rs::MACINTOSH,
            _ if SKIPPED_GROUPS.contains(&word) => self.state.is_skipped = true,
            _ => {}
        }
        Ok(())
    }

    fn apply_style(&mut self, word: &str, number: Option<i32>) {
        let is_on = number != Some(0);
        let style = &mut self.state.style;
        match word {
            "strike" | "strikedl" => style.struck = is_on,
            "super" | "up" if is_on => style.script = Some(Script::Superscript),
            "sub" | "dn" if is_on => style.script = Some(Script::Subscript),
            _ => style.script = None,
        }
    }

    fn push_code_point(&mut self, number: i32) {
        self.pending_fallback = self.state.fallback_chars.unwrap_or(1);
        let unit = (number & 0xFFFF) as u32;
        let code = match (self.high_surrogate.take(), unit) {
            (_, 0xD800..=0xDBFF) => {
                self.high_surrogate = Some(unit);
                return;
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00),
            _ => unit,
        };
        if let Some(character) = char::from_u32(code).filter(|c| !c.is_control()) {
            self.push_text(character.encode_utf8(&mut [0; 4]));
        }
    }

    fn end_cell(&mut self) {
        if self.state.is_skipped || self.row.len() > 4_096 {
            return;
        }
        self.runs.flush(&mut self.text);
        let text = std::mem::take(&mut self.text);
        self.headers_and_footers.remove_repeated(&text);
        self.cell.push_str(text.trim());
        self.row.push(std::mem::take(&mut self.cell));
    }

    fn end_row(&mut self) -> Result<(), OutputFull> {
        if self.state.is_skipped {
            return Ok(());
        }
        if !self.in_table {
            self.body.open_table(false);
            self.in_table = true;
        }
        self.body.open_row(false);
        for cell in std::mem::take(&mut self.row) {
            self.body.open_cell();
            self.body.paragraph(&cell, &ParagraphRole::Plain)?;
            self.body.close_cell(super::office::TableCell::default());
        }
        self.body.close_row()
    }

    fn end_paragraph(&mut self) -> Result<(), OutputFull> {
        self.flush();
        if self.state.is_skipped {
            return Ok(());
        }
        if self.state.header_or_footer_kind.is_some() {
            self.header_or_footer_text.push(' ');
            return Ok(());
        }
        self.runs.flush(&mut self.text);
        if self.state.note.is_some() {
            self.text.push(' ');
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        if !self.row.is_empty() {
            // Inside a row, the paragraph is another line of the open cell.
            self.cell.push_str(text.trim());
            self.cell.push('\n');
            return Ok(());
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        self.headers_and_footers.remove_repeated(&text);
        if std::mem::take(&mut self.in_table) {
            self.body.close_table()?;
        }
        let role = self.state.outline.map_or(ParagraphRole::Plain, |level| {
            ParagraphRole::Heading(level + 1)
        });
        self.body.paragraph(&text, &role)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use crate::extract::ReadLimits;

    #[test]
    fn visible_text_is_read_and_the_rest_omitted() {
        for (body, expected) in [
            (r"one\par two {\b bold}\par", "one\n\ntwo bold"),
            (
                r"Gr\'fc\'dfe \u8364 ?\uc0\u-10179\u-8704 \{x\}",
                "Grüße €😀{x}",
            ),
            (
                r"10{\super 3} and 20{\up6 1}, H{\sub 2}O, {\strike 100} 90",
                "10^3 and 20^1, H2O, ~~100~~ 90",
            ),
            (r"\trowd one\cell two\cell", "one | two"),
            (
                r"{\header Ref 4711/B\par}{\footer Page 3\par}Body\par",
                "Body\n\n[header: Ref 4711/B]",
            ),
        ] {
            let rtf = format!("{{\\rtf1\\ansi\\ansicpg1252 {body}}}");
            let (report, pages) = read(rtf.as_bytes(), "a", &ReadLimits::default()).expect(body);
            assert_eq!(
                (report.kind, pages[0].text.as_str()),
                ("rtf", expected),
                "{body}"
            );
        }
    }
}
