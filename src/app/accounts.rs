//! Use cases for accounts: registration, sign-in and sign-out, and authentication of requests. Sign-ins and changes to
//! accounts are recorded in the audit log. Independent of HTTP: knows no cookies or headers.

mod authentication;
mod devices;
mod guests;
mod in_flight;
mod login_attempts;
mod login_limits;
mod login_queue;
mod open_sessions;
mod passwords;
mod profile;
mod recent_callers;
mod registration;
mod rules;
mod setup;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use super::request_origin::RequestOrigin;
use super::{Error, Kind, Result, documents::UserFiles, folder};
use crate::config::{Config, Registration};
use crate::crypto::{self, device, jwt, refresh, token};
use crate::domain::id::SessionId;
use crate::domain::password::check_password;
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Email, Session, User};
use crate::log;
use crate::store::{Store, audit, sessions, sign_in_networks, users};
pub use devices::DEVICE_TOKEN_LIFETIME;
pub use in_flight::InFlightGuard;
pub use profile::NewProfile;
pub(super) use profile::{require_session, revoke_access};
pub(super) use setup::AdminClaim;
pub use setup::FirstAdminRule;

/// How long an access token is valid; a client then renews it with its refresh token.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Lifetime of a refresh token; every renewal restarts it.
pub const REFRESH_TOKEN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the previous refresh token is still accepted after a renewal.
const REFRESH_GRACE: Duration = Duration::from_secs(30);

/// Settings of the account use cases.
#[derive(Clone)]
pub struct AccountSettings {
    /// Where the users' files are stored.
    pub files: UserFiles,
    /// The installation's secret key.
    pub secret: String,
    /// Number of PBKDF2 rounds for new password hashes.
    pub password_rounds: u32,
    /// Maximum number of sign-in attempts per minute for one account from one network, and for one known device. The
    /// limits per account and per network are multiples of it.
    pub login_per_minute: u32,
    /// Whether registration is open, closed, or by invitation.
    pub registration: Registration,
    /// How the first account becomes an administrator.
    pub setup: FirstAdminRule,
}

/// Use cases for accounts: registration, sign-in, sessions, and API keys. Holds their in-memory limits and caches.
pub struct Accounts {
    pub(super) store: Store,
    /// Store handle for signing in, signing out, and deleting, which must work even when the disk is full.
    pub(super) store_with_reserve: Store,
    pub(super) files: UserFiles,
    registration: Registration,
    setup: FirstAdminRule,
    jwt: jwt::Jwt,
    refresh_token: refresh::RefreshTokens,
    device_cookie: device::DeviceTokens,
    pub(super) passwords: passwords::Passwords,
    attempts: login_limits::LoginThrottle,
    login_turns: login_queue::LoginTurns,
    pub(super) caller_cache: recent_callers::CallerCache,
    requests_in_flight: in_flight::RequestsInFlight,
    /// Whether an account was found to exist. Never reset, because the last administrator cannot be deleted.
    has_account: AtomicBool,
    /// Whether an administrator was found to exist. Never reset, because the last one cannot be deleted.
    has_admin: AtomicBool,
}

/// A credential as sent by a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer …`: an access token or an API key.
    Bearer(String),
    /// `X-API-Key: …`: an API key.
    ApiKey(String),
    /// The cookie that holds the access token.
    Cookie(String),
}

/// Parameters of a registration.
#[derive(Clone)]
pub struct NewAccount {
    /// Email address as typed.
    pub email: String,
    /// Password as typed.
    pub password: String,
    /// Display name. May be empty.
    pub name: String,
    /// Invitation code, if registration is by invitation.
    pub invite: Option<String>,
    /// Setup token for becoming the first administrator.
    pub setup_token: Option<String>,
    /// Whether the request comes from this machine, as far as can be determined.
    pub is_local: bool,
}

/// A new or renewed session with its tokens.
pub struct SignedIn {
    /// The account whose credentials were accepted.
    pub user: User,
    /// ID of the session that the tokens belong to.
    pub session: SessionId,
    /// The access token, valid for `ACCESS_TOKEN_LIFETIME`.
    pub access_token: String,
    /// The refresh token, valid for `REFRESH_TOKEN_LIFETIME`.
    pub refresh_token: String,
    /// The value of the device cookie, valid for `DEVICE_TOKEN_LIFETIME` seconds.
    pub device_cookie: String,
}

