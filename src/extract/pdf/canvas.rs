//! The content drawn on a page: glyphs and images, in drawing order.

use hayro_syntax::object::Stream;

/// A character on the page, in points from the page's lower left corner.
#[derive(Debug, Clone)]
pub struct Glyph {
    /// The character's text; never empty.
    pub text: String,
    /// Horizontal position of the origin.
    pub x: f64,
    /// Vertical position of the baseline.
    pub y: f64,
    /// Vector from the origin to the end of the character.
    pub advance: (f64, f64),
    /// Font size in points.
    pub size: f64,
    /// Whether the text state raises or lowers the character relative to its line.
    pub is_raised: bool,
    /// Whether the character is filled with white.
    pub is_white: bool,
}

/// The content of a page.
#[derive(Default)]
pub struct PageCanvas<'a> {
    /// The glyphs in drawing order.
    pub glyphs: Vec<Glyph>,
    /// Glyphs that are drawn invisibly, such as the text layer over a scan.
    pub invisible: Vec<Glyph>,
    /// Number of omitted characters and annotations that viewers do not show.
    pub hidden_count: usize,
    /// Number of omitted characters that are covered by boxes.
    pub covered_count: usize,
    /// Whether passages are marked for redaction but can still be read.
    pub has_redactions: bool,
    /// Measures of a drawing on the page: its number of slanted lines and curves, and the number of grid cells that it
    /// touches.
    pub drawing: Option<(usize, u32)>,
    /// Readers' comments, which have no position in the text.
    pub notes: Vec<String>,
    /// Whether content in hidden layers was omitted.
    pub has_layers_off: bool,
    /// Number of characters that do not map to text, not counting spaces.
    pub unmapped: usize,
    /// Number of images large enough to show something.
    pub pictures: usize,
    /// Whether the page plays a recording or shows a 3D model.
    pub has_media: bool,
    /// Sum of the shares of the page that images cover, each from 0 to 1. May exceed 1 if images overlap.
    pub image_share: f64,
    /// The share of the page that the largest image covers, and the image.
    pub largest_image: Option<(f64, Stream<'a>)>,
    /// Whether the text was recognized in a scanned image of the page.
    pub is_recognized: bool,
    /// Whether anything was omitted because a limit was reached.
    pub is_truncated: bool,
}
