//! Documents that wait to be read. `domain` decides in which order they are read.

use super::connection::Reader;
use super::error::Result;
use super::values::unsigned;
use crate::domain::id::UserId;
use crate::domain::reading_queue::WaitingDocument;

/// Lists all documents that wait to be read, in any order, except those of locked accounts.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn waiting(db: &Reader) -> Result<Vec<WaitingDocument>> {
    db.all(
        "SELECT d.id, d.user_id, d.size FROM documents d JOIN users u ON u.id = d.user_id
         WHERE d.status = 'processing' AND u.disabled = 0",
        [],
        |row| {
            Ok(WaitingDocument {
                id: row.get("id")?,
                user: row.get("user_id")?,
                size: unsigned(row, "size")?,
            })
        },
    )
}

/// Counts this user's documents that wait to be read or are being read.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_waiting(db: &Reader, user: &UserId) -> Result<u64> {
    db.query_one(
        "SELECT count(*) AS n FROM documents WHERE user_id = ?1 AND status = 'processing'",
        [user],
        |row| unsigned(row, "n"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::documents::tests::document;
    use super::super::documents::{delete, insert};
    use super::super::tests::{user, with_writer};
    use super::super::users;
    use super::*;
    use crate::domain::document::{Document, DocumentStatus};
    use crate::domain::user::Role;

    #[test]
    fn waiting_documents_are_listed_unless_the_account_is_locked() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let owner = user(1).id;
            users::set_role(db, &owner, Role::Admin)?;
            let reading = Document {
                status: DocumentStatus::Processing,
                ..document(1, 1)
            };
            insert(db, &reading, &[], &[])?;
            let entry = WaitingDocument {
                id: reading.id.clone(),
                user: owner.clone(),
                size: reading.size,
            };
            assert_eq!(waiting(db), Ok(vec![entry.clone()]));
            assert_eq!(count_waiting(db, &owner), Ok(1));
            users::insert(db, &user(2))?;
            assert_eq!(count_waiting(db, &user(2).id), Ok(0));
            let other = Document {
                status: DocumentStatus::Processing,
                ..document(2, 2)
            };
            insert(db, &other, &[], &[])?;
            assert_eq!(waiting(db).map(|all| all.len()), Ok(2));
            users::set_disabled(db, &user(2).id, true)?;
            assert_eq!(waiting(db), Ok(vec![entry]), "the account is locked");
            delete(db, &user(2).id, &other.id)?;
            Ok(())
        });
    }
}