impl AccountSettings {
    /// Derives the account settings from a configuration and the installation's secret.
    ///
    /// # Errors
    /// Returns an error if the system provides no random numbers.
    pub fn from_config(config: &Config, secret: &str) -> Result<Self> {
        Ok(Self {
            files: UserFiles::from_config(config),
            secret: secret.to_owned(),
            password_rounds: config.password_rounds,
            login_per_minute: config.limits.login_per_minute,
            registration: config.registration,
            setup: FirstAdminRule::from_config(config)?,
        })
    }
}

impl Accounts {
    /// Opens the account use cases of a data folder, without the rest of the application, for the command line.
    ///
    /// # Errors
    /// Same as [`folder::open`].
    pub fn open(config: &Config) -> Result<Self> {
        Self::from_folder(config, folder::open(config)?)
    }

    /// Like [`open`](Self::open), but never creates an installation.
    ///
    /// # Errors
    /// Same as [`folder::open_existing`].
    pub fn open_existing(config: &Config) -> Result<Self> {
        Self::from_folder(config, folder::open_existing(config)?)
    }

    fn from_folder(config: &Config, opened: folder::OpenedFolder) -> Result<Self> {
        let settings = AccountSettings::from_config(config, &opened.secret)?;
        Ok(Self::new(opened.store, &settings))
    }

    /// Creates the account use cases. The password-hashing thread starts with the first password.
    pub fn new(store: Store, settings: &AccountSettings) -> Self {
        Self {
            store_with_reserve: store.with_reserve(),
            store,
            files: settings.files.clone(),
            registration: settings.registration,
            setup: settings.setup.clone(),
            jwt: jwt::Jwt::new(&settings.secret),
            refresh_token: refresh::RefreshTokens::new(&settings.secret),
            device_cookie: device::DeviceTokens::new(&settings.secret),
            passwords: passwords::Passwords::new(settings.password_rounds),
            attempts: login_limits::LoginThrottle::new(settings.login_per_minute),
            login_turns: login_queue::LoginTurns::default(),
            caller_cache: recent_callers::CallerCache::default(),
            requests_in_flight: in_flight::RequestsInFlight::default(),
            has_account: AtomicBool::new(false),
            has_admin: AtomicBool::new(false),
        }
    }

    /// Signs a user in. A wrong address and a wrong password are indistinguishable, in timing too.
    ///
    /// # Errors
    /// `SignInNeeded` for a wrong address or password; `Forbidden` for a locked account with the correct password;
    /// `TooFast` after too many attempts; `Unavailable` if the password queue is full.
    pub async fn login(
        &self,
        email: &str,
        password: &str,
        origin: &RequestOrigin,
    ) -> Result<SignedIn> {
        let account = Email::parse(email).map(|email| email.as_str().to_owned());
        // An invalid address is also counted, under the text as typed, cut to 254 characters.
        let attempted = account
            .clone()
            .unwrap_or_else(|| email.chars().take(254).collect());
        let mut attempt = self.register_attempt(Some(&attempted), origin).await?;
        self.await_turn(&mut attempt).await?;
        let user = match account {
            Some(ref address) => {
                let address = address.clone();
                self.store
                    .read(move |db| users::by_email(db, &address))
                    .await?
            }
            None => None,
        };
        let stored_hash = user.as_ref().map(|user| user.password_hash.as_str());
        // A password longer than any account can have is not hashed.
        let is_match = password.len() <= 1024
            && self
                .passwords
                .verify(password, stored_hash, attempt.priority)
                .await?;
        let Some(user) = user.filter(|_| is_match) else {
            self.record_failed_login(account, origin).await?;
            return Err(wrong_login_error());
        };
        self.refund_attempt(&attempt);
        if user.disabled {
            return Err(Error::new(Kind::Forbidden, "this account is locked")
                .resolve("ask an administrator"));
        }
        let new_hash = match self.passwords.is_outdated(&user.password_hash) {
            true => Some(self.passwords.hash(password).await?),
            false => None,
        };
        self.begin_session(user, new_hash, origin).await
    }

