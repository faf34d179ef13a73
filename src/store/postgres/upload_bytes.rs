//! The parts of unfinished uploads in the database, in pieces. They are deleted with their upload's row.

use crate::domain::id::{UploadId, UserId};
use crate::store::connection::{Reader, Writer};
use crate::store::error::Result;

/// Stores a piece of a part; pieces are numbered from 0.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put_piece(
    db: &Writer,
    (id, part): (&UploadId, u32),
    piece: i64,
    bytes: &[u8],
) -> Result<()> {
    db.run(
        "INSERT INTO upload_bytes (upload_id, part, piece, bytes) VALUES (?1, ?2, ?3, ?4)",
        (id, part, piece, bytes),
    )
    .map(drop)
}

/// Returns a piece of a part; `None` after the last one.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn piece(db: &Reader, (id, part): (&UploadId, u32), piece: i64) -> Result<Option<Vec<u8>>> {
    db.query_optional(
        "SELECT bytes FROM upload_bytes WHERE upload_id = ?1 AND part = ?2 AND piece = ?3",
        (id, part, piece),
        |row| row.get(0),
    )
}

/// Deletes a part before it is stored again.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_part(db: &Writer, (id, part): (&UploadId, u32)) -> Result<()> {
    let sql = "DELETE FROM upload_bytes WHERE upload_id = ?1 AND part = ?2";
    db.run(sql, (id, part)).map(drop)
}

/// Lists the parts of a user's upload that are in the database, in order. A server of an earlier version records parts
/// that are only in its own folder.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn stored_parts(db: &Reader, user: &UserId, id: &UploadId) -> Result<Vec<u32>> {
    db.all(
        "SELECT b.part FROM upload_bytes b JOIN uploads u ON u.id = b.upload_id
         WHERE u.user_id = ?1 AND u.id = ?2 AND b.piece = 0 ORDER BY b.part",
        (user, id),
        |row| row.get(0),
    )
}
