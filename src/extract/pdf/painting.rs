//! Painted content that affects which text can be read: boxes that hide letters, backgrounds that make white letters
//! visible, and drawings, whose lines are not read.
//!
//! A drawing is distinguished from rules, boxes, and ornaments by its slanted lines and many curves (rounded corners
//! and circles have few), by their number, and by the share of the page that they touch.

use hayro_syntax::content::Instruction;
use hayro_syntax::object::{Dict, Name, Object};

use super::canvas::{Glyph, PageCanvas};
use super::graphics_state::{FillColor, GraphicsState};
use super::matrix::Matrix;
use super::operands::{name, number, numbers};

/// Maximum number of boxes per page that may hide letters; further boxes hide nothing.
const MAX_COVERS: usize = 500;
/// Maximum number of backgrounds per page; above it, all letters count as visible.
const MAX_BACKGROUNDS: usize = 1_000;
/// Number of cells on each side of the grid that measures how much of a page a drawing touches.
const GRID_SIZE: usize = 24;
/// Minimum number of slanted lines and curves in a drawing.
const MIN_SEGMENTS: usize = 40;
/// Minimum number of grid cells that a drawing touches: a tenth of the page.
const MIN_CELLS: u32 = (GRID_SIZE * GRID_SIZE / 10) as u32;
/// Maximum number of curves in a rounded box or a circle.
const MAX_ROUND_CURVES: usize = 8;
/// Maximum distance in points between two coordinates that count as equal.
const TOLERANCE: f64 = 0.5;

/// Left, bottom, right, and top.
type Rectangle = [f64; 4];

/// Everything painted on a page so far.
#[derive(Default)]
pub struct PagePainting {
    width: f64,
    height: f64,
    path: PaintPath,
    covers: Vec<Cover>,
    backgrounds: Vec<Rectangle>,
    has_too_many_backgrounds: bool,
    segments: usize,
    cells: Vec<bool>,
}

/// A box that hides the letters drawn before it.
struct Cover {
    place: Rectangle,
    /// Number of letters drawn before the box.
    glyphs: usize,
}

/// The path under construction, in the page's coordinates.
#[derive(Default)]
struct PaintPath {
    /// The finished subpaths: the bounds of each, and whether it is a plain rectangle.
    parts: Vec<(Rectangle, bool)>,
    open_subpath: Option<SubPath>,
    clips: bool,
    segments: usize,
    /// Bounds of the subpaths that look like parts of a drawing.
    drawn_bounds: Vec<Rectangle>,
}

struct SubPath {
    start_point: (f64, f64),
    current_point: (f64, f64),
    bounds: Rectangle,
    straight_count: usize,
    slanted_count: usize,
    curve_count: usize,
}

impl PagePainting {
    /// Starts a page of this size, in points.
    pub fn new((width, height): (f64, f64)) -> Self {
        Self {
            width,
            height,
            cells: vec![false; GRID_SIZE * GRID_SIZE],
            ..Self::default()
        }
    }

    /// Handles an operator that concerns paths or colors. Returns false for any other operator. `glyphs` is the number
    /// of characters drawn so far, and `is_shown` tells whether the layer is on.
    pub fn apply(
        &mut self,
        instruction: &Instruction<'_, '_>,
        state: &mut GraphicsState,
        glyphs: usize,
        is_shown: bool,
    ) -> bool {
        let operator: &[u8] = instruction.operator;
        match operator {
            b"m" | b"l" | b"c" | b"v" | b"y" | b"h" | b"re" => {
                self.path.build(instruction, state.map)
            }
            b"W" | b"W*" => self.path.clips = true,
            b"f" | b"F" | b"f*" | b"B" | b"B*" | b"b" | b"b*" => {
                self.paint(state, glyphs, is_shown, true);
            }
            b"S" | b"s" => self.paint(state, glyphs, is_shown, false),
            b"n" => self.end_path(state),
            b"sh" if is_shown => self.add_background(state.clip.unwrap_or(UNBOUNDED)),
            b"g" | b"rg" | b"k" | b"sc" | b"scn" | b"cs" => {
                state.fill_color = fill_color(instruction)
            }
            _ => return false,
        }
        true
    }

