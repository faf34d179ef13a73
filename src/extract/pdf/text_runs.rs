//! Joins the characters of a page into pieces of lines: gaps separate words, accents are joined to their letters, and
//! text drawn twice is read once.

use super::canvas::Glyph;
use super::scripts;

/// Minimum gap, in multiples of the font size, that counts as a space between words.
const MIN_WORD_GAP: f64 = 0.12;
/// Minimum gap, in multiples of the font size, that may separate columns or cells.
const MIN_COLUMN_GAP: f64 = 0.9;
/// Minimum vertical distance, in multiples of the font size, at which a character is on another line.
const MIN_LINE_DISTANCE: f64 = 0.3;

/// Maximum length in bytes of a superscript at the start of a piece.
const MAX_SUPERSCRIPT_BYTES: usize = 24;

/// Like `MIN_LINE_DISTANCE`, for a character that the file itself raises or lowers.
const MIN_RAISED_DISTANCE: f64 = 0.7;

/// Part of a line without wide gaps. Positions are in points.
#[derive(Debug, Clone)]
pub struct LinePiece {
    /// Start of the piece along the line.
    pub x0: f64,
    /// End of the piece along the line.
    pub x1: f64,
    /// Height of the baseline.
    pub y: f64,
    /// Font size of most characters.
    pub size: f64,
    /// Whether a space was drawn before the piece.
    pub follows_space: bool,
    /// The text, with delimiters around superscripts and subscripts.
    pub text: String,
}

/// The pieces of a page that share a text direction.
pub struct DirectionRun {
    /// The pieces, in a frame rotated so that the text runs to the right.
    pub pieces: Vec<LinePiece>,
    /// Number of characters.
    pub glyphs: usize,
    /// Whether the text runs from left to right on the upright page.
    pub is_upright: bool,
}

/// Groups the characters of a page by text direction. The direction with the most characters comes first.
pub fn runs(glyphs: Vec<Glyph>) -> Vec<DirectionRun> {
    let mut groups: Vec<(i32, Vec<Glyph>)> = Vec::new();
    for glyph in glyphs {
        let angle = text_angle(&glyph);
        match groups.iter().position(|(known, _)| *known == angle) {
            Some(at) => groups[at].1.push(glyph),
            // A page with more text directions is a drawing; ignore the rest.
            None if groups.len() >= 16 => {}
            None => groups.push((angle, vec![glyph])),
        }
    }
    let mut runs: Vec<DirectionRun> = groups
        .into_iter()
        .map(|(angle, group)| DirectionRun {
            glyphs: group.len(),
            pieces: line_pieces(rotate(group, angle)),
            is_upright: angle == 0,
        })
        .collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.glyphs));
    runs
}

/// Returns the direction of a character's text in degrees, in steps of 5, which is more than the skew of scans.
fn text_angle(glyph: &Glyph) -> i32 {
    let (x, y) = glyph.advance;
    if x == 0.0 && y == 0.0 {
        return 0;
    }
    let step = (y.atan2(x).to_degrees() / 5.0).round() as i32;
    step.rem_euclid(72) * 5
}

fn rotate(mut glyphs: Vec<Glyph>, angle: i32) -> Vec<Glyph> {
    if angle != 0 {
        let (sine, cosine) = f64::from(-angle).to_radians().sin_cos();
        let turn = |(x, y): (f64, f64)| (x * cosine - y * sine, x * sine + y * cosine);
        for glyph in &mut glyphs {
            (glyph.x, glyph.y) = turn((glyph.x, glyph.y));
            glyph.advance = turn(glyph.advance);
        }
    }
    glyphs
}

