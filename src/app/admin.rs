//! Account administration, for administrators and the command line. The routes and the command line decide who may
//! call these functions; each action is recorded in the audit log with its actor.

use std::time::Duration;

use super::accounts::{Accounts, AdminClaim, NewAccount, RequestOrigin, revoke_access};
use super::documents::{UserFiles, deletion};
use super::{Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Role, User};
use crate::store::{
    self, Reader, Store, StoreError, audit, documents, invites, password_resets, uploads, users,
};

/// How long a reset link is valid.
pub const RESET_LINK_LIFETIME: Duration = Duration::from_secs(3600);
/// How long an invitation is valid.
pub const INVITE_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);

pub use crate::store::audit::AuditEntry;
pub use crate::store::password_resets::ResetRequest;

/// Changes to an account; `None` leaves a value unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserChange {
    /// The role to assign to the account.
    pub role: Option<Role>,
    /// Whether to lock the account (true) or unlock it (false).
    pub disabled: Option<bool>,
}

/// A single-use link. Only its hash is stored, so it cannot be shown again.
#[derive(Clone)]
pub struct OneTimeLink {
    /// The secret token in the link.
    pub token: String,
    /// Time at which the link expires.
    pub expires: Timestamp,
}

impl Accounts {
    /// Lists accounts, newest first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn users(&self, limit: u32, cursor: Option<UserId>) -> Result<Vec<User>> {
        Ok(self
            .store
            .read(move |db| users::list(db, limit, cursor.as_ref()))
            .await?)
    }

    /// Returns the account with this email address.
    ///
    /// # Errors
    /// `Missing` if there is none.
    pub async fn user_by_email(&self, email: &str) -> Result<User> {
        let missing = || {
            let text = format!("there is no account with the email address {email}");
            Error::new(Kind::Missing, text)
        };
        let email = Email::parse(email).ok_or_else(missing)?;
        let user = self
            .store
            .read(move |db| users::by_email(db, email.as_str()))
            .await?;
        user.ok_or_else(missing)
    }

    /// Creates an account regardless of the registration rules.
    ///
    /// # Errors
    /// `BadInput` for an invalid email address or name; `BadRequest` if the address is taken or the password is weak.
    pub async fn create_user(
        &self,
        actor: Option<&UserId>,
        new: NewAccount,
        role: Role,
        origin: &RequestOrigin,
    ) -> Result<User> {
        // The first account becomes the administrator even if registering would require a setup token.
        let claim = AdminClaim::FirstAccount;
        self.create(new, actor, (role, claim), None, origin).await
    }

    /// Changes the role of an account, locks or unlocks it, or both, effective immediately.
    ///
    /// # Errors
    /// `Missing` if there is no such account; `Conflict` if it is the last administrator.
    pub async fn change_user(
        &self,
        actor: Option<&UserId>,
        id: &UserId,
        change: UserChange,
        origin: &RequestOrigin,
    ) -> Result<User> {
        let entry = audit::AuditEntry {
            detail: describe(change),
            ..origin.audit_entry(actor, "account.managed", id.as_str())
        };
        let id = id.clone();
        let user = self.store.write(move |db| {
            if let Some(role) = change.role {
                users::set_role(db, &id, role)?;
            }
            if let Some(disabled) = change.disabled {
                users::set_disabled(db, &id, disabled)?;
            }
            audit::append(db, &entry)?;
            users::by_id(db, &id)?.ok_or(StoreError::Missing)
        });
        let user = user.await.map_err(account_error);
        self.caller_cache.clear();
        user
    }

    /// Deletes an account with all its data, including its files. Files in a bucket are only marked for
    /// [`DocumentService::remove_deleted_objects`](super::documents::DocumentService::remove_deleted_objects),
    /// which removes them. Completes even if the caller is dropped.
    ///
    /// # Errors
    /// `Missing` if there is no such account; `Conflict` if it is the last administrator.
    pub async fn delete_user(
        &self,
        actor: Option<&UserId>,
        id: &UserId,
        origin: &RequestOrigin,
    ) -> Result<()> {
        let entry = origin.audit_entry(actor, "account.deleted", id.as_str());
        let (store, files, id) = (
            self.store_with_reserve.clone(),
            self.files.clone(),
            id.clone(),
        );
        let work = move || delete_with_files(&store, &files, &id, entry);
        let deleted = tokio::task::spawn_blocking(work).await;
        self.caller_cache.clear();
        deleted.map_err(Error::internal)?
    }

    /// Sets an account's password. Ends all of its sessions, and deletes its API keys unless `keep_keys` is set.
    /// Returns the number of deleted keys.
    ///
    /// # Errors
    /// `Kind::BadRequest` for a weak password; `Kind::Missing` if there is no such account.
    pub async fn set_password(
        &self,
        actor: Option<&UserId>,
        id: &UserId,
        new: &str,
        keep_keys: bool,
        origin: &RequestOrigin,
    ) -> Result<usize> {
        let hash = self.checked_password_hash(new).await?;
        let entry = origin.audit_entry(actor, "password.set", id.as_str());
        let (id, now) = (id.clone(), origin.now);
        let updated = self.store.write(move |db| {
            users::set_password_hash(db, &id, &hash)?;
            let deleted = revoke_access(db, &id, keep_keys, now)?;
            audit::append(db, &entry)?;
            Ok(deleted)
        });
        let deleted = updated.await.map_err(account_error)?;
        self.caller_cache.clear();
        Ok(deleted)
    }

    /// Creates a link for setting a new password. An earlier link becomes invalid.
    ///
    /// # Errors
    /// `Missing` if there is no such account.
    pub async fn reset_link(
        &self,
        actor: Option<&UserId>,
        id: &UserId,
        origin: &RequestOrigin,
    ) -> Result<OneTimeLink> {
        let link = new_one_time_link(origin.now, RESET_LINK_LIFETIME)?;
        let (hash, expires, now) = (token::hash(&link.token), link.expires, origin.now);
        let entry = origin.audit_entry(actor, "password.link_made", id.as_str());
        let id = id.clone();
        let pending_write = self.store.write(move |db| {
            password_resets::put(db, &id, &hash, now, expires)?;
            audit::append(db, &entry)
        });
        pending_write.await.map_err(account_error)?;
        Ok(link)
    }

    /// Lists password-reset requests, newest first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn reset_requests(&self, limit: u32) -> Result<Vec<ResetRequest>> {
        Ok(self
            .store
            .read(move |db| password_resets::list(db, limit))
            .await?)
    }

    /// Creates an invitation, for one email address or for anyone who has the link.
    ///
    /// # Errors
    /// `BadInput` for an invalid email address.
    pub async fn invite(
        &self,
        actor: Option<&UserId>,
        email: Option<&str>,
        origin: &RequestOrigin,
    ) -> Result<OneTimeLink> {
        let email = match email {
            None => String::new(),
            Some(text) => Email::parse(text)
                .map(|email| email.as_str().to_owned())
                .ok_or_else(|| {
                    Error::field(
                        &["body", "email"],
                        "value_error",
                        "not a valid email address",
                    )
                })?,
        };
        let link = new_one_time_link(origin.now, INVITE_LIFETIME)?;
        let (hash, expires, now) = (token::hash(&link.token), link.expires, origin.now);
        let entry = origin.audit_entry(actor, "invite.made", &email);
        let pending_write = self.store.write(move |db| {
            invites::put(db, &hash, &email, now, expires)?;
            audit::append(db, &entry)
        });
        pending_write.await?;
        Ok(link)
    }

    /// Lists audit entries, newest first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn audit(&self, limit: u32, cursor: Option<i64>) -> Result<Vec<(i64, AuditEntry)>> {
        Ok(self
            .store
            .read(move |db| audit::recent(db, limit, cursor))
            .await?)
    }
}

