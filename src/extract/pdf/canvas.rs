//! What a page draws: glyphs, rules, and pictures, in the order in which they are drawn.

use hayro_syntax::object::Stream;

/// A character on the page, in points from the page's lower left corner.
#[derive(Debug, Clone)]
pub struct Glyph {
    /// What it says; never empty.
    pub text: String,
    /// Where it begins on its line.
    pub x: f64,
    /// Its line.
    pub y: f64,
    /// The way to where it ends.
    pub along: (f64, f64),
    /// Height of its font.
    pub size: f64,
}

/// What a page shows.
#[derive(Default)]
pub struct PageCanvas<'a> {
    /// In the order in which they are drawn.
    pub glyphs: Vec<Glyph>,
    /// Characters without a text, other than blanks.
    pub unnamed: usize,
    /// Share of the page that pictures cover, and the largest of them.
    pub covered: f64,
    pub largest: Option<(f64, Stream<'a>)>,
    /// Something was left out because there was too much.
    pub cut: bool,
}
