//! The part of a PDF's graphics state that determines where text is and whether it can be seen (ISO 32000-1, 8.4 and
//! 9.3).

use std::rc::Rc;

use super::font::Font;
use super::matrix::Matrix;

/// The graphics state while a content stream is interpreted.
#[derive(Clone)]
pub struct GraphicsState {
    /// Current transformation matrix: from the content's coordinates to the page's.
    pub map: Matrix,
    /// Transformation of text positions.
    pub text: Matrix,
    /// Transformation of text positions at the start of the line.
    pub line: Matrix,
    /// Current font; `None` until the content stream selects one.
    pub font: Option<Rc<Font>>,
    /// Font size as set by the content stream (`Tf`).
    pub size: f64,
    /// Character spacing: additional space after each character.
    pub spacing: f64,
    /// Word spacing: additional space after each space character.
    pub word_spacing: f64,
    /// Horizontal scaling, as a factor; 1 leaves text unchanged.
    pub horizontal_scale: f64,
    /// Leading: the distance between lines.
    pub leading: f64,
    /// Text rise above the line.
    pub rise: f64,
    /// Whether the text is drawn invisibly: rendering mode 3 (ISO 32000-1, 9.3.6).
    pub is_invisible: bool,
    /// Whether text is filled, and neither outlined nor used as a clip: rendering mode 0.
    pub is_filled: bool,
    /// Color of filled shapes and text.
    pub fill_color: FillColor,
    /// Bounds of the clipping area; `None` if there is no clip.
    pub clip: Option<[f64; 4]>,
    /// Whether the clipping area is a rectangle, so that it equals its bounds.
    pub clip_is_box: bool,
    /// Opacity of fills, 0 to 1.
    pub alpha: f64,
    /// Whether colors are blended with the content below.
    pub is_blended: bool,
    /// Whether a mask makes part of the content transparent.
    pub is_masked: bool,
    /// Whether the content is inside a form that is painted with transparency.
    pub is_in_transparent_form: bool,
}

/// A fill color, to the extent that it affects legibility.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FillColor {
    /// White, which is invisible on an empty page.
    White,
    /// Any other single color.
    Other,
    /// A pattern, or a color that is not tracked.
    Unknown,
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
            horizontal_scale: 1.0,
            leading: 0.0,
            rise: 0.0,
            is_invisible: false,
            is_filled: true,
            fill_color: FillColor::Other,
            clip: None,
            clip_is_box: true,
            alpha: 1.0,
            is_blended: false,
            is_masked: false,
            is_in_transparent_form: false,
        }
    }

    /// Returns whether fills completely hide the content below.
    pub fn paints_opaquely(&self) -> bool {
        self.fill_color != FillColor::Unknown && !self.is_transparent()
    }

    /// Returns whether fills let the content below show through.
    pub fn is_transparent(&self) -> bool {
        self.alpha < 1.0 || self.is_blended || self.is_masked || self.is_in_transparent_form
    }

    /// Starts a new line of text at this offset from the start of the current line.
    pub fn next_line(&mut self, x: f64, y: f64) {
        let line = Matrix::translation(x, y).then(self.line);
        if line.is_usable() {
            (self.text, self.line) = (line, line);
        }
    }

    /// Moves the text position by `length` along the line.
    pub fn advance(&mut self, length: f64) {
        let moved = match &self.font {
            Some(font) if font.vertical => Matrix::translation(0.0, length),
            _ => Matrix::translation(length * self.horizontal_scale, 0.0),
        };
        let text = moved.then(self.text);
        if text.is_usable() {
            self.text = text;
        }
    }
}
