//! User accounts, including guests.

use super::comparisons;
use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::row::Row;
use super::values::optional_timestamp;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, User};

/// Inserts an account.
///
/// # Errors
/// Returns `Conflict("email")` if the address is taken, or another error if the database cannot be written.
pub fn insert(db: &Writer, user: &User) -> Result<()> {
    db.run(
        "INSERT INTO users (id, email, name, password_hash, role, disabled, created, last_login)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            &user.id,
            &user.email,
            &user.name,
            &user.password_hash,
            user.role,
            user.disabled,
            user.created,
            user.last_login.unwrap_or_default(),
        ),
    )
    .map(drop)
    .map_err(|error| error.with_subject("email"))
}

/// Inserts an account and returns its role. The first account becomes an administrator, and every other one an ordinary
/// user, regardless of `user.role`. This is decided here because only the write transaction excludes a concurrent
/// registration.
///
/// # Errors
/// Same as [`insert`].
pub fn insert_bootstrapping_admin(db: &Writer, user: &User) -> Result<Role> {
    let role = if count(db)? == 0 {
        Role::Admin
    } else {
        Role::User
    };
    insert(
        db,
        &User {
            role,
            ..user.clone()
        },
    )?;
    Ok(role)
}

/// Returns whether there is an administrator, even if the account is locked.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn has_admin(db: &Reader) -> Result<bool> {
    db.query_one(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM users WHERE role = 'admin') THEN 1 ELSE 0 END",
        [],
        |row| row.get(0),
    )
}

/// Returns an account, or `None` if there is no such account.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, id: &UserId) -> Result<Option<User>> {
    db.query_optional("SELECT * FROM users WHERE id = ?1", [id], from_row)
}

/// Returns whether an account exists and is not locked. This is checked before work starts on its behalf.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn is_active(db: &Reader, id: &UserId) -> Result<bool> {
    let stored_row = db.query_optional(
        "SELECT 1 FROM users WHERE id = ?1 AND disabled = 0",
        [id],
        |_| Ok(()),
    )?;
    Ok(stored_row.is_some())
}

/// Returns the account with this email address, which must be normalized (`domain::user::Email`).
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_email(db: &Reader, email: &str) -> Result<Option<User>> {
    db.query_optional("SELECT * FROM users WHERE email = ?1", [email], from_row)
}

/// Counts all accounts except guests.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count(db: &Reader) -> Result<u64> {
    db.query_one(
        "SELECT count(*) AS n FROM users WHERE role <> 'guest'",
        [],
        |row| super::values::unsigned(row, "n"),
    )
}

/// Returns the number of accounts whose role is `guest`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_guests(db: &Reader) -> Result<u64> {
    db.query_one(
        "SELECT count(*) AS n FROM users WHERE role = 'guest'",
        [],
        |row| super::values::unsigned(row, "n"),
    )
}

/// Lists the guest accounts created before this time.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn guests_before(db: &Reader, before: Timestamp) -> Result<Vec<UserId>> {
    db.all(
        "SELECT id FROM users WHERE role = 'guest' AND created < ?1 ORDER BY id",
        [before],
        |row| row.get(0),
    )
}

/// Lists accounts, newest first, starting after the cursor. Guests are omitted.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list(db: &Reader, limit: u32, cursor: Option<&UserId>) -> Result<Vec<User>> {
    match cursor {
        Some(cursor) => db.all(
            "SELECT * FROM users WHERE id < ?1 AND role <> 'guest' ORDER BY id DESC LIMIT ?2",
            (cursor, limit),
            from_row,
        ),
        None => db.all(
            "SELECT * FROM users WHERE role <> 'guest' ORDER BY id DESC LIMIT ?1",
            [limit],
            from_row,
        ),
    }
}

/// Sets the password hash of an account.
///
/// # Errors
/// Returns `Missing` for an unknown account, or another error if the database cannot be written.
pub fn set_password_hash(db: &Writer, id: &UserId, hash: &str) -> Result<()> {
    db.run_one(
        "UPDATE users SET password_hash = ?2 WHERE id = ?1",
        (id, hash),
    )
}

/// Sets the name and email address of an account.
///
/// # Errors
/// Returns `Conflict("email")` if the address is taken, `Missing` for an unknown account, or another error if the
/// database cannot be written.
pub fn set_profile(db: &Writer, id: &UserId, name: &str, email: &str) -> Result<()> {
    db.run_one(
        "UPDATE users SET name = ?2, email = ?3 WHERE id = ?1",
        (id, name, email),
    )
    .map_err(|error| error.with_subject("email"))
}

/// Sets the role of an account.
///
/// # Errors
/// Returns `Conflict("last admin")` if no unlocked administrator would be left, `Missing` for an unknown account, or
/// another error if the database cannot be written.
pub fn set_role(db: &Writer, id: &UserId, role: Role) -> Result<()> {
    db.run_one("UPDATE users SET role = ?2 WHERE id = ?1", (id, role))?;
    check_admin_remains(db)
}

/// Locks or unlocks an account.
///
/// # Errors
/// Same as [`set_role`].
pub fn set_disabled(db: &Writer, id: &UserId, disabled: bool) -> Result<()> {
    db.run_one(
        "UPDATE users SET disabled = ?2 WHERE id = ?1",
        (id, disabled),
    )?;
    check_admin_remains(db)
}

