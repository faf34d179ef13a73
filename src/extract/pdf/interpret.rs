//! Interprets a page's content streams to collect its text and images: the position, size, and text of each character.
//! Draws nothing, follows no references outside the file, and limits the amount of everything that it reads.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_syntax::content::{Instruction, UntypedIter};
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::{Page, Resources};

use super::annotations::{self, AnnotationText};
use super::attachments::Attachments;
use super::canvas::{Glyph, PageCanvas};
use super::font::{Font, ShownGlyph};
use super::graphics_state::{FillColor, GraphicsState};
use super::layers::Layers;
use super::marks::{MarkedContent, replacement};
use super::matrix::Matrix;
use super::operands::{last_number, matrix, matrix_operands, name, numbers};
use super::overprint;
use super::page_geometry::{content, upright_size, upright_transform};
use super::painting::{PagePainting, apply_transparency};
use super::script::letters;

/// Maximum number of glyphs per page. Real pages stay far below this and the following limits.
const MAX_GLYPHS: usize = 200_000;
/// Maximum number of instructions per page.
const MAX_INSTRUCTIONS: usize = 4_000_000;
/// Maximum number of forms and annotations per page.
const MAX_FORMS: usize = 2_000;
/// Maximum depth of nested forms.
const MAX_FORM_DEPTH: usize = 12;
/// Maximum number of saved graphics states.
const MAX_STATES: usize = 512;
/// Maximum character spacing, in multiples of the font size, that is added to a character's width. Wider spacing
/// separates words.
const MAX_CHARACTER_SPACING: f64 = 0.4;
/// Minimum share of a page, 0 to 1, that an image covers to count as content rather than an ornament.
const MIN_PICTURE: f64 = 0.01;
/// Maximum number of fonts cached across pages.
const MAX_FONTS: usize = 200;

/// Fonts by object, shared across pages.
pub type Fonts = HashMap<ObjectIdentifier, Rc<Font>>;

/// Interprets a page and returns its content. Files attached to the page are added to `files`.
pub fn interpret_page<'a>(
    page: &Page<'a>,
    fonts: &mut Fonts,
    layers: &Layers,
    files: &mut Attachments<'a>,
) -> PageCanvas<'a> {
    let area = page.media_box();
    let mut runner = PageInterpreter {
        canvas: PageCanvas::default(),
        painting: PagePainting::new(upright_size(page)),
        fonts,
        layers,
        hidden_layers: 0,
        instructions: 0,
        forms: 0,
        area: (area.width() * area.height()).max(1.0),
    };
    let base = upright_transform(page);
    let content = content(page.raw());
    runner.run_stream(&content, page.resources(), &GraphicsState::new(base), 0);
    for annotation in page
        .raw()
        .get::<Array<'_>>("Annots")
        .iter()
        .flat_map(|array| array.iter::<Dict<'_>>())
        .take(MAX_FORMS)
    {
        runner.draw_annotation(&annotation, base, page.resources(), files);
    }
    let (width, height) = upright_size(page);
    let mut canvas = runner.canvas;
    runner.painting.finish(&mut canvas);
    choose_invisible(&mut canvas);
    let glyph_count = canvas.glyphs.len();
    canvas.glyphs.retain(|glyph| {
        let inside = |at: f64, size: f64| (-0.1 * size..=1.1 * size).contains(&at);
        inside(glyph.x, width) && inside(glyph.y, height)
    });
    canvas.hidden_count += glyph_count - canvas.glyphs.len();
    canvas.glyphs = overprint::remove_duplicates(std::mem::take(&mut canvas.glyphs));
    canvas
}

/// Decides whether to keep invisible text. It is kept if it represents visible content: over a scan, or if most text is
/// invisible because its letters are drawn as shapes. Otherwise it is dropped, because readers do not see it.
fn choose_invisible(canvas: &mut PageCanvas<'_>) {
    let invisible = std::mem::take(&mut canvas.invisible);
    if invisible.is_empty() {
        return;
    }
    let is_scan = canvas.image_share >= super::MIN_SCAN_SHARE;
    if is_scan || invisible.len() > canvas.glyphs.len() {
        canvas.is_recognized = is_scan && invisible.len() > canvas.glyphs.len();
        canvas.glyphs.extend(invisible);
    } else {
        canvas.hidden_count += invisible.len();
    }
}

