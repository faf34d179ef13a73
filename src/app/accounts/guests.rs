//! Guests: visitors to the offline demo, who can try documents and threads without an account. A guest is a user record
//! with a session in one browser and no way to sign in again. The record and all its data are deleted after a day.

use std::time::Duration;

use super::{Accounts, RequestOrigin, SignedIn, random_number};
use crate::app::{Error, Kind, Result};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, User};
use crate::store::{audit, users};

/// How long a guest and its data are kept.
const GUEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of concurrent guests, so that visitors cannot fill the disk.
const MAX_GUESTS: u64 = 100;

impl Accounts {
    /// Creates a guest and signs it in. The caller must check that guests are allowed.
    ///
    /// # Errors
    /// `TooFast` after many attempts from one network; `Unavailable` if there are too many guests.
    pub async fn begin_guest(&self, origin: &RequestOrigin) -> Result<SignedIn> {
        self.register_attempt(None, origin).await?;
        let id = UserId::new(origin.now, random_number()?);
        let guest = User {
            // `.invalid` is reserved, so no account can have this address.
            email: format!("{}@guest.invalid", id.as_str().to_lowercase()),
            id,
            name: "Guest".to_owned(),
            // No password verifies against an empty hash.
            password_hash: String::new(),
            role: Role::Guest,
            disabled: false,
            created: origin.now,
            last_login: None,
        };
        let entry = origin.audit_entry(Some(&guest.id), "guest.created", guest.id.as_str());
        let row = guest.clone();
        let pending_write = self.store.write(move |db| {
            if users::count_guests(db)? >= MAX_GUESTS {
                return Ok(false);
            }
            users::insert(db, &row)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        match pending_write.await? {
            true => self.begin_session(guest, None, origin).await,
            false => Err(Error::new(
                Kind::Unavailable,
                "too many visitors are trying documents right now",
            )
            .resolve("create an account, or try again later")),
        }
    }

    /// Returns the guests that have expired.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(in crate::app) async fn expired_guests(&self, now: Timestamp) -> Result<Vec<UserId>> {
        let created_before = now - GUEST_LIFETIME;
        let expired = self
            .store
            .read(move |db| users::guests_before(db, created_before));
        Ok(expired.await?)
    }
}
