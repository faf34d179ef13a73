//! Authentication: resolves an access token or API key to a caller. Runs on every request, so it queries the
//! database only on a miss in its short-lived cache.

use std::time::Duration;

use super::{Accounts, Credential, sign_in_again_error};
use crate::app::{Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::SessionId;
use crate::domain::key::{KeyScope, PresentedKey};
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Role};
use crate::store::{StoreError, api_keys, sessions};

impl Accounts {
    /// Resolves a credential to a caller. Every failure looks the same.
    ///
    /// # Errors
    /// `SignInNeeded` if the credential is not valid. Also fails if the store cannot be read.
    pub async fn authenticate(&self, credential: Credential, now: Timestamp) -> Result<Caller> {
        match credential {
            Credential::ApiKey(key) => self.authenticate_key(&key, now).await,
            Credential::Bearer(key) if key.starts_with(token::KEY_PREFIX) => {
                self.authenticate_key(&key, now).await
            }
            Credential::Bearer(token) | Credential::Cookie(token) => {
                self.authenticate_token(&token, now).await
            }
        }
    }

    async fn authenticate_token(&self, token: &str, now: Timestamp) -> Result<Caller> {
        let claims = self
            .jwt
            .check(token, "access", now)
            .map_err(|_| sign_in_again_error())?;
        let epoch = match self.caller_cache.find(claims.sid.as_bytes(), now) {
            Ok(caller) if caller.user.as_str() == claims.sub => return Ok(caller),
            Ok(_) => return Err(sign_in_again_error()),
            Err(epoch) => epoch,
        };
        let id = SessionId::parse(&claims.sid).ok_or_else(sign_in_again_error)?;
        let active = self
            .store
            .read(move |db| sessions::find_active(db, &id))
            .await?;
        let (session, user) = active
            .filter(|(session, user)| session.expires_at > now && user.id.as_str() == claims.sub)
            .ok_or_else(sign_in_again_error)?;
        let caller = Caller {
            user: user.id,
            role: user.role,
            session: Some(session.id),
            key: None,
        };
        self.caller_cache
            .insert(epoch, claims.sid.as_bytes(), &caller, now);
        Ok(caller)
    }

    async fn authenticate_key(&self, key: &str, now: Timestamp) -> Result<Caller> {
        if key.len() > 200 {
            return Err(invalid_key_error());
        }
        let hash = token::hash(key);
        let epoch = match self.caller_cache.find(&hash, now) {
            Ok(caller) => return Ok(caller),
            Err(epoch) => epoch,
        };
        let lookup = self
            .store
            .read(move |db| api_keys::by_hash(db, &hash))
            .await?;
        let (key, user) = lookup
            .filter(|(key, user)| !user.disabled && key.expires_at.is_none_or(|end| end > now))
            .ok_or_else(invalid_key_error)?;
        let presented = PresentedKey {
            id: key.id.clone(),
            scopes: key.scopes,
            has_limits: key.limits.is_limited(),
        };
        let caller = Caller {
            user: user.id,
            // With a key that lacks the `admin` scope, an administrator has only the rights of an ordinary user.
            role: match presented.has_scope(KeyScope::Admin) {
                true => user.role,
                false => Role::User,
            },
            session: None,
            key: Some(presented),
        };
        // Record the use at most once per minute: a write on every request would cost more than the request itself.
        let recent = key
            .last_used
            .is_some_and(|used| now.since(used) < Duration::from_secs(60));
        if !recent {
            let note = self
                .store
                .write(move |db| api_keys::record_use(db, &key.id, now));
            match note.await {
                // A full disk must not lock out API clients that only read.
                Ok(()) | Err(StoreError::Full) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.caller_cache.insert(epoch, &hash, &caller, now);
        Ok(caller)
    }
}

fn invalid_key_error() -> Error {
    Error::new(Kind::SignInNeeded, "the API key is invalid or has expired")
        .resolve("check the key, or create a new one")
}
