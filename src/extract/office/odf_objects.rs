//! Objects embedded in an OpenDocument file. Formulas, charts, sheets, and texts are folders of the package with
//! content of their own; of programs, only the names are reported.

use super::body::to_one_line;
use super::package::resolve;
use super::xml::{Tag, Xml, XmlPiece};
use crate::extract::output::Output;
use crate::extract::zip::Zip;

/// Maximum number of objects to read.
const MAX_OBJECTS: usize = 500;
/// Maximum size of a formula, in bytes.
const MAX_FORMULA_BYTES: usize = 16 << 10;

/// The objects of a file that have yet to be read.
#[derive(Default)]
pub struct OdfObjects {
    /// The objects' folders in the package.
    folders: Vec<String>,
}

/// How to handle an embedded object.
pub enum OdfObject {
    /// The text of a formula.
    Formula(String),
    /// The object has its own text, which is read after the file's own text.
    Deferred,
    /// The object cannot be read.
    Unreadable,
}

impl OdfObjects {
    /// Returns how to handle the object that a tag refers to. Remembers the object's folder if it must be read later.
    pub fn take(&mut self, zip: &Zip<'_>, tag: &Tag) -> OdfObject {
        let folder = resolve("", &tag.get("href").unwrap_or_default());
        let part = content_of(&folder);
        let Some(mut xml) = Xml::part(zip, &part).filter(|_| !folder.is_empty()) else {
            return OdfObject::Unreadable;
        };
        match formula(&mut xml) {
            Some(formula) => OdfObject::Formula(formula),
            None if self.folders.len() >= MAX_OBJECTS => OdfObject::Unreadable,
            None => {
                self.folders.push(folder);
                OdfObject::Deferred
            }
        }
    }

    /// Returns the folders of the objects whose text follows the file's own text, without duplicates.
    pub fn into_folders(mut self) -> Vec<String> {
        let mut seen_folders = std::collections::HashSet::new();
        self.folders
            .retain(|folder| seen_folders.insert(folder.clone()));
        self.folders
    }
}

/// Returns the path of the content of the package, or of an object's folder in it.
pub fn content_of(folder: &str) -> String {
    match folder {
        "" => "content.xml".to_owned(),
        folder => format!("{folder}/content.xml"),
    }
}

/// Returns the source of a formula or, without a source, its symbols in order; `None` if the object is not a formula.
fn formula(xml: &mut Xml<'_>) -> Option<String> {
    let (mut signs, mut source) = (String::new(), String::new());
    let mut is_formula = false;
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if !is_formula && tag.name() != "math" => return None,
            XmlPiece::Open(tag) if tag.name() == "annotation" => source = xml.inner_text(),
            XmlPiece::Open(_) => is_formula = true,
            XmlPiece::Text(text) if signs.len() < MAX_FORMULA_BYTES => {
                signs.push_str(&text);
                signs.push(' ');
            }
            _ => {}
        }
    }
    let words = to_one_line(if source.trim().is_empty() {
        &signs
    } else {
        &source
    });
    is_formula.then_some(words)
}

/// Reports the names of the programs in the package.
pub fn report_programs(zip: &Zip<'_>, out: &mut Output<'_>) {
    for entry in &zip.entries {
        let name = entry.name.as_str();
        // These files only list the modules of a library.
        let is_list = ["-lb.xml", "-lc.xml"].iter().any(|end| name.ends_with(end));
        let is_program = (name.starts_with("Basic/") && name.ends_with(".xml") && !is_list)
            || (name.starts_with("Scripts/") && !name.ends_with('/'));
        if is_program {
            out.add_note(format!("the program {name} is not read"));
        }
    }
}
