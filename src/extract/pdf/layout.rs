//! Puts the pieces of a page in reading order: one column after another, the cells of a table row side by side,
//! headings marked, and hyphenated words joined.

use super::hyphens::{LineJoin, WordList};
use super::script::{is_right_to_left, to_reading_order};
use super::scripts;
use super::text_runs::LinePiece;

/// Minimum number of lines that a column must have beside another column.
const MIN_LINES: usize = 4;
/// Maximum depth of nested columns.
const MAX_DEPTH: usize = 8;
/// Maximum number of pieces per page for which columns are detected; a page with more pieces is a drawing.
const MAX_PIECES: usize = 20_000;
/// Maximum vertical distance, in multiples of the font size, at which a raised or lowered piece still belongs to a
/// line.
const MAX_LINE_OFFSET: f64 = 0.4;
/// Like `MAX_LINE_OFFSET`, for a small piece that directly follows another one: a superscript or subscript.
const MAX_MARK_OFFSET: f64 = 0.6;
/// Maximum size in bytes of a piece that is a superscript or subscript.
const MAX_SCRIPT_BYTES: usize = 24;
/// Minimum gap, in multiples of the font size, between pieces of a row that are separate cells.
const MIN_CELL_GAP: f64 = 1.3;

/// A line of the extracted text.
#[derive(Debug, Clone, PartialEq)]
pub struct LayoutLine {
    /// The line's text, with ` | ` between cells.
    pub text: String,
    /// Height above the bottom of the page, in points.
    pub y: f64,
    /// Font size in points.
    pub size: f64,
    /// Whether the line starts a new paragraph.
    pub starts_paragraph: bool,
}

/// Returns the lines of a page, in reading order.
pub fn lines(pieces: Vec<LinePiece>) -> Vec<LayoutLine> {
    let mut lines = Vec::new();
    if pieces.len() > MAX_PIECES {
        order_rows(pieces, &mut lines);
    } else {
        sort_region(pieces, 0, &mut lines);
    }
    lines
}

fn sort_region(pieces: Vec<LinePiece>, depth: usize, lines: &mut Vec<LayoutLine>) {
    let gutter = if depth < MAX_DEPTH && pieces.len() >= 2 * MIN_LINES {
        find_gutter(&pieces)
    } else {
        None
    };
    let Some(gutter) = gutter else {
        return order_rows(pieces, lines);
    };
    let [mut above, mut left, mut right, mut below] = [const { Vec::new() }; 4];
    for piece in pieces {
        let part = if piece.y > gutter.top {
            &mut above
        } else if piece.y < gutter.bottom {
            &mut below
        } else if piece.x1 <= gutter.x {
            &mut left
        } else {
            &mut right
        };
        part.push(piece);
    }
    for part in [above, left, right, below] {
        if !part.is_empty() {
            sort_region(part, depth + 1, lines);
        }
    }
}

/// A vertical strip without text between two columns.
#[derive(Debug, Clone, Copy)]
struct Gutter {
    x: f64,
    top: f64,
    bottom: f64,
    /// Number of lines on the side with fewer lines.
    lines: usize,
}

/// Finds the gutter with the most lines on both sides, provided that both sides contain body text.
fn find_gutter(pieces: &[LinePiece]) -> Option<Gutter> {
    let mut order: Vec<&LinePiece> = pieces.iter().collect();
    order.sort_by(|a, b| b.y.total_cmp(&a.y));
    let left = pieces.iter().map(|piece| piece.x0).fold(f64::MAX, f64::min);
    let right = pieces.iter().map(|piece| piece.x1).fold(f64::MIN, f64::max);
    let (mut best, mut width): (Option<Gutter>, f64) = (None, 0.0);
    let steps = 160;
    for step in 1..steps {
        let x = left + (right - left) * f64::from(step) / f64::from(steps);
        let Some(gutter) = longest_gutter(&order, x) else {
            continue;
        };
        let is_better = best.is_none_or(|best| gutter.lines > best.lines + best.lines / 10);
        // Of several equally good positions, use the middle of the gutter, so that overhanging text stays on its side.
        let is_wider = best.is_some_and(|best| gutter.lines >= best.lines) && {
            let room = gutter_clearance(&order, &gutter);
            room > width
        };
        if is_better || is_wider {
            width = gutter_clearance(&order, &gutter);
            best = Some(gutter);
        }
    }
    best
}

