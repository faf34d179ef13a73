//! Idempotency keys: a request repeated with the same key gets the same response for a day. A key is claimed in
//! the store before any paid call, so that neither a crash nor a second server pays twice. Only successful
//! responses are stored, never errors: a failed request may be retried.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::log;
use crate::store::Store;
use crate::store::idempotency::{self, KeyLookup, StoredResponse};

/// How long a key returns the same response.
pub const RESPONSE_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Maximum size of a stored response, in bytes.
const MAX_RESPONSE_BYTES: usize = 4 << 20;
/// Maximum number of remembered keys whose responses could not be stored.
const MAX_LOST_RESPONSES: usize = 4096;

/// The idempotency keys in use in this process.
pub(super) type SharedIdempotencyKeys = Arc<IdempotencyKeys>;

/// The idempotency keys in use in this process, with the state of each request.
pub(super) struct IdempotencyKeys {
    /// Identifies this process in the store's claims.
    process: String,
    states: Mutex<HashMap<(UserId, String), KeyState>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    /// The request is being processed.
    Answering,
    /// The request was or may have been processed, but there is no stored response.
    OutcomeUnknown,
}

impl Default for IdempotencyKeys {
    fn default() -> Self {
        let random_bits = RandomState::new().hash_one(std::process::id());
        Self {
            process: format!("{}-{random_bits:016x}", std::process::id()),
            states: Mutex::default(),
        }
    }
}

impl IdempotencyKeys {
    fn states(&self) -> MutexGuard<'_, HashMap<(UserId, String), KeyState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&self, name: (UserId, String)) {
        let mut states = self.states();
        if states.len() >= MAX_LOST_RESPONSES {
            states.retain(|_, state| *state == KeyState::Answering);
        }
        states.insert(name, KeyState::OutcomeUnknown);
    }
}

/// Result of looking up an idempotency key.
pub enum IdempotencyLookup {
    /// The request was already answered: the headers and the body of that response.
    StoredResponse(Vec<(String, String)>, String),
    /// The request must be processed now.
    Claimed(IdempotencyClaim),
}

/// A claimed key. Dropping it lets this process claim the key again, unless the key is to be blocked.
pub struct IdempotencyClaim {
    name: (UserId, String),
    request: [u8; 32],
    keys: SharedIdempotencyKeys,
    blocks_on_drop: bool,
}

impl IdempotencyClaim {
    /// Refuses the key from now on if the claim is dropped before the request has failed or its response is stored. For
    /// a request whose work continues if the client disconnects.
    #[must_use]
    pub fn blocking_on_drop(mut self) -> Self {
        self.blocks_on_drop = true;
        self
    }
}

impl Drop for IdempotencyClaim {
    fn drop(&mut self) {
        if self.blocks_on_drop {
            self.keys.block(self.name.clone());
            return;
        }
        let mut states = self.keys.states();
        if states.get(&self.name) == Some(&KeyState::Answering) {
            states.remove(&self.name);
        }
    }
}

/// Use cases for idempotency keys: claim, release, and block a key, and store its response.
#[derive(Clone, Copy)]
pub struct Idempotency<'a> {
    pub(super) store: &'a Store,
    pub(super) keys: &'a SharedIdempotencyKeys,
}

