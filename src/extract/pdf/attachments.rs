//! Files attached to a PDF: readable ones are read after its pages; for the others, only the name is reported.

use std::collections::HashSet;

use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, Object, ObjectIdentifier, Stream};

use super::annotations;
use crate::extract::output::Output;
use crate::extract::{FileInput, read_contained_file};

/// Maximum number of attached files.
const MAX_FILES: usize = 500;
/// Maximum depth of the name tree.
const MAX_DEPTH: usize = 16;
/// Maximum number of files that may enclose an attached file that is read.
const MAX_FILE_DEPTH: usize = 2;

/// The files attached to a document, without duplicates.
#[derive(Default)]
pub struct Attachments<'a> {
    seen_objects: HashSet<ObjectIdentifier>,
    files: Vec<(String, Stream<'a>)>,
}

impl<'a> Attachments<'a> {
    /// Lists the files attached to the document as a whole.
    pub fn from_pdf(pdf: &'a Pdf) -> Self {
        let mut attachments = Self::default();
        let Some(root) = pdf.xref().get::<Dict<'a>>(pdf.xref().root_id()) else {
            return attachments;
        };
        let names = root
            .get::<Dict<'a>>("Names")
            .and_then(|names| names.get::<Dict<'a>>("EmbeddedFiles"));
        if let Some(tree) = names {
            attachments.add_name_tree(&tree, 0);
        }
        for file in root
            .get::<Array<'a>>("AF")
            .iter()
            .flat_map(|all| all.iter::<Dict<'a>>())
            .take(MAX_FILES)
        {
            attachments.add(&file);
        }
        attachments
    }

    fn add_name_tree(&mut self, node: &Dict<'a>, depth: usize) {
        if depth > MAX_DEPTH || self.files.len() >= MAX_FILES {
            return;
        }
        if let Some(pairs) = node.get::<Array<'a>>("Names") {
            // The array alternates between names and files.
            for one in pairs.iter::<Object<'a>>().take(2 * MAX_FILES) {
                if let Object::Dict(file) = one {
                    self.add(&file);
                }
            }
        }
        for child in node
            .get::<Array<'a>>("Kids")
            .iter()
            .flat_map(|kids| kids.iter::<Dict<'a>>())
            .take(MAX_FILES)
        {
            self.add_name_tree(&child, depth + 1);
        }
    }

    /// Adds the file embedded in a file specification, unless it is already known.
    pub fn add(&mut self, specification: &Dict<'a>) {
        if self.files.len() < MAX_FILES
            && let Some((name, stream)) = annotations::embedded_file(specification)
            && self.seen_objects.insert(stream.obj_id())
        {
            self.files.push((name, stream));
        }
    }

    /// Reads the files, each under its name; a note names each one that is not read.
    pub fn read(self, out: &mut Output<'_>) {
        let limits = *out.limits();
        for (name, stream) in self.files {
            if out.is_full() {
                break;
            }
            if out.depth() >= MAX_FILE_DEPTH {
                out.add_note(format!("attached file {name} is not read"));
                continue;
            }
            let Ok(bytes) = stream.decoded_data() else {
                out.add_note(format!("attached file {name} is damaged"));
                continue;
            };
            let file = FileInput {
                bytes: &bytes,
                name: &name,
                encoding: None,
                limits: &limits,
            };
            if let Err(reason) = read_contained_file(&file, out) {
                out.add_note(format!("attached file {name}: {}", reason.message()));
            }
        }
    }
}
