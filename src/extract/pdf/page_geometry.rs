//! The geometry of a page (its size and rotation) and its content stream.

use hayro_syntax::object::{Dict, Object, Stream};
use hayro_syntax::page::{Page, Rotation};

use super::matrix::Matrix;

/// Returns the transformation from the page's coordinates to those of the upright page.
pub fn upright_transform(page: &Page<'_>) -> Matrix {
    let area = page.media_box();
    let (width, height) = (area.width(), area.height());
    let turn = match page.rotation() {
        Rotation::None => Matrix::IDENTITY,
        Rotation::Horizontal => Matrix([0.0, -1.0, 1.0, 0.0, 0.0, width]),
        Rotation::Flipped => Matrix([-1.0, 0.0, 0.0, -1.0, width, height]),
        Rotation::FlippedHorizontal => Matrix([0.0, 1.0, -1.0, 0.0, height, 0.0]),
    };
    Matrix::translation(-area.x0, -area.y0).then(turn)
}

/// Returns the width and height in points, with the page's rotation applied.
pub fn upright_size(page: &Page<'_>) -> (f64, f64) {
    let area = page.media_box();
    match page.rotation() {
        Rotation::None | Rotation::Flipped => (area.width(), area.height()),
        Rotation::Horizontal | Rotation::FlippedHorizontal => (area.height(), area.width()),
    }
}

/// Returns the page's content as a single stream. `Page::page_stream` is not used because it caches the content
/// permanently.
pub fn content(page: &Dict<'_>) -> Vec<u8> {
    match page.get::<Object<'_>>("Contents") {
        Some(Object::Stream(stream)) => stream
            .decoded_data()
            .map(|bytes| bytes.into_owned())
            .unwrap_or_default(),
        Some(Object::Array(parts)) => {
            let mut all = Vec::new();
            for part in parts.iter::<Stream<'_>>() {
                all.extend_from_slice(&part.decoded_data().unwrap_or_default());
                all.push(b'\n');
            }
            all
        }
        _ => Vec::new(),
    }
}
