//! Guards against connections to private addresses. The resolved addresses are checked just before a connection is
//! opened, so neither callers nor DNS names can bypass the guard.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::domain::network::{AddressScope, Network, is_public};

/// Decides which addresses may be connected to.
pub(super) struct AddressGuard {
    /// Private networks that are allowed even with `AddressScope::Public`.
    allowed_networks: Vec<Network>,
}

/// The error for an address that is not public.
#[derive(Debug)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("address is not public")
    }
}

impl Error for NotPublic {}

impl AddressGuard {
    pub fn new(allowed: &[Network]) -> Self {
        Self {
            allowed_networks: allowed.to_vec(),
        }
    }

    /// Checks all addresses of a host name. If one of several addresses is private, the name is rejected, because the
    /// mixture is either an attack or a mistake.
    ///
    /// # Errors
    ///
    /// Returns an error if one of the addresses is outside `reach`.
    pub fn check(&self, reach: AddressScope, addresses: &[SocketAddr]) -> Result<(), NotPublic> {
        match reach {
            AddressScope::AnyAddress => Ok(()),
            AddressScope::Public if addresses.iter().all(|one| self.allows(one.ip())) => Ok(()),
            AddressScope::Public => Err(NotPublic),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address)
            || self
                .allowed_networks
                .iter()
                .any(|one| one.contains(address))
    }
}
