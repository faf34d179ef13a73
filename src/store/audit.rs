//! The audit log: who did what, and from where. Entries are never changed.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::values::optional_text;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// An entry in the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditEntry {
    /// When the action was taken.
    pub at: Timestamp,
    /// The user who acted; `None` for the command line and for callers without an account.
    pub actor: Option<UserId>,
    /// The action, as words separated by dots, such as `session.login` or `user.delete`.
    pub action: String,
    /// What was acted on, such as the email address of an account; may be empty.
    pub target: String,
    /// IP address of the client; empty for the command line.
    pub address: String,
    /// Further details, as a sentence; may be empty.
    pub detail: String,
}

/// Appends an entry.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn append(db: &Writer, entry: &AuditEntry) -> Result<()> {
    db.run(
        "INSERT INTO audit (at, actor, action, target, address, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            entry.at,
            entry.actor.as_ref().map_or("", UserId::as_str),
            &entry.action,
            &entry.target,
            &entry.address,
            &entry.detail,
        ),
    )
    .map(drop)
}

/// Deletes entries older than this time and returns their number.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_before(db: &Writer, before: Timestamp) -> Result<usize> {
    db.run("DELETE FROM audit WHERE at < ?1", [before])
}

/// Lists entries with their numbers, newest first, starting after the cursor.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn recent(db: &Reader, limit: u32, cursor: Option<i64>) -> Result<Vec<(i64, AuditEntry)>> {
    db.all(
        "SELECT * FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        (cursor.unwrap_or(i64::MAX), limit),
        |row| {
            let entry = AuditEntry {
                at: row.get("at")?,
                actor: optional_text(row, "actor")?.and_then(|actor| UserId::parse(&actor)),
                action: row.get("action")?,
                target: row.get("target")?,
                address: row.get("address")?,
                detail: row.get("detail")?,
            };
            Ok((row.get("id")?, entry))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn entries_survive_their_actor_and_are_paged() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let entry = |n: i64| AuditEntry {
                at: at(n),
                actor: (n % 2 == 1).then(|| user(1).id),
                action: format!("act.{n}"),
                ..AuditEntry::default()
            };
            (1..=5).try_for_each(|n| append(db, &entry(n)))?;
            users::delete(db, &user(1).id)?;
            let first = recent(db, 2, None)?;
            let rest = recent(db, 9, first.last().map(|(number, _)| *number))?;
            let all: Vec<_> = first
                .into_iter()
                .chain(rest)
                .map(|(_, line)| line)
                .collect();
            assert_eq!(all, [5, 4, 3, 2, 1].map(entry));
            Ok(())
        });
    }
}
