//! Superscript, subscript, and struck-out text on a web page, and note references.

use crate::extract::markup::attribute;
use crate::extract::raised;

/// Maximum number of open elements to track.
const MAX_OPEN: usize = 64;

/// How an element changes its text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MarkEffect {
    None,
    Superscript,
    Subscript,
    Struck,
    Note,
}

struct UnclosedMark {
    name: String,
    effect: MarkEffect,
    start: usize,
    /// Whether the element directly contains, or is directly contained in, a link.
    has_link: bool,
}

/// Open elements whose text is superscript, subscript, struck out, or a note reference.
#[derive(Default)]
pub struct InlineMarks {
    open_marks: Vec<UnclosedMark>,
}

impl InlineMarks {
    /// Opens an element whose text starts at this offset of the page's text.
    pub fn open(&mut self, name: &str, attributes: &str, start: usize) {
        if self.open_marks.len() >= MAX_OPEN {
            return;
        }
        let effect = match name {
            "sup" if is_reference(attributes) => MarkEffect::Note,
            "sup" => MarkEffect::Superscript,
            "sub" => MarkEffect::Subscript,
            "s" | "strike" => MarkEffect::Struck,
            "a" if is_reference(attributes) => MarkEffect::Note,
            "span" => effect_of_style(attributes),
            _ => MarkEffect::None,
        };
        if name == "a" {
            for outer in self
                .open_marks
                .iter_mut()
                .filter(|outer| outer.start == start)
            {
                outer.has_link = true;
            }
        }
        // Superscript text directly inside a link is also a note reference.
        let has_link = name != "a"
            && self
                .open_marks
                .iter()
                .any(|outer| outer.name == "a" && outer.start == start);
        self.open_marks.push(UnclosedMark {
            name: name.to_owned(),
            effect,
            start,
            has_link,
        });
    }

    /// Closes an element. Rewrites its text in `out` if it is superscript, subscript, struck out, or a note reference.
    pub fn close(&mut self, name: &str, out: &mut String) {
        let Some(at) = self.open_marks.iter().rposition(|mark| mark.name == name) else {
            return;
        };
        let UnclosedMark {
            effect,
            start,
            has_link,
            ..
        } = self.open_marks.remove(at);
        // The end of a table row may have shortened the text, so the offset may no longer exist.
        let Some(text) = out.get(start..).filter(|text| !text.trim().contains('\n')) else {
            return;
        };
        if effect == MarkEffect::None || text.trim().is_empty() || text.contains(" | ") {
            return;
        }
        let indent = text.len() - text.trim_start().len();
        let (before, text) = (&out[..start + indent], &text[indent..]);
        let is_inside = self
            .open_marks
            .iter()
            .any(|outer| outer.effect == MarkEffect::Note);
        let written_text = match effect {
            _ if is_inside => text.to_owned(),
            MarkEffect::Note if text.starts_with('[') || text.contains(' ') => text.to_owned(),
            MarkEffect::Note => raised::superscript(before, text, true),
            MarkEffect::Superscript => raised::superscript(before, text, has_link),
            MarkEffect::Subscript => raised::subscript(before, text),
            MarkEffect::Struck => raised::mark_strikethrough(text),
            MarkEffect::None => text.to_owned(),
        };
        out.truncate(start + indent);
        out.push_str(&written_text);
    }
}

/// Returns whether the element's attributes declare it a note reference.
fn is_reference(attributes: &str) -> bool {
    let attribute_contains = |name: &str, words: &[&str]| {
        attribute(attributes, name).is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            words.iter().any(|word| value.contains(word))
        })
    };
    attribute_contains("epub:type", &["noteref"])
        || attribute_contains("role", &["doc-noteref"])
        || attribute_contains(
            "class",
            &["noteref", "footnote-ref", "fnref", "footnoteref"],
        )
}

fn effect_of_style(attributes: &str) -> MarkEffect {
    let style = attribute(attributes, "style").unwrap_or_default();
    let style = style.replace(' ', "").to_ascii_lowercase();
    if style.contains("vertical-align:super") {
        MarkEffect::Superscript
    } else if style.contains("vertical-align:sub") {
        MarkEffect::Subscript
    } else if style.contains("text-decoration:line-through") {
        MarkEffect::Struck
    } else {
        MarkEffect::None
    }
}