/// Returns the distance from the gutter's center line to the nearest text.
fn gutter_clearance(order: &[&LinePiece], gutter: &Gutter) -> f64 {
    order
        .iter()
        .filter(|piece| (gutter.bottom..=gutter.top).contains(&piece.y))
        .map(|piece| {
            if piece.x1 <= gutter.x {
                gutter.x - piece.x1
            } else {
                piece.x0 - gutter.x
            }
        })
        .fold(f64::MAX, f64::min)
}

/// Finds the longest vertical stretch at `x` that no text crosses.
fn longest_gutter(order: &[&LinePiece], x: f64) -> Option<Gutter> {
    let (mut best, mut from): (Option<Gutter>, usize) = (None, 0);
    for at in 0..=order.len() {
        let is_crossed = order
            .get(at)
            .is_none_or(|piece| piece.x0 < x && piece.x1 > x);
        if !is_crossed {
            continue;
        }
        if let Some(found) = gutter_between_columns(&order[from..at], x)
            && best.is_none_or(|best| found.lines > best.lines)
        {
            best = Some(found);
        }
        from = at + 1;
    }
    best
}

/// Returns the gutter at `x`, if the pieces on its two sides are columns of body text.
fn gutter_between_columns(horizontal_scale: &[&LinePiece], x: f64) -> Option<Gutter> {
    if horizontal_scale.len() < 2 * MIN_LINES {
        return None;
    }
    let (left, right): (Vec<&LinePiece>, Vec<&LinePiece>) = horizontal_scale
        .iter()
        .copied()
        .partition(|piece| piece.x1 <= x);
    let (left, right) = (ColumnSide::measure(&left)?, ColumnSide::measure(&right)?);
    let shared = left
        .lines
        .iter()
        .filter(|line| right.lines.iter().any(|other| (other - *line).abs() < 1.0))
        .count();
    let min_line_count = left.lines.len().min(right.lines.len());
    let overlap = left.top.min(right.top) - left.bottom.max(right.bottom);
    let are_side_by_side = overlap > 0.4 * (left.top - left.bottom).min(right.top - right.bottom);
    // Table cells share lines and are short; text columns are long or have lines at independent heights.
    let free = shared * 2 < min_line_count;
    let text = |side: &ColumnSide| side.is_running_text || free && side.letters >= 8.0;
    (are_side_by_side && text(&left) && text(&right)).then(|| Gutter {
        x,
        top: left.top.max(right.top) + 0.01,
        bottom: left.bottom.min(right.bottom) - 0.01,
        lines: min_line_count,
    })
}

struct ColumnSide {
    lines: Vec<f64>,
    top: f64,
    bottom: f64,
    /// Number of characters in the median line.
    letters: f64,
    /// Whether the column is filled by long lines of several words.
    is_running_text: bool,
}

impl ColumnSide {
    /// Measures one side. Returns `None` if it has too few lines.
    fn measure(pieces: &[&LinePiece]) -> Option<Self> {
        let mut lines: Vec<(f64, f64, f64, usize, usize)> = Vec::new();
        for piece in pieces {
            let letters = piece.text.chars().count();
            let words = piece.text.split(' ').count();
            match lines.last_mut() {
                Some(line) if (line.0 - piece.y).abs() < MAX_LINE_OFFSET * piece.size => {
                    line.1 = line.1.min(piece.x0);
                    line.2 = line.2.max(piece.x1);
                    line.3 += letters;
                    line.4 += words;
                }
                _ => lines.push((piece.y, piece.x0, piece.x1, letters, words)),
            }
        }
        if lines.len() < MIN_LINES {
            return None;
        }
        let left = lines.iter().map(|line| line.1).fold(f64::MAX, f64::min);
        let right = lines.iter().map(|line| line.2).fold(f64::MIN, f64::max);
        let full = lines
            .iter()
            .filter(|line| line.2 - line.1 > 0.6 * (right - left))
            .count();
        let letters = median(lines.iter().map(|line| line.3));
        let words = median(lines.iter().map(|line| line.4));
        Some(Self {
            top: lines[0].0,
            bottom: lines[lines.len() - 1].0,
            letters: letters as f64,
            is_running_text: full * 2 >= lines.len() && letters >= 18 && words >= 3,
            lines: lines.into_iter().map(|line| line.0).collect(),
        })
    }
}

