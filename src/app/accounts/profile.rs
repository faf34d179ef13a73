//! Shows and changes a user's own account, and changes or resets its password.

use std::sync::atomic::Ordering::Relaxed;

use super::rules::{email_taken_error, validate_name};
use super::setup::FirstAdminRule;
use super::{Accounts, RequestOrigin};
use crate::app::{Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::{SessionId, UserId};
use crate::domain::password::check_password;
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Email, User};
use crate::store::{
    self, StoreError, Writer, api_keys, audit, password_resets, sessions, sign_in_networks, users,
};

/// Changes to a user's profile; `None` leaves a value unchanged.
#[derive(Debug, Clone, Default)]
pub struct NewProfile {
    /// The new email address.
    pub email: Option<String>,
    /// The new display name.
    pub name: Option<String>,
}

impl Accounts {
    /// Whether there is no account yet, so that the pages start with registration.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn is_first_run(&self) -> Result<bool> {
        if self.has_account.load(Relaxed) {
            return Ok(false);
        }
        let empty = self.store.read(users::count).await? == 0;
        self.has_account.store(!empty, Relaxed);
        Ok(empty)
    }

    /// Returns the rule for the first administrator; `None` once there is one.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn pending_setup(&self) -> Result<Option<&FirstAdminRule>> {
        if self.has_admin.load(Relaxed) {
            return Ok(None);
        }
        let has_admin = self.store.read(users::has_admin).await?;
        self.has_admin.store(has_admin, Relaxed);
        Ok((!has_admin).then_some(&self.setup))
    }

    /// Returns the caller's account.
    ///
    /// # Errors
    /// `Missing` if the account was deleted in the meantime. Also fails if the store cannot be read.
    pub async fn current_user(&self, caller: &Caller) -> Result<User> {
        let id = caller.user.clone();
        let user = self.store.read(move |db| users::by_id(db, &id)).await?;
        user.ok_or_else(|| Error::new(Kind::Missing, "the account no longer exists"))
    }

    /// Changes the caller's name and email address.
    ///
    /// # Errors
    /// `Forbidden` if an API key changes the email address; `BadInput` for an invalid name or address; `BadRequest` if
    /// the address is taken.
    pub async fn update_profile(
        &self,
        caller: &Caller,
        new: NewProfile,
        origin: &RequestOrigin,
    ) -> Result<User> {
        let mut user = self.current_user(caller).await?;
        if let Some(name) = new.name {
            user.name = validate_name(&name).map_err(|field| Error::fields(vec![field]))?;
        }
        if let Some(email) = new.email {
            let email = Email::parse(&email).ok_or_else(|| {
                Error::field(
                    &["body", "email"],
                    "value_error",
                    "the email address is not valid",
                )
            })?;
            if email.as_str() != user.email {
                require_session(caller, "change the email address")?;
            }
            user.email = email.as_str().to_owned();
        }
        let entry = origin.audit_entry(Some(&user.id), "account.changed", user.id.as_str());
        let row = user.clone();
        let pending_write = self.store.write(move |db| {
            users::set_profile(db, &row.id, &row.name, &row.email)?;
            audit::append(db, &entry)
        });
        match pending_write.await {
            Ok(()) => Ok(user),
            Err(StoreError::Conflict(_)) => Err(email_taken_error()),
            Err(other) => Err(other.into()),
        }
    }

    /// Changes the caller's password and ends all other sessions. Returns the value of the new device cookie.
    ///
    /// # Errors
    /// `Kind::Forbidden` for an API key; `Kind::BadRequest` if the current password is wrong or the new one is
    /// weak; `Kind::TooFast` if newer attempts of the same session took every turn for too long.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: &str,
        new: &str,
        origin: &RequestOrigin,
    ) -> Result<String> {
        let session = require_session(caller, "change the password")?.clone();
        let mut user = self.current_user(caller).await?;
        let mut attempt = self
            .register_device_attempt(session.clone(), origin.now)
            .await;
        self.await_turn(&mut attempt).await?;
        if current.len() > 1024
            || !self
                .passwords
                .verify(current, Some(&user.password_hash), attempt.priority)
                .await?
        {
            return Err(Error::new(
                Kind::BadRequest,
                "the current password is wrong",
            ));
        }
        self.refund_attempt(&attempt);
        user.password_hash = self.checked_password_hash(new).await?;
        let devices = self.device_cookie(&user, &session, origin);
        let entry = origin.audit_entry(Some(&user.id), "password.changed", user.id.as_str());
        let now = origin.now;
        self.store
            .write(move |db| {
                users::set_password_hash(db, &user.id, &user.password_hash)?;
                sessions::revoke_all_of(db, &user.id, now, Some(&session))?;
                audit::append(db, &entry)
            })
            .await?;
        self.caller_cache.clear();
        Ok(devices)
    }

    /// Records a forgotten password, so that an administrator can create a reset link. The result and the time taken
    /// are the same whether or not the account exists.
    ///
    /// # Errors
    /// `TooFast` after many requests. Also returns any error from the store.
    pub async fn request_reset(&self, email: &str, origin: &RequestOrigin) -> Result<()> {
        self.register_attempt(None, origin).await?;
        let Some(email) = Email::parse(email) else {
            return Ok(());
        };
        let entry = origin.audit_entry(None, "password.reset_requested", email.as_str());
        let now = origin.now;
        let pending_write = self.store.write(move |db| {
            audit::append(db, &entry)?;
            match users::by_email(db, email.as_str())? {
                Some(user) => password_resets::request(db, &user.id, now),
                None => Ok(()),
            }
        });
        Ok(pending_write.await?)
    }

    /// Sets a new password with the token of a reset link, which works only once, and ends all sessions. Someone
    /// else may have known the old password and created API keys with it, so the keys are deleted unless
    /// `keep_keys` is set. Returns the number of deleted keys.
    ///
    /// # Errors
    /// `Kind::BadRequest` if the link or the password is not valid; `Kind::TooFast` after many attempts.
    pub async fn reset_password(
        &self,
        reset: &str,
        new: &str,
        keep_keys: bool,
        origin: &RequestOrigin,
    ) -> Result<usize> {
        self.register_attempt(None, origin).await?;
        let hash = self.checked_password_hash(new).await?;
        let (reset, now) = (token::hash(reset), origin.now);
        let entry = origin.audit_entry(None, "password.reset", "");
        let deleted = self
            .store
            .write(move |db| {
                let Some(user) = password_resets::take(db, &reset, now)? else {
                    return Ok(None);
                };
                users::set_password_hash(db, &user, &hash)?;
                let deleted = revoke_access(db, &user, keep_keys, now)?;
                let target = user.to_string();
                audit::append(
                    db,
                    &audit::AuditEntry {
                        actor: Some(user.clone()),
                        target,
                        ..entry
                    },
                )?;
                Ok(Some(deleted))
            })
            .await?;
        self.caller_cache.clear();
        match deleted {
            Some(deleted) => Ok(deleted),
            None => Err(
                Error::new(Kind::BadRequest, "the reset link is invalid or has expired")
                    .resolve("ask for a new one; each is valid for an hour and can be used once"),
            ),
        }
    }

    /// Checks a new password against the rules and returns its hash. Fails with `BadRequest` if it is weak.
    pub(in crate::app) async fn checked_password_hash(&self, new: &str) -> Result<String> {
        check_password(new)
            .map_err(|weak_password| Error::new(Kind::BadRequest, weak_password.message()))?;
        self.passwords.hash(new).await
    }
}

/// Revokes everything the old password gave access to: sessions, trusted networks and, unless `keep_keys` is set, API
/// keys. Device tokens are bound to the password and become invalid with it. Returns the number of deleted keys.
pub(in crate::app) fn revoke_access(
    db: &Writer,
    user: &UserId,
    keep_keys: bool,
    now: Timestamp,
) -> store::Result<usize> {
    sessions::revoke_all_of(db, user, now, None)?;
    sign_in_networks::delete_all(db, user)?;
    match keep_keys {
        true => Ok(0),
        false => api_keys::delete_all_for_user(db, user),
    }
}

/// Returns the caller's session. Rejects API keys, for actions that would make a stolen key's access permanent; `what`
/// names the action in the error.
pub(in crate::app) fn require_session<'c>(caller: &'c Caller, what: &str) -> Result<&'c SessionId> {
    match &caller.session {
        Some(session) => Ok(session),
        None => Err(
            Error::new(Kind::Forbidden, format!("an API key cannot {what}"))
                .resolve("sign in with your email address and password to do that"),
        ),
    }
}
