//! Checks that a write-ahead log belongs to its database before anything opens the two together. SQLite applies any
//! valid log to the file next to it: a log from another database, left after folders were mixed up or a backup was
//! copied over a crashed database, would replace the file's contents.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::store::error::OpenError;
use crate::store::version::APPLICATION_ID;

/// Maximum number of accounts from the file that are looked up after applying the log.
const MAX_COMPARED: u32 = 1_000;

/// Refuses a log that belongs to another database. Changes neither the file nor the log.
///
/// A log belongs to its file if the two together are a Quire database with at least one account that is also in the
/// file without the log, because the last administrator cannot be deleted. A file that cannot be read without its log
/// was interrupted during a checkpoint, and the log contains the rest.
///
/// # Errors
/// Returns `ForeignLog` if the log does not belong to the file, or `Busy` if another process has locked the database.
pub fn check_log(path: &Path) -> Result<(), OpenError> {
    let log = format!("{}-wal", path.display());
    if !std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    let alone = accounts_without_log(path).unwrap_or_default();
    let other = |why: &str| Err(OpenError::ForeignLog(why.to_owned()));
    match accounts_with_log(path, &alone) {
        Ok((APPLICATION_ID, true)) => Ok(()),
        Ok((APPLICATION_ID, false)) => other("with it, every account is a different one"),
        Ok(_) => other("with it, the file is a database of another program"),
        Err(error) => match OpenError::from(error) {
            OpenError::Damaged(why) => other(&why),
            error => Err(error),
        },
    }
}

// Returns the IDs of up to [`MAX_COMPARED`] accounts in the file, read without its log.
fn accounts_without_log(path: &Path) -> rusqlite::Result<Vec<String>> {
    const ESCAPED_CHARACTERS: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_');
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), ESCAPED_CHARACTERS);
    let address = format!("file:{path}?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(address, flags)?;
    let mut query = db.prepare("SELECT id FROM users ORDER BY id LIMIT ?1")?;
    query.query_map([MAX_COMPARED], |row| row.get(0))?.collect()
}

// Returns the application ID after applying the log, and whether at least one of these accounts still exists (true if
// there are none to look up).
fn accounts_with_log(path: &Path, accounts: &[String]) -> rusqlite::Result<(i32, bool)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    // Set before anything is read. Otherwise, the last connection to close would checkpoint the log into the file.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.busy_timeout(Duration::from_secs(5))?;
    let mark = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if accounts.is_empty() || mark != APPLICATION_ID {
        return Ok((mark, true));
    }
    let mut query = db.prepare("SELECT 1 FROM users WHERE id = ?1")?;
    for account in accounts {
        if query.exists([account])? {
            return Ok((mark, true));
        }
    }
    Ok((mark, false))
}
