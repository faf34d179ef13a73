//! Joins the characters of a page into pieces of lines: positions separate words, accents are joined to their
//! letters, and text drawn twice is read once.

use super::canvas::Glyph;
use super::scripts;

/// Minimum gap, in multiples of the font size, that is a space between words.
const BLANK: f64 = 0.12;
/// Minimum gap, in multiples of the font size, that may separate columns or cells.
const WIDE: f64 = 0.9;
/// Minimum vertical distance, in multiples of the font size, at which a character is on another line.
const OFF: f64 = 0.3;

/// Maximum length, in bytes, of a raised text that begins a piece.
const MAX_RAISED_BYTES: usize = 24;

/// Like `OFF`, for a character that the file itself raises or lowers.
const RISE: f64 = 0.7;

/// Part of a line without a wide gap; positions in points.
#[derive(Debug, Clone)]
pub struct LinePiece {
    /// Start along its line.
    pub x0: f64,
    /// End along its line.
    pub x1: f64,
    /// Baseline.
    pub y: f64,
    /// Font size of most of its characters.
    pub size: f64,
    /// Whether a space was drawn before it.
    pub after_blank: bool,
    /// Its text.
    pub text: String,
}

/// The pieces with one text direction.
pub struct DirectionRun {
    /// The pieces, in a frame rotated so that the text runs to the right.
    pub pieces: Vec<LinePiece>,
    /// Number of characters.
    pub glyphs: usize,
    /// Whether the text is upright.
    pub upright: bool,
}

/// All pieces of a page, one run for each direction, the largest first.
pub fn runs(glyphs: Vec<Glyph>) -> Vec<DirectionRun> {
    let mut groups: Vec<(i32, Vec<Glyph>)> = Vec::new();
    for glyph in glyphs {
        let angle = angle(&glyph);
        match groups.iter().position(|(known, _)| *known == angle) {
            Some(at) => groups[at].1.push(glyph),
            // A page with more directions is a drawing.
            None if groups.len() >= 16 => {}
            None => groups.push((angle, vec![glyph])),
        }
    }
    let mut runs: Vec<DirectionRun> = groups
        .into_iter()
        .map(|(angle, group)| DirectionRun {
            glyphs: group.len(),
            pieces: pieces(turned(group, angle)),
            upright: angle == 0,
        })
        .collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.glyphs));
    runs
}

/// The angle in steps of 5 degrees, which is more than the skew of scans.
fn angle(glyph: &Glyph) -> i32 {
    let (x, y) = glyph.along;
    if x == 0.0 && y == 0.0 {
        return 0;
    }
    let step = (y.atan2(x).to_degrees() / 5.0).round() as i32;
    step.rem_euclid(72) * 5
}

fn turned(mut glyphs: Vec<Glyph>, angle: i32) -> Vec<Glyph> {
    if angle != 0 {
        let (sine, cosine) = f64::from(-angle).to_radians().sin_cos();
        let turn = |(x, y): (f64, f64)| (x * cosine - y * sine, x * sine + y * cosine);
        for glyph in &mut glyphs {
            (glyph.x, glyph.y) = turn((glyph.x, glyph.y));
            glyph.along = turn(glyph.along);
        }
    }
    glyphs
}

