//! Finds out whether a transaction was committed if the connection was lost before the server answered. Reports a
//! commit only if it is certain, and a failure only if the transaction can no longer be committed.
//!
//! If the commit takes longer than this module waits, for example because it waits for a replica, its outcome is
//! reported as unknown, and it may still be completed later. Nothing is done twice then, because no change with an
//! unknown outcome is repeated unless the repetition detects the first one:
//! - A request fails with a final 503 response: the message asks the client to check first, and its idempotency key is
//!   refused.
//!   If a run was stored, this server has its lease and drives the run when it next looks for its runs.
//! - A run's events, answers, and charges are written in one transaction; the numbers of the events are unique. Before
//!   they are written again, the events are looked for, and once more if the repetition is refused
//!   (`engine/journal/pending.rs`). While the commit is in progress, the repetition waits for it.
//! - The usage of relayed calls is not written again, so it may be lost but is never counted twice.
//! - Leases and reservations are states, not sums. If a reservation is removed before its commit is completed, it may
//!   remain until the next one of the same person or key, or until the server ends: until then, others may spend less
//!   than they are allowed to, never more.

use std::time::Duration;

use super::transaction_mark::TransactionMark;
use crate::clock;
use crate::store::connection::Writer;
use crate::store::error::{Result, StoreError};

/// How long to query the outcome. Longer than a server keeps the transaction of a silent client (10 seconds), so that a
/// transaction whose commit never reached the server has ended by then.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two queries.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// The state of a transaction according to the server.
enum TransactionState {
    InProgress,
    Committed,
    Aborted,
    Unknown,
}

/// Waits until a transaction has ended, and checks that it was committed. `connect` opens a new session.
///
/// # Errors
/// `Busy` if it was not committed and never will be; `Unknown` if the server cannot be reached, takes too long to
/// finish the commit, or was restarted.
pub(in crate::store) fn settle(
    mark: &TransactionMark,
    connect: &dyn Fn() -> Result<Writer>,
) -> Result<()> {
    let begun = clock::instant();
    let mut session: Option<Writer> = None;
    loop {
        if session.as_ref().is_none_or(|db| db.is_broken()) {
            session = connect().ok();
        }
        match session.as_ref().map(|db| state(mark, db)) {
            Some(Ok(TransactionState::Committed)) => return Ok(()),
            Some(Ok(TransactionState::Aborted)) => return Err(StoreError::Busy),
            Some(Ok(TransactionState::Unknown)) => return Err(StoreError::Unknown),
            Some(Ok(TransactionState::InProgress) | Err(_)) | None => {}
        }
        if clock::instant().saturating_duration_since(begun) > SETTLE_TIMEOUT {
            return Err(StoreError::Unknown);
        }
        std::thread::sleep(SETTLE_PAUSE);
    }
}

fn state(mark: &TransactionMark, db: &Writer) -> Result<TransactionState> {
    // After a failover, the new server may not know the transaction's number at all. The number is therefore compared
    // with one of the current transaction. The upper end of a snapshot would not do: it can be below transactions that
    // have begun and not ended, such as the one being committed.
    let sql = "SELECT CASE WHEN ?1 >= txid_current() THEN 'aborted' ELSE txid_status(?1) END,
               CAST(pg_postmaster_start_time() AS TEXT)";
    db.query_one(sql, [mark.number], |row| {
        let state: Option<String> = row.get(0)?;
        Ok(match (state.as_deref(), row.text(1)? == mark.started) {
            (Some("in progress"), true) => TransactionState::InProgress,
            (Some("committed"), true) => TransactionState::Committed,
            (Some("aborted"), _) => TransactionState::Aborted,
            _ => TransactionState::Unknown,
        })
    })
}
