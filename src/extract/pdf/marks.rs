//! Marked content whose text the file gives in another way than by its characters (`ActualText`).

use hayro_syntax::content::Instruction;
use hayro_syntax::object::{Dict, Object, String as Bytes};
use hayro_syntax::page::Resources;

use super::canvas::{Glyph, PageCanvas};
use super::operands::words;
use super::script::letters;

/// Marks within marks.
const DEEPEST: usize = 512;

/// Marked content whose text the file gives in another way than by its characters.
#[derive(Default)]
pub struct MarkedContent {
    open: Vec<Option<(String, usize)>>,
}

impl MarkedContent {
    /// A mark begins, with the text that it gives.
    pub fn open(&mut self, text: Option<String>, canvas: &PageCanvas<'_>) {
        if self.open.len() < DEEPEST {
            self.open.push(text.map(|text| (text, canvas.glyphs.len())));
        }
    }

    /// The first character of what was drawn takes the text, the others are left out.
    pub fn close(&mut self, canvas: &mut PageCanvas<'_>) {
        let Some(Some((text, from))) = self.open.pop() else {
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
            first.along.0 = last.x + last.along.0 - first.x;
        }
        first.text = letters(&text);
        if first.text.is_empty() {
            canvas.glyphs.pop();
        }
    }
}

/// `ActualText` of short pieces: a whole paragraph's has lost where its words stand.
pub fn replacement(instruction: &Instruction<'_, '_>, resources: &Resources<'_>) -> Option<String> {
    let mut operands = instruction.operands();
    operands.next()?;
    let dict = match operands.next()? {
        Object::Dict(dict) => dict.clone(),
        Object::Name(name) => resources.properties.get::<Dict<'_>>(name)?,
        _ => return None,
    };
    let text = dict.get::<Bytes<'_>>("ActualText")?;
    let text = words(text.as_bytes());
    (text.chars().count() <= 32).then_some(text)
}
