//! Whether an account may have work done for it: it exists and is not locked. Checked in the store, because
//! another process may have locked it.

use super::{Error, Kind, Result};
use crate::domain::id::UserId;
use crate::store::{Store, StoreError, Writer, users};

/// Whether an account exists and is not locked.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn is_active(store: &Store, user: &UserId) -> Result<bool> {
    let id = user.clone();
    Ok(store.read(move |db| users::is_active(db, &id)).await?)
}

/// Refuses work for an account that is locked or deleted.
///
/// # Errors
/// `Forbidden` when the account is not active.
pub(super) async fn check_active(store: &Store, user: &UserId) -> Result<()> {
    match is_active(store, user).await? {
        true => Ok(()),
        false => Err(Error::new(Kind::Forbidden, "this account is locked")
            .resolve("ask an administrator to unlock it")),
    }
}

/// Like [`check_active`], inside a write, where no lock can come in between. `None` is a user who is not
/// signed in.
///
/// # Errors
/// [`StoreError::Missing`] when the account is not active.
pub(super) fn check_active_in(db: &Writer, user: Option<&UserId>) -> crate::store::Result<()> {
    match user {
        Some(user) if !users::is_active(db, user)? => Err(StoreError::Missing),
        _ => Ok(()),
    }
}
