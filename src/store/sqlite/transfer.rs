//! A SQLite file as the source or the target of a transfer.

use std::path::Path;

use crate::store::connection::Writer;
use crate::store::error::OpenError;
use crate::store::transfer::error::TransferError;
use crate::store::version::{APPLICATION_ID, VERSION};

/// Lists the tables, except the internal tables of the full-text index.
pub(in crate::store) const TABLES_QUERY: &str = "SELECT name FROM pragma_table_list
    WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";

/// Lists the columns of a table's primary key, in the key's order.
pub(in crate::store) const KEY_QUERY: &str =
    "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";

/// Checks that a file has the current schema.
///
/// # Errors
/// `Older` if the schema is older; `Open` if the file is newer or belongs to another program.
pub(in crate::store) fn check_version(db: &Writer) -> Result<(), TransferError> {
    let number = |sql: &str| db.query_one(sql, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign.into());
    }
    let found = u32::try_from(number("PRAGMA user_version")?).unwrap_or_default();
    match found {
        VERSION => Ok(()),
        found if found < VERSION => Err(TransferError::Older(found)),
        found => Err(OpenError::Newer {
            found,
            known: VERSION,
        }
        .into()),
    }
}

/// Creates a new file for a transfer to fill.
///
/// # Errors
/// Returns an error if the file already exists or cannot be created.
pub(in crate::store) fn create(path: &Path) -> Result<Writer, TransferError> {
    let failed = |error: std::io::Error| {
        TransferError::Open(OpenError::Failed(format!("{}: {error}", path.display())))
    };
    super::backup::private_file(path).map_err(failed)?;
    let db = Writer::open_sqlite(path, true)?;
    // An incomplete file is useless, so no rollback is needed and nothing has to survive a power failure.
    db.run_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;",
    )?;
    Ok(db)
}
