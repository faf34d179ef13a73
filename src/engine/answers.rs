//! Answers that may stand in for calls: exact repetitions only. The key covers everything that could
//! change the answer, and whose it is, so that nobody is served what another person paid for or may not see.

mod fields;
mod flights;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Shared;
use crate::clock;
use crate::crypto;
use crate::domain::chat::{Answer, Finish, Request};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::{Reader, answers};

pub use fields::{Fields, Miss};
pub(super) use flights::{Flights, Place, Seat};

/// Where the cache ends.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long an answer may be given again; zero turns the cache off.
    pub ttl: Duration,
    /// All answers together; those that were used longest ago go first.
    pub bytes: u64,
    /// Answers that draw on nobody's documents or keys are given to everybody who has an account.
    pub is_shared: bool,
}

/// What the engine holds of the cache in memory; the answers are in the store.
pub(super) struct Cache {
    pub limits: Limits,
    pub flights: Flights,
    /// Bytes that were kept since the size was last looked at.
    grown: AtomicU64,
}

/// The size is looked at again once this part of the limit was added.
const LOOKED_AT: u64 = 16;

impl Cache {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            flights: Flights::default(),
            grown: AtomicU64::new(0),
        }
    }

    /// Counts what is kept. Gives the limit when it is time to look whether everything still fits.
    pub fn grow(&self, bytes: u64) -> Option<u64> {
        let before = self.grown.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes < self.limits.bytes / LOOKED_AT {
            return None;
        }
        self.grown.store(0, Ordering::Relaxed);
        Some(self.limits.bytes)
    }
}

/// A call as the cache knows it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// SHA-256 over all fields, behind the owner.
    pub whole: String,
    pub fields: Fields,
}

/// Whose answer a call's would be.
pub(super) fn owner(shared: &Shared, user: &UserId, request: &Request) -> String {
    let draws_on_own = !request.brief.sources.is_empty()
        || request
            .messages
            .iter()
            .any(|message| !message.images.is_empty())
        || shared.llm.own_key(Some(user), &request.model);
    match shared.cache.limits.is_shared && !draws_on_own {
        true => "team".to_owned(),
        false => user.as_str().to_owned(),
    }
}

/// The key of a call of this person.
pub(super) fn key(shared: &Shared, user: &UserId, request: &Request) -> Key {
    let owner = owner(shared, user, request);
    let endpoint = shared.llm.endpoint(Some(user), &request.model);
    let fields = Fields::of(&endpoint, request);
    let hash = crypto::hex(&crypto::sha256::hash(fields.canonical().as_bytes()));
    Key {
        whole: format!("{owner}.{hash}"),
        fields,
    }
}

/// A stored answer, if one is there and not too old. A store that cannot answer is no reason not to ask the
/// model.
pub(super) async fn find(
    shared: &Shared,
    key: &str,
    most: Option<Duration>,
) -> Option<answers::Kept> {
    let (wanted, now) = (key.to_owned(), clock::now());
    let since = most.map_or(Timestamp::default(), |most| now - most);
    let look = move |db: &Reader| answers::look(db, &wanted, now, since);
    shared.store.read(look).await.ok().flatten()
}

/// Only whole answers with a proper end are worth keeping: an error, a refusal, or a text that was cut by a
/// limit must not be replayed.
pub(super) fn is_worth_keeping(answer: &Answer) -> bool {
    answer.finish == Finish::Stop && !answer.text.trim().is_empty()
}