/// Records when an account last signed in.
///
/// # Errors
/// Returns `Missing` for an unknown account, or another error if the database cannot be written.
pub fn record_login(db: &Writer, id: &UserId, now: Timestamp) -> Result<()> {
    db.run_one("UPDATE users SET last_login = ?2 WHERE id = ?1", (id, now))
}

/// Deletes an account with everything it owns, except the document files, which the caller deletes. Returns false if
/// there is no such account.
///
/// # Errors
/// Returns `Conflict("last admin")` if accounts would be left without an unlocked administrator, or another error if
/// the database cannot be written.
pub fn delete(db: &Writer, id: &UserId) -> Result<bool> {
    let is_deleted = db.run("DELETE FROM users WHERE id = ?1", [id])? > 0;
    // The comparison interval is the only data of a user that is not deleted by cascade, because its row does not refer
    // to the account.
    comparisons::set_compare_interval(db, id, None)?;
    if is_deleted && count(db)? > 0 {
        check_admin_remains(db)?;
    }
    Ok(is_deleted)
}

/// Prevents other servers from changing who is an administrator until the end of the transaction.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn lock_roles(db: &Writer) -> Result<()> {
    db.lock("roles")
}

fn check_admin_remains(db: &Writer) -> Result<()> {
    // The lock is taken after the change, so that a server that has waited for it sees what others have committed.
    lock_roles(db)?;
    let left = db.query_optional(
        "SELECT 1 FROM users WHERE role = 'admin' AND disabled = 0 LIMIT 1",
        [],
        |_| Ok(()),
    )?;
    // The error rolls back the change.
    left.ok_or(StoreError::Conflict("last admin"))
}

fn from_row(row: &Row<'_>) -> Result<User> {
    from_columns(row, 0)
}

/// Reads an account from consecutive columns, starting at `first`. Columns are read by position instead of by name,
/// because this happens in every authenticated request.
///
/// # Errors
/// Returns an error if a column has an invalid value.
pub(super) fn from_columns(row: &Row<'_>, first: usize) -> Result<User> {
    Ok(User {
        id: row.get(first)?,
        email: row.get(first + 1)?,
        name: row.get(first + 2)?,
        password_hash: row.get(first + 3)?,
        role: row.get(first + 4)?,
        disabled: row.get(first + 5)?,
        created: row.get(first + 6)?,
        last_login: optional_timestamp(row, first + 7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::*;

    #[test]
    fn the_first_account_is_the_admin() {
        with_writer(|db| {
            assert_eq!(insert_bootstrapping_admin(db, &user(1)), Ok(Role::Admin));
            assert_eq!(insert_bootstrapping_admin(db, &user(2)), Ok(Role::User));
            assert_eq!(
                by_id(db, &user(1).id)?.map(|user| user.role),
                Some(Role::Admin)
            );
            assert_eq!(by_email(db, "person2@example.org")?, Some(user(2)));
            assert_eq!(by_email(db, "PERSON2@example.org")?, None);
            assert_eq!(count(db), Ok(2));
            Ok(())
        });
    }

    #[test]
    fn an_active_administrator_always_remains() {
        with_writer(|db| {
            let (first, second) = (user(1).id, user(2).id);
            insert_bootstrapping_admin(db, &user(1))?;
            insert_bootstrapping_admin(db, &user(2))?;
            let last = Err(StoreError::Conflict("last admin"));
            set_role(db, &second, Role::Admin)?;
            set_role(db, &first, Role::User)?;
            assert_eq!(set_disabled(db, &second, true), last);
            set_disabled(db, &second, false)?;
            assert_eq!(delete(db, &first), Ok(true));
            assert_eq!(delete(db, &first), Ok(false));
            // The very last account may be deleted, because there is no one left to administer.
            assert_eq!(delete(db, &second), Ok(true));
            Ok(())
        });
    }

    #[test]
    fn changes_apply_or_report_a_missing_row() {
        with_writer(|db| {
            insert(db, &user(1))?;
            insert(db, &user(2))?;
            let id = user(1).id;
            set_password_hash(db, &id, "$y$")?;
            set_profile(db, &id, "Ada", "ada@example.org")?;
            record_login(db, &id, at(7_000))?;
            let expected = User {
                name: "Ada".into(),
                email: "ada@example.org".into(),
                password_hash: "$y$".into(),
                last_login: Some(at(7_000)),
                ..user(1)
            };
            assert_eq!(by_id(db, &id), Ok(Some(expected)));
            let duplicate = db.attempt(|db| set_profile(db, &id, "Ada", "person2@example.org"));
            assert_eq!(duplicate, Err(StoreError::Conflict("email")));
            assert_eq!(
                record_login(db, &user(9).id, at(1)),
                Err(StoreError::Missing)
            );
            Ok(())
        });
    }

    #[test]
    fn list_pages_have_no_gaps_or_duplicates() {
        with_writer(|db| {
            (1..=5).try_for_each(|n| insert(db, &user(n)))?;
            let first = list(db, 3, None)?;
            let rest = list(db, 3, first.last().map(|user| &user.id))?;
            let names: Vec<_> = first.iter().chain(&rest).map(|user| &*user.name).collect();
            assert_eq!(
                names,
                ["Person 5", "Person 4", "Person 3", "Person 2", "Person 1"]
            );
            Ok(())
        });
    }
}
