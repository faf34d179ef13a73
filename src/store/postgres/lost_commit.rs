//! Finds out whether a transaction was committed if the connection was lost before the server answered. Reports a
//! commit only if it is certain, and a failure only if the transaction can no longer be committed.
//!
//! A commit that takes longer than this asks, for example because it waits for a replica, is reported as unknown and
//! may be completed later. Nothing is done twice then, because no change with an unknown outcome is repeated unless its
//! repetition finds the first one:
//!
//! - A request gets a 503 that is final: the people and programs that sent it are told to look first, and its
//!   idempotency key is refused. A run that was stored has the lease of this server, which drives it at its next look.
//! - A run's events, answers, and charges are one transaction with the events' numbers, which are unique. They are looked
//!   for before they are written again, and once more if the repetition is refused (`engine/journal/pending.rs`). While
//!   the commit is in progress, the repetition waits for it.
//! - The usage of relayed calls is not written again, so that it may be lost, but never counts twice.
//! - Leases and reservations are states, not sums. A reservation whose removal does not see it yet may stay until the
//!   next one of the same person or key, or the end of the server: others may spend less than they could, never more.

use std::time::Duration;

use super::transaction_mark::TransactionMark;
use crate::clock;
use crate::store::connection::Writer;
use crate::store::error::{Result, StoreError};

/// How long to ask. Longer than a server keeps a transaction whose client is silent (10 seconds), so that one that the
/// commit did not reach has ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two questions.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// The server's answer about the state of a transaction.
enum TransactionState {
    InProgress,
    Committed,
    Aborted,
    Unknown,
}

/// Waits until a transaction has ended, and returns whether it was committed. `connect` opens a new session.
///
/// # Errors
/// `Busy` if it was not committed and never will be; `Unknown` if the server cannot be reached or does not finish the
/// commit for long, or was restarted.
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
    // A server that took over from a failed one may not know the number at all. Compared with a number of its own: the
    // upper end of a snapshot is below transactions that have begun and not ended, such as one that is being committed.
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
