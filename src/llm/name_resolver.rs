//! Name resolution for calls: address literals and `localhost` without the system, other names through it, remembered for
//! half a minute. ureq resolves before it looks for a pooled connection, so every call would wait for a lookup.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::clock;
use crate::domain::network::ip_literal;

/// How long a name's addresses are remembered; failures are not.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Maximum number of remembered names.
const MAX_NAMES: usize = 64;

/// Resolves IP literals and `localhost` itself, independent of the system: an image without /etc/hosts cannot.
#[derive(Debug, Default)]
pub(super) struct NameResolver {
    system: DefaultResolver,
    cache: Mutex<Vec<CachedName>>,
}

#[derive(Debug)]
struct CachedName {
    name: String,
    since: Instant,
    addresses: ResolvedSocketAddrs,
}

impl NameResolver {
    fn cached_addresses(&self, name: &str, now: Instant) -> Option<ResolvedSocketAddrs> {
        let mut known = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|one| now.saturating_duration_since(one.since) < MAX_AGE);
        let found = known.iter().find(|one| one.name == name)?;
        Some(found.addresses.clone())
    }

    fn cache_addresses(&self, name: String, addresses: ResolvedSocketAddrs, now: Instant) {
        let mut known = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|one| one.name != name);
        if known.len() >= MAX_NAMES {
            known.remove(0);
        }
        known.push(CachedName {
            name,
            since: now,
            addresses,
        });
    }
}

impl Resolver for NameResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if let Some(address) = literal_address(uri) {
            let mut found = self.empty();
            found.push(address);
            return Ok(found);
        }
        let (name, now) = (host_of(uri), clock::instant());
        if let Some(found) = self.cached_addresses(&name, now) {
            return Ok(found);
        }
        let found = self.system.resolve(uri, config, timeout)?;
        self.cache_addresses(name, found.clone(), now);
        Ok(found)
    }
}

// The scheme determines the port if the authority has none.
fn host_of(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or_default())
}

fn literal_address(uri: &Uri) -> Option<SocketAddr> {
    let default = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let address = ip_literal(uri.host()?)?;
    Some(SocketAddr::new(address, uri.port_u16().unwrap_or(default)))
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
            let found = literal_address(&uri.parse().unwrap()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn names_are_remembered_briefly_and_not_without_end() {
        let resolver = NameResolver::default();
        let start = clock::instant();
        let mut addresses = resolver.empty();
        addresses.push("192.0.2.1:443".parse().unwrap());
        for number in 0..=MAX_NAMES {
            resolver.cache_addresses(format!("https://{number}"), addresses.clone(), start);
        }
        assert!(resolver.cached_addresses("https://0", start).is_none());
        let found = resolver.cached_addresses("https://1", start).unwrap();
        assert_eq!(found[..], addresses[..]);
        assert!(
            resolver
                .cached_addresses("https://1", start + MAX_AGE)
                .is_none()
        );
    }
}
