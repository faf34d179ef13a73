//! ZIP archives of readable files: each file is read under its path, in the order of the archive. An archive inside an
//! archive is opened, but not one nested deeper. Nothing is written to disk, so paths are only names.

use super::output::Output;
use super::zip::{Zip, ZipError};
use super::{FileInput, Unreadable, read_contained_file};

/// Path fragments that identify system files, which are skipped because no user wrote them.
const SYSTEM_FILES: &[&str] = &["__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini"];

/// Reads each readable file in the archive, and adds a note for every file that is not readable.
///
/// # Errors
/// Returns [`Unreadable::NoText`] for an archive without files, [`Unreadable::Locked`] if all files are encrypted, or
/// [`Unreadable::NothingInside`] if none can be read.
pub(super) fn read(
    zip: &Zip<'_>,
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(), Unreadable> {
    if zip.is_repaired {
        out.add_note(
            "the archive is damaged: its directory is lost; only the entries that could be found are read".to_owned(),
        );
    }
    let (mut files, mut locked, mut read) = (0, 0, 0);
    for entry in &zip.entries {
        let name = entry.name.as_str();
        if name.ends_with('/')
            || SYSTEM_FILES
                .iter()
                .any(|system_file| name.contains(system_file))
        {
            continue;
        }
        files += 1;
        let (bytes, error) = zip.read(entry, input.limits.input);
        if error == Some(ZipError::Locked) {
            locked += 1;
        }
        if let Some(error) = error {
            out.add_note(format!("{name}: {}", error.message()));
            // Only damaged files are read in part. An oversized file is skipped: cut off, it would look damaged in most
            // formats.
            if error != ZipError::Damaged || bytes.is_empty() {
                continue;
            }
        }
        let file = FileInput {
            bytes: &bytes,
            name,
            ..*input
        };
        match read_contained_file(&file, out) {
            Ok(()) => read += 1,
            Err(reason) => out.add_note(format!("{name}: {}", reason.message())),
        }
        if out.is_full() {
            break;
        }
    }
    match (files, read) {
        (0, _) => Err(Unreadable::NoText),
        (_, 0) if locked == files => Err(Unreadable::Locked),
        (_, 0) => Err(Unreadable::NothingInside),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::*;
    use crate::extract::ReadLimits;
    use crate::extract::zip::pack;

    #[test]
    fn files_are_titled_by_path_and_keep_their_pages() {
        let innermost = pack(&[("deep.txt", b"too deep")]);
        let nested = pack(&[("in.txt", b"nested words"), ("again.zip", &innermost)]);
        let bytes = pack(&[
            ("a/", b""),
            ("a/one.txt", b"first\x0Csecond"),
            ("__MACOSX/a/._one.txt", b"litter"),
            ("../../etc/table.csv", b"k,v\na,1\n"),
            ("more.zip", &nested),
            ("prog", b"\x7FELF\x02\x01"),
            ("empty.txt", b""),
        ]);
        let (report, pages) = read(&bytes, "x.zip", &ReadLimits::default()).expect("readable");
        let titled_pages: Vec<_> = pages
            .iter()
            .map(|p| (p.number, p.title.as_str(), p.text.as_str()))
            .collect();
        assert_eq!(
            (report.kind, &titled_pages[..]),
            (
                "zip",
                &[
                    (1, "a/one.txt", "first"),
                    (2, "a/one.txt", "second"),
                    (3, "../../etc/table.csv", "Columns: k | v\nk: a | v: 1"),
                    (4, "more.zip: in.txt", "nested words"),
                ][..]
            )
        );
        assert_eq!(report.notes.len(), 3, "{:?}", report.notes);
        assert!(report.notes[0].starts_with("more.zip: again.zip: "));
        assert!(report.notes[1].starts_with("prog: "));
        assert_eq!(report.notes[2], "empty.txt: the file is empty");
    }

    #[test]
    fn an_archive_without_readable_files_is_reported() {
        let limits = ReadLimits::default();
        assert_eq!(
            read(&pack(&[("a", b"\x7FELF\x02\x01")]), "", &limits).map(drop),
            Err(Unreadable::NothingInside)
        );
        assert_eq!(
            read(&pack(&[("a/", b"")]), "", &limits).map(drop),
            Err(Unreadable::NoText)
        );
    }
}
