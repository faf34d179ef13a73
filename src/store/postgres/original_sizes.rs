//! The sizes of the original files in the database, for comparison with the sizes of their documents.

use std::collections::BTreeMap;

use crate::store::connection::Reader;
use crate::store::error::Result;

/// Returns the size in bytes of every stored file, by the document's ID.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn stored_sizes(db: &Reader) -> Result<BTreeMap<String, u64>> {
    let sizes = db.all(
        "SELECT document_id, CAST(sum(octet_length(bytes)) AS BIGINT) FROM document_bytes GROUP BY document_id",
        [],
        |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())),
    )?;
    Ok(sizes.into_iter().collect())
}
