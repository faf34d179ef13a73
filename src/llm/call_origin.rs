//! The origin of a call: hashes of its user and its prompt.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::id::UserId;

/// The origin of a call: its user and its prompt. If a call fails in a way that the request itself may have caused, the
/// failure is attributed to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallOrigin {
    /// Hash of the user's ID. All calls without a user have the same hash.
    pub user_hash: u64,
    /// Hash of the prompt. Equal prompts have equal hashes.
    pub prompt_hash: u64,
}

impl CallOrigin {
    pub fn new(user: Option<&UserId>, prompt: impl Hash) -> Self {
        Self {
            user_hash: hash_of(user),
            prompt_hash: hash_of(prompt),
        }
    }
}

/// Returns the hash of a value. All servers of the same version compute the same hash.
pub(super) fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
