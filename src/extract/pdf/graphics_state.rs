//! The part of a PDF's graphics state that positions text (ISO 32000-1, 8.4 and 9.3).

use std::rc::Rc;

use super::font::Font;
use super::matrix::Matrix;

/// State while a content stream is interpreted.
#[derive(Clone)]
pub struct GraphicsState {
    /// Transformation from positions to the page.
    pub map: Matrix,
    /// Transformation of text positions.
    pub text: Matrix,
    /// Transformation of text positions at the start of the line.
    pub line: Matrix,
    /// The font.
    pub font: Option<Rc<Font>>,
    /// Font size.
    pub size: f64,
    /// Character spacing.
    pub spacing: f64,
    /// Word spacing: additional space after each space character.
    pub word_spacing: f64,
    /// Horizontal scaling; 1 is none.
    pub stretch: f64,
    /// Leading: the distance between lines.
    pub leading: f64,
    /// Text rise above the line.
    pub rise: f64,
    /// Whether the text is drawn invisibly: rendering mode 3 (ISO 32000-1, 9.3.6).
    pub is_invisible: bool,
}

impl GraphicsState {
    /// Returns the state at the start of a page or a form.
    pub fn new(map: Matrix) -> Self {
        Self {
            map,
            text: Matrix::IDENTITY,
            line: Matrix::IDENTITY,
            font: None,
            size: 0.0,
            spacing: 0.0,
            word_spacing: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
            is_invisible: false,
        }
    }

    /// Moves to a line that starts at this distance from the start of the current one.
    pub fn next_line(&mut self, x: f64, y: f64) {
        let line = Matrix::translation(x, y).then(self.line);
        if line.is_sane() {
            (self.text, self.line) = (line, line);
        }
    }

    /// Moves along the line.
    pub fn advance(&mut self, length: f64) {
        let moved = match &self.font {
            Some(font) if font.vertical => Matrix::translation(0.0, length),
            _ => Matrix::translation(length * self.stretch, 0.0),
        };
        let text = moved.then(self.text);
        if text.is_sane() {
            self.text = text;
        }
    }
}