    async fn begin_session(
        &self,
        mut user: User,
        new_hash: Option<String>,
        origin: &RequestOrigin,
    ) -> Result<SignedIn> {
        let id = SessionId::new(origin.now, random_number()?);
        let verified_hash = user.password_hash.clone();
        if let Some(hash) = &new_hash {
            user.password_hash.clone_from(hash);
        }
        let signed_in = self.tokens(user, id, 0, origin)?;
        let session = Session {
            id: signed_in.session.clone(),
            user: signed_in.user.id.clone(),
            refresh_hash: token::hash(&signed_in.refresh_token),
            previous_refresh_hash: None,
            created: origin.now,
            expires_at: origin.now + REFRESH_TOKEN_LIFETIME,
            revoked_at: None,
            client: origin
                .client
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
        };
        let entry = origin.audit_entry(Some(&session.user), "session.started", session.id.as_str());
        let now = origin.now;
        let network = origin
            .peer
            .map(|peer| login_limits::network(peer).to_string());
        let is_created = self
            .store_with_reserve
            .write(move |db| {
                // A password change during the verification ends all sessions, so no session may start after it.
                let user = users::by_id(db, &session.user)?;
                if user.is_none_or(|user| user.disabled || user.password_hash != verified_hash) {
                    return Ok(false);
                }
                sessions::insert(db, &session)?;
                users::record_login(db, &session.user, now)?;
                if let Some(network) = &network {
                    sign_in_networks::remember(db, &session.user, network, now)?;
                }
                if let Some(hash) = &new_hash {
                    users::set_password_hash(db, &session.user, hash)?;
                }
                audit::append(db, &entry)?;
                Ok(true)
            })
            .await?;
        if is_created {
            Ok(signed_in)
        } else {
            Err(wrong_login_error())
        }
    }

    /// Renews a session: exchanges a refresh token for a new pair of tokens. For a short time, the previous token
    /// yields the same pair; any other token of this session indicates theft and ends the session.
    ///
    /// # Errors
    /// `SignInNeeded` if the token is not valid.
    pub async fn refresh(&self, presented: &str, origin: &RequestOrigin) -> Result<SignedIn> {
        let (id, renewals) = self
            .refresh_token
            .read(presented)
            .ok_or_else(sign_in_again_error)?;
        let id = SessionId::parse(id).ok_or_else(sign_in_again_error)?;
        let next = token::hash(&self.refresh_token.token(id.as_str(), renewals + 1));
        let presented_hash = token::hash(presented);
        let (now, session) = (origin.now, id.clone());
        let reused = origin.audit_entry(None, "session.reused", id.as_str());
        let user = self
            .store_with_reserve
            .write(move |db| {
                let Some((session, user)) = sessions::find_active(db, &session)? else {
                    return Ok(None);
                };
                if session.expires_at <= now {
                    return Ok(None);
                }
                if crypto::constant_time_eq(&session.refresh_hash, &presented_hash) {
                    sessions::rotate(db, &session.id, &next, now, now + REFRESH_TOKEN_LIFETIME)?;
                    return Ok(Some(user));
                }
                let in_grace = session
                    .previous_refresh_hash
                    .is_some_and(|(previous, replaced)| {
                        crypto::constant_time_eq(&previous, &presented_hash)
                            && now.since(replaced) <= REFRESH_GRACE
                    });
                if in_grace && crypto::constant_time_eq(&session.refresh_hash, &next) {
                    return Ok(Some(user));
                }
                sessions::revoke(db, &session.id, now)?;
                audit::append(
                    db,
                    &audit::AuditEntry {
                        actor: Some(user.id),
                        ..reused
                    },
                )?;
                Ok(None)
            })
            .await?;
        match user {
            Some(user) => self.tokens(user, id, renewals + 1, origin),
            None => {
                self.caller_cache.clear();
                Err(sign_in_again_error())
            }
        }
    }

