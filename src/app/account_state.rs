//! Checks that an account is active before work is done for it: it must exist and not be locked. Reads the store,
//! because another process may have locked the account.

use super::{Error, Kind, Result};
use crate::domain::id::UserId;
use crate::store::{Store, StoreError, Writer, users};

/// Whether an account exists and is not locked.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) async fn is_active(store: &Store, user: &UserId) -> Result<bool> {
    let id = user.clone();
    Ok(store.read(move |db| users::is_active(db, &id)).await?)
}

/// Checks that an account is neither locked nor deleted.
///
/// # Errors
/// `Forbidden` if the account is not active. Also fails if the database cannot be read.
pub(super) async fn check_active(store: &Store, user: &UserId) -> Result<()> {
    match is_active(store, user).await? {
        true => Ok(()),
        false => Err(Error::new(Kind::Forbidden, "this account is locked")
            .resolve("ask an administrator to unlock it")),
    }
}

/// Like [`check_active`], but within a write transaction, so that the account cannot be locked in between. Always
/// succeeds for `None`, a user who is not signed in.
///
/// # Errors
/// [`StoreError::Missing`] if the account is not active. Also fails if the database cannot be read.
pub(super) fn check_active_in(db: &Writer, user: Option<&UserId>) -> crate::store::Result<()> {
    match user {
        Some(user) if !users::is_active(db, user)? => Err(StoreError::Missing),
        _ => Ok(()),
    }
}