fn line_pieces(glyphs: Vec<Glyph>) -> Vec<LinePiece> {
    let mut pieces: Vec<LinePiece> = Vec::new();
    let mut previous: Option<Glyph> = None;
    let mut blank = false;
    for mut glyph in glyphs {
        if glyph.text.trim().is_empty() {
            blank = true;
            continue;
        }
        let (Some(piece), Some(before)) = (pieces.last_mut(), &previous) else {
            pieces.push(new_piece(&glyph, blank));
            (previous, blank) = (Some(glyph), false);
            continue;
        };
        let is_lone_superscript = before.is_raised
            && piece.text.len() <= MAX_SUPERSCRIPT_BYTES
            && (before.y - piece.y).abs() < 0.01;
        let size = before.size.max(glyph.size);
        let end = before.x + before.advance.0;
        let gap = glyph.x - end;
        // A raised character or a lone superscript may be as large as its line.
        let reach = if glyph.is_raised || is_lone_superscript {
            MIN_RAISED_DISTANCE
        } else {
            MIN_LINE_DISTANCE
        };
        let same_line = (glyph.y - piece.y).abs()
            < (reach * size).max(0.5 * (size - before.size.min(glyph.size)));
        let repeated =
            same_line && before.text == glyph.text && (glyph.x - before.x).abs() < 0.1 * size;
        if repeated {
            continue;
        }
        let overlaps = gap
            < -0.3
                * before
                    .advance
                    .0
                    .abs()
                    .min(glyph.advance.0.abs())
                    .max(0.1 * size);
        if overlaps
            && !blank
            && (glyph.y - before.y).abs() < size
            && let Some(accented) = join_accent(before, &glyph)
        {
            pop(&mut piece.text, &before.text);
            piece.text.push_str(&accented);
            glyph.text = accented;
            piece.x1 = piece.x1.max(glyph.x + glyph.advance.0);
            if glyph.advance.0 < before.advance.0 {
                (glyph.x, glyph.advance) = (before.x, before.advance);
            }
            previous = Some(glyph);
            continue;
        }
        if !same_line || gap > MIN_COLUMN_GAP * size || gap < -0.5 * size {
            pieces.push(new_piece(&glyph, blank));
        } else {
            if gap > MIN_WORD_GAP * size || blank {
                piece.text.push(' ');
            }
            add_glyph(piece, &glyph, is_lone_superscript);
            piece.x1 = piece.x1.max(glyph.x + glyph.advance.0);
        }
        (previous, blank) = (Some(glyph), false);
    }
    pieces
}

/// Adds a glyph to a piece. A larger glyph defines the line, so that the text before it may become a superscript or
/// subscript.
fn add_glyph(piece: &mut LinePiece, glyph: &Glyph, is_lone_superscript: bool) {
    let is_larger = glyph.size > piece.size * 1.05;
    if is_larger || (is_lone_superscript && !glyph.is_raised) {
        let is_raised = is_lone_superscript;
        piece.text = delimit_by_position(
            &piece.text,
            (piece.size, piece.y),
            (glyph.size, glyph.y),
            is_raised,
        );
        (piece.size, piece.y) = (glyph.size, glyph.y);
    }
    let line = (piece.size, piece.y);
    let position = delimit_by_position(&glyph.text, (glyph.size, glyph.y), line, glyph.is_raised);
    scripts::append(&mut piece.text, &position);
}

/// Encloses a text according to its position relative to a line of this size and baseline.
fn delimit_by_position(
    text: &str,
    position: (f64, f64),
    line: (f64, f64),
    is_raised: bool,
) -> String {
    match scripts::position(position.0, position.1, line.0, line.1, is_raised) {
        Some(script) => scripts::delimit(text, script),
        None => text.to_owned(),
    }
}

fn new_piece(glyph: &Glyph, follows_space: bool) -> LinePiece {
    LinePiece {
        x0: glyph.x,
        x1: glyph.x + glyph.advance.0,
        y: glyph.y,
        size: glyph.size,
        follows_space,
        text: glyph.text.clone(),
    }
}

fn pop(text: &mut String, end: &str) {
    if text.ends_with(end) {
        text.truncate(text.len() - end.len());
    }
}

/// Joins a letter and its accent if one is drawn over the other, in either order. Returns `None` for any other two
/// glyphs.
fn join_accent(first: &Glyph, second: &Glyph) -> Option<String> {
    let over = |accent: &Glyph, letter: &Glyph| {
        let middle = accent.x + accent.advance.0 / 2.0;
        let tolerance = 0.1 * letter.size;
        let accented = apply_accent(
            single_character(&letter.text)?,
            single_character(&accent.text)?,
        )?;
        (letter.x - tolerance..=letter.x + letter.advance.0 + tolerance)
            .contains(&middle)
            .then(|| accented.to_string())
    };
    over(first, second).or_else(|| over(second, first))
}

