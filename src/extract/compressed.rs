//! Gzip-compressed files and tar archives: a compressed file is read as the file inside, and a tar archive is read like
//! a ZIP archive.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::kind::{self, FileKind};
use super::output::Output;
use super::{FileInput, Unreadable, read, read_contained_file};

/// Maximum number of files read from an archive.
const MAX_FILES: usize = 20_000;
/// Maximum ratio of unpacked to packed size of a gzip file.
const MAX_RATIO: usize = 300;
/// Maximum unpacked size, in bytes, for which the ratio is not checked.
const MIN_RATIO_CHECK_BYTES: usize = 16 << 20;
/// Path fragments that identify system files and entries that only hold metadata of the archive.
const SYSTEM_FILES: &[&str] = &["/._", ".DS_Store", "PaxHeader", "@LongLink"];

/// Returns whether the bytes are gzip-compressed.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1F\x8B")
}

/// Returns whether the bytes are a tar archive.
pub fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Reads the file inside a gzip file. Returns its kind and encoding.
///
/// # Errors
/// Returns [`Unreadable::TooLarge`] if the unpacked file exceeds a limit, [`Unreadable::Broken`] if nothing can be
/// unpacked, or the error of the file inside.
pub(super) fn read_compressed(
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(&'static FileKind, String), Unreadable> {
    let bytes = decompress(input.bytes, input.limits.input, out)?;
    let lower = input.name.to_lowercase();
    let name = match lower
        .strip_suffix(".gz")
        .or_else(|| lower.strip_suffix(".gzip"))
    {
        Some(rest) => input.name[..rest.len().min(input.name.len())].to_owned(),
        None if lower.ends_with(".tgz") => format!("{}.tar", &input.name[..input.name.len() - 4]),
        None => input.name.to_owned(),
    };
    let file = FileInput {
        bytes: &bytes,
        name: &name,
        ..*input
    };
    if bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    super::recognize(&bytes)?;
    if is_gzip(&bytes) {
        return Err(Unreadable::TooDeep);
    }
    if super::picture::content_type(&bytes).is_some() {
        return Err(Unreadable::PicturesOnly);
    }
    read(&file, out)
}

fn decompress(packed: &[u8], limit: usize, out: &mut Output<'_>) -> Result<Vec<u8>, Unreadable> {
    let max_bytes = limit.min(
        packed
            .len()
            .saturating_mul(MAX_RATIO)
            .max(MIN_RATIO_CHECK_BYTES),
    );
    let mut bytes = Vec::new();
    let outcome = MultiGzDecoder::new(packed)
        .take(max_bytes as u64 + 1)
        .read_to_end(&mut bytes);
    if bytes.len() > max_bytes {
        return Err(Unreadable::TooLarge);
    }
    match outcome {
        Ok(_) => Ok(bytes),
        Err(_) if bytes.is_empty() => Err(Unreadable::Broken("gzip")),
        Err(_) => {
            out.add_note("the packed file is damaged: it is read only up to the damage".to_owned());
            Ok(bytes)
        }
    }
}

/// Reads each readable file in a tar archive, and adds a note for every file that is not readable.
///
/// # Errors
/// Returns [`Unreadable::TooDeep`] if too many files enclose this archive, [`Unreadable::Broken`] if it cannot be
/// opened, [`Unreadable::NoText`] if it contains no files, or [`Unreadable::NothingInside`] if no file can be read.
pub(super) fn read_archive(
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(&'static FileKind, String), Unreadable> {
    if out.depth() > super::MAX_FILE_DEPTH {
        return Err(Unreadable::TooDeep);
    }
    let mut archive = tar::Archive::new(input.bytes);
    let (mut files, mut read_count, mut damaged) = (0, 0, false);
    for entry in archive
        .entries()
        .map_err(|_| Unreadable::Broken("tar"))?
        .take(MAX_FILES)
    {
        let Ok(mut entry) = entry else {
            damaged = true;
            break;
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            out.add_note(format!(
                "{name}: a link to another file, which is not followed"
            ));
        }
        if !kind.is_file()
            || SYSTEM_FILES
                .iter()
                .any(|system_file| name.contains(system_file))
        {
            continue;
        }
        files += 1;
        let mut bytes = Vec::new();
        damaged |= entry.read_to_end(&mut bytes).is_err();
        let file = FileInput {
            bytes: &bytes,
            name: &name,
            ..*input
        };
        match read_contained_file(&file, out) {
            Ok(()) => read_count += 1,
            Err(reason) => out.add_note(format!("{name}: {}", reason.message())),
        }
        if out.is_full() {
            break;
        }
    }
    if damaged {
        out.add_note("the archive is damaged: it is read only up to the damage".to_owned());
    }
    match (files, read_count) {
        (0, _) => Err(Unreadable::NoText),
        (_, 0) => Err(Unreadable::NothingInside),
        _ => Ok((kind::by_name("tar"), String::new())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::tests::read;
    use super::*;
    use crate::extract::ReadLimits;

    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, name, *bytes)
                .expect("memory");
        }
        builder.into_inner().expect("memory")
    }

    #[test]
    fn packed_files_and_archives_are_read() {
        let limits = ReadLimits::default();
        let (report, pages) =
            read(&compress(b"k,v\na,1\n"), "t.csv.gz", &limits).expect("readable");
        assert_eq!(
            (report.kind, pages[0].text.as_str()),
            ("csv", "Columns: k | v\nk: a | v: 1")
        );
        let tar = archive(&[("a/one.txt", b"first words"), ("a/run", b"\x7FELF\x02\x01")]);
        for bytes in [tar.clone(), compress(&tar)] {
            let (report, pages) = read(&bytes, "x.tgz", &limits).expect("readable");
            assert_eq!(
                (report.kind, pages[0].title.as_str(), pages[0].text.as_str()),
                ("tar", "a/one.txt", "first words")
            );
            assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
        }
        assert_eq!(
            read(&compress(&compress(b"x y")), "a", &limits).map(drop),
            Err(Unreadable::TooDeep)
        );
        assert_eq!(
            read(b"\x1F\x8B\x08\0", "a", &limits).map(drop),
            Err(Unreadable::Broken("gzip"))
        );
        let bomb = compress(&vec![b' '; 60 << 20]);
        assert_eq!(
            read(&bomb, "a", &limits).map(drop),
            Err(Unreadable::TooLarge)
        );
    }
}
