//! Form fields and comments on a page: the values of fields without an appearance, the state of check boxes, the text
//! of comments, and attached files.

use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as Bytes};

use super::canvas::{Glyph, PageCanvas};
use super::matrix::Matrix;
use super::operands::{decode_text, matrix, rectangle};
use crate::extract::html;

/// Maximum number of ancestors of a field to follow.
const MAX_PARENTS: usize = 12;
/// Maximum length of a value or a comment, in characters.
const MAX_CHARS: usize = 20_000;
/// Maximum number of comments to keep per page.
const MAX_COMMENTS: usize = 1_000;
/// Font size in points for a value without an appearance.
const DEFAULT_FONT_SIZE: f64 = 10.0;
/// Average character width, in multiples of the font size.
const CHARACTER_WIDTH: f64 = 0.5;

/// How to read an annotation on a page.
pub enum AnnotationText<'a> {
    /// Its appearance is read; if that contains no text, this value is written instead.
    Appearance(String),
    /// A check box: checked or not.
    Box(bool),
    /// A comment, and whether it is written on the page itself.
    Comment(String, bool),
    /// An attached file.
    File(Dict<'a>),
    /// A recording or a 3D model.
    Media,
}

/// Returns how to read an annotation, according to its subtype.
pub fn text<'a>(annotation: &Dict<'a>) -> AnnotationText<'a> {
    let subtype = annotation.get::<Name<'_>>("Subtype");
    match subtype.as_deref() {
        Some(b"Widget") => classify_field(annotation),
        Some(b"RichMedia" | b"Screen" | b"Movie" | b"Sound" | b"3D") => AnnotationText::Media,
        Some(b"Link" | b"Popup" | b"PrinterMark" | b"TrapNet" | b"Redact") | None => {
            AnnotationText::Appearance(String::new())
        }
        Some(b"FileAttachment") => match annotation.get::<Dict<'a>>("FS") {
            Some(file) => AnnotationText::File(file),
            None => AnnotationText::Appearance(String::new()),
        },
        Some(b"FreeText") => AnnotationText::Comment(string_entry(annotation, "Contents"), true),
        Some(_) => AnnotationText::Comment(comment_text(annotation), false),
    }
}

/// Returns the text of a comment, with its author; empty if there is none.
fn comment_text(annotation: &Dict<'_>) -> String {
    let mut text = one_line(&string_entry(annotation, "Contents"));
    if text.is_empty() {
        text = one_line(&rich_text(annotation.get::<Object<'_>>("RC")));
    }
    let author = one_line(&string_entry(annotation, "T"));
    match (text.is_empty(), author.is_empty()) {
        (true, _) => text,
        (false, true) => format!("[comment: {text}]"),
        (false, false) => format!("[comment by {author}: {text}]"),
    }
}

/// Returns whether an annotation has this subtype.
pub fn has_subtype(annotation: &Dict<'_>, kind: &[u8]) -> bool {
    annotation.get::<Name<'_>>("Subtype").as_deref() == Some(kind)
}

/// Returns whether an annotation is a comment or a field with text of its own.
pub fn has_text(annotation: &Dict<'_>) -> bool {
    match text(annotation) {
        AnnotationText::Appearance(text) | AnnotationText::Comment(text, _) => {
            !text.trim().is_empty()
        }
        _ => false,
    }
}

/// Returns the plain text of a rich-text value, which is XHTML.
fn rich_text(value: Option<Object<'_>>) -> String {
    let page = value
        .map(|value| display_value(&value, None))
        .unwrap_or_default();
    html::body(&page, MAX_CHARS, true).text
}

fn classify_field<'a>(annotation: &Dict<'a>) -> AnnotationText<'a> {
    // Bits of a form field's flags (ISO 32000-1, 12.7).
    const RADIO: u32 = 1 << 15;
    const PUSH_BUTTON: u32 = 1 << 16;
    const PASSWORD: u32 = 1 << 13;
    const COMBO_FLAG: u32 = 1 << 17;
    let flags = match inherited_value(annotation, "Ff") {
        Some(Object::Number(flags)) => u32::try_from(flags.as_i64()).unwrap_or(0),
        _ => 0,
    };
    let Some(Object::Name(kind)) = inherited_value(annotation, "FT") else {
        return AnnotationText::Appearance(String::new());
    };
    let value = inherited_value(annotation, "V");
    match Some(&*kind) {
        Some(b"Btn") if flags & PUSH_BUTTON == 0 => {
            let state = annotation.get::<Name<'_>>("AS");
            let state =
                state
                    .map(|state| state.to_vec())
                    .or_else(|| match (&value, flags & RADIO) {
                        (Some(Object::Name(name)), 0) => Some(name.to_vec()),
                        _ => None,
                    });
            AnnotationText::Box(state.is_some_and(|state| state != b"Off"))
        }
        Some(b"Tx" | b"Ch") if flags & PASSWORD == 0 => {
            let options = match inherited_value(annotation, "Opt") {
                Some(Object::Array(options)) => Some(options),
                _ => None,
            };
            let value = value
                .map(|value| display_value(&value, options.as_ref()))
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| rich_text(inherited_value(annotation, "RV")));
            let is_list = &*kind == b"Ch" && flags & COMBO_FLAG == 0;
            AnnotationText::Appearance(match options {
                Some(options) if is_list => list_options(&options, &value),
                _ => value,
            })
        }
        Some(b"Btn") => {
            let appearance_characteristics = annotation.get::<Dict<'a>>("MK");
            let caption = appearance_characteristics
                .map(|appearance_characteristics| string_entry(&appearance_characteristics, "CA"));
            AnnotationText::Appearance(caption.unwrap_or_default())
        }
        Some(b"Sig") => AnnotationText::Appearance(match value {
            Some(Object::Dict(signature)) => {
                let name = one_line(&string_entry(&signature, "Name"));
                format!("[signature: {name}]").replace(": ]", "]")
            }
            _ => String::new(),
        }),
        _ => AnnotationText::Appearance(String::new()),
    }
}

