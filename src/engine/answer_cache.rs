//! Answer cache for identical calls. The key covers everything that could change the answer, and the answer's owner:
//! one user or, for answers that may be shared, the team.

mod key_fields;
mod single_flight;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::EngineShared;
use crate::clock;
use crate::crypto;
use crate::domain::chat::{Answer, Finish, ModelRequest};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::{Reader, cached_answers};

pub use key_fields::{CacheMiss, CanonicalFields};
pub(super) use single_flight::{FlightRole, LeaderGuard, SingleFlight};

/// Lifetime, size, and scope of the answer cache.
#[derive(Debug, Clone)]
pub struct CacheLimits {
    /// How long an answer can be reused; zero turns the cache off.
    pub ttl: Duration,
    /// Maximum total size of all answers, in bytes; the least recently used are evicted first.
    pub bytes: u64,
    /// Whether all accounts share answers that use no user's documents or provider keys.
    pub is_shared: bool,
}

/// In-memory state of the cache; the answers themselves are in the store.
pub(super) struct AnswerCache {
    pub limits: CacheLimits,
    pub single_flight: SingleFlight,
    /// Number of bytes added since the total size was last checked.
    bytes_since_check: AtomicU64,
}

/// The total size is checked each time 1/`SIZE_CHECK_DIVISOR` of the size limit has been added.
const SIZE_CHECK_DIVISOR: u64 = 16;

impl AnswerCache {
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            single_flight: SingleFlight::default(),
            bytes_since_check: AtomicU64::new(0),
        }
    }

    /// Counts added bytes. Returns the size limit once enough bytes have been added that the total size must be
    /// checked.
    pub fn add_bytes(&self, bytes: u64) -> Option<u64> {
        let bytes_before = self.bytes_since_check.fetch_add(bytes, Ordering::Relaxed);
        if bytes_before + bytes < self.limits.bytes / SIZE_CHECK_DIVISOR {
            return None;
        }
        self.bytes_since_check.store(0, Ordering::Relaxed);
        Some(self.limits.bytes)
    }
}

/// Identifies a call in the cache.
#[derive(Debug, Clone)]
pub(super) struct CacheKey {
    /// The owner, and a SHA-256 hash over all fields.
    pub digest: String,
    pub fields: CanonicalFields,
}

/// Returns the owner part of a call's cache key: the user, or `team` for answers that may be shared.
pub(super) fn owner(shared: &EngineShared, user: &UserId, request: &ModelRequest) -> String {
    let reads_own_data = !request.brief.sources.is_empty()
        || request
            .messages
            .iter()
            .any(|message| !message.images.is_empty())
        || shared.llm.uses_own_key(Some(user), &request.model);
    match shared.cache.limits.is_shared && !reads_own_data {
        true => "team".to_owned(),
        false => user.as_str().to_owned(),
    }
}

/// Returns the cache key of a user's call.
pub(super) fn key(shared: &EngineShared, user: &UserId, request: &ModelRequest) -> CacheKey {
    let owner = owner(shared, user, request);
    let endpoint = shared.llm.endpoint(Some(user), &request.model);
    let fields = CanonicalFields::from_request(&endpoint, request);
    let hash = crypto::hex(&crypto::sha256::hash(fields.canonical().as_bytes()));
    CacheKey {
        digest: format!("{owner}.{hash}"),
        fields,
    }
}

/// Looks up a stored answer that is at most `max_age` old. A store failure counts as a miss, so the model is called.
pub(super) async fn find(
    shared: &EngineShared,
    key: &str,
    max_age: Option<Duration>,
) -> Option<cached_answers::CachedAnswer> {
    let (key_text, now) = (key.to_owned(), clock::now());
    let since = max_age.map_or(Timestamp::default(), |max_age| now - max_age);
    let find_answer = move |db: &Reader| cached_answers::look_up(db, &key_text, now, since);
    shared.store.read(find_answer).await.ok().flatten()
}

/// Returns whether an answer may be cached: only a complete one that ended normally. Errors, refusals, and text
/// truncated by a limit must not be replayed.
pub(super) fn is_cacheable(answer: &Answer) -> bool {
    answer.finish == Finish::Stop && !answer.text.trim().is_empty()
}