fn median(values: impl Iterator<Item = usize>) -> usize {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Writes pieces without columns as lines, one per row, from top to bottom.
fn order_rows(mut pieces: Vec<LinePiece>, lines: &mut Vec<LayoutLine>) {
    pieces.sort_by(|a, b| b.y.total_cmp(&a.y));
    let mut rows: Vec<Vec<LinePiece>> = Vec::new();
    for piece in pieces {
        let row = rows
            .iter_mut()
            .rev()
            .take(3)
            .find(|row| belongs_to_row(row, &piece));
        match row {
            Some(row) => row.push(piece),
            None => rows.push(vec![piece]),
        }
    }
    let begin = lines.len();
    for row in rows {
        lines.push(assemble_line(row));
    }
    mark_paragraphs(&mut lines[begin..]);
}

/// Returns whether a piece belongs to a row, which includes small superscripts and subscripts.
fn belongs_to_row(row: &[LinePiece], piece: &LinePiece) -> bool {
    let large = row
        .iter()
        .max_by(|a, b| a.size.total_cmp(&b.size))
        .map_or(piece, |large| large);
    let size = large.size.max(piece.size);
    let is_mark = row
        .iter()
        .any(|other| is_mark(other, piece) || is_mark(piece, other));
    let reach = if is_mark {
        MAX_MARK_OFFSET
    } else {
        MAX_LINE_OFFSET
    };
    let is_near = (large.y - piece.y).abs() < reach * size;
    let clear = row.iter().all(|other| {
        let overlap = other.x1.min(piece.x1) - other.x0.max(piece.x0);
        overlap < 0.5 * size || (other.y - piece.y).abs() < 0.1 * size
    });
    is_near && clear
}

/// Returns whether a small piece directly follows a large one, as a superscript or subscript does. Their heights are
/// not compared.
fn is_mark(small: &LinePiece, large: &LinePiece) -> bool {
    small.size <= 0.86 * large.size
        && small.text.len() <= MAX_SCRIPT_BYTES
        && (-0.3..0.5).contains(&((small.x0 - large.x1) / large.size))
}

fn assemble_line(mut row: Vec<LinePiece>) -> LayoutLine {
    row.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    let large = row
        .iter()
        .max_by(|a, b| a.size.total_cmp(&b.size))
        .map_or((0.0, 0.0), |piece| (piece.size, piece.y));
    let (mut text, mut after_mark) = (String::new(), false);
    let (mut end, mut widest_gap): (Option<f64>, (f64, f64, f64)) = (None, (0.0, 0.0, 0.0));
    for piece in &row {
        if let Some(end) = end {
            let gap = (piece.x0 - end) / piece.size.max(0.1);
            text.push_str(match gap {
                gap if gap > MIN_CELL_GAP => " | ",
                gap if gap > 0.1 || piece.follows_space => " ",
                // A word after a separately placed superscript or subscript is a new word.
                gap if gap > -0.3 && after_mark && piece.text.starts_with(char::is_alphabetic) => {
                    " "
                }
                _ => "",
            });
        }
        let script = scripts::position(piece.size, piece.y, large.0, large.1, false);
        let script = script.filter(|_| piece.text.len() <= MAX_SCRIPT_BYTES);
        after_mark = script.is_some();
        match script {
            Some(script) => scripts::append(&mut text, &scripts::delimit(&piece.text, script)),
            None => text.push_str(&piece.text),
        }
        end = Some(end.map_or(piece.x1, |end: f64| end.max(piece.x1)));
        if piece.x1 - piece.x0 > widest_gap.0 {
            widest_gap = (piece.x1 - piece.x0, piece.y, piece.size);
        }
    }
    let text = if text.contains(is_right_to_left) {
        to_reading_order(scripts::strip_marks(&text))
    } else {
        scripts::write_scripts_out(&text)
    };
    LayoutLine {
        text,
        y: widest_gap.1,
        size: widest_gap.2,
        starts_paragraph: false,
    }
}

/// Marks the lines that start a paragraph: those after an unusually large gap, above the preceding line, or with a
/// different font size.
fn mark_paragraphs(lines: &mut [LayoutLine]) {
    let gaps = lines.windows(2).map(|pair| pair[0].y - pair[1].y);
    let mut relative: Vec<f64> = gaps
        .zip(lines.iter())
        .map(|(gap, line)| gap / line.size.max(0.1))
        .filter(|gap| (0.5..3.0).contains(gap))
        .collect();
    relative.sort_by(f64::total_cmp);
    // Uses the lower quartile: if many lines are far apart, those within a paragraph are still the closest.
    let usual = relative.get(relative.len() / 4).copied().unwrap_or(1.2);
    for index in 0..lines.len() {
        lines[index].starts_paragraph = index == 0 || {
            let (previous, current) = (&lines[index - 1], &lines[index]);
            let gap = (previous.y - current.y) / current.size.max(previous.size).max(0.1);
            gap > 1.3 * usual || gap < 0.0 || are_sizes_different(previous.size, current.size)
        };
    }
}

fn are_sizes_different(one: f64, other: f64) -> bool {
    one.max(other) > 1.12 * one.min(other)
}

/// Returns the text of a page. `body` is the font size of the document's body text, in points; `vocabulary` contains
/// the words of the document so far.
pub fn to_text(lines: &[LayoutLine], body: f64, vocabulary: &WordList) -> String {
    let mut text = String::new();
    let mut previous: Option<&LayoutLine> = None;
    for line in lines {
        let words = line.text.trim();
        if words.is_empty() {
            continue;
        }
        let level = heading_level(line, body);
        let continues = previous.is_some_and(|previous| {
            !line.starts_paragraph && heading_level(previous, body) == level
        });
        let join = match continues {
            true => vocabulary.join(&text, words),
            false => LineJoin::Break,
        };
        if join != LineJoin::Break {
            if join == LineJoin::WithoutHyphen {
                text.pop();
            } else if join == LineJoin::WithSpace {
                text.push(' ');
            }
        } else if continues && level > 0 {
            text.push(' ');
        } else if !text.is_empty() {
            text.push_str(if line.starts_paragraph { "\n\n" } else { "\n" });
        }
        if level > 0 && !continues {
            text.push_str(&"#".repeat(level));
            text.push(' ');
        } else if level == 0 && words.starts_with('#') && (text.is_empty() || text.ends_with('\n'))
        {
            // A `#` on the page must not become a heading.
            text.push('\\');
        }
        text.push_str(words);
        previous = Some(line);
    }
    // A soft hyphen drawn within a line is a regular hyphen.
    text.replace('\u{AD}', "-")
}

/// Returns the level of a heading, or 0 for body text.
fn heading_level(line: &LayoutLine, body: f64) -> usize {
    let letters = line
        .text
        .chars()
        .filter(|character| character.is_alphabetic())
        .count();
    if body <= 0.0 || letters < 2 || line.text.chars().count() > 160 || line.text.contains(" | ") {
        return 0;
    }
    match line.size / body {
        ratio if ratio >= 1.65 => 1,
        ratio if ratio >= 1.3 => 2,
        ratio if ratio >= 1.13 => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
