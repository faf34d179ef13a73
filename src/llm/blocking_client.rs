//! Blocking HTTP client for everything except calls to providers: for the command line as a client of another server,
//! and for downloads from the web. Its connections are checked by the same address guard as those to providers.

use std::fmt;
use std::io;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout};

use super::address_guard::{AddressGuard, NotPublic};
use super::name_resolver::literal_address;
use super::{LlmSettings, USER_AGENT};
use crate::domain::network::AddressScope;
use crate::tls;

struct GuardedConnector {
    inner: DefaultConnector,
    guard: AddressGuard,
    reach: AddressScope,
}

impl fmt::Debug for GuardedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardedConnector")
    }
}

impl Connector for GuardedConnector {
    type Out = <DefaultConnector as Connector>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy would resolve the name itself and thus bypass the guard, so `agent` sets no proxy if the guard
        // applies.
        let check_result = self.guard.check(self.reach, &details.addrs);
        check_result.map_err(|refused| io::Error::new(io::ErrorKind::PermissionDenied, refused))?;
        self.inner.connect(details, chained)
    }
}

/// Returns whether an error means that the guard refused the connection.
pub(super) fn is_refusal(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else {
        return false;
    };
    error.get_ref().is_some_and(|inner| inner.is::<NotPublic>())
}

/// Resolves IP addresses and `localhost` without the system, as calls to providers do.
#[derive(Debug)]
struct LiteralResolver(DefaultResolver);

impl Resolver for LiteralResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(address) = literal_address(uri) else {
            return self.0.resolve(uri, config, timeout);
        };
        let mut addresses = self.empty();
        addresses.push(address);
        Ok(addresses)
    }
}

/// Creates a client. Buffers are small, because the default ones take 599 KB per TLS stream. Redirects are not
/// followed, because the key would be sent to their target.
pub(super) fn agent(settings: &LlmSettings, reach: AddressScope) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .timeout_resolve(Some(Duration::from_secs(5).min(settings.connect)))
        .timeout_connect(Some(settings.connect))
        .timeout_recv_response(Some(settings.first_token))
        .timeout_per_read(Some(settings.first_token))
        .timeout_per_write(Some(settings.idle_timeout))
        .tls_config(tls::blocking_client_config(settings.authorities.as_deref()))
        .input_buffer_size(8 * 1024)
        .output_buffer_size(4 * 1024)
        .max_response_header_size(32 * 1024);
    let config = match reach {
        // A proxy would resolve the name itself and thus bypass the guard.
        AddressScope::Public => config.proxy(None),
        AddressScope::AnyAddress => config,
    };
    let connector = GuardedConnector {
        inner: DefaultConnector::new(),
        guard: AddressGuard::new(&settings.allowed_networks),
        reach,
    };
    let resolver = LiteralResolver(DefaultResolver::default());
    ureq::Agent::with_parts(config.build(), connector, resolver)
}