/// Returns the text of a list box: all options, with the selected ones marked.
fn list_options(options: &Array<'_>, value: &str) -> String {
    let label = |option: Object<'_>| match option {
        Object::String(text) => decode_text(text.as_bytes()),
        Object::Array(pair) => {
            let label = pair.iter::<Bytes<'_>>().take(2).last();
            label
                .map(|text| decode_text(text.as_bytes()))
                .unwrap_or_default()
        }
        _ => String::new(),
    };
    let chosen_options: Vec<&str> = value.split(", ").collect();
    let lines = options
        .iter::<Object<'_>>()
        .take(MAX_COMMENTS)
        .map(|option| {
            let label = label(option);
            let is_chosen = !label.is_empty() && chosen_options.contains(&label.as_str());
            if is_chosen {
                format!("[x] {label}")
            } else {
                label
            }
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the value as the field shows it; a selected option is shown by its label.
fn display_value(value: &Object<'_>, options: Option<&Array<'_>>) -> String {
    let label = |value: String| -> String {
        let pairs = options
            .iter()
            .flat_map(|options| options.iter::<Array<'_>>())
            .take(MAX_CHARS);
        let label = pairs
            .map(|pair| {
                pair.iter::<Bytes<'_>>()
                    .take(2)
                    .map(|text| decode_text(text.as_bytes()))
                    .collect::<Vec<_>>()
            })
            .find(|pair| pair.len() == 2 && pair[0] == value)
            .and_then(|mut pair| pair.pop());
        label.unwrap_or(value)
    };
    let text = match value {
        Object::String(text) => label(decode_text(text.as_bytes())),
        Object::Array(all) => {
            let all: Vec<String> = all
                .iter::<Bytes<'_>>()
                .take(100)
                .map(|one| label(decode_text(one.as_bytes())))
                .collect();
            all.join(", ")
        }
        Object::Stream(stream) => stream
            .decoded_data()
            .map(|bytes| decode_text(&bytes))
            .unwrap_or_default(),
        Object::Name(name) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    };
    text.chars().take(MAX_CHARS).collect()
}

/// Returns an entry of the field, or of the nearest ancestor that has it.
fn inherited_value<'a>(annotation: &Dict<'a>, key: &str) -> Option<Object<'a>> {
    let mut dict = annotation.clone();
    for _ in 0..MAX_PARENTS {
        if let Some(found) = dict.get::<Object<'a>>(key) {
            return Some(found);
        }
        dict = dict.get::<Dict<'a>>("Parent")?;
    }
    None
}

