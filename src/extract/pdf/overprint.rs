//! Removes duplicates of text drawn several times at the same position, as some programs do for bold type or shadows.

use std::collections::HashMap;

use super::canvas::Glyph;

/// Maximum distance along the line, in multiples of the font size, between two drawings of the same character: less
/// than the width of any letter.
const MAX_DISTANCE_ALONG_LINE: f64 = 0.12;
/// Maximum distance across the line, in multiples of the font size.
const MAX_DISTANCE_ACROSS_LINE: f64 = 0.15;
/// Size in points of a cell of the grid that finds glyphs by position.
const CELL_POINTS: f64 = 4.0;

/// Returns the glyphs without duplicates, in drawing order.
pub fn remove_duplicates(glyphs: Vec<Glyph>) -> Vec<Glyph> {
    let mut grid: HashMap<(i32, i32), Vec<usize>> = HashMap::new();
    let mut unique: Vec<Glyph> = Vec::with_capacity(glyphs.len());
    for glyph in glyphs {
        let (column, row) = cell(&glyph);
        let reach = (MAX_DISTANCE_ACROSS_LINE * glyph.size / CELL_POINTS)
            .ceil()
            .clamp(1.0, 8.0) as i32;
        let is_repeated = !glyph.text.trim().is_empty()
            && (-reach..=reach).any(|x| {
                (-reach..=reach).any(|y| {
                    let cell_glyphs = grid.get(&(column + x, row + y));
                    cell_glyphs.is_some_and(|indexes| {
                        indexes
                            .iter()
                            .rev()
                            .take(64)
                            .any(|&at| is_duplicate(&unique[at], &glyph))
                    })
                })
            });
        if !is_repeated {
            grid.entry((column, row)).or_default().push(unique.len());
            unique.push(glyph);
        }
    }
    unique
}

fn cell(glyph: &Glyph) -> (i32, i32) {
    // Positions are known to be near the page, so these casts do not saturate.
    (
        (glyph.x / CELL_POINTS).floor() as i32,
        (glyph.y / CELL_POINTS).floor() as i32,
    )
}

fn is_duplicate(first: &Glyph, second: &Glyph) -> bool {
    let size = first.size.min(second.size);
    let (x, y) = (second.x - first.x, second.y - first.y);
    let length = first.advance.0.hypot(first.advance.1).max(0.01);
    let distance_along_line = (x * first.advance.0 + y * first.advance.1).abs() / length;
    let distance_across_line = (x * first.advance.1 - y * first.advance.0).abs() / length;
    first.text == second.text
        && distance_along_line < MAX_DISTANCE_ALONG_LINE * size
        && distance_across_line < MAX_DISTANCE_ACROSS_LINE * size
        && first.size < 1.1 * second.size
        && second.size < 1.1 * first.size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn_glyphs(text: &str, x: f64, y: f64) -> Vec<Glyph> {
        let glyph = |(at, character): (usize, char)| Glyph {
            text: character.to_string(),
            x: x + 5.0 * at as f64,
            y,
            advance: (5.0, 0.0),
            size: 10.0,
            is_raised: false,
            is_white: false,
        };
        text.chars().enumerate().map(glyph).collect()
    }

    #[test]
    fn text_that_is_drawn_several_times_is_read_once() {
        let mut all = drawn_glyphs("all", 50.0, 700.0);
        all.extend(drawn_glyphs("all", 50.4, 700.0));
        all.extend(drawn_glyphs("all", 50.8, 699.4));
        all.extend(drawn_glyphs("all", 50.0, 688.0));
        let text: String = remove_duplicates(all)
            .into_iter()
            .map(|glyph| glyph.text)
            .collect();
        assert_eq!(text, "allall");
    }
}
