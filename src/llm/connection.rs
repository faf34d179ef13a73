//! A connection to a provider that serves one call after the other. It is bound to the call that uses it from the first
//! byte sent until the response is complete; in the pool it belongs to no call.

use std::sync::{Arc, Weak};

use ureq::unversioned::transport::{Buffers, NextTimeout, ShutdownHandle, Transport};

use super::cancel_slot::CancelSlot;

/// A connection whose reads time out at the deadline of the current call's next piece: keep-alive lines do not
/// extend it.
pub(super) struct ReusableConnection {
    inner: Box<dyn Transport>,
    /// Shuts the socket down; `None` if the connector registered no handle.
    handle: Option<Weak<dyn ShutdownHandle>>,
    /// The call that uses the connection; `None` in the pool, and outside calls.
    bound: Option<Arc<CancelSlot>>,
    has_served: bool,
}

impl ReusableConnection {
    /// A new connection, in use by the current thread's call.
    pub fn new(inner: Box<dyn Transport>, handle: Option<Weak<dyn ShutdownHandle>>) -> Self {
        Self {
            inner,
            handle,
            bound: CancelSlot::current(),
            has_served: false,
        }
    }

    fn bind(&mut self) -> Result<(), ureq::Error> {
        if self.bound.is_some() {
            return Ok(());
        }
        if let (Some(slot), Some(handle)) = (CancelSlot::current(), &self.handle) {
            slot.bind(handle, self.has_served)?;
            self.bound = Some(slot);
        }
        Ok(())
    }
}

impl std::fmt::Debug for ReusableConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReusableConnection")
    }
}

impl Transport for ReusableConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.bind()?;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let left = self.bound.as_ref().and_then(|slot| slot.read_time_left());
        if let Some(left) = left {
            if left.is_zero() {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
            timeout.per_read = Some(left.into());
        }
        let has_input = self.inner.await_input(timeout)?;
        if let Some(slot) = self.bound.as_ref().filter(|_| has_input) {
            slot.note_received();
        }
        Ok(has_input)
    }

    // ureq calls this when a response is complete, before it returns the connection to the pool, and again before it
    // takes one out. Either way the connection belongs to no call from here on. The socket is asked only when it is
    // taken out, which is when the answer matters: three system calls.
    fn is_open(&mut self) -> bool {
        self.has_served = true;
        match self.bound.take() {
            Some(slot) => slot.unbind(),
            None => self.inner.is_open(),
        }
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
