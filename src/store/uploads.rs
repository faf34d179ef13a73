//! Chunked uploads: what the clients have announced, and which parts have arrived. The bytes are in the data folder or,
//! for a database on a server, in the table `upload_bytes`.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::values::{to_integer, unsigned};
use crate::domain::id::{UploadId, UserId};
use crate::domain::time::Timestamp;

/// An upload that a client has announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The upload's ID, which the client sends as `sessionId`.
    pub id: UploadId,
    /// The user who is uploading the file.
    pub user: UserId,
    /// Name of the file, sanitized.
    pub file_name: String,
    /// Size of the whole file, in bytes.
    pub size: u64,
    /// Size of each part except the last one, in bytes.
    pub chunk_size: u64,
    /// Number of parts.
    pub total_chunks: u32,
    /// When the upload was announced.
    pub created: Timestamp,
    /// When the upload is discarded if it has not been completed.
    pub expires_at: Timestamp,
}

/// A part that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPart {
    /// Index of the part, starting at 0.
    pub number: u32,
    /// Size of the part, in bytes.
    pub size: u64,
}

/// Inserts an upload.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(db: &Writer, upload: &Upload) -> Result<()> {
    db.run(
        "INSERT INTO uploads (id, user_id, file_name, size, chunk_size, total_chunks, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            &upload.id,
            &upload.user,
            &upload.file_name,
            to_integer(upload.size),
            to_integer(upload.chunk_size),
            upload.total_chunks,
            upload.created,
            upload.expires_at,
        ),
    )
    .map(drop)
}

/// Returns an upload of this user, or `None` if the user has no such upload.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &UploadId) -> Result<Option<Upload>> {
    db.query_optional(
        "SELECT * FROM uploads WHERE user_id = ?1 AND id = ?2",
        (user, id),
        from_row,
    )
}

/// Counts this user's uploads that have not been completed.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_of(db: &Reader, user: &UserId) -> Result<u64> {
    db.query_one(
        "SELECT count(*) AS n FROM uploads WHERE user_id = ?1",
        [user],
        |row| unsigned(row, "n"),
    )
}

/// Records that a part has arrived, possibly again.
///
/// # Errors
/// Returns `Missing` if there is no such upload of this user, or another error if the database cannot be written.
pub fn record_part(db: &Writer, user: &UserId, id: &UploadId, part: UploadPart) -> Result<()> {
    db.run_one(
        "INSERT INTO upload_parts (upload_id, part, size)
         SELECT id, ?3, ?4 FROM uploads WHERE user_id = ?1 AND id = ?2
         ON CONFLICT (upload_id, part) DO UPDATE SET size = excluded.size",
        (user, id, part.number, to_integer(part.size)),
    )
}

/// Lists the parts that have arrived, in order.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn parts_of(db: &Reader, user: &UserId, id: &UploadId) -> Result<Vec<UploadPart>> {
    db.all(
        "SELECT p.part, p.size FROM upload_parts p JOIN uploads u ON u.id = p.upload_id
         WHERE u.user_id = ?1 AND u.id = ?2 ORDER BY p.part",
        (user, id),
        |row| {
            Ok(UploadPart {
                number: row.get("part")?,
                size: unsigned(row, "size")?,
            })
        },
    )
}

/// Deletes an upload of this user. Returns false if the user has no such upload.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: &UserId, id: &UploadId) -> Result<bool> {
    let deleted_rows = db.run(
        "DELETE FROM uploads WHERE user_id = ?1 AND id = ?2",
        (user, id),
    )?;
    Ok(deleted_rows > 0)
}

/// Lists up to 200 expired uploads of all users.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn expired(db: &Reader, now: Timestamp) -> Result<Vec<Upload>> {
    db.all(
        "SELECT * FROM uploads WHERE expires <= ?1 ORDER BY id LIMIT 200",
        [now],
        from_row,
    )
}

/// Lists the IDs of this user's uploads.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn ids_of(db: &Reader, user: &UserId) -> Result<Vec<UploadId>> {
    db.all(
        "SELECT id FROM uploads WHERE user_id = ?1 ORDER BY id",
        [user],
        |row| row.get(0),
    )
}

/// Lists the IDs of all users' uploads. A file in the data folder without one of these IDs is an orphan.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn ids(db: &Reader) -> Result<Vec<UploadId>> {
    db.all("SELECT id FROM uploads ORDER BY id", [], |row| row.get(0))
}

fn from_row(row: &Row<'_>) -> Result<Upload> {
    Ok(Upload {
        id: row.get("id")?,
        user: row.get("user_id")?,
        file_name: row.get("file_name")?,
        size: unsigned(row, "size")?,
        chunk_size: unsigned(row, "chunk_size")?,
        total_chunks: row.get("total_chunks")?,
        created: row.get("created")?,
        expires_at: row.get("expires")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::StoreError;
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn parts_arrive_in_any_order_repeatedly_and_only_from_their_owner() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (owner, other) = (user(1).id, user(2).id);
            let upload = Upload {
                id: UploadId::new(at(1), 1),
                user: owner.clone(),
                file_name: "a.txt".into(),
                size: 25,
                chunk_size: 10,
                total_chunks: 3,
                created: at(1),
                expires_at: at(100),
            };
            insert(db, &upload)?;
            let part = |number, size| UploadPart { number, size };
            for arrived in [part(2, 5), part(0, 9), part(0, 10)] {
                record_part(db, &owner, &upload.id, arrived)?;
            }
            assert_eq!(
                record_part(db, &other, &upload.id, part(1, 10)),
                Err(StoreError::Missing)
            );
            assert_eq!(
                parts_of(db, &owner, &upload.id),
                Ok(vec![part(0, 10), part(2, 5)])
            );
            assert_eq!(parts_of(db, &other, &upload.id), Ok(vec![]));
            assert_eq!(by_id(db, &other, &upload.id), Ok(None));
            assert_eq!(by_id(db, &owner, &upload.id), Ok(Some(upload.clone())));
            assert_eq!((count_of(db, &owner), count_of(db, &other)), (Ok(1), Ok(0)));
            assert_eq!(expired(db, at(99)), Ok(vec![]));
            assert_eq!(expired(db, at(100)), Ok(vec![upload.clone()]));
            assert_eq!(delete(db, &other, &upload.id), Ok(false));
            assert_eq!(delete(db, &owner, &upload.id), Ok(true));
            assert_eq!(parts_of(db, &owner, &upload.id), Ok(vec![]));
            assert_eq!(ids(db), Ok(vec![]));
            Ok(())
        });
    }
}
