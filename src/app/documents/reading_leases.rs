//! Leases for reading documents, so that only one of several servers on a database reads each waiting document. With an
//! embedded database, there are no leases.

use crate::domain::id::DocumentId;
use crate::domain::reading_queue::WaitingDocument;
use crate::store::{self, Membership, Store, Writer, reading_queue, servers};

/// Prefix of the lease names of documents.
const PREFIX: &str = "document_";

/// Lists the waiting documents that no other server is reading. Blocks.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) fn waiting(store: &Store) -> store::Result<Vec<WaitingDocument>> {
    let boot = store.membership().map(Membership::boot);
    store.read_now(move |db| {
        let mut waiting_documents = reading_queue::waiting(db)?;
        if let Some(boot) = boot.filter(|_| !waiting_documents.is_empty()) {
            let elsewhere = servers::leased_elsewhere(db, PREFIX, &boot)?;
            waiting_documents.retain(|document| !elsewhere.contains(document.id.as_str()));
        }
        Ok(waiting_documents)
    })
}

/// Takes or keeps the lease for reading a document, and returns whether this server may read it. Blocks.
pub(super) fn take(store: &Store, id: &DocumentId) -> bool {
    let Some(boot) = store.membership().map(Membership::boot) else {
        return true;
    };
    let id = id.clone();
    let keep = move |db: &Writer| servers::keep_lease(db, id.as_str(), &boot);
    store.write_now(keep).unwrap_or(false)
}

/// Returns a check for the transactions that change a document's text: whether this server still holds its lease.
pub(super) fn lease_check(
    store: &Store,
    id: &DocumentId,
) -> impl Fn(&Writer) -> store::Result<bool> + Send + 'static {
    let (boot, id) = (store.membership().map(Membership::boot), id.clone());
    move |db| match &boot {
        Some(boot) => servers::holds_lease(db, id.as_str(), boot),
        None => Ok(true),
    }
}

/// Ends the lease of a document that has been read. If this fails, the lease ends when this server stops. Blocks.
pub(super) fn end(store: &Store, id: &DocumentId) {
    if let Some(boot) = store.membership().map(Membership::boot) {
        let id = id.clone();
        let release = move |db: &Writer| servers::drop_lease(db, id.as_str(), &boot);
        let _ = store.write_now(release);
    }
}