fn string_entry(dict: &Dict<'_>, key: &str) -> String {
    let text = dict
        .get::<Bytes<'_>>(key)
        .map(|text| decode_text(text.as_bytes()));
    text.unwrap_or_default().chars().take(MAX_CHARS).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds a comment to the page, unless it is empty or the page has too many.
pub fn add_comment(canvas: &mut PageCanvas<'_>, comment: String) {
    if !comment.is_empty() && canvas.notes.len() < MAX_COMMENTS {
        canvas.notes.push(comment);
    }
}

/// Places a text in the annotation's rectangle, as a viewer would draw it. `base` maps the page's coordinates to those
/// of the upright page.
pub fn place_text(canvas: &mut PageCanvas<'_>, annotation: &Dict<'_>, text: &str, base: Matrix) {
    let Some([x0, y0, x1, y1]) = rectangle(annotation, "Rect") else {
        return;
    };
    let lines: Vec<&str> = text
        .split(['\r', '\n'])
        .filter(|line| !line.trim().is_empty())
        .collect();
    let size = DEFAULT_FONT_SIZE
        .min((y1 - y0) / lines.len().max(1) as f64)
        .max(4.0);
    let middle = (y1 - y0 - size * lines.len() as f64).max(0.0) / 2.0;
    for (index, line) in lines.iter().enumerate() {
        let below = size * (index as f64 + 0.8);
        let (x, y) = base.transform_point(x0, y1 - middle - below);
        let width = (CHARACTER_WIDTH * size * line.chars().count() as f64).min((x1 - x0).max(size));
        if x.is_finite() && y.is_finite() {
            canvas.glyphs.push(Glyph {
                text: super::script::letters(&one_line(line)),
                x,
                y,
                advance: base.transform_direction(width, 0.0),
                size,
                is_raised: false,
                is_white: false,
            });
        }
    }
}

/// Returns the appearance of an annotation, and the transformation from it to the page.
pub fn annotation_appearance<'a>(annotation: &Dict<'a>) -> Option<(Stream<'a>, Matrix)> {
    let appearances = annotation.get::<Dict<'a>>("AP")?;
    let stream = match appearances.get::<Object<'a>>("N")? {
        Object::Stream(stream) => stream,
        Object::Dict(states) => {
            let name = annotation.get::<Name<'_>>("AS")?;
            states.get::<Stream<'a>>(&*name)?
        }
        _ => return None,
    };
    let target_rectangle = rectangle(annotation, "Rect")?;
    let matrix = matrix(stream.dict()).unwrap_or(Matrix::IDENTITY);
    let [x0, y0, x1, y1] = rectangle(stream.dict(), "BBox").unwrap_or([0.0, 0.0, 1.0, 1.0]);
    let corners =
        [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| matrix.transform_point(x, y));
    let minimum = |part: fn(&(f64, f64)) -> f64| corners.iter().map(part).fold(f64::MAX, f64::min);
    let maximum = |part: fn(&(f64, f64)) -> f64| corners.iter().map(part).fold(f64::MIN, f64::max);
    let (left, right) = (minimum(|at| at.0), maximum(|at| at.0));
    let (bottom, top) = (minimum(|at| at.1), maximum(|at| at.1));
    let scale = |to: f64, from: f64| if from > 0.0 { to / from } else { 1.0 };
    let scale_x = scale(target_rectangle[2] - target_rectangle[0], right - left);
    let scale_y = scale(target_rectangle[3] - target_rectangle[1], top - bottom);
    let (x, y) = (
        target_rectangle[0] - left * scale_x,
        target_rectangle[1] - bottom * scale_y,
    );
    let fit = Matrix([scale_x, 0.0, 0.0, scale_y, x, y]);
    fit.is_usable().then_some((stream, fit))
}

/// Returns the name and content of the file embedded in a file specification; `None` if there is none.
pub fn embedded_file<'a>(specification: &Dict<'a>) -> Option<(String, Stream<'a>)> {
    let embedded = specification.get::<Dict<'a>>("EF")?;
    let stream = ["UF", "F", "Unix", "Mac", "DOS"]
        .iter()
        .find_map(|key| embedded.get::<Stream<'a>>(*key))?;
    let name = ["UF", "F", "Desc"]
        .iter()
        .map(|key| one_line(&string_entry(specification, key)))
        .find(|name| !name.is_empty());
    let name: String = name
        .unwrap_or_else(|| "attached file".to_owned())
        .chars()
        .take(200)
        .collect();
    Some((name, stream))
}
