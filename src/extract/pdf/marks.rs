//! Marked content with replacement text (`ActualText`).

use hayro_syntax::content::Instruction;
use hayro_syntax::object::{Dict, Object, String as Bytes};
use hayro_syntax::page::Resources;

use super::canvas::{Glyph, PageCanvas};
use super::operands::decode_text;
use super::script::letters;

/// Maximum depth of nested marked content.
const MAX_DEPTH: usize = 512;

/// The open marked content and its replacement texts.
#[derive(Default)]
pub struct MarkedContent {
    open_marks: Vec<Option<(String, usize)>>,
}

impl MarkedContent {
    /// Opens marked content, with its replacement text if it has one.
    pub fn open(&mut self, text: Option<String>, canvas: &PageCanvas<'_>) {
        if self.open_marks.len() < MAX_DEPTH {
            self.open_marks
                .push(text.map(|text| (text, canvas.glyphs.len())));
        }
    }

    /// Closes marked content: its first character gets the replacement text, and the others are removed.
    pub fn close(&mut self, canvas: &mut PageCanvas<'_>) {
        let Some(Some((text, from))) = self.open_marks.pop() else {
            return;
        };
        let Some(last) = canvas.glyphs.get(from..).and_then(<[Glyph]>::last).cloned() else {
            return;
        };
        canvas.glyphs.truncate(from + 1);
        let Some(first) = canvas.glyphs.get_mut(from) else {
            return;
        };
        if (first.y - last.y).abs() < 0.5 * first.size {
            first.advance.0 = last.x + last.advance.0 - first.x;
        }
        first.text = letters(&text);
        if first.text.is_empty() {
            canvas.glyphs.pop();
        }
    }
}

/// Returns the `ActualText` of marked content, if it is short. The text of a whole paragraph would lose the positions
/// of its words.
pub fn replacement(instruction: &Instruction<'_, '_>, resources: &Resources<'_>) -> Option<String> {
    let mut operands = instruction.operands();
    operands.next()?;
    let dict = match operands.next()? {
        Object::Dict(dict) => dict.clone(),
        Object::Name(name) => resources.properties.get::<Dict<'_>>(name)?,
        _ => return None,
    };
    let text = dict.get::<Bytes<'_>>("ActualText")?;
    let text = decode_text(text.as_bytes());
    (text.chars().count() <= 32).then_some(text)
}
