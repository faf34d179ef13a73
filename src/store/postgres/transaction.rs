//! A session's transaction and savepoints. Their statements are not worth a round trip: they are kept back and sent
//! together with the next query.

use std::cell::{Cell, RefCell};

use crate::store::error::{Result, StoreError};

/// The state of a transaction, as the server will have it once everything is sent.
#[derive(Default)]
pub(super) struct Transaction {
    /// Statements that have not been sent.
    unsent: RefCell<String>,
    is_open: Cell<bool>,
    /// Whether a statement has failed: the server then refuses all others until a savepoint is restored.
    is_aborted: Cell<bool>,
}

impl Transaction {
    /// Begins a transaction with these statements.
    pub(super) fn begin(&self, sql: &str) {
        self.is_open.set(true);
        self.is_aborted.set(false);
        self.unsent.replace(sql.to_owned());
    }

    /// Adds a statement that sets, releases, or restores a savepoint.
    ///
    /// # Errors
    /// Returns an error if a statement has failed and this one does not restore a savepoint.
    pub(super) fn add(&self, sql: &str) -> Result<()> {
        if sql.starts_with("ROLLBACK TO") {
            self.is_aborted.set(false);
        } else if self.is_aborted.get() {
            return Err(StoreError::Failed("the transaction is aborted".into()));
        }
        let mut unsent = self.unsent.borrow_mut();
        if !unsent.is_empty() {
            unsent.push_str("; ");
        }
        unsent.push_str(sql);
        Ok(())
    }

    /// Takes the statements to send before anything else.
    pub(super) fn take_unsent(&self) -> String {
        self.unsent.take()
    }

    /// Ends the transaction, and returns whether the server knows it.
    pub(super) fn end(&self) -> bool {
        self.is_open.set(false);
        self.is_aborted.set(false);
        !self.unsent.take().starts_with("BEGIN")
    }

    /// Records that a statement has failed.
    pub(super) fn abort(&self) {
        self.is_aborted.set(self.is_open.get());
    }

    /// Returns whether a transaction has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_kept_until_a_query_and_refused_after_a_failure() {
        let transaction = Transaction::default();
        transaction.begin("BEGIN");
        assert_eq!(transaction.add("SAVEPOINT job"), Ok(()));
        assert_eq!(transaction.take_unsent(), "BEGIN; SAVEPOINT job");
        transaction.abort();
        assert!(transaction.add("SAVEPOINT attempt").is_err());
        assert!(transaction.add("RELEASE job").is_err());
        assert_eq!(transaction.add("ROLLBACK TO job"), Ok(()));
        assert_eq!(transaction.add("RELEASE job"), Ok(()));
        assert_eq!(transaction.take_unsent(), "ROLLBACK TO job; RELEASE job");
        assert!(transaction.end());
        assert!(!transaction.is_open());
        transaction.begin("BEGIN");
        assert!(!transaction.end(), "the server knows nothing of it");
        assert_eq!(transaction.take_unsent(), "");
    }
}
