//! Writes database snapshots to files, and uploads files to the target.

use std::fs::File;
use std::io::{self, BufWriter, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::ltx::{self, LtxEncoder, LtxHeader};
use crate::clock;
use crate::objects::target::{Result, Target, TargetError};

/// Writes every page of a database that does not change while it is read. Returns the database's size in bytes.
///
/// # Errors
/// Returns an error if the database cannot be read or the file cannot be written.
pub fn write_snapshot(
    database: &File,
    page_size: u32,
    pages: u32,
    to: &Path,
    number: u64,
) -> io::Result<u64> {
    let at = clock::now().millis();
    let header = LtxHeader {
        page_size,
        commit: pages,
        min: 1,
        max: number,
        at,
    };
    let mut encoder = LtxEncoder::new(BufWriter::new(File::create(to)?), header)?;
    let mut page = vec![0; page_size as usize];
    for number in (1..=pages).filter(|&number| number != ltx::lock_page(page_size)) {
        database.read_exact_at(&mut page, u64::from(number - 1) * u64::from(page_size))?;
        encoder.write_page(number, &page)?;
    }
    encoder.finish()?;
    Ok(u64::from(pages) * u64::from(page_size))
}

/// Like [`write_snapshot`], for a database that no process has open and whose write-ahead log is empty.
///
/// # Errors
/// Same as [`write_snapshot`], and if the database has too many pages.
pub fn write_snapshot_of_closed(database: &Path, to: &Path, number: u64) -> io::Result<u64> {
    let file = File::open(database)?;
    let mut size = [0; 2];
    file.read_exact_at(&mut size, 16)?;
    // The value 1 means 65,536: sqlite.org/fileformat2.html, section 1.3.
    let page_size = match u16::from_be_bytes(size) {
        1 => 65_536,
        size => u32::from(size).max(512),
    };
    let pages =
        u32::try_from(file.metadata()?.len() / u64::from(page_size)).map_err(io::Error::other)?;
    write_snapshot(&file, page_size, pages, to, number)
}

/// Uploads a file under a new name. Succeeds if the same file is already there, because the response to an earlier
/// upload may have been lost. Returns the file's stored size at the target, in bytes.
///
/// # Errors
/// [`TargetError::Missing`] if there is no file to send; another error if it cannot be read or the target does not
/// accept it.
pub fn upload_snapshot(target: &dyn Target, name: &str, path: &Path) -> Result<u64> {
    let failed = |error: io::Error| TargetError::Failed(error.to_string());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(TargetError::Missing),
        file => file.map_err(failed)?,
    };
    let bytes = file.metadata().map_err(failed)?.len();
    match target.put(name, &file, true) {
        Err(TargetError::Taken) if is_same(target.get(name)?, path).map_err(failed)? => {}
        put => put?,
    }
    Ok(target.stored_size(bytes))
}

fn is_same(mut remote_file: impl io::Read, local_path: &Path) -> io::Result<bool> {
    // Number of bytes compared at a time.
    const COMPARED_BYTES: u64 = 16 * 1024;
    let mut local_file = File::open(local_path)?;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    loop {
        one.clear();
        other.clear();
        io::Read::by_ref(&mut remote_file)
            .take(COMPARED_BYTES)
            .read_to_end(&mut one)?;
        io::Read::by_ref(&mut local_file)
            .take(COMPARED_BYTES)
            .read_to_end(&mut other)?;
        if one != other || one.is_empty() {
            return Ok(one == other);
        }
    }
}