    /// Adds an image as a background. `map` transforms the unit square to the area that the image covers.
    pub fn add_image(&mut self, map: Matrix) {
        self.add_background(mapped_bounds(map, [0.0, 0.0, 1.0, 1.0]));
    }

    fn paint(&mut self, state: &mut GraphicsState, glyphs: usize, is_shown: bool, is_filled: bool) {
        self.path.end_part();
        if is_shown {
            self.segments += self.path.segments;
            for part in std::mem::take(&mut self.path.drawn_bounds) {
                self.mark_cells(part);
            }
            for (part, is_rectangle) in std::mem::take(&mut self.path.parts) {
                let color = if is_filled {
                    state.fill_color
                } else {
                    FillColor::Unknown
                };
                if is_rectangle && glyphs > 0 && state.paints_opaquely() && is_filled {
                    self.add_cover(part, state, glyphs);
                }
                if color != FillColor::White {
                    self.add_background(part);
                }
            }
        }
        self.end_path(state);
    }

    fn add_cover(&mut self, part: Rectangle, state: &GraphicsState, glyphs: usize) {
        let covered_area = match state.clip {
            Some(clip) => intersection(part, clip),
            None => part,
        };
        if state.clip_is_box
            && self.covers.len() < MAX_COVERS
            && covered_area[0] < covered_area[2]
            && covered_area[1] < covered_area[3]
        {
            self.covers.push(Cover {
                place: covered_area,
                glyphs,
            });
        }
    }

    fn add_background(&mut self, place: Rectangle) {
        match self.backgrounds.len() < MAX_BACKGROUNDS {
            true => self.backgrounds.push(place),
            false => self.has_too_many_backgrounds = true,
        }
    }

    fn mark_cells(&mut self, [left, bottom, right, top]: Rectangle) {
        /// Number of segments after which a drawing counts as large; further segments are not measured.
        const MAX_MEASURED_SEGMENTS: usize = 100_000;
        if self.segments > MAX_MEASURED_SEGMENTS {
            return;
        }
        // Positions outside the page count toward the first or last cell, which also bounds the cast.
        let cell = |at: f64, size: f64| {
            (at / size.max(1.0) * GRID_SIZE as f64).clamp(0.0, GRID_SIZE as f64 - 1.0) as usize
        };
        for row in cell(bottom, self.height)..=cell(top, self.height) {
            for column in cell(left, self.width)..=cell(right, self.width) {
                self.cells[row * GRID_SIZE + column] = true;
            }
        }
    }

    /// Ends the path without painting it. If the path was marked as a clip, it limits what is painted afterward.
    fn end_path(&mut self, state: &mut GraphicsState) {
        self.path.end_part();
        let path = std::mem::take(&mut self.path);
        if !path.clips {
            return;
        }
        state.clip_is_box &= matches!(path.parts[..], [(_, true)]);
        let all = path.parts.iter().map(|part| part.0).reduce(union);
        let all = all.unwrap_or([0.0; 4]);
        state.clip = Some(state.clip.map_or(all, |clip| intersection(clip, all)));
    }

    /// Adjusts the covering boxes after characters were replaced by fewer ones; `glyphs` is the number that remains.
    pub fn truncate_glyphs(&mut self, glyphs: usize) {
        for cover in self
            .covers
            .iter_mut()
            .rev()
            .take_while(|cover| cover.glyphs > glyphs)
        {
            cover.glyphs = glyphs;
        }
    }

    /// Removes the letters that cannot be seen from the page, and records what else is painted on it.
    pub fn finish(mut self, canvas: &mut PageCanvas<'_>) {
        self.add_symbols(canvas);
        let mut index = 0;
        let (mut covered_count, mut white) = (0, 0);
        canvas.glyphs.retain(|glyph| {
            let at = index;
            index += 1;
            // Spaces separate words but show nothing.
            if glyph.text.trim().is_empty() {
                return true;
            }
            if self
                .covers
                .iter()
                .any(|cover| cover.glyphs > at && hides_glyph(cover.place, glyph))
            {
                covered_count += 1;
                return false;
            }
            if glyph.is_white && !self.is_on_background(glyph) {
                white += 1;
                return false;
            }
            true
        });
        canvas.covered_count = covered_count;
        canvas.hidden_count += white;
        let covered_cells = self.cells.iter().filter(|is_covered| **is_covered).count() as u32;
        if self.segments >= MIN_SEGMENTS && covered_cells >= MIN_CELLS {
            canvas.drawing = Some((self.segments, covered_cells));
        }
    }

