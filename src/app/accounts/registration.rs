//! Registers accounts: checks who may register, validates addresses and passwords, and appoints the first
//! administrator.

use super::rules::{email_taken_error, validate_name};
use super::setup::{self, AdminClaim, FirstAdminRule};
use super::{Accounts, NewAccount, RequestOrigin, random_number};
use crate::app::error::FieldError;
use crate::app::{Error, Kind, Result};
use crate::config::Registration;
use crate::crypto::token;
use crate::domain::id::UserId;
use crate::domain::password::check_password;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Role, User};
use crate::store::{self, StoreError, Writer, audit, invites, users};

impl Accounts {
    /// Registers an account. It becomes the administrator if the installation's [`FirstAdminRule`] allows it.
    ///
    /// # Errors
    /// `Forbidden` if registration is closed, an invitation is missing, the setup token is wrong or no longer needed,
    /// or a request from another machine would create the first account; `BadInput` for an invalid address or name;
    /// `BadRequest` if the address is taken or the password is weak; `TooFast` after many attempts.
    pub async fn register(&self, new: NewAccount, origin: &RequestOrigin) -> Result<User> {
        let has_token = new
            .setup_token
            .as_deref()
            .is_some_and(|token| !token.is_empty());
        let may_set_up = has_token && matches!(self.setup, FirstAdminRule::Token { .. });
        if self.registration == Registration::Closed && !may_set_up {
            return Err(
                Error::new(Kind::Forbidden, "registration is closed on this server")
                    .resolve("ask an administrator to create your account"),
            );
        }
        self.register_attempt(None, origin).await?;
        let claim = self.setup.claim(new.setup_token.as_deref(), new.is_local)?;
        let invite = match (self.registration, claim) {
            (_, AdminClaim::Setup) => None,
            (Registration::Invite, _) => Some(new.invite.clone().unwrap_or_default()),
            _ => None,
        };
        self.create(new, None, (Role::User, claim), invite, origin)
            .await
    }

    /// Creates an account: validates it, hashes the password, and inserts it. If `invite` is set, it must be a valid
    /// invitation, except for the first account, which becomes the administrator.
    pub(in crate::app) async fn create(
        &self,
        new: NewAccount,
        actor: Option<&UserId>,
        (role, claim): (Role, AdminClaim),
        invite: Option<String>,
        origin: &RequestOrigin,
    ) -> Result<User> {
        let (email, name) = validate(&new)?;
        check_password(&new.password)
            .map_err(|weak_password| Error::new(Kind::BadRequest, weak_password.message()))?;
        let address = email.as_str().to_owned();
        let existing = self
            .store
            .read(move |db| users::by_email(db, &address))
            .await?;
        if existing.is_some() {
            return Err(email_taken_error());
        }
        let mut user = User {
            id: UserId::new(origin.now, random_number()?),
            email: email.as_str().to_owned(),
            name,
            password_hash: self.passwords.hash(&new.password).await?,
            role,
            disabled: false,
            created: origin.now,
            last_login: None,
        };
        let entry = origin.audit_entry(
            actor.or(Some(&user.id)),
            "account.created",
            user.id.as_str(),
        );
        let (row, now) = (user.clone(), origin.now);
        let pending_write = self
            .store
            .write(move |db| insert(db, (&row, claim), invite.as_deref(), now, &entry));
        match pending_write.await {
            Ok(InsertOutcome::Created(role)) => {
                user.role = role;
                Ok(user)
            }
            Ok(InsertOutcome::SetUpAlready) => Err(setup::setup_done_error()),
            Ok(InsertOutcome::NotLocal) => Err(setup::not_local_error()),
            Ok(InsertOutcome::NotInvited) => Err(Error::new(
                Kind::Forbidden,
                "you need an invitation to register",
            )
            .resolve("ask an administrator for an invitation; each can be used once")),
            Err(StoreError::Conflict(_)) => Err(email_taken_error()),
            Err(other) => Err(other.into()),
        }
    }
}

/// The outcome of inserting an account.
enum InsertOutcome {
    Created(Role),
    NotInvited,
    SetUpAlready,
    NotLocal,
}

fn insert(
    db: &Writer,
    (user, claim): (&User, AdminClaim),
    invite: Option<&str>,
    now: Timestamp,
    entry: &audit::AuditEntry,
) -> store::Result<InsertOutcome> {
    users::lock_roles(db)?;
    if claim == AdminClaim::NotLocal && users::count(db)? == 0 {
        return Ok(InsertOutcome::NotLocal);
    }
    // If the first account becomes the administrator, no account exists yet that could have invited it.
    let is_first = claim == AdminClaim::FirstAccount && users::count(db)? == 0;
    if let Some(invite) = invite
        && !is_first
        && !invites::take(db, &token::hash(invite), &user.email, now)?
    {
        return Ok(InsertOutcome::NotInvited);
    }
    if claim == AdminClaim::Setup && users::has_admin(db)? {
        return Ok(InsertOutcome::SetUpAlready);
    }
    let role = match (user.role, claim) {
        (Role::Guest, _) => users::insert(db, user).map(|()| Role::Guest)?,
        (Role::User, AdminClaim::FirstAccount) => users::insert_bootstrapping_admin(db, user)?,
        (Role::User, AdminClaim::Ordinary | AdminClaim::NotLocal) => {
            users::insert(db, user).map(|()| Role::User)?
        }
        // The caller has already checked that this account may become an administrator.
        (Role::Admin, _) | (_, AdminClaim::Setup) => {
            let role = Role::Admin;
            let admin = User {
                role,
                ..user.clone()
            };
            users::insert(db, &admin).map(|()| role)?
        }
    };
    audit::append(db, entry)?;
    Ok(InsertOutcome::Created(role))
}

/// Validates the address and name, and reports all errors at once.
fn validate(new: &NewAccount) -> Result<(Email, String)> {
    let mut fields = Vec::new();
    let email = Email::parse(&new.email);
    if email.is_none() {
        fields.push(FieldError {
            location: vec!["body".into(), "email".into()],
            message: "the email address is not valid".into(),
            kind: "value_error",
        });
    }
    let name = validate_name(&new.name).map_err(|field| fields.push(field));
    match (email, name) {
        (Some(email), Ok(name)) => Ok((email, name)),
        _ => Err(Error::fields(fields)),
    }
}
