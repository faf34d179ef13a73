//! One answer to a request that is sent twice under the same key, for a day. Only answers are kept, never
//! refusals: what failed may be tried again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{App, Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::store::idempotency::{self, Kept};

/// For so long the same key gives the same answer.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Longer answers are not kept.
const MOST_BYTES: usize = 4 << 20;

/// Keys of requests that are being answered in this process.
pub(super) type Underway = Arc<Mutex<HashSet<(UserId, String)>>>;

/// What is to be done about a request with a key.
pub enum Turn {
    /// It was answered before: the headers and the body.
    Again(Vec<(String, String)>, String),
    /// It is to be answered now.
    First(Claim),
}

/// A key that is being answered; free again when this is dropped, whatever came of it.
pub struct Claim {
    name: (UserId, String),
    request: [u8; 32],
    underway: Underway,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut underway = (self.underway.lock()).unwrap_or_else(PoisonError::into_inner);
        underway.remove(&self.name);
    }
}

impl App {
    /// Takes a key for a request, or finds what it was answered.
    pub async fn claim(
        &self,
        caller: &Caller,
        key: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<Turn> {
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "an idempotency key has 1 to 255 visible ASCII characters";
            return Err(Error::new(Kind::BadRequest, why));
        }
        // What one API key was answered is no answer to another, which may be confined.
        let name = match &caller.key {
            Some(with) => format!("{} {key}", with.id),
            None => key.to_owned(),
        };
        let claim = self.take(&caller.user, &name, token::hash(request))?;
        let (user, name) = claim.name.clone();
        let found = (self.store)
            .read(move |db| idempotency::find(db, &user, &name, now - KEPT))
            .await?;
        match found {
            None => Ok(Turn::First(claim)),
            Some(kept) if kept.request != claim.request => {
                let why = "this idempotency key was used for another request";
                Err(Error::new(Kind::BadRequest, why).resolve("use a new key for each request"))
            }
            Some(kept) => {
                let headers = serde_json::from_str(&kept.headers).map_err(Error::internal)?;
                Ok(Turn::Again(headers, kept.body))
            }
        }
    }

    fn take(&self, user: &UserId, key: &str, request: [u8; 32]) -> Result<Claim> {
        let name = (user.clone(), key.to_owned());
        let mut underway = (self.underway.lock()).unwrap_or_else(PoisonError::into_inner);
        if !underway.insert(name.clone()) {
            let why = "a request with this idempotency key is being answered";
            let mut error = Error::new(Kind::Conflict, why).resolve("wait for its answer");
            error.retry_after = Some(Duration::from_secs(1));
            return Err(error);
        }
        Ok(Claim {
            name,
            request,
            underway: self.underway.clone(),
        })
    }

    /// Keeps what a request was answered.
    pub async fn keep_answer(
        &self,
        claim: Claim,
        headers: &[(String, String)],
        body: String,
        now: Timestamp,
    ) -> Result<()> {
        if body.len() > MOST_BYTES {
            return Ok(());
        }
        let kept = Kept {
            request: claim.request,
            headers: serde_json::to_string(headers).map_err(Error::internal)?,
            body,
        };
        let (user, key) = claim.name.clone();
        let kept = (self.store).write(move |db| idempotency::keep(db, &user, &key, &kept, now));
        Ok(kept.await?)
    }
}