    /// Treats symbols as backgrounds, such as a black disc behind a white number. If any glyph does not map to
    /// text, all letters count as visible, because that glyph may be such a symbol.
    fn add_symbols(&mut self, canvas: &PageCanvas<'_>) {
        self.has_too_many_backgrounds |= canvas.unmapped > 0;
        if !canvas.glyphs.iter().any(|glyph| glyph.is_white) {
            return;
        }
        let is_symbol = |c: char| !c.is_ascii() && !c.is_alphanumeric();
        for glyph in canvas.glyphs.iter().filter(|glyph| !glyph.is_white) {
            if glyph.text.chars().all(is_symbol) {
                let (right, top) = (glyph.x + glyph.advance.0, glyph.y + glyph.size);
                self.add_background([glyph.x, glyph.y - 0.3 * glyph.size, right, top]);
            }
        }
    }

    fn is_on_background(&self, glyph: &Glyph) -> bool {
        let x = glyph.x + glyph.advance.0 / 2.0;
        let y = glyph.y + glyph.advance.1 / 2.0;
        let is_near = |place: &Rectangle| {
            let margin = glyph.size;
            x > place[0] - margin
                && x < place[2] + margin
                && y > place[1] - margin
                && y < place[3] + margin
        };
        self.has_too_many_backgrounds || self.backgrounds.iter().any(is_near)
    }
}

/// A rectangle larger than any page.
const UNBOUNDED: Rectangle = [f64::MIN, f64::MIN, f64::MAX, f64::MAX];

impl PaintPath {
    fn build(&mut self, instruction: &Instruction<'_, '_>, map: Matrix) {
        /// Maximum number of subpaths in a path.
        const MAX_PARTS: usize = 10_000;
        let operator: &[u8] = instruction.operator;
        match operator {
            b"re" => {
                self.end_part();
                let [x, y, width, height] = numbers(instruction);
                if self.parts.len() < MAX_PARTS {
                    let bounds = mapped_bounds(map, [x, y, x + width, y + height]);
                    self.parts.push((bounds, is_axis_parallel(map)));
                }
            }
            b"m" => {
                self.end_part();
                let [x, y] = numbers(instruction);
                let start = map.transform_point(x, y);
                self.open_subpath = (self.parts.len() < MAX_PARTS).then(|| SubPath::new(start));
            }
            b"l" => {
                let [x, y] = numbers(instruction);
                if let Some(open) = &mut self.open_subpath {
                    open.line(map.transform_point(x, y));
                }
            }
            b"h" => {
                if let Some(open) = &mut self.open_subpath {
                    open.line(open.start_point);
                }
            }
            _ => {
                let [a, b, c, d, e, f] = numbers(instruction);
                let (x, y) = if operator == b"c" { (e, f) } else { (c, d) };
                if let Some(open) = &mut self.open_subpath {
                    open.include(map.transform_point(a, b));
                    open.include(map.transform_point(c, d));
                    open.current_point = map.transform_point(x, y);
                    open.include(open.current_point);
                    open.curve_count += 1;
                }
            }
        }
    }

    fn end_part(&mut self) {
        let Some(part) = self.open_subpath.take() else {
            return;
        };
        if part.slanted_count > 0 || part.curve_count > MAX_ROUND_CURVES {
            self.segments += part.slanted_count + part.curve_count;
            self.drawn_bounds.push(part.bounds);
        }
        let is_rectangle = part.slanted_count == 0
            && part.curve_count == 0
            && (3..=4).contains(&part.straight_count);
        self.parts.push((part.bounds, is_rectangle));
    }
}

impl SubPath {
    fn new(start: (f64, f64)) -> Self {
        Self {
            start_point: start,
            current_point: start,
            bounds: [start.0, start.1, start.0, start.1],
            straight_count: 0,
            slanted_count: 0,
            curve_count: 0,
        }
    }