    /// Ends the caller's session at once. An API key has no session: delete the key instead.
    ///
    /// # Errors
    /// `BadRequest` for an API key. Also returns any error from the store.
    pub async fn logout(&self, caller: &Caller, origin: &RequestOrigin) -> Result<()> {
        let Some(session) = caller.session.clone() else {
            return Err(Error::new(Kind::BadRequest, "an API key has no session")
                .resolve("delete the key instead"));
        };
        self.end_session(session, origin).await
    }

    /// Ends the session that a refresh token belongs to, for a browser whose access token has expired.
    ///
    /// # Errors
    /// `SignInNeeded` if the token is malformed. Also returns any error from the store.
    pub async fn logout_by_refresh(&self, presented: &str, origin: &RequestOrigin) -> Result<()> {
        let session = self
            .refresh_token
            .read(presented)
            .and_then(|(id, _)| SessionId::parse(id));
        self.end_session(session.ok_or_else(sign_in_again_error)?, origin)
            .await
    }

    async fn end_session(&self, session: SessionId, origin: &RequestOrigin) -> Result<()> {
        let (now, entry) = (
            origin.now,
            origin.audit_entry(None, "session.ended", session.as_str()),
        );
        self.store_with_reserve
            .write(move |db| {
                let Some((_, user)) = sessions::find_active(db, &session)? else {
                    return Ok(());
                };
                sessions::revoke(db, &session, now)?;
                audit::append(
                    db,
                    &audit::AuditEntry {
                        actor: Some(user.id),
                        ..entry
                    },
                )
            })
            .await?;
        self.caller_cache.clear();
        Ok(())
    }

    /// Deletes expired sessions, links, and invitations.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<()> {
        let deleted = self
            .store_with_reserve
            .write(move |db| sessions::delete_expired(db, now))
            .await?;
        if deleted > 0 {
            log::debug("expired sessions removed", &[("count", &deleted)]);
        }
        Ok(())
    }

    /// Stops the store's threads, for the command line.
    pub async fn close(&self) {
        self.store.close().await;
    }

    fn tokens(
        &self,
        user: User,
        session: SessionId,
        renewals: u64,
        origin: &RequestOrigin,
    ) -> Result<SignedIn> {
        let now = origin.now;
        let id = crate::domain::id::ulid(now, random_number()?);
        let claims = jwt::Claims::access(
            user.id.as_str(),
            session.as_str(),
            id,
            now,
            ACCESS_TOKEN_LIFETIME,
        );
        Ok(SignedIn {
            access_token: self.jwt.sign(&claims),
            refresh_token: self.refresh_token.token(session.as_str(), renewals),
            device_cookie: self.device_cookie(&user, &session, origin),
            user,
            session,
        })
    }

    /// Records a failed login. Omits the account name unless it is an email address: it may be a password typed into
    /// the wrong field.
    async fn record_failed_login(
        &self,
        account: Option<String>,
        origin: &RequestOrigin,
    ) -> Result<()> {
        let entry = origin.audit_entry(None, "login.failed", &account.unwrap_or_default());
        Ok(self
            .store_with_reserve
            .write(move |db| audit::append(db, &entry))
            .await?)
    }
}

/// Returns a random initial password that satisfies the rules.
///
/// # Errors
/// Returns an error if the system provides no random numbers.
pub fn random_password() -> Result<String> {
    loop {
        let password: String = token::new()?.chars().take(20).collect();
        if check_password(&password).is_ok() {
            return Ok(password);
        }
    }
}

/// Returns a random 128-bit number.
///
/// # Errors
/// Returns an error if the operating system provides no random numbers.
pub(super) fn random_number() -> Result<u128> {
    crypto::random_number().map_err(Error::internal)
}

fn wrong_login_error() -> Error {
    Error::new(
        Kind::SignInNeeded,
        "the email address or the password is wrong",
    )
    .resolve("check both; after several attempts, you have to wait")
}

fn sign_in_again_error() -> Error {
    Error::new(
        Kind::SignInNeeded,
        "the credentials are invalid or have expired",
    )
    .resolve("sign in again")
}
