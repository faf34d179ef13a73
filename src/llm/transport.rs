//! The HTTP client, and the seam that lets another thread interrupt it. ureq's transport offers a handle
//! that shuts a socket down; the connector here keeps the handle of whatever socket the current call uses
//! where `cancel` finds it. The seam may change between minors of ureq, which is why the minor is pinned.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, ShutdownHandle, Transport,
};

use super::Settings;

/// Where a call's socket can be found by whoever wants to stop it.
#[derive(Default)]
pub(super) struct CancelSlot {
    cancelled: AtomicBool,
    socket: Mutex<Option<Weak<dyn ShutdownHandle>>>,
    woken: Condvar,
}

impl CancelSlot {
    /// Stops the call: a blocked read returns at once, a connection that is opened later is refused.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        let socket = self.socket().take();
        if let Some(socket) = socket.and_then(|socket| socket.upgrade()) {
            socket.shutdown();
        }
        self.woken.notify_all();
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Waits, unless it is cancelled meanwhile. True when it was.
    pub fn pause(&self, length: Duration) -> bool {
        let guard = self.socket();
        if !self.is_cancelled() {
            drop(
                self.woken
                    .wait_timeout(guard, length)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        self.is_cancelled()
    }

    /// Makes this the slot of all sockets that the current thread uses from now on.
    pub fn enter(self: &Arc<Self>) {
        CURRENT.with(|current| *current.borrow_mut() = Some(self.clone()));
    }

    /// The call is over: its socket may serve another one.
    pub fn leave() {
        let slot = CURRENT.with(|current| current.borrow_mut().take());
        if let Some(slot) = slot {
            slot.socket().take();
        }
    }

    fn socket(&self) -> MutexGuard<'_, Option<Weak<dyn ShutdownHandle>>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<CancelSlot>>> = const { RefCell::new(None) };
}

// The order matters: the handle is put down before the flag is looked at, and `cancel` raises the flag
// before it looks for the handle, so one of the two always sees the other.
fn arm(handle: &Weak<dyn ShutdownHandle>) -> Result<(), ureq::Error> {
    CURRENT.with(|current| {
        let Some(slot) = &*current.borrow() else {
            return Ok(());
        };
        *slot.socket() = Some(handle.clone());
        if slot.is_cancelled() {
            Err(ureq::Error::Io(std::io::Error::other("cancelled")))
        } else {
            Ok(())
        }
    })
}

struct Cancellable(DefaultConnector);

impl fmt::Debug for Cancellable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancellable")
    }
}

impl Connector for Cancellable {
    type Out = Armed;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Armed>, ureq::Error> {
        let seen: Arc<Mutex<Option<Weak<dyn ShutdownHandle>>>> = Arc::default();
        let (keep, register) = (seen.clone(), details.register_shutdown.clone());
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: Arc::new(move |handle: Weak<dyn ShutdownHandle>| {
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.clone());
                // Already here, so that a TLS handshake can be interrupted too.
                arm(&handle)?;
                register(handle)
            }),
        };
        let inner = self.0.connect(&details, chained)?;
        let handle = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(inner.map(|inner| Armed {
            inner: Box::new(inner),
            handle,
        }))
    }
}

/// A connection that tells the current call's slot which socket it is, also when it comes from the pool.
struct Armed {
    inner: Box<dyn Transport>,
    handle: Option<Weak<dyn ShutdownHandle>>,
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Armed")
    }
}

impl Transport for Armed {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if let Some(handle) = &self.handle {
            arm(handle)?;
        }
        self.inner.transmit_output(amount, timeout)
    }
    fn maybe_await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.maybe_await_input(timeout)
    }
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }
    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// The one client. Small buffers: the defaults cost 599 KB a TLS stream. No redirects: a provider that
/// sends us elsewhere would also send the key there.
pub(super) fn agent(settings: &Settings) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(5).min(settings.connect)))
        .timeout_connect(Some(settings.connect))
        .timeout_recv_response(Some(settings.first_byte))
        .timeout_per_read(Some(settings.idle))
        .input_buffer_size(8 * 1024)
        .output_buffer_size(8 * 1024)
        .max_response_header_size(32 * 1024)
        .max_idle_connections(32)
        .max_idle_connections_per_host(16)
        .max_idle_age(Duration::from_secs(30))
        .build();
    ureq::Agent::with_parts(
        config,
        Cancellable(DefaultConnector::new()),
        DefaultResolver::default(),
    )
}
