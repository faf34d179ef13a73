//! The HTTP client, with the hook that lets another thread interrupt it, and its pool of connections. ureq's transport
//! offers a handle that shuts a socket down; the connector here stores the handle of the current call's socket where
//! `cancel` finds it. The hook may change between minor versions of ureq, so the minor version is pinned.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, DefaultConnector, ShutdownHandle, Transport as _,
};

use super::LlmSettings;
use super::address_guard::AddressGuard;
pub(super) use super::cancel_slot::CancelSlot;
use super::connection::ReusableConnection;
use super::name_resolver::NameResolver;
use crate::clock;
use crate::domain::network::AddressReach;

/// How long an unused connection stays in the pool; common servers close theirs after a minute or more.
const MAX_IDLE_AGE: Duration = Duration::from_secs(55);
/// Maximum number of unused connections, in total and to one provider: each takes about 12 KB, and 40 KB with TLS.
const MAX_IDLE: (usize, usize) = (128, 64);

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
    type Out = ReusableConnection;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.guard.check(details)?;
        let register = details.register_shutdown.clone();
        let registered = Arc::new(Mutex::new(None));
        let newest = registered.clone();
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
                if let Some(slot) = CancelSlot::current() {
                    slot.bind(&handle, false)?;
                }
                *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.clone());
                register(handle)
            }),
        };
        let opened = self.inner.connect(&details, chained)?;
        Ok(opened.map(|transport| {
            let mut newest = registered.lock().unwrap_or_else(PoisonError::into_inner);
            ReusableConnection::new(transport.boxed(), newest.take())
        }))
    }
}

/// The HTTP clients, one per reach: every connection states which addresses it may reach. Created on first use,
/// because TLS roots take memory that a demo never needs.
#[derive(Default)]
pub(super) struct HttpClients(Mutex<OpenClients>);

#[derive(Default)]
struct OpenClients {
    public: Option<ureq::Agent>,
    anywhere: Option<ureq::Agent>,
    used: Option<Instant>,
}

impl HttpClients {
    /// Returns the client for this reach.
    pub fn agent(&self, settings: &LlmSettings, reach: AddressReach) -> ureq::Agent {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.used = Some(clock::instant());
        let agent = match reach {
            AddressReach::Public => &mut open.public,
            AddressReach::Anywhere => &mut open.anywhere,
        };
        let agent = agent.get_or_insert_with(|| self::agent(settings, reach));
        agent.clone()
    }

    /// Closes the unused connections if no call has begun for a while, because the pool itself checks only when
    /// one begins.
    pub fn close_idle(&self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |used| clock::instant().saturating_duration_since(used) > MAX_IDLE_AGE;
        if open.used.is_some_and(idle) {
            // Connections in use are closed at the end of their calls.
            *open = OpenClients::default();
        }
    }
}

/// Creates a client. Small buffers: the defaults cost 599 KB per TLS stream. No redirects: the key would be sent to
/// the target. Its connections are reused: to a far provider, a handshake takes 100 to 200 ms.
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
        .max_idle_age(MAX_IDLE_AGE)
        .max_idle_connections(MAX_IDLE.0)
        .max_idle_connections_per_host(MAX_IDLE.1);
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
