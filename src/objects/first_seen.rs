//! A file in a target that records when originals without a document were first found there. It is stored in the
//! target because the local disk may not survive a restart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::target::{Result, Target, TargetError};
use crate::domain::id::DocumentId;
use crate::domain::time::Timestamp;

/// Maximum number of bytes read from the file.
const MAX_NOTE_BYTES: u64 = 16 * 1024 * 1024;

/// When each original without a document was first found.
pub type FirstSeen = BTreeMap<DocumentId, Timestamp>;

/// Reads the record in the file `name`. Returns an empty record if there is no such file, and ignores malformed lines.
///
/// # Errors
/// Returns an error if the target fails.
pub fn read(target: &dyn Target, name: &str) -> Result<FirstSeen> {
    let mut text = String::new();
    match target.get(name) {
        Err(TargetError::Missing) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
        Ok(from) => from
            .take(MAX_NOTE_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| TargetError::Failed(error.to_string()))?,
    };
    let line = |line: &str| {
        let (id, at) = line.split_once(' ')?;
        Some((DocumentId::parse(id)?, Timestamp::parse(at)?))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Replaces the record in the file `name`; `scratch` is the path of a temporary file.
///
/// # Errors
/// Returns an error if the temporary file cannot be written, or the target fails.
pub fn write(
    target: &dyn Target,
    name: &str,
    first_seen: &FirstSeen,
    scratch: &Path,
) -> Result<()> {
    let write = || {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(scratch)?;
        for (id, at) in first_seen {
            writeln!(file, "{} {at}", id.as_str())?;
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    };
    let result = write()
        .map_err(|error: io::Error| TargetError::Failed(error.to_string()))
        .and_then(|file| target.put(name, &file, false));
    let _ = std::fs::remove_file(scratch);
    result
}
