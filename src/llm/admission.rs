//! A call that was admitted by a circuit breaker, which waits for its outcome.

use super::call_origin::CallOrigin;
use super::registry::{OpenCircuit, RegisteredProvider};
use super::transport_error;
use crate::clock;
use crate::domain::chat::CallError;

/// A call in progress, as its model's circuit breaker sees it. If it is dropped without an outcome, it counts as
/// canceled, so that the breaker does not wait for it forever.
pub(super) struct AdmittedCall<'a> {
    entry: &'a RegisteredProvider,
    model: &'a str,
    origin: CallOrigin,
    is_recorded: bool,
}

impl<'a> AdmittedCall<'a> {
    /// Asks the model's circuit breaker to admit a call.
    ///
    /// # Errors
    ///
    /// Returns `Unavailable` if the circuit breaker is open.
    pub fn ask(
        entry: &'a RegisteredProvider,
        model: &'a str,
        origin: CallOrigin,
    ) -> Result<Self, CallError> {
        let now = clock::monotonic_now();
        let admitted = entry.admit(model, origin, now);
        admitted.map_err(|OpenCircuit(until)| {
            transport_error::circuit_open(until.map(|until| until.since(now)))
        })?;
        Ok(Self {
            entry,
            model,
            origin,
            is_recorded: false,
        })
    }

    /// Records the call's final outcome, after all of its attempts.
    pub fn record<T>(mut self, result: &Result<T, CallError>) {
        self.is_recorded = true;
        match result {
            Ok(_) => self.entry.record_success(self.model, self.origin),
            Err(error) => {
                let now = clock::monotonic_now();
                self.entry
                    .record_failure(self.model, self.origin, error, now);
            }
        }
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        if !self.is_recorded {
            let error = transport_error::cancelled();
            let now = clock::monotonic_now();
            self.entry
                .record_failure(self.model, self.origin, &error, now);
        }
    }
}
