//! Cancellation state of one call: another thread can end it at any moment, whether it waits, connects, or reads. Knows
//! the socket only while the call uses it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::ShutdownHandle;

use crate::clock;

/// Cancellation state of a call: its current socket, and the deadline of its next read.
#[derive(Default)]
pub(super) struct CancelSlot {
    cancelled: AtomicBool,
    has_begun: AtomicBool,
    /// Maximum number of output tokens of the call; 0 for no limit.
    max_output: AtomicU64,
    is_cut: AtomicBool,
    /// Whether the call's current connection has served an earlier call.
    is_reused: AtomicBool,
    /// Whether a byte has arrived on the call's current connection.
    received: AtomicBool,
    read_deadline: Mutex<Option<Instant>>,
    socket: Mutex<Option<Weak<dyn ShutdownHandle>>>,
    wakeup: Condvar,
}

impl CancelSlot {
    /// Cancels the call: a blocked read returns at once, and a connection opened later is refused.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.shut_down();
        self.wakeup.notify_all();
    }

    // The lock is held until the socket is shut down: `unbind` waits for it, so that a socket is never shut down after
    // it was returned to the pool.
    fn shut_down(&self) {
        let mut socket = self.socket();
        if let Some(socket) = socket.take().and_then(|socket| socket.upgrade()) {
            socket.shutdown();
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Ends the call once more than this many output tokens have arrived.
    pub fn limit_output(&self, tokens: u64) {
        self.max_output.store(tokens.max(1), Ordering::SeqCst);
    }

    /// Whether this many output tokens are within the limit.
    pub fn allows(&self, tokens: u64) -> bool {
        let most = self.max_output.load(Ordering::SeqCst);
        most == 0 || tokens <= most
    }

    /// Ends the call with the text received so far: its answer is cut off, not lost.
    pub fn cut_off(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.shut_down();
    }

    /// Whether the call was ended with the text received so far.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// Records that a thread has started the call.
    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
    }

    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::SeqCst)
    }

    /// Sets the deadline of the next piece of the answer; keep-alives do not extend it.
    pub fn set_read_deadline(&self, moment: Instant) {
        *self
            .read_deadline
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }

    /// Time left until that deadline; `None` without one.
    pub fn read_time_left(&self) -> Option<Duration> {
        let moment = *self
            .read_deadline
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        moment.map(|moment| moment.saturating_duration_since(clock::instant()))
    }

    /// Waits for this long or until the call is canceled; returns whether it is.
    pub fn wait_or_cancelled(&self, length: Duration) -> bool {
        let guard = self.socket();
        if !self.is_cancelled() && !length.is_zero() {
            let waited = self.wakeup.wait_timeout(guard, length);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        self.is_cancelled()
    }

    /// Makes this the slot of all connections that the current thread uses from now on.
    pub fn enter(self: &Arc<Self>) {
        CURRENT_SLOT.with(|current| *current.borrow_mut() = Some(self.clone()));
    }

    /// Clears the slot of the current thread at the end of its call.
    pub fn leave() {
        let slot = CURRENT_SLOT.with(|current| current.borrow_mut().take());
        if let Some(slot) = slot {
            slot.socket().take();
        }
    }

    /// The slot of the current thread's call.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT_SLOT.with(|current| current.borrow().clone())
    }

    /// Makes this the socket to shut down when the call is canceled.
    ///
    /// # Errors
    ///
    /// When the call has been canceled.
    // The order matters: the handle is stored before the flag is read, and `cancel` sets the flag before it reads the
    // handle, so one of the two always sees the other.
    pub fn bind(&self, handle: &Weak<dyn ShutdownHandle>, reused: bool) -> Result<(), ureq::Error> {
        self.is_reused.store(reused, Ordering::SeqCst);
        self.received.store(false, Ordering::SeqCst);
        *self.socket() = Some(handle.clone());
        if self.is_cancelled() {
            Err(ureq::Error::Io(std::io::Error::other("cancelled")))
        } else {
            Ok(())
        }
    }

    /// Forgets the socket. Returns whether another call may use it: not after this call was canceled or cut.
    pub fn unbind(&self) -> bool {
        let mut socket = self.socket();
        socket.take();
        // Read under the lock, for the reason given at `shut_down`.
        !self.is_cancelled() && !self.is_cut()
    }

    /// Records that a byte has arrived.
    pub fn note_received(&self) {
        self.received.store(true, Ordering::SeqCst);
    }

    /// Whether the call failed because the provider had closed the reused connection in the meantime, provided that it
    /// failed with a disconnect: no byte has arrived, and Quire did not end the call.
    pub fn met_stale_connection(&self) -> bool {
        self.is_reused.load(Ordering::SeqCst)
            && !self.received.load(Ordering::SeqCst)
            && !self.is_cancelled()
            && !self.is_cut()
    }

    fn socket(&self) -> MutexGuard<'_, Option<Weak<dyn ShutdownHandle>>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static CURRENT_SLOT: RefCell<Option<Arc<CancelSlot>>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_pause_ends_when_the_call_is_canceled() {
        let slot = Arc::new(CancelSlot::default());
        let other = slot.clone();
        let waiting = std::thread::spawn(move || other.wait_or_cancelled(Duration::from_secs(600)));
        slot.cancel();
        assert!(waiting.join().unwrap());
    }

    struct CountingHandle(AtomicU64);

    impl ShutdownHandle for CountingHandle {
        fn shutdown(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn bind_counted(slot: &CancelSlot, socket: &Arc<CountingHandle>) -> Result<(), ureq::Error> {
        let handle: Arc<dyn ShutdownHandle> = socket.clone();
        slot.bind(&Arc::downgrade(&handle), false)
    }

    #[test]
    fn only_the_socket_in_use_is_shut_down() {
        let socket = Arc::new(CountingHandle(AtomicU64::new(0)));
        let shut = || socket.0.load(Ordering::SeqCst);
        let returned = CancelSlot::default();
        bind_counted(&returned, &socket).unwrap();
        assert!(returned.unbind());
        returned.cancel();
        assert_eq!(shut(), 0, "it belongs to another call by now");
        let used = CancelSlot::default();
        bind_counted(&used, &socket).unwrap();
        used.cancel();
        assert_eq!(shut(), 1);
        assert!(!used.unbind(), "a cancelled call's socket is not reused");
        assert!(bind_counted(&used, &socket).is_err());
        let cut = CancelSlot::default();
        bind_counted(&cut, &socket).unwrap();
        cut.cut_off();
        assert!(!cut.unbind());
    }

    #[test]
    fn only_a_silent_reused_connection_is_stale() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket: Arc<dyn ShutdownHandle> =
            Arc::new(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let handle = Arc::downgrade(&socket);
        let slot = CancelSlot::default();
        slot.bind(&handle, false).unwrap();
        assert!(!slot.met_stale_connection());
        slot.bind(&handle, true).unwrap();
        assert!(slot.met_stale_connection());
        slot.note_received();
        assert!(!slot.met_stale_connection());
        slot.bind(&handle, true).unwrap();
        slot.cancel();
        assert!(!slot.met_stale_connection());
    }
}
