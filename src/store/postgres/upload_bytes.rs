//! The parts of unfinished uploads, stored in the database in pieces. They are deleted with the upload's row.
//!
//! Each piece is stored in a transaction of its own, under numbers that only this attempt to store the part uses. The
//! last transaction gives the pieces their final numbers, from 0. So a part is stored either completely or not at all,
//! even if it is sent twice at the same time.

use crate::domain::id::{UploadId, UserId};
use crate::store::connection::{Reader, Writer};
use crate::store::error::{Result, StoreError};

/// Number of piece numbers that are reserved for each attempt. The range that starts at 0 is for the final numbers.
const NUMBERS_PER_ATTEMPT: i64 = 1 << 24;

/// An attempt to store a part.
#[derive(Debug, Clone)]
pub struct PartAttempt {
    /// The upload to which the part belongs.
    pub upload: UploadId,
    /// The part's number.
    pub part: u32,
    /// A random number that distinguishes this attempt from others.
    pub number: u32,
}

impl PartAttempt {
    fn first_piece(&self) -> i64 {
        (i64::from(self.number) + 1) * NUMBERS_PER_ATTEMPT
    }

    fn last_piece(&self) -> i64 {
        self.first_piece() + NUMBERS_PER_ATTEMPT - 1
    }
}

/// Stores a piece of a part; an attempt's pieces are numbered from 0. The piece does not count until [`complete`] is
/// called.
///
/// # Errors
/// Returns `Missing` if the upload has ended, or another error if the database cannot be written.
pub fn put_piece(db: &Writer, attempt: &PartAttempt, piece: u32, bytes: &[u8]) -> Result<()> {
    let number = attempt.first_piece() + i64::from(piece);
    db.run(
        "INSERT INTO upload_bytes (upload_id, part, piece, bytes) VALUES (?1, ?2, ?3, ?4)",
        (&attempt.upload, attempt.part, number, bytes),
    )
    .map(drop)
}

/// Replaces the part with the pieces of an attempt. `pieces` is their number.
///
/// # Errors
/// Returns `Busy` if another server has deleted pieces of the attempt, or another error if the database cannot be
/// written.
pub fn complete(db: &Writer, attempt: &PartAttempt, pieces: u32) -> Result<()> {
    db.run(
        "DELETE FROM upload_bytes WHERE upload_id = ?1 AND part = ?2 AND piece < ?3",
        (&attempt.upload, attempt.part, NUMBERS_PER_ATTEMPT),
    )?;
    let (first, last) = (attempt.first_piece(), attempt.last_piece());
    // The bytes are stored apart from the rows, so this statement does not copy them.
    let completed = db.run(
        "UPDATE upload_bytes SET piece = piece - ?3
         WHERE upload_id = ?1 AND part = ?2 AND piece BETWEEN ?3 AND ?4",
        (&attempt.upload, attempt.part, first, last),
    )?;
    match u32::try_from(completed) == Ok(pieces) {
        true => Ok(()),
        // A server of an earlier version has stored the same part and deleted all other pieces of it.
        false => Err(StoreError::Busy),
    }
}

/// Returns a piece of a completed part; `None` after the last one.
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

/// Deletes the pieces of a failed attempt.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_attempt(db: &Writer, attempt: &PartAttempt) -> Result<()> {
    let (first, last) = (attempt.first_piece(), attempt.last_piece());
    db.run(
        "DELETE FROM upload_bytes WHERE upload_id = ?1 AND part = ?2 AND piece BETWEEN ?3 AND ?4",
        (&attempt.upload, attempt.part, first, last),
    )
    .map(drop)
}

/// Lists the numbers of the parts of a user's upload that are in the database, ascending. Parts that a server of an
/// earlier version received are not included, because it stores them only in its own folder.
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