fn single_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// Pairs of a letter and its accented form for each accent, standalone or combining.
const ACCENTED: [(&[char], &str); 11] = [
    (
        &['´', '\u{301}'],
        "aáeéiíıíoóuúyýcćnńsśzźlĺrŕAÁEÉIÍOÓUÚYÝCĆNŃSŚZŹLĹRŔ",
    ),
    (&['`', '\u{300}'], "aàeèiìıìoòuùAÀEÈIÌOÒUÙ"),
    (
        &['^', 'ˆ', '\u{302}'],
        "aâeêiîıîoôuûcĉgĝhĥjĵȷĵsŝwŵyŷAÂEÊIÎOÔUÛCĈGĜHĤJĴSŜWŴYŶ",
    ),
    (&['¨', '\u{308}'], "aäeëiïıïoöuüyÿAÄEËIÏOÖUÜYŸ"),
    (&['~', '˜', '\u{303}'], "aãnñoõiĩıĩuũAÃNÑOÕIĨUŨ"),
    (&['¸', '\u{327}'], "cçsştţCÇSŞTŢ"),
    (&['ˇ', '\u{30C}'], "cčdďeěnňrřsštťzžgǧCČDĎEĚNŇRŘSŠTŤZŽGǦ"),
    (&['˘', '\u{306}'], "aăgğuŭAĂGĞUŬ"),
    (&['˚', '°', '\u{30A}'], "aåuůAÅUŮ"),
    (&['˝', '\u{30B}'], "oőuűOŐUŰ"),
    (&['¯', 'ˉ', '\u{304}'], "aāeēiīıīoōuūAĀEĒIĪOŌUŪ"),
];

fn apply_accent(letter: char, accent: char) -> Option<char> {
    let (_, pairs) = ACCENTED
        .iter()
        .find(|(accents, _)| accents.contains(&accent))?;
    let mut pairs = pairs.chars();
    while let (Some(plain), Some(accented)) = (pairs.next(), pairs.next()) {
        if plain == letter {
            return Some(accented);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a row of characters with the font size 10, each given by its text, position, and width.
    fn read(glyphs: &[(&str, f64, f64)]) -> Vec<String> {
        let glyphs = glyphs
            .iter()
            .map(|&(text, x, width)| Glyph {
                text: text.to_owned(),
                x,
                y: 0.0,
                advance: (width, 0.0),
                size: 10.0,
                is_raised: false,
                is_white: false,
            })
            .collect();
        line_pieces(glyphs)
            .into_iter()
            .map(|piece| piece.text)
            .collect()
    }

    #[test]
    fn gaps_separate_words_and_kerning_does_not() {
        for (glyphs, expected) in [
            (&[("A", 0.0, 6.0), ("V", 5.0, 6.0)][..], &["AV"][..]),
            (&[("a", 0.0, 5.0), ("b", 5.5, 5.0)], &["ab"]),
            (&[("a", 0.0, 5.0), ("b", 8.0, 5.0)], &["a b"]),
            (
                &[("a", 0.0, 5.0), (" ", 5.0, 0.1), ("b", 5.1, 5.0)],
                &["a b"],
            ),
            (&[("a", 0.0, 5.0), ("b", 20.0, 5.0)], &["a", "b"]),
            (&[("b", 20.0, 5.0), ("a", 0.0, 5.0)], &["b", "a"]),
            (
                &[("a", 0.0, 5.0), ("a", 0.3, 5.0), ("b", 5.0, 5.0)],
                &["ab"],
            ),
            (
                &[("´", 0.5, 4.0), ("e", 0.0, 5.0), ("t", 5.0, 3.0)],
                &["ét"],
            ),
            (
                &[("e", 0.0, 5.0), ("\u{301}", 0.5, 0.0), ("t", 5.0, 3.0)],
                &["ét"],
            ),
        ] {
            assert_eq!(read(glyphs), expected, "{glyphs:?}");
        }
    }

    #[test]
    fn every_text_direction_is_read_separately() {
        let rotated_glyph = |text: &str, y: f64| Glyph {
            text: text.to_owned(),
            x: 50.0,
            y,
            advance: (0.0, -5.0),
            size: 10.0,
            is_raised: false,
            is_white: false,
        };
        let across = Glyph {
            advance: (5.0, 0.0),
            ..rotated_glyph("x", 9.0)
        };
        let runs = runs(vec![
            rotated_glyph("a", 100.0),
            across,
            rotated_glyph("b", 95.0),
        ]);
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0].pieces[0].text, "ab");
        assert!(!runs[0].is_upright && runs[1].is_upright);
    }
}
