//! Runs a page's content streams for text and pictures: the position, size, and text of each character.
//! Draws nothing and follows nothing outside the file; everything is bounded.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_syntax::content::{Instruction, UntypedIter};
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::{Page, Resources, Rotation};

use super::canvas::{Glyph, PageCanvas};
use super::font::{Font, ShownGlyph};
use super::marks::{MarkedContent, replacement};
use super::matrix::Matrix;
use super::operands::{last_number, matrix, name, numbers, rectangle, six};
use super::script::letters;

/// Maximum number of glyphs on one page; real pages stay far below this and the following limits.
const MAX_GLYPHS: usize = 200_000;
/// Maximum number of instructions on one page.
const MAX_INSTRUCTIONS: usize = 4_000_000;
/// Maximum number of forms and annotations on one page.
const MAX_FORMS: usize = 2_000;
/// Maximum depth of nested forms.
const MAX_FORM_DEPTH: usize = 12;
/// Maximum number of saved graphics states.
const MAX_STATES: usize = 512;
/// Maximum character spacing, in multiples of the font size, that is not yet a blank between words.
const MAX_CHARACTER_SPACING: f64 = 0.4;
/// Maximum number of fonts cached across pages.
const MAX_FONTS: usize = 200;

/// Fonts by object, shared by pages.
pub type Fonts = HashMap<ObjectIdentifier, Rc<Font>>;

/// Interprets a page and returns its content.
pub fn run<'a>(page: &Page<'a>, fonts: &mut Fonts) -> PageCanvas<'a> {
    let area = page.media_box();
    let mut runner = PageInterpreter {
        canvas: PageCanvas::default(),
        fonts,
        instructions: 0,
        forms: 0,
        area: (area.width() * area.height()).max(1.0),
    };
    let base = base(page);
    let content = content(page.raw());
    runner.stream(&content, page.resources(), &GraphicsState::new(base), 0);
    for annotation in page
        .raw()
        .get::<Array<'_>>("Annots")
        .iter()
        .flat_map(|array| array.iter::<Dict<'_>>())
        .take(MAX_FORMS)
    {
        runner.annotation(&annotation, base, page.resources());
    }
    let (width, height) = upright(page);
    runner.canvas.glyphs.retain(|glyph| {
        let inside = |at: f64, size: f64| (-0.1 * size..=1.1 * size).contains(&at);
        inside(glyph.x, width) && inside(glyph.y, height)
    });
    runner.canvas
}

/// The map from the page's coordinates to the reader's, upright.
fn base(page: &Page<'_>) -> Matrix {
    let area = page.media_box();
    let (width, height) = (area.width(), area.height());
    let turn = match page.rotation() {
        Rotation::None => Matrix::IDENTITY,
        Rotation::Horizontal => Matrix([0.0, -1.0, 1.0, 0.0, 0.0, width]),
        Rotation::Flipped => Matrix([-1.0, 0.0, 0.0, -1.0, width, height]),
        Rotation::FlippedHorizontal => Matrix([0.0, 1.0, -1.0, 0.0, height, 0.0]),
    };
    Matrix::shift(-area.x0, -area.y0).then(turn)
}

/// Width and height in points, with the page's rotation applied.
pub fn upright(page: &Page<'_>) -> (f64, f64) {
    let area = page.media_box();
    match page.rotation() {
        Rotation::None | Rotation::Flipped => (area.width(), area.height()),
        Rotation::Horizontal | Rotation::FlippedHorizontal => (area.height(), area.width()),
    }
}