    fn line(&mut self, to: (f64, f64)) {
        let (x, y) = (
            (to.0 - self.current_point.0).abs(),
            (to.1 - self.current_point.1).abs(),
        );
        match (x > TOLERANCE, y > TOLERANCE) {
            (true, true) => self.slanted_count += 1,
            (false, false) => {}
            _ => self.straight_count += 1,
        }
        self.current_point = to;
        self.include(to);
    }

    fn include(&mut self, (x, y): (f64, f64)) {
        self.bounds = union(self.bounds, [x, y, x, y]);
    }
}

fn fill_color(instruction: &Instruction<'_, '_>) -> FillColor {
    let operator: &[u8] = instruction.operator;
    let is_pattern = operator != b"cs"
        && instruction
            .operands()
            .any(|operand| name(operand).is_some());
    let values: Vec<f64> = instruction.operands().filter_map(number).take(4).collect();
    let is_full = |value: &f64| *value > 0.98;
    let is_white = match (operator, &values[..]) {
        (b"g", [gray]) => is_full(gray),
        (b"rg" | b"sc" | b"scn", [_, _, _]) => values.iter().all(is_full),
        (b"k" | b"sc" | b"scn", [_, _, _, _]) => values.iter().all(|ink| *ink < 0.02),
        _ => false,
    };
    match (is_pattern, is_white) {
        (true, _) => FillColor::Unknown,
        (false, true) => FillColor::White,
        (false, false) => FillColor::Other,
    }
}

/// Applies the transparency settings of a graphics state dictionary.
pub fn apply_transparency(dict: &Dict<'_>, state: &mut GraphicsState) {
    if let Some(Object::Number(alpha)) = dict.get::<Object<'_>>("ca") {
        state.alpha = alpha.as_f64();
    }
    let blend = match dict.get::<Object<'_>>("BM") {
        Some(Object::Name(blend)) => Some(blend.to_vec()),
        Some(Object::Array(all)) => all.iter::<Name<'_>>().next().map(|blend| blend.to_vec()),
        _ => None,
    };
    if let Some(blend) = blend {
        state.is_blended = !matches!(&blend[..], b"Normal" | b"Compatible");
    }
    match dict.get::<Object<'_>>("SMask") {
        Some(Object::Dict(_)) => state.is_masked = true,
        Some(Object::Name(_)) => state.is_masked = false,
        _ => {}
    }
}

fn is_axis_parallel(map: Matrix) -> bool {
    let [a, b, c, d, _, _] = map.0;
    let is_zero = |value: f64| value.abs() < 1e-6;
    (is_zero(b) && is_zero(c)) || (is_zero(a) && is_zero(d))
}

fn mapped_bounds(map: Matrix, [x0, y0, x1, y1]: Rectangle) -> Rectangle {
    let corners = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| map.transform_point(x, y));
    let points = corners.map(|(x, y)| [x, y, x, y]);
    points.into_iter().reduce(union).unwrap_or_default()
}

fn union(a: Rectangle, b: Rectangle) -> Rectangle {
    [
        a[0].min(b[0]),
        a[1].min(b[1]),
        a[2].max(b[2]),
        a[3].max(b[3]),
    ]
}

fn intersection(a: Rectangle, b: Rectangle) -> Rectangle {
    [
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]
}

/// Returns whether a box hides a letter: both its ends, from the baseline to almost the height of a capital. A letter
/// that extends above or below a box can still be read.
fn hides_glyph(place: Rectangle, glyph: &Glyph) -> bool {
    let (along, size) = (glyph.advance, glyph.size);
    let length = along.0.hypot(along.1).max(0.01);
    let up_vector = (-along.1 / length * size, along.0 / length * size);
    [0.1, 0.9].into_iter().all(|share| {
        [0.0, 0.65].into_iter().all(|height| {
            let x = glyph.x + along.0 * share + up_vector.0 * height;
            let y = glyph.y + along.1 * share + up_vector.1 * height;
            x >= place[0] && x <= place[2] && y >= place[1] && y <= place[3]
        })
    })
}
