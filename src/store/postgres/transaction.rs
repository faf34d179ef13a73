//! The state of a session's transaction and savepoints. The statements that control them are not worth a round trip:
//! they are kept and sent together with the next query.

use std::cell::{Cell, RefCell};

use crate::store::error::{Result, StoreError};

/// The state that the transaction will have once all its statements have been sent.
#[derive(Default)]
pub(super) struct Transaction {
    /// Statements that have not been sent yet, separated by semicolons.
    unsent: RefCell<String>,
    is_open: Cell<bool>,
    /// Whether a statement has failed; the server then refuses all others until a savepoint is restored or the
    /// transaction ends.
    is_aborted: Cell<bool>,
}

impl Transaction {
    /// Begins a transaction; `sql` is sent with the next query.
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

    /// Takes the statements that must be sent before the next query.
    pub(super) fn take_unsent(&self) -> String {
        self.unsent.take()
    }

    /// Ends the transaction. Returns whether its beginning has been sent; if so, the server must be told to end it.
    pub(super) fn end(&self) -> bool {
        self.is_open.set(false);
        self.is_aborted.set(false);
        !self.unsent.take().starts_with("BEGIN")
    }

    /// Records that a statement of the open transaction has failed.
    pub(super) fn abort(&self) {
        self.is_aborted.set(self.is_open.get());
    }

    /// Returns whether a transaction has begun and not yet ended.
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