fn pieces(glyphs: Vec<Glyph>) -> Vec<LinePiece> {
    let mut pieces: Vec<LinePiece> = Vec::new();
    let mut last: Option<Glyph> = None;
    let mut blank = false;
    for mut glyph in glyphs {
        if glyph.text.trim().is_empty() {
            blank = true;
            continue;
        }
        let (Some(piece), Some(before)) = (pieces.last_mut(), &last) else {
            pieces.push(begin(&glyph, blank));
            (last, blank) = (Some(glyph), false);
            continue;
        };
        let raised_alone = before.is_raised
            && piece.text.len() <= MAX_RAISED_BYTES
            && (before.y - piece.y).abs() < 0.01;
        let size = before.size.max(glyph.size);
        let end = before.x + before.along.0;
        let gap = glyph.x - end;
        // A raised character may be as large as its line.
        let reach = if glyph.is_raised || raised_alone {
            RISE
        } else {
            OFF
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
                    .along
                    .0
                    .abs()
                    .min(glyph.along.0.abs())
                    .max(0.1 * size);
        if overlaps
            && !blank
            && (glyph.y - before.y).abs() < size
            && let Some(whole) = joined(before, &glyph)
        {
            pop(&mut piece.text, &before.text);
            piece.text.push_str(&whole);
            glyph.text = whole;
            piece.x1 = piece.x1.max(glyph.x + glyph.along.0);
            if glyph.along.0 < before.along.0 {
                (glyph.x, glyph.along) = (before.x, before.along);
            }
            last = Some(glyph);
            continue;
        }
        if !same_line || gap > WIDE * size || gap < -0.5 * size {
            pieces.push(begin(&glyph, blank));
        } else {
            if gap > BLANK * size || blank {
                piece.text.push(' ');
            }
            add(piece, &glyph, raised_alone);
            piece.x1 = piece.x1.max(glyph.x + glyph.along.0);
        }
        (last, blank) = (Some(glyph), false);
    }
    pieces
}

/// Adds a character to a piece. Large characters define the line: a raised character is a note mark or an exponent.
fn add(piece: &mut LinePiece, glyph: &Glyph, raised_alone: bool) {
    let is_larger = glyph.size > piece.size * 1.05;
    if is_larger || (raised_alone && !glyph.is_raised) {
        let is_raised = raised_alone;
        piece.text = marked(
            &piece.text,
            (piece.size, piece.y),
            (glyph.size, glyph.y),
            is_raised,
        );
        (piece.size, piece.y) = (glyph.size, glyph.y);
    }
    let line = (piece.size, piece.y);
    let own = marked(&glyph.text, (glyph.size, glyph.y), line, glyph.is_raised);
    scripts::append(&mut piece.text, &own);
}

/// A text, enclosed according to its position relative to a line of this size and baseline.
fn marked(text: &str, own: (f64, f64), line: (f64, f64), is_raised: bool) -> String {
    match scripts::of(own.0, own.1, line.0, line.1, is_raised) {
        Some(script) => scripts::marked(text, script),
        None => text.to_owned(),
    }
}

fn begin(glyph: &Glyph, after_blank: bool) -> LinePiece {
    LinePiece {
        x0: glyph.x,
        x1: glyph.x + glyph.along.0,
        y: glyph.y,
        size: glyph.size,
        after_blank,
        text: glyph.text.clone(),
    }
}

fn pop(text: &mut String, end: &str) {
    if text.ends_with(end) {
        text.truncate(text.len() - end.len());
    }
}

/// Joins a letter with its accent if one is drawn over the other, in either order.
fn joined(first: &Glyph, second: &Glyph) -> Option<String> {
    let over = |accent: &Glyph, letter: &Glyph| {
        let middle = accent.x + accent.along.0 / 2.0;
        let slack = 0.1 * letter.size;
        let whole = accented(single(&letter.text)?, single(&accent.text)?)?;
        (letter.x - slack..=letter.x + letter.along.0 + slack)
            .contains(&middle)
            .then(|| whole.to_string())
    };
    over(first, second).or_else(|| over(second, first))
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// For each accent, standalone or combining: pairs of a letter and its accented form.
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

fn accented(letter: char, accent: char) -> Option<char> {
    let (_, pairs) = ACCENTED
        .iter()
        .find(|(accents, _)| accents.contains(&accent))?;
    let mut pairs = pairs.chars();
    while let (Some(plain), Some(whole)) = (pairs.next(), pairs.next()) {
        if plain == letter {
            return Some(whole);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads characters of size 10 in a row, each with its position and width.
    fn read(glyphs: &[(&str, f64, f64)]) -> Vec<String> {
        let glyphs = glyphs
            .iter()
            .map(|&(text, x, width)| Glyph {
                text: text.to_owned(),
                x,
                y: 0.0,
                along: (width, 0.0),
                size: 10.0,
                is_raised: false,
            })
            .collect();
        pieces(glyphs).into_iter().map(|piece| piece.text).collect()
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
        let down = |text: &str, y: f64| Glyph {
            text: text.to_owned(),
            x: 50.0,
            y,
            along: (0.0, -5.0),
            size: 10.0,
            is_raised: false,
        };
        let across = Glyph {
            along: (5.0, 0.0),
            ..down("x", 9.0)
        };
        let runs = runs(vec![down("a", 100.0), across, down("b", 95.0)]);
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0].pieces[0].text, "ab");
        assert!(!runs[0].upright && runs[1].upright);
    }
}
