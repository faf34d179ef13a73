//! Detects the kind of office file in a container, and reads the relationships between its parts.

use super::xml::{Xml, XmlPiece};
use crate::extract::Unreadable;
use crate::extract::zip::Zip;

/// Maximum number of relationships or content types to read.
const MAX_RELATIONSHIPS: usize = 50_000;

/// The kind of file in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Package {
    /// A Word document, with the path of its main part.
    Word(String),
    /// An Excel workbook, with the path of its main part.
    Sheets(String),
    /// A PowerPoint presentation, with the path of its main part.
    Slides(String),
    /// An OpenDocument text, sheet, or presentation.
    Open,
    /// An EPUB book.
    Book,
    /// An archive of ordinary files.
    Archive,
}

/// Detects the kind of file by the parts that each kind always contains.
///
/// # Errors
/// Returns [`Unreadable::Locked`] for an encrypted OpenDocument file, or [`Unreadable::Unsupported`] for a binary Excel
/// workbook.
pub fn kind(zip: &Zip<'_>) -> Result<Package, Unreadable> {
    if zip.find("META-INF/container.xml").is_some() {
        return Ok(Package::Book);
    }
    let mimetype = zip.find("mimetype").map(|entry| zip.read(entry, 200).0);
    if let Some(name) = &mimetype {
        if name.starts_with(b"application/vnd.oasis.opendocument") {
            return if is_locked(zip) {
                Err(Unreadable::Locked)
            } else {
                Ok(Package::Open)
            };
        }
        if name.starts_with(b"application/epub+zip") {
            return Ok(Package::Book);
        }
    }
    let main = relationships(zip, "")
        .into_iter()
        .find(|r| r.kind == "officeDocument");
    let main = main
        .map(|relationship| relationship.target)
        .filter(|part| zip.find(part).is_some());
    let existing = |part: &str| zip.find(part).map(|entry| entry.name.clone());
    let types = content_types(zip);
    let part_of_kind = |words: &[&str]| {
        let part = main.clone()?;
        let entry = types
            .iter()
            .find(|(name, _)| name.trim_start_matches('/') == part);
        entry.filter(|(_, kind)| words.iter().any(|word| kind.contains(word)))?;
        Some(part)
    };
    if let Some(part) =
        part_of_kind(&["wordprocessingml", "ms-word"]).or_else(|| existing("word/document.xml"))
    {
        return Ok(Package::Word(part));
    }
    if zip.find("xl/workbook.bin").is_some() {
        return Err(Unreadable::Unsupported("Excel binary workbook (XLSB)"));
    }
    if let Some(part) =
        part_of_kind(&["spreadsheetml", "ms-excel"]).or_else(|| existing("xl/workbook.xml"))
    {
        return Ok(Package::Sheets(part));
    }
    let slides = part_of_kind(&["presentationml", "ms-powerpoint"]);
    if let Some(part) = slides.or_else(|| existing("ppt/presentation.xml")) {
        return Ok(Package::Slides(part));
    }
    // A damaged or unusual OpenDocument file may lack the entry `mimetype`.
    if zip.find("content.xml").is_some() && zip.find("META-INF/manifest.xml").is_some() {
        return if is_locked(zip) {
            Err(Unreadable::Locked)
        } else {
            Ok(Package::Open)
        };
    }
    Ok(Package::Archive)
}

fn is_locked(zip: &Zip<'_>) -> bool {
    let Some(mut xml) = Xml::part(zip, "META-INF/manifest.xml") else {
        return false;
    };
    while let Some(piece) = xml.next() {
        if matches!(piece, XmlPiece::Open(tag) if tag.name() == "encryption-data") {
            return true;
        }
    }
    false
}

fn content_types(zip: &Zip<'_>) -> Vec<(String, String)> {
    let mut types = Vec::new();
    let Some(mut xml) = Xml::part(zip, "[Content_Types].xml") else {
        return types;
    };
    while let Some(piece) = xml.next() {
        if let XmlPiece::Open(tag) = piece
            && tag.name() == "Override"
            && types.len() < MAX_RELATIONSHIPS
        {
            let part = tag.get("PartName").unwrap_or_default();
            types.push((part, tag.get("ContentType").unwrap_or_default()));
        }
    }
    types
}

/// A relationship from one part to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// The ID by which the part refers to the relationship.
    pub id: String,
    /// The last segment of its type: `slide`, `notesSlide`, `chart`, …
    pub kind: String,
    /// The other part's path in the container.
    pub target: String,
}

/// Returns the relationships of a part, except those to external targets. An empty path means the container itself.
pub fn relationships(zip: &Zip<'_>, part: &str) -> Vec<Relationship> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = if folder.is_empty() {
        format!("_rels/{file}.rels")
    } else {
        format!("{folder}/_rels/{file}.rels")
    };
    let mut relationships = Vec::new();
    let Some(mut xml) = Xml::part(zip, &name) else {
        return relationships;
    };
    while let Some(piece) = xml.next() {
        let XmlPiece::Open(tag) = piece else { continue };
        if tag.name() != "Relationship"
            || tag.get("TargetMode").as_deref() == Some("External")
            || relationships.len() >= MAX_RELATIONSHIPS
        {
            continue;
        }
        let kind = tag.get("Type").unwrap_or_default();
        relationships.push(Relationship {
            id: tag.get("Id").unwrap_or_default(),
            kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
            target: resolve(folder, &tag.get("Target").unwrap_or_default()),
        });
    }
    relationships
}

/// Resolves a path relative to a folder of the container; `..` above the root has no effect.
pub fn resolve(folder: &str, target: &str) -> String {
    let (base, rest) = match target.strip_prefix('/') {
        Some(absolute) => ("", absolute),
        None => (folder, target),
    };
    let mut steps: Vec<&str> = Vec::new();
    for step in base.split('/').chain(rest.split('/')) {
        match step {
            "" | "." => {}
            ".." => _ = steps.pop(),
            _ => steps.push(step),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_resolved() {
        for (folder, target, expected) in [
            (
                "ppt/slides",
                "../notesSlides/n1.xml",
                "ppt/notesSlides/n1.xml",
            ),
            ("", "word/document.xml", "word/document.xml"),
            ("word", "/word/styles.xml", "word/styles.xml"),
            ("a", "../../../../etc/passwd", "etc/passwd"),
            ("a/b", "./c//d", "a/b/c/d"),
        ] {
            assert_eq!(resolve(folder, target), expected);
        }
    }
}
