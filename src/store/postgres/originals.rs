//! The original files of documents, stored in the database in pieces. They are deleted with the document's row.

use std::collections::BTreeSet;

use crate::domain::id::DocumentId;
use crate::store::connection::{Reader, Writer};
use crate::store::error::Result;

/// Age in ms after which pieces whose document has no row count as left over from a failed upload: a day.
const LEFT_OVER_AFTER: i64 = 24 * 3600 * 1000;

/// Stores a piece of a file, replacing one with the same number. Pieces are numbered from 0.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put_piece(db: &Writer, id: &DocumentId, piece: i64, bytes: &[u8]) -> Result<()> {
    db.run(
        "INSERT INTO document_bytes (document_id, piece, bytes) VALUES (?1, ?2, ?3)
         ON CONFLICT (document_id, piece) DO UPDATE SET bytes = excluded.bytes",
        (id, piece, bytes),
    )
    .map(drop)
}

/// Returns a piece of a file; `None` after the last one.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn piece(db: &Reader, id: &DocumentId, piece: i64) -> Result<Option<Vec<u8>>> {
    db.query_optional(
        "SELECT bytes FROM document_bytes WHERE document_id = ?1 AND piece = ?2",
        (id, piece),
        |row| row.get(0),
    )
}

/// Lists the IDs of all stored files.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn stored_ids(db: &Reader) -> Result<BTreeSet<String>> {
    let sql = "SELECT document_id FROM document_bytes WHERE piece = 0";
    Ok(db.all(sql, [], |row| row.get(0))?.into_iter().collect())
}

/// Returns the recorded SHA-256 of any user's document, in hexadecimal; `None` if the document has no row.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn recorded_hash(db: &Reader, id: &DocumentId) -> Result<Option<String>> {
    let sql = "SELECT sha256 FROM documents WHERE id = ?1";
    db.query_optional(sql, [id], |row| row.get(0))
}

/// Deletes all pieces of a file.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_all(db: &Writer, id: &DocumentId) -> Result<()> {
    let sql = "DELETE FROM document_bytes WHERE document_id = ?1";
    db.run(sql, [id]).map(drop)
}

/// Deletes a file whose document was not stored. Does nothing if the document exists: its commit can succeed even if
/// the reply is lost.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_unused(db: &Writer, id: &DocumentId) -> Result<()> {
    db.run(
        "DELETE FROM document_bytes WHERE document_id = ?1
           AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = ?1)",
        [id],
    )
    .map(drop)
}

/// Deletes files that are left over from failed uploads.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_left_over(db: &Writer) -> Result<()> {
    db.run(
        "DELETE FROM document_bytes b WHERE b.stored < quire_now() - ?1
           AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = b.document_id)",
        [LEFT_OVER_AFTER],
    )
    .map(drop)
}
