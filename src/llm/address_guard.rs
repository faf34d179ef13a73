//! Guards against connections to private addresses. It checks resolved addresses just before a connection is opened, so
//! that neither callers nor DNS names can bypass it.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::domain::network::{AddressScope, Network, is_public};

/// Decides to which addresses a connection may be opened.
pub(super) struct AddressGuard {
    /// Private networks that are allowed even for `AddressScope::Public`.
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

    /// Checks every address to which a name resolves. A private address among public ones is an attack or a mistake, so
    /// the whole name is then rejected.
    ///
    /// # Errors
    ///
    /// Returns an error if one of the addresses is outside the reach.
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