impl Idempotency<'_> {
    /// Claims a key for a request, or returns the stored response.
    ///
    /// # Errors
    /// Returns an error if the key is malformed or was used for another request (400), if its request is being
    /// processed or its outcome is unknown (409), or if the claim cannot be stored.
    pub async fn claim(
        &self,
        caller: &Caller,
        key: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<IdempotencyLookup> {
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "an idempotency key consists of 1 to 255 visible ASCII characters";
            return Err(Error::new(Kind::BadRequest, why));
        }
        // A response to one API key is not valid for another, which may have different limits.
        let name = match &caller.key {
            Some(used_key) => format!("{} {key}", used_key.id),
            None => key.to_owned(),
        };
        let claim = self.take(&caller.user, &name, token::hash(request))?;
        let ((user, name), request) = (claim.name.clone(), claim.request);
        let process = self.keys.process.clone();
        let lookup = self.store.write(move |db| {
            let claim_key = (&user, name.as_str());
            let times = (now - RESPONSE_LIFETIME, now);
            let lookup = idempotency::claim(db, claim_key, request, &process, times)?;
            match &lookup {
                // This process dropped the claim: its client disconnected, and the calls were stopped.
                KeyLookup::Claim {
                    request: claimed_request,
                    process: holder,
                } if *claimed_request == request && *holder == process => {
                    idempotency::take_over(db, claim_key, request, &process, now)?;
                    Ok(KeyLookup::Claimed)
                }
                _ => Ok(lookup),
            }
        });
        match lookup.await? {
            KeyLookup::Claimed => Ok(IdempotencyLookup::Claimed(claim)),
            KeyLookup::Answered(response) if response.request == request => {
                let headers = serde_json::from_str(&response.headers).map_err(Error::internal)?;
                Ok(IdempotencyLookup::StoredResponse(headers, response.body))
            }
            KeyLookup::Claim {
                request: claimed_request,
                ..
            } if claimed_request == request => Err(unknown_outcome_error()),
            KeyLookup::Answered(_) | KeyLookup::Claim { .. } => {
                let why = "this idempotency key was already used for a different request";
                Err(Error::new(Kind::BadRequest, why).resolve("use a new key for each request"))
            }
        }
    }

    fn take(&self, user: &UserId, key: &str, request: [u8; 32]) -> Result<IdempotencyClaim> {
        let name = (user.clone(), key.to_owned());
        let mut states = self.keys.states();
        match states.get(&name) {
            Some(KeyState::Answering) => {
                let why = "a request with this idempotency key is still running";
                let mut error = Error::new(Kind::Conflict, why).resolve("wait for its answer");
                error.retry_after = Some(Duration::from_secs(1));
                return Err(error);
            }
            Some(KeyState::OutcomeUnknown) => {
                let why = "this request may have been carried out, but its answer is not stored";
                return Err(Error::new(Kind::Conflict, why).resolve(
                    "look for its result; to send it again and perhaps pay again, use a new idempotency key",
                ));
            }
            None => {}
        }
        states.insert(name.clone(), KeyState::Answering);
        drop(states);
        Ok(IdempotencyClaim {
            name,
            request,
            keys: self.keys.clone(),
            blocks_on_drop: false,
        })
    }

    /// Releases the claim of a failed request, so that the key can be reused.
    pub async fn release(&self, mut claim: IdempotencyClaim) {
        let (user, key) = claim.name.clone();
        let process = self.keys.process.clone();
        let pending_write = self
            .store
            .write(move |db| idempotency::release(db, &user, &key, &process));
        if let Err(error) = pending_write.await {
            // This process takes over the claim when the key is used again.
            log::error(
                "idempotency key not released",
                &[("fault", &format!("{error:?}"))],
            );
        }
        claim.blocks_on_drop = false;
    }

    /// Stores the response to a request. Returns false on failure: the response has been paid for, so the client
    /// still receives it, and the key is refused from then on.
    pub async fn store_response(
        &self,
        mut claim: IdempotencyClaim,
        headers: &[(String, String)],
        body: String,
        now: Timestamp,
    ) -> bool {
        let store_result = self.try_store_response(&claim, headers, body, now).await;
        if let Err(why) = &store_result {
            log::error(
                "answer not stored under its idempotency key",
                &[("fault", why)],
            );
            self.block_key(&claim);
        }
        claim.blocks_on_drop = false;
        store_result.is_ok()
    }

    /// Refuses the key of a request from now on: the request was paid for, or may have been.
    pub fn block_key(&self, claim: &IdempotencyClaim) {
        self.keys.block(claim.name.clone());
    }

    async fn try_store_response(
        &self,
        claim: &IdempotencyClaim,
        headers: &[(String, String)],
        body: String,
        now: Timestamp,
    ) -> std::result::Result<(), String> {
        if body.len() > MAX_RESPONSE_BYTES {
            return Err(format!("{} bytes are too many", body.len()));
        }
        let response = StoredResponse {
            request: claim.request,
            headers: serde_json::to_string(headers).map_err(|error| error.to_string())?,
            body,
        };
        let (user, key) = claim.name.clone();
        let response = (self.store)
            .write(move |db| idempotency::store_response(db, &user, &key, &response, now));
        response.await.map_err(|error| format!("{error:?}"))
    }
}

// Returns the error for a key that was claimed by a process that has ended, or by another server on the same database.
fn unknown_outcome_error() -> Error {
    let why = "another server process started this request and recorded no answer";
    Error::new(Kind::Conflict, why).resolve(
        "if that process is still running, try again in a minute; if it has stopped, the answer is lost, although it may have been charged: use a new idempotency key to send the request again",
    )
}
