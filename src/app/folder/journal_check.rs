//! Checks that a rollback journal belongs to its database before anything opens the two together. Quire uses a
//! write-ahead log instead, so a journal with pages comes from another database (a folder assembled from two
//! copies), and SQLite would write its pages into this one. The only exception is the switch to the write-ahead
//! log, which saves the first page.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::app::{Error, Kind, Result};

/// Number of bytes read from a journal's header.
const HEADER_BYTES: usize = 28;
/// Bytes of a record in addition to its page: the page number and a checksum.
const RECORD_OVERHEAD: u64 = 8;

/// Refuses a journal that does not belong to the database, because SQLite would write the journal's pages into it.
/// Changes neither file.
///
/// # Errors
/// `Conflict` if the journal belongs to another database; `Internal` if either file cannot be read.
pub(in crate::app) fn check(database: &Path) -> Result<()> {
    let journal = PathBuf::from(format!("{}-journal", database.display()));
    if belongs_to_database(database, &journal).map_err(Error::internal)? {
        return Ok(());
    }
    let text = format!(
        "{} belongs to another database: its pages would replace pages of quire.db",
        journal.display()
    );
    Err(Error::new(Kind::Conflict, text)
        .resolve("Nothing was changed. Move that file elsewhere, and start again."))
}

fn belongs_to_database(database: &Path, journal: &Path) -> io::Result<bool> {
    let mut file = match File::open(journal) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let length = file.metadata()?.len();
    let mut header = [0; HEADER_BYTES];
    // SQLite ignores a journal that begins with 0 or is shorter than its header.
    if length < HEADER_BYTES as u64 || file.read_exact(&mut header).is_err() || header[0] == 0 {
        return Ok(true);
    }
    let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    let (sector, page_size) = (u64::from(number(20)), u64::from(number(24)));
    let is_size = |size: u64| size.is_power_of_two() && (512..=65_536).contains(&size);
    if !is_size(page_size) || !is_size(sector) {
        return Ok(false);
    }
    // A first start was killed and left this journal: there is no database yet, or only its first page.
    if fs::metadata(database).map_or(0, |metadata| metadata.len()) <= page_size {
        return Ok(true);
    }
    match length.saturating_sub(sector) / (page_size + RECORD_OVERHEAD) {
        0 => Ok(true),
        1 => {
            file.seek(SeekFrom::Start(sector))?;
            let mut record = vec![0; page_size as usize + 4];
            file.read_exact(&mut record)?;
            let mut page = vec![0; page_size as usize];
            File::open(database)?.read_exact(&mut page)?;
            Ok(record[..4] == [0, 0, 0, 1] && is_journal_mode_switch(&record[4..], &page))
        }
        _ => Ok(false),
    }
}

/// Whether two versions of a first page differ only in the journal mode and the change counters.
fn is_journal_mode_switch(before: &[u8], now: &[u8]) -> bool {
    let may_differ = |at: usize| matches!(at, 18 | 19 | 24..28 | 92..100);
    let mut pairs = before.iter().zip(now).enumerate();
    pairs.all(|(at, (before, now))| before == now || may_differ(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreSettings};

    fn journal(page: u32, content: &[u8], records: usize) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
        bytes[11] = records as u8;
        bytes[20..24].copy_from_slice(&512_u32.to_be_bytes());
        bytes[24..28].copy_from_slice(&4096_u32.to_be_bytes());
        for _ in 0..records {
            bytes.extend_from_slice(&page.to_be_bytes());
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes
    }

    #[test]
    fn only_the_journal_of_the_switch_to_wal_is_accepted() {
        let name = format!("quire-journal-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("quire.db");
        let store = Store::open(&StoreSettings { path: path.clone() }).unwrap();
        store.close_for_writes();
        let journal_path = folder.join("quire.db-journal");
        assert!(check(&path).is_ok(), "none");
        let first = fs::read(&path).unwrap()[..4096].to_vec();
        let mut original_page = first.clone();
        original_page[18..20].fill(1);
        original_page[27] ^= 1;
        let mut other = first.clone();
        other[200] ^= 1;
        let zeros = [0; 4096];
        for (bytes, expected) in [
            (Vec::new(), true),
            (vec![0; 9000], true),
            (journal(1, &original_page, 0), true),
            (journal(1, &original_page, 1), true),
            (journal(1, &original_page, 2), false),
            (journal(2, &original_page, 1), false),
            (journal(1, &other, 1), false),
            (journal(7, &zeros, 1), false),
            (vec![0xff; 9000], false),
        ] {
            fs::write(&journal_path, &bytes).unwrap();
            let check_result = check(&path).map_err(|error| error.kind);
            let expected = if expected {
                Ok(())
            } else {
                Err(Kind::Conflict)
            };
            assert_eq!(
                check_result,
                expected,
                "{} {:?}",
                bytes.len(),
                &bytes.get(..12)
            );
        }
        fs::write(&path, &first).unwrap();
        fs::write(&journal_path, journal(1, &other, 1)).unwrap();
        assert!(check(&path).is_ok(), "a first start that was killed");
        fs::remove_dir_all(folder).unwrap();
    }
}