fn delete_with_files(
    store: &Store,
    files: &UserFiles,
    id: &UserId,
    entry: AuditEntry,
) -> Result<()> {
    let (originals, parts) = (files.data.join("documents"), files.data.join("uploads"));
    let owner = id.clone();
    let (document_ids, uploads) =
        store.read_now(move |db| Ok((documents_of(db, &owner)?, uploads::ids_of(db, &owner)?)))?;
    deletion::mark(&originals, &document_ids);
    for upload in &uploads {
        deletion::mark_upload(&parts.join(upload.as_str()));
    }
    let owner = id.clone();
    let deleted = store.write_now(move |db| {
        let files = (documents_of(db, &owner)?, uploads::ids_of(db, &owner)?);
        let deleted = users::delete(db, &owner)?;
        audit::append(db, &entry)?;
        deleted.then_some(files).ok_or(StoreError::Missing)
    });
    let (documents, uploads) = deleted.map_err(|error| {
        deletion::unmark(&originals, &document_ids);
        for upload in &uploads {
            deletion::unmark_upload(&parts.join(upload.as_str()));
        }
        account_error(error)
    })?;
    match files.has_bucket {
        // The document service removes the objects and then the markers.
        true => deletion::delete_files(&originals, &documents),
        false => deletion::delete_marked(&originals, &documents),
    }
    for upload in &uploads {
        deletion::delete_upload(&parts.join(upload.as_str()));
    }
    Ok(())
}

fn documents_of(db: &Reader, user: &UserId) -> store::Result<Vec<DocumentId>> {
    let mut ids: Vec<DocumentId> = Vec::new();
    loop {
        let page = documents::list_of(db, user, 200, ids.last())?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page.into_iter().map(|document| document.id));
    }
}

fn new_one_time_link(now: Timestamp, length: Duration) -> Result<OneTimeLink> {
    Ok(OneTimeLink {
        token: token::new().map_err(Error::internal)?,
        expires: now + length,
    })
}

fn describe(change: UserChange) -> String {
    let role = change.role.map(|role| format!("role {}", role.as_str()));
    let disabled = change
        .disabled
        .map(|disabled| if disabled { "locked" } else { "unlocked" }.to_owned());
    role.into_iter()
        .chain(disabled)
        .collect::<Vec<_>>()
        .join(", ")
}

fn account_error(error: StoreError) -> Error {
    match error {
        StoreError::Missing => Error::new(Kind::Missing, "there is no such account"),
        StoreError::Conflict(_) => Error::new(
            Kind::Conflict,
            "at least one administrator whose account is not locked must remain",
        )
        .resolve("make someone else an administrator first"),
        other => other.into(),
    }
}