struct PageInterpreter<'f, 'a> {
    canvas: PageCanvas<'a>,
    painting: PagePainting,
    fonts: &'f mut Fonts,
    layers: &'f Layers,
    /// Number of open marked-content sections in hidden layers.
    hidden_layers: usize,
    instructions: usize,
    forms: usize,
    area: f64,
}

impl<'a> PageInterpreter<'_, 'a> {
    fn run_stream(
        &mut self,
        content: &[u8],
        resources: &Resources<'a>,
        start: &GraphicsState,
        depth: usize,
    ) {
        let mut state = start.clone();
        let mut saved_states = Vec::new();
        let mut instructions = UntypedIter::new(content);
        // Open marked content, with the replacement texts for its characters.
        let mut marks = MarkedContent::default();
        let mut hidden: Vec<bool> = Vec::new();
        let hidden_layers = self.hidden_layers;
        while let Some(instruction) = instructions.next() {
            self.instructions += 1;
            if self.instructions > MAX_INSTRUCTIONS || self.canvas.glyphs.len() > MAX_GLYPHS {
                self.canvas.is_truncated = true;
                return;
            }
            let operator: &[u8] = instruction.operator;
            match operator {
                b"q" if saved_states.len() < MAX_STATES => saved_states.push(state.clone()),
                b"Q" => state = saved_states.pop().unwrap_or(state),
                b"cm" => {
                    let map = matrix_operands(&instruction).then(state.map);
                    if map.is_usable() {
                        state.map = map;
                    }
                }
                b"BI" => self.picture(&state, None),
                b"Do" => self.draw_object(&instruction, resources, &state, depth),
                b"BDC" => {
                    let is_on_hidden_layer = self.layers.hides_mark(&instruction, resources);
                    self.begin_marked_content(is_on_hidden_layer, &mut hidden);
                    marks.open(replacement(&instruction, resources), &self.canvas);
                }
                b"BMC" => {
                    self.begin_marked_content(false, &mut hidden);
                    marks.open(None, &self.canvas);
                }
                b"EMC" => {
                    self.hidden_layers -= usize::from(hidden.pop() == Some(true));
                    marks.close(&mut self.canvas);
                    self.painting.truncate_glyphs(self.canvas.glyphs.len());
                }
                b"gs" => self.graphics_state(&instruction, resources, &mut state),
                b"Tf" => {
                    let name = instruction.operands().find_map(name);
                    state.font =
                        name.and_then(|name| Some(self.load_font(resources.get_font(name)?)));
                    state.size = last_number(&instruction);
                }
                _ => {
                    let (glyphs, is_shown) = (self.canvas.glyphs.len(), self.hidden_layers == 0);
                    if !(self.painting).apply(&instruction, &mut state, glyphs, is_shown) {
                        self.run_text_operator(operator, &instruction, &mut state);
                    }
                }
            }
        }
        // A section that the stream does not close must not hide what follows the stream.
        self.hidden_layers = hidden_layers;
    }

    fn begin_marked_content(&mut self, is_on_hidden_layer: bool, hidden: &mut Vec<bool>) {
        if hidden.len() < MAX_STATES {
            hidden.push(is_on_hidden_layer);
            self.hidden_layers += usize::from(is_on_hidden_layer);
        }
    }

    /// Handles an operator that concerns only text.
    fn run_text_operator(
        &mut self,
        operator: &[u8],
        instruction: &Instruction<'_, '_>,
        state: &mut GraphicsState,
    ) {
        match operator {
            b"BT" => (state.text, state.line) = (Matrix::IDENTITY, Matrix::IDENTITY),
            b"Tc" => state.spacing = last_number(instruction),
            b"Tw" => state.word_spacing = last_number(instruction),
            b"Tz" => state.horizontal_scale = last_number(instruction) / 100.0,
            b"TL" => state.leading = last_number(instruction),
            b"Ts" => state.rise = last_number(instruction),
            b"Tr" => {
                let mode = last_number(instruction);
                (state.is_invisible, state.is_filled) = (mode == 3.0, mode == 0.0);
            }
            b"Tm" => {
                let map = matrix_operands(instruction);
                if map.is_usable() {
                    (state.text, state.line) = (map, map);
                }
            }
            b"Td" | b"TD" => {
                let [x, y] = numbers(instruction);
                if operator == b"TD" {
                    state.leading = -y;
                }
                state.next_line(x, y);
            }
            b"T*" => state.next_line(0.0, -state.leading),
            b"Tj" => self.show_all(instruction, state),
            b"'" => {
                state.next_line(0.0, -state.leading);
                self.show_all(instruction, state);
            }
            b"\"" => {
                [state.word_spacing, state.spacing] = numbers(instruction);
                state.next_line(0.0, -state.leading);
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
                            let adjustment = -number.as_f64() / 1_000.0 * state.size;
                            state.advance(adjustment);
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
        font.show(bytes, &mut |shown| {
            self.draw_glyph(shown, font.vertical, state)
        });
    }

    fn draw_glyph(&mut self, shown: ShownGlyph, vertical: bool, state: &mut GraphicsState) {
        let map = state.text.then(state.map);
        let size = state.size;
        let (start, baseline_advance) = if vertical {
            // In vertical text, the origin is above the middle of the character.
            ((-shown.width / 2.0 * size, state.rise), (0.0, -size))
        } else {
            // Wide letter-spacing must not be mistaken for spaces between words, so it counts toward the character.
            let spacing = state.spacing.clamp(0.0, MAX_CHARACTER_SPACING * size.abs());
            let length = shown.width * size + spacing;
            ((0.0, state.rise), (length * state.horizontal_scale, 0.0))
        };
        let (x, y) = map.transform_point(start.0, start.1);
        let vertical_advance = map.transform_direction(0.0, size);
        let height = vertical_advance.0.hypot(vertical_advance.1);
        let text = letters(&shown.text);
        if text.is_empty() {
            self.canvas.unmapped += usize::from(!shown.is_space && shown.width > 0.0);
        } else if self.hidden_layers > 0 {
            self.canvas.has_layers_off = true;
        } else if x.is_finite()
            && y.is_finite()
            && height > 0.05
            && self.canvas.glyphs.len() + self.canvas.invisible.len() <= MAX_GLYPHS
        {
            let glyph = Glyph {
                text,
                x,
                y,
                advance: map.transform_direction(baseline_advance.0, baseline_advance.1),
                size: height,
                is_raised: state.rise.abs() > 0.1 * size.abs(),
                is_white: state.fill_color == FillColor::White && state.is_filled,
            };
            match state.is_invisible {
                true => self.canvas.invisible.push(glyph),
                false => self.canvas.glyphs.push(glyph),
            }
        }
        let gap = state.spacing
            + if shown.is_space {
                state.word_spacing
            } else {
                0.0
            };
        let length = if vertical {
            -size + gap
        } else {
            shown.width * size + gap
        };
        if vertical {
            state.text = Matrix::translation(0.0, length).then(state.text);
        } else {
            state.advance(length);
        }
    }

    fn load_font(&mut self, dict: Dict<'a>) -> Rc<Font> {
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
        let Some(dict) = dict else { return };
        apply_transparency(&dict, state);
        let Some(array) = dict.get::<Array<'a>>("Font") else {
            return;
        };
        if let Some(font) = array.iter::<Dict<'a>>().next() {
            state.font = Some(self.load_font(font));
        }
        if let Some(Object::Number(size)) = array.iter::<Object<'_>>().last() {
            state.size = size.as_f64();
        }
    }

    /// Draws an external object: an image, or a form, which is a separate content stream.
    fn draw_object(
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
        if self.hidden_layers > 0 || self.layers.hides_object(stream.dict()) {
            self.canvas.has_layers_off = true;
            return;
        }
        match stream.dict().get::<Name<'_>>("Subtype").as_deref() {
            Some(b"Image") => self.picture(state, Some(stream)),
            Some(b"Form") => self.draw_form(&stream, resources, state, depth),
            _ => {}
        }
    }

    /// Records an image. An inline image has no stream of its own.
    fn picture(&mut self, state: &GraphicsState, stream: Option<Stream<'a>>) {
        let share = (state.map.area_factor() / self.area).min(1.0);
        self.painting.add_image(state.map);
        let canvas = &mut self.canvas;
        canvas.pictures += usize::from(share >= MIN_PICTURE);
        let Some(stream) = stream else { return };
        canvas.image_share += share;
        if canvas
            .largest_image
            .as_ref()
            .is_none_or(|(largest_share, _)| *largest_share < share)
        {
            canvas.largest_image = Some((share, stream));
        }
    }

    fn draw_form(
        &mut self,
        stream: &Stream<'a>,
        resources: &Resources<'a>,
        state: &GraphicsState,
        depth: usize,
    ) {
        self.forms += 1;
        if depth >= MAX_FORM_DEPTH || self.forms > MAX_FORMS {
            self.canvas.is_truncated = true;
            return;
        }
        let Ok(content) = stream.decoded_data() else {
            return;
        };
        let mut inner = state.clone();
        inner.is_in_transparent_form = state.is_transparent();
        if let Some(matrix) = matrix(stream.dict()) {
            inner.map = matrix.then(inner.map);
        }
        match stream.dict().get::<Dict<'a>>("Resources") {
            Some(own) => self.run_stream(&content, &Resources::new(own), &inner, depth + 1),
            None => self.run_stream(&content, resources, &inner, depth + 1),
        }
    }

    /// Reads an annotation, which may be a form field.
    fn draw_annotation(
        &mut self,
        annotation: &Dict<'a>,
        base: Matrix,
        resources: &Resources<'a>,
        files: &mut Attachments<'a>,
    ) {
        // The Hidden and NoView flags (ISO 32000-1, 12.5.3).
        const HIDDEN: u32 = 0b10_0010;
        if annotation.get::<u32>("F").unwrap_or(0) & HIDDEN != 0
            || self.layers.hides_object(annotation)
        {
            self.canvas.hidden_count += usize::from(annotations::has_text(annotation));
            return;
        }
        let glyph_count = self.canvas.glyphs.len();
        self.canvas.has_redactions |= annotations::has_subtype(annotation, b"Redact");
        match annotations::text(annotation) {
            AnnotationText::Box(is_checked) => {
                let mark = if is_checked { "[x]" } else { "[ ]" };
                annotations::place_text(&mut self.canvas, annotation, mark, base);
            }
            AnnotationText::File(file) => files.add(&file),
            AnnotationText::Media => self.canvas.has_media = true,
            AnnotationText::Appearance(value) | AnnotationText::Comment(value, true) => {
                self.draw_appearance(annotation, base, resources);
                if self.canvas.glyphs.len() == glyph_count && !value.trim().is_empty() {
                    annotations::place_text(&mut self.canvas, annotation, &value, base);
                }
            }
            AnnotationText::Comment(value, false) => {
                self.draw_appearance(annotation, base, resources);
                if self.canvas.glyphs.len() == glyph_count {
                    annotations::add_comment(&mut self.canvas, value);
                }
            }
        }
    }

    fn draw_appearance(&mut self, annotation: &Dict<'a>, base: Matrix, resources: &Resources<'a>) {
        if let Some((stream, fit)) = annotations::annotation_appearance(annotation) {
            let mut state = GraphicsState::new(fit.then(base));
            // Viewers blend highlights with the page and mark fields in their own way, so neither hides any text.
            state.is_blended = annotations::has_subtype(annotation, b"Highlight")
                || annotations::has_subtype(annotation, b"Widget");
            self.draw_form(&stream, resources, &state, 1);
        }
    }
}
