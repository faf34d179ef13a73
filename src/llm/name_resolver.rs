//! Resolves host names for calls. IP addresses and `localhost` need no lookup; other names are looked up by the system.
//! Addresses are cached for half a minute.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Uri;
use hyper::http::uri::Scheme;
use tokio::sync::{Semaphore, oneshot};

use crate::clock;
use crate::domain::network::ip_literal;

/// How long the addresses of a name are cached. Failed lookups are not cached.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Maximum number of cached names.
const MAX_NAMES: usize = 64;
/// Maximum number of addresses used per name.
const MAX_ADDRESSES: usize = 16;
/// Maximum number of concurrent lookups. Each one blocks a thread, for up to 30 s if no name server responds.
const MAX_LOOKUPS: usize = 32;
/// Stack size of a lookup thread, in bytes. Untouched pages use no memory.
const LOOKUP_STACK_BYTES: usize = 256 * 1024;

/// Resolves host names. IP addresses and `localhost` are resolved without the system, because the system cannot resolve
/// them in a container image that lacks /etc/hosts.
pub(super) struct NameResolver {
    cache: Mutex<Vec<CachedName>>,
    lookups: Arc<Semaphore>,
}

struct CachedName {
    host: String,
    port: u16,
    cached_at: Instant,
    addresses: Vec<SocketAddr>,
}

impl Default for NameResolver {
    fn default() -> Self {
        Self {
            cache: Mutex::default(),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }
}

impl NameResolver {
    /// Returns the addresses of a URL's host. Empty if the host has none.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot resolve the name.
    pub async fn resolve(&self, uri: &Uri) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = literal_address(uri) {
            return Ok(vec![address]);
        }
        let (host, port) = (uri.host().unwrap_or_default(), port_of(uri));
        if let Some(addresses) = self.cached_addresses(host, port, clock::instant()) {
            return Ok(addresses);
        }
        let permit = self.lookups.clone().acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        // Other calls may have waited here while the first one looked up the same name.
        if let Some(addresses) = self.cached_addresses(host, port, clock::instant()) {
            return Ok(addresses);
        }
        let (done_sender, is_done) = oneshot::channel();
        let name = (host.to_owned(), port);
        // The runtime's blocking threads are not used, because there are few of them, and because the runtime waits for
        // them at shutdown.
        let lookup = std::thread::Builder::new()
            .name("quire-lookup".into())
            .stack_size(LOOKUP_STACK_BYTES);
        lookup.spawn(move || {
            let addresses = name.to_socket_addrs();
            let _ = done_sender
                .send(addresses.map(|found| found.take(MAX_ADDRESSES).collect::<Vec<_>>()));
            drop(permit);
        })?;
        let addresses = is_done.await.map_err(io::Error::other)??;
        self.cache_addresses(host, port, addresses.clone(), clock::instant());
        Ok(addresses)
    }

    fn cached_addresses(&self, host: &str, port: u16, now: Instant) -> Option<Vec<SocketAddr>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|one| now.saturating_duration_since(one.cached_at) < MAX_AGE);
        let entry = cache
            .iter()
            .find(|one| one.port == port && one.host == host)?;
        Some(entry.addresses.clone())
    }

    fn cache_addresses(&self, host: &str, port: u16, addresses: Vec<SocketAddr>, now: Instant) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|one| one.port != port || one.host != host);
        if cache.len() >= MAX_NAMES {
            cache.remove(0);
        }
        cache.push(CachedName {
            host: host.to_owned(),
            port,
            cached_at: now,
            addresses,
        });
    }
}

/// Returns the port of a URL. Without an explicit port, returns the default port of its scheme.
pub(super) fn port_of(uri: &Uri) -> u16 {
    let default = match uri.scheme() == Some(&Scheme::HTTPS) {
        true => 443,
        false => 80,
    };
    uri.port_u16().unwrap_or(default)
}

/// Returns the address of a URL whose host is an IP address or `localhost`. Returns `None` for other hosts.
pub(super) fn literal_address(uri: &Uri) -> Option<SocketAddr> {
    let address = ip_literal(uri.host()?)?;
    Some(SocketAddr::new(address, port_of(uri)))
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
            let address_text =
                literal_address(&uri.parse().unwrap()).map(|address| address.to_string());
            assert_eq!(address_text.as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn names_are_remembered_briefly_and_not_without_end() {
        let resolver = NameResolver::default();
        let start = clock::instant();
        let addresses = vec!["192.0.2.1:443".parse().unwrap()];
        for number in 0..=MAX_NAMES {
            resolver.cache_addresses(&number.to_string(), 443, addresses.clone(), start);
        }
        assert!(resolver.cached_addresses("0", 443, start).is_none());
        assert!(resolver.cached_addresses("1", 80, start).is_none());
        let cached = resolver.cached_addresses("1", 443, start);
        assert_eq!(cached, Some(addresses));
        let late = resolver.cached_addresses("1", 443, start + MAX_AGE);
        assert!(late.is_none());
    }
}