/// The page's content in one piece. `Page::page_stream` is not used because it caches the content for good.
fn content(page: &Dict<'_>) -> Vec<u8> {
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

#[derive(Clone)]
struct GraphicsState {
    map: Matrix,
    text: Matrix,
    line: Matrix,
    font: Option<Rc<Font>>,
    size: f64,
    spacing: f64,
    word_spacing: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

impl GraphicsState {
    fn new(map: Matrix) -> Self {
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
        }
    }
}

struct PageInterpreter<'f, 'a> {
    canvas: PageCanvas<'a>,
    fonts: &'f mut Fonts,
    instructions: usize,
    forms: usize,
    area: f64,
}

impl<'a> PageInterpreter<'_, 'a> {
    fn stream(
        &mut self,
        content: &[u8],
        resources: &Resources<'a>,
        start: &GraphicsState,
        depth: usize,
    ) {
        let mut state = start.clone();
        let mut saved = Vec::new();
        let mut instructions = UntypedIter::new(content);
        // Replacement text of marked content, and the depth at which it was opened.
        let mut marks = MarkedContent::default();
        while let Some(instruction) = instructions.next() {
            self.instructions += 1;
            if self.instructions > MAX_INSTRUCTIONS || self.canvas.glyphs.len() > MAX_GLYPHS {
                self.canvas.cut = true;
                return;
            }
            let operator: &[u8] = instruction.operator;
            match operator {
                b"q" if saved.len() < MAX_STATES => saved.push(state.clone()),
                b"Q" => state = saved.pop().unwrap_or(state),
                b"cm" => {
                    let map = six(&instruction).then(state.map);
                    if map.is_sane() {
                        state.map = map;
                    }
                }
                b"Do" => self.object(&instruction, resources, &state, depth),
                b"BDC" => marks.open(replacement(&instruction, resources), &self.canvas),
                b"BMC" => marks.open(None, &self.canvas),
                b"EMC" => marks.close(&mut self.canvas),
                b"gs" => self.graphics_state(&instruction, resources, &mut state),
                b"Tf" => {
                    let name = instruction.operands().find_map(name);
                    state.font = name.and_then(|name| Some(self.font(resources.get_font(name)?)));
                    state.size = last_number(&instruction);
                }
                _ => self.text(operator, &instruction, &mut state),
            }
        }
    }

    /// Handles the operators that concern only text.
    fn text(
        &mut self,
        operator: &[u8],
        instruction: &Instruction<'_, '_>,
        state: &mut GraphicsState,
    ) {
        match operator {
            b"BT" => (state.text, state.line) = (Matrix::IDENTITY, Matrix::IDENTITY),
            b"Tc" => state.spacing = last_number(instruction),
            b"Tw" => state.word_spacing = last_number(instruction),
            b"Tz" => state.stretch = last_number(instruction) / 100.0,
            b"TL" => state.leading = last_number(instruction),
            b"Ts" => state.rise = last_number(instruction),
            b"Tm" => {
                let map = six(instruction);
                if map.is_sane() {
                    (state.text, state.line) = (map, map);
                }
            }
            b"Td" | b"TD" => {
                let [x, y] = numbers(instruction);
                if operator == b"TD" {
                    state.leading = -y;
                }
                next_line(state, x, y);
            }
            b"T*" => next_line(state, 0.0, -state.leading),
            b"Tj" => self.show_all(instruction, state),
            b"'" => {
                next_line(state, 0.0, -state.leading);
                self.show_all(instruction, state);
            }
            b"\"" => {
                [state.word_spacing, state.spacing] = numbers(instruction);
                next_line(state, 0.0, -state.leading);
                self.show_all(instruction, state);
            }
            b"TJ" => {
                let Some(Object::Array(parts)) = instruction.operands().next() else {
                    return;
                };
                for part in parts.iter::<Object<'_>>() {
                    match part {
                        Object::String(bytes) => self.show(bytes.as_bytes(), state),
                        Object::Number(number) => {
                            let back = -number.as_f64() / 1_000.0 * state.size;
                            advance(state, back);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn show_all(&mut self, instruction: &Instruction<'_, '_>, state: &mut GraphicsState) {
        for operand in instruction.operands() {
            if let Object::String(bytes) = operand {
                self.show(bytes.as_bytes(), state);
            }
        }
    }

    fn show(&mut self, bytes: &[u8], state: &mut GraphicsState) {
        let Some(font) = state.font.clone() else {
            return;
        };
        font.show(bytes, &mut |shown| self.glyph(shown, font.vertical, state));
    }

    fn glyph(&mut self, shown: ShownGlyph, vertical: bool, state: &mut GraphicsState) {
        let map = state.text.then(state.map);
        let size = state.size;
        let (start, along) = if vertical {
            // The origin is above the middle of the character.
            ((-shown.width / 2.0 * size, state.rise), (0.0, -size))
        } else {
            // Text set wide on purpose has no blanks for that.
            let set = state.spacing.clamp(0.0, MAX_CHARACTER_SPACING * size.abs());
            let length = shown.width * size + set;
            ((0.0, state.rise), (length * state.stretch, 0.0))
        };
        let (x, y) = map.point(start.0, start.1);
        let up = map.direction(0.0, size);
        let height = up.0.hypot(up.1);
        let text = letters(&shown.text);
        if text.is_empty() {
            self.canvas.unnamed += usize::from(!shown.space && shown.width > 0.0);
        } else if x.is_finite()
            && y.is_finite()
            && height > 0.05
            && self.canvas.glyphs.len() <= MAX_GLYPHS
        {
            self.canvas.glyphs.push(Glyph {
                text,
                x,
                y,
                along: map.direction(along.0, along.1),
                size: height,
            });
        }
        let gap = state.spacing + if shown.space { state.word_spacing } else { 0.0 };
        let length = if vertical {
            -size + gap
        } else {
            shown.width * size + gap
        };
        if vertical {
            state.text = Matrix::shift(0.0, length).then(state.text);
        } else {
            advance(state, length);
        }
    }

    fn font(&mut self, dict: Dict<'a>) -> Rc<Font> {
        let Some(id) = dict.obj_id() else {
            return Rc::new(Font::read(&dict));
        };
        if let Some(font) = self.fonts.get(&id) {
            return font.clone();
        }
        if self.fonts.len() >= MAX_FONTS {
            self.fonts.clear();
        }
        let font = Rc::new(Font::read(&dict));
        self.fonts.insert(id, font.clone());
        font
    }

    fn graphics_state(
        &mut self,
        instruction: &Instruction<'_, '_>,
        resources: &Resources<'a>,
        state: &mut GraphicsState,
    ) {
        let dict = instruction
            .operands()
            .find_map(name)
            .and_then(|name| resources.get_ext_g_state(name));
        let Some(array) = dict.and_then(|dict| dict.get::<Array<'a>>("Font")) else {
            return;
        };
        if let Some(font) = array.iter::<Dict<'a>>().next() {
            state.font = Some(self.font(font));
        }
        if let Some(Object::Number(size)) = array.iter::<Object<'_>>().last() {
            state.size = size.as_f64();
        }
    }

    /// Handles a picture, or a form: a content stream of its own.
    fn object(
        &mut self,
        instruction: &Instruction<'_, '_>,
        resources: &Resources<'a>,
        state: &GraphicsState,
        depth: usize,
    ) {
        let Some(stream) = instruction
            .operands()
            .find_map(name)
            .and_then(|name| resources.get_x_object(name))
        else {
            return;
        };
        match stream.dict().get::<Name<'_>>("Subtype").as_deref() {
            Some(b"Image") => {
                let share = (state.map.area() / self.area).min(1.0);
                self.canvas.covered += share;
                if self
                    .canvas
                    .largest
                    .as_ref()
                    .is_none_or(|(most, _)| *most < share)
                {
                    self.canvas.largest = Some((share, stream));
                }
            }
            Some(b"Form") => self.form(&stream, resources, state, depth),
            _ => {}
        }
    }

    fn form(
        &mut self,
        stream: &Stream<'a>,
        resources: &Resources<'a>,
        state: &GraphicsState,
        depth: usize,
    ) {
        self.forms += 1;
        if depth >= MAX_FORM_DEPTH || self.forms > MAX_FORMS {
            self.canvas.cut = true;
            return;
        }
        let Ok(content) = stream.decoded_data() else {
            return;
        };
        let mut inner = state.clone();
        if let Some(matrix) = matrix(stream.dict()) {
            inner.map = matrix.then(inner.map);
        }
        match stream.dict().get::<Dict<'a>>("Resources") {
            Some(own) => self.stream(&content, &Resources::new(own), &inner, depth + 1),
            None => self.stream(&content, resources, &inner, depth + 1),
        }
    }

    /// Reads the appearance of a form field or an annotation.
    fn annotation(&mut self, annotation: &Dict<'a>, base: Matrix, resources: &Resources<'a>) {
        // The flags Hidden and NoView (ISO 32000-1, 12.5.3).
        const HIDDEN: u32 = 0b10_0010;
        if annotation.get::<u32>("F").unwrap_or(0) & HIDDEN != 0 {
            return;
        }
        let Some(looks) = annotation.get::<Dict<'a>>("AP") else {
            return;
        };
        let stream = match looks.get::<Object<'a>>("N") {
            Some(Object::Stream(stream)) => Some(stream),
            Some(Object::Dict(states)) => annotation
                .get::<Name<'_>>("AS")
                .and_then(|name| states.get::<Stream<'a>>(&*name)),
            _ => None,
        };
        let (Some(stream), Some(place)) = (stream, rectangle(annotation, "Rect")) else {
            return;
        };
        let matrix = matrix(stream.dict()).unwrap_or(Matrix::IDENTITY);
        let [x0, y0, x1, y1] = rectangle(stream.dict(), "BBox").unwrap_or([0.0, 0.0, 1.0, 1.0]);
        let corners = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| matrix.point(x, y));
        let least =
            |part: fn(&(f64, f64)) -> f64| corners.iter().map(part).fold(f64::MAX, f64::min);
        let most = |part: fn(&(f64, f64)) -> f64| corners.iter().map(part).fold(f64::MIN, f64::max);
        let (left, right) = (least(|at| at.0), most(|at| at.0));
        let (low, high) = (least(|at| at.1), most(|at| at.1));
        let scale = |to: f64, from: f64| if from > 0.0 { to / from } else { 1.0 };
        let (wide, tall) = (
            scale(place[2] - place[0], right - left),
            scale(place[3] - place[1], high - low),
        );
        let fit = Matrix([
            wide,
            0.0,
            0.0,
            tall,
            place[0] - left * wide,
            place[1] - low * tall,
        ]);
        if fit.is_sane() {
            self.form(&stream, resources, &GraphicsState::new(fit.then(base)), 1);
        }
    }
}

fn next_line(state: &mut GraphicsState, x: f64, y: f64) {
    let line = Matrix::shift(x, y).then(state.line);
    if line.is_sane() {
        (state.text, state.line) = (line, line);
    }
}

fn advance(state: &mut GraphicsState, length: f64) {
    let moved = match &state.font {
        Some(font) if font.vertical => Matrix::shift(0.0, length),
        _ => Matrix::shift(length * state.stretch, 0.0),
    };
    let text = moved.then(state.text);
    if text.is_sane() {
        state.text = text;
    }
}
