//! The mark of a transaction, with which its outcome can be queried after the connection is lost.

/// Identifies a transaction until the database server is restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct TransactionMark {
    /// The transaction's number.
    pub(super) number: i64,
    /// When the database server was started. After a crash or a failover, it may reuse the number of a transaction that
    /// was never written to disk.
    pub(super) started: String,
}

impl TransactionMark {
    /// Returns the number of the current transaction, which is null if it has changed nothing, and when the database
    /// server was started.
    pub(super) const QUERY: &str =
        "SELECT txid_current_if_assigned(), CAST(pg_postmaster_start_time() AS TEXT)";

    /// Reads the answer to [`Self::QUERY`]; `None` if the transaction has no number.
    pub(super) fn read(number: &str, started: &str) -> Option<Self> {
        Some(Self {
            number: number.parse().ok()?,
            started: started.to_owned(),
        })
    }
}
