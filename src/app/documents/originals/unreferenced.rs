//! Removes objects without a document from a bucket: files that a killed server stored without recording
//! them, and files that could not be removed with their document. Because the database may be older than the
//! bucket, each object is kept for several days after it is first found.

use std::collections::BTreeSet;
use std::time::Duration;

use super::OriginalStore as _;
use super::bucket::BucketOriginals;
use super::errors::store_error;
use crate::app::Result;
use crate::crypto::{self, hex};
use crate::domain::id::DocumentId;
use crate::domain::time::Timestamp;
use crate::log;
use crate::objects::first_seen::{self, FirstSeen};
use crate::store::{Store, documents};

/// How long an object without a document stays in the bucket after it is first found.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// Name of the note that lists the objects without a document, with the times at which they were first found.
const FOUND_NOTE: &str = "quire-unreferenced";

/// Looks for objects without a document, and removes those that were found long ago. Only one server may do this at a
/// time. Blocks.
///
/// # Errors
/// `Unavailable` if the bucket cannot be used, or belongs to another installation.
pub(super) fn collect(bucket: &BucketOriginals, store: &Store, now: Timestamp) -> Result<()> {
    bucket.claim()?;
    // List the objects before reading the rows, so that a file stored in between is not on the list.
    let objects = bucket.bucket().sizes()?;
    let known: BTreeSet<DocumentId> = store.read_now(documents::ids)?.into_iter().collect();
    let target = bucket.target();
    let previous = first_seen::read(target, FOUND_NOTE).map_err(|error| store_error(&error))?;
    let mut found = FirstSeen::new();
    for id in objects.into_keys().filter(|id| !known.contains(id)) {
        let first = previous.get(&id).copied().unwrap_or(now);
        if now.since(first) < RETENTION {
            found.insert(id, first);
            continue;
        }
        bucket.remove(&id)?;
    }
    if found.keys().any(|id| !previous.contains_key(id)) {
        log::warn(
            "the bucket has files without a document; they are kept for 7 days",
            &[("count", &found.len())],
        );
    }
    if found != previous {
        let scratch = bucket.scratch().join(hex(&crypto::random::<16>()?));
        let written = first_seen::write(target, FOUND_NOTE, &found, &scratch);
        written.map_err(|error| store_error(&error))?;
    }
    Ok(())
}
