//! Imports the ZIP file of an export from ChatGPT or Claude: reads `conversations.json`, or all numbered parts of it,
//! and ignores images and other files. Each part is unpacked to a temporary file, because conversations are read twice.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use super::{
    ArchivePaths, Counts, Progress, conversations, pieces, too_large_error, unreadable_error,
};
use crate::app::documents::{TemporaryFile, open_new};
use crate::app::{Error, Result};
use crate::crypto;
use crate::domain::id::UserId;
use crate::extract::zip::{self, Zip};

/// Maximum size of the ZIP file in bytes (128 MiB), since it is held in memory.
const MAX_ZIP_BYTES: u64 = 128 << 20;
/// Maximum number of parts that hold conversations.
const MAX_PARTS: usize = 64;

/// Adds all conversations of a ZIP file to a user's history, skipping those already there.
///
/// # Errors
/// `BadRequest` if the file is damaged or has no conversations; `TooLarge` if the file or its conversations
/// exceed a limit. In either case, nothing has been changed.
pub(super) fn import_zip(
    archive_paths: &ArchivePaths,
    user: &UserId,
    mut from: File,
    progress: Progress<'_>,
) -> Result<Counts> {
    if from.metadata().map_err(unreadable_error)?.len() > MAX_ZIP_BYTES {
        let max_mib = MAX_ZIP_BYTES >> 20;
        return Err(too_large_error(format!(
            "the ZIP file is larger than {max_mib} MiB: unpack it, and import the conversations.json in it"
        )));
    }
    let mut bytes = Vec::new();
    from.rewind().map_err(unreadable_error)?;
    from.read_to_end(&mut bytes).map_err(unreadable_error)?;
    let zip = Zip::open(&bytes);
    // A damaged file would yield only some of its conversations, and nobody would notice that others are missing.
    if zip.is_repaired {
        return Err(unreadable_error("the ZIP file is damaged"));
    }
    let is_wanted = |entry: &&zip::Entry| is_conversations(&entry.name);
    let mut entries: Vec<&zip::Entry> = zip.entries.iter().filter(is_wanted).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    if entries.is_empty() {
        return Err(unreadable_error("this ZIP file has no conversations.json"));
    }
    if entries.len() > MAX_PARTS {
        return Err(too_large_error(format!(
            "it has more than {MAX_PARTS} parts"
        )));
    }
    let parts = entries
        .into_iter()
        .map(|entry| extract_part(archive_paths, &zip, entry));
    let parts = parts.collect::<Result<Vec<TemporaryFile>>>()?;
    // The parts are on disk; the ZIP file is no longer needed.
    drop(zip);
    drop(bytes);
    let paths: Vec<&Path> = parts.iter().map(TemporaryFile::path).collect();
    conversations::import_conversations(archive_paths, user, &paths, progress)
}

/// Unpacks one part. The size declared by the file is not trusted.
fn extract_part(
    archive_paths: &ArchivePaths,
    zip: &Zip<'_>,
    entry: &zip::Entry,
) -> Result<TemporaryFile> {
    let name = crypto::hex(&crypto::random::<16>()?);
    let part = TemporaryFile::new(archive_paths.scratch.join(format!("conversations-{name}")));
    let mut to = open_new(part.path()).map_err(Error::internal)?;
    let unusable = |why: &str| unreadable_error(format!("{}: {why}", entry.name));
    let stream = zip
        .stream(entry)
        .map_err(|error| unusable(error.message()))?;
    let mut stream = stream.take(pieces::MAX_FILE_BYTES + 1);
    let read = std::io::copy(&mut stream, &mut to).map_err(|error| unusable(&error.to_string()))?;
    match read > pieces::MAX_FILE_BYTES {
        true => Err(too_large_error(format!(
            "{} is too large once unpacked",
            entry.name
        ))),
        false => Ok(part),
    }
}

/// Matches `conversations.json` in any folder, and numbered parts such as `conversations-001.json`.
fn is_conversations(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    let middle = name
        .strip_prefix("conversations")
        .and_then(|rest| rest.strip_suffix(".json"));
    middle.is_some_and(|middle| {
        let mut middle = middle.chars();
        middle.all(|c| c.is_ascii_digit() || matches!(c, '-' | '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversation_files_are_recognized_by_name() {
        for (name, expected) in [
            ("conversations.json", true),
            ("export/conversations.json", true),
            ("conversations-002.json", true),
            ("shared_conversations.json", false),
            ("conversations_meta.json", false),
            ("__MACOSX/._conversations.json", false),
            ("user.json", false),
        ] {
            assert_eq!(is_conversations(name), expected, "{name}");
        }
    }
}
