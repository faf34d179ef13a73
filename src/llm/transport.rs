//! The HTTP client, with the hook that lets another thread interrupt it. ureq's transport offers a handle that shuts
//! a socket down; the connector here stores the handle of the current call's socket where `cancel` finds it. The hook
//! may change between minor versions of ureq, so the minor version is pinned.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, ShutdownHandle, Transport,
};

use super::LlmSettings;
use super::address_guard::AddressGuard;
use crate::clock;
use crate::domain::network::{AddressReach, literal};

/// Cancellation state of a call: its current socket, and the deadline of its next read.
#[derive(Default)]
pub(super) struct CancelSlot {
    cancelled: AtomicBool,
    begun: AtomicBool,
    /// Maximum number of output tokens of the call; 0 for no limit.
    most_output: AtomicU64,
    cut: AtomicBool,
    read_by: Mutex<Option<Instant>>,
    socket: Mutex<Option<Weak<dyn ShutdownHandle>>>,
    woken: Condvar,
}

impl CancelSlot {
    /// Cancels the call: a blocked read returns at once, and a connection opened later is refused.
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

    /// Ends the call once more than this many output tokens have arrived.
    pub fn limit_output(&self, tokens: u64) {
        self.most_output.store(tokens.max(1), Ordering::SeqCst);
    }

    /// Whether this many output tokens are within the limit.
    pub fn allows(&self, tokens: u64) -> bool {
        let most = self.most_output.load(Ordering::SeqCst);
        most == 0 || tokens <= most
    }

    /// Ends the call with the text received so far: its answer is cut off, not lost.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        let socket = self.socket().take();
        if let Some(socket) = socket.and_then(|socket| socket.upgrade()) {
            socket.shutdown();
        }
    }

    /// Whether the call was ended with the text received so far.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Records that a thread has started the call.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// Sets the deadline of the next piece of the answer; keep-alives do not extend it.
    pub fn read_by(&self, moment: Instant) {
        *self.read_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }

    fn left_to_read(&self) -> Option<Duration> {
        let moment = *self.read_by.lock().unwrap_or_else(PoisonError::into_inner);
        moment.map(|moment| moment.saturating_duration_since(clock::instant()))
    }

    /// Waits for this long or until the call is cancelled; returns whether it is.
    pub fn pause(&self, length: Duration) -> bool {
        let guard = self.socket();
        if !self.is_cancelled() && !length.is_zero() {
            let waited = self.woken.wait_timeout(guard, length);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        self.is_cancelled()
    }

    /// Makes this the slot of all sockets that the current thread opens from now on.
    pub fn enter(self: &Arc<Self>) {
        CURRENT.with(|current| *current.borrow_mut() = Some(self.clone()));
    }

    /// Clears the slot of the current thread at the end of its call.
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

// The order matters: the handle is stored before the flag is read, and `cancel` sets the flag before it reads the
// handle, so one of the two always sees the other.
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

struct Cancellable {
    inner: DefaultConnector,
    guard: AddressGuard,
}

impl fmt::Debug for Cancellable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancellable")
    }
}

impl Connector for Cancellable {
    type Out = TimedTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.guard.check(details)?;
        let register = details.register_shutdown.clone();
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
            // Called before TLS begins, so that a handshake can be interrupted too.
            register_shutdown: Arc::new(move |handle: Weak<dyn ShutdownHandle>| {
                arm(&handle)?;
                register(handle)
            }),
        };
        let opened = self.inner.connect(&details, chained)?;
        Ok(opened.map(|transport| TimedTransport(transport.boxed())))
    }
}

/// A connection whose reads end at the deadline of the current call's next piece: keep-alive lines do not extend it.
#[derive(Debug)]
struct TimedTransport(Box<dyn Transport>);

impl Transport for TimedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let left = CURRENT.with(|current| current.borrow().as_ref()?.left_to_read());
        if let Some(left) = left {
            if left.is_zero() {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
            timeout.per_read = Some(left.into());
        }
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// Resolves IP literals and `localhost` itself, independent of the system: an image without /etc/hosts cannot.
#[derive(Debug, Default)]
struct NameResolver(DefaultResolver);

impl Resolver for NameResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(address) = local(uri) else {
            return self.0.resolve(uri, config, timeout);
        };
        let mut found = self.empty();
        found.push(address);
        Ok(found)
    }
}

fn local(uri: &Uri) -> Option<SocketAddr> {
    let default = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let address = literal(uri.host()?)?;
    Some(SocketAddr::new(address, uri.port_u16().unwrap_or(default)))
}

/// The HTTP clients, one per reach: every connection states which addresses it may reach. Created on first use,
/// because TLS roots take memory that a demo never needs.
#[derive(Default)]
pub(super) struct HttpClients {
    public: OnceLock<ureq::Agent>,
    anywhere: OnceLock<ureq::Agent>,
}

impl HttpClients {
    /// Returns the client for this reach.
    pub fn agent(&self, settings: &LlmSettings, reach: AddressReach) -> &ureq::Agent {
        let agent = match reach {
            AddressReach::Public => &self.public,
            AddressReach::Anywhere => &self.anywhere,
        };
        agent.get_or_init(|| self::agent(settings, reach))
    }
}

/// Creates a client. Small buffers: the defaults cost 599 KB per TLS stream. No redirects: the key would be sent to
/// the target. No pool: a stream is left before its last byte, so its connection cannot be reused, and one that the
/// provider has closed since looks like a failed call; compared with a model's seconds, a handshake costs
/// nothing.
pub(super) fn agent(settings: &LlmSettings, reach: AddressReach) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(5).min(settings.connect)))
        .timeout_connect(Some(settings.connect))
        .timeout_recv_response(Some(settings.first_token))
        // Until the call sets its own deadline: see `read_by`.
        .timeout_per_read(Some(settings.first_token))
        .timeout_per_write(Some(settings.idle))
        .tls_config(tls(settings))
        .input_buffer_size(8 * 1024)
        .output_buffer_size(4 * 1024)
        .max_response_header_size(32 * 1024)
        .max_idle_connections(0)
        .max_idle_connections_per_host(0);
    let config = match reach {
        // A proxy resolves names itself, which bypasses the guard.
        AddressReach::Public => config.proxy(None),
        AddressReach::Anywhere => config,
    };
    let connector = Cancellable {
        inner: DefaultConnector::new(),
        guard: AddressGuard::new(reach, &settings.allowed),
    };
    ureq::Agent::with_parts(config.build(), connector, NameResolver::default())
}

fn tls(settings: &LlmSettings) -> TlsConfig {
    let Some(authorities) = &settings.authorities else {
        return TlsConfig::default();
    };
    let found = parse_pem(authorities.as_bytes()).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let roots = RootCerts::from(found);
    TlsConfig::builder().root_certs(roots).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_literals_need_no_resolver() {
        for (uri, expected) in [
            ("http://localhost:11434/v1/models", Some("127.0.0.1:11434")),
            ("https://LOCALHOST/v1", Some("127.0.0.1:443")),
            ("http://[::1]:80/", Some("[::1]:80")),
            ("http://10.0.0.7/v1", Some("10.0.0.7:80")),
            ("https://api.openai.com/v1", None),
            ("http://localhost.example/v1", None),
        ] {
            let found = local(&uri.parse().unwrap()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn a_pause_ends_when_the_call_is_cancelled() {
        let slot = Arc::new(CancelSlot::default());
        let other = slot.clone();
        let waiting = std::thread::spawn(move || other.pause(Duration::from_secs(600)));
        slot.cancel();
        assert!(waiting.join().unwrap());
    }
}
