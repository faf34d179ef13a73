//! Identifies a transaction, so that its outcome can be queried after its connection is lost.

/// Identifies a transaction, until the server is restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct TransactionMark {
    /// The transaction's number.
    pub(super) number: i64,
    /// When the server was started. After a crash or a failover, it may use a number again whose transaction was never
    /// written to disk.
    pub(super) started: String,
}

impl TransactionMark {
    /// Returns the number of the current transaction, if it has changed something, and when the server was started.
    pub(super) const QUERY: &str =
        "SELECT txid_current_if_assigned(), CAST(pg_postmaster_start_time() AS TEXT)";

    /// Reads the answer to [`Self::QUERY`].
    pub(super) fn read(number: &str, started: &str) -> Option<Self> {
        Some(Self {
            number: number.parse().ok()?,
            started: started.to_owned(),
        })
    }
}
