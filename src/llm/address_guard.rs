//! Guard against private addresses. The connector calls it with the resolved addresses right before it opens a
//! connection, so that no caller and no DNS name can bypass it.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

use ureq::unversioned::transport::ConnectionDetails;

use crate::domain::network::{AddressReach, Network, is_public};

/// Decides which addresses a client may connect to.
pub(super) struct AddressGuard {
    reach: AddressReach,
    /// Private networks that are allowed even with `AddressReach::Public`.
    allowed: Vec<Network>,
}

/// Why a connection was not opened.
#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("address is not public")
    }
}

impl Error for NotPublic {}

impl AddressGuard {
    pub fn new(reach: AddressReach, allowed: &[Network]) -> Self {
        Self {
            reach,
            allowed: allowed.to_vec(),
        }
    }

    /// Checks every address that may be connected to. One private address among public ones is an attack or a
    /// mistake, so no connection is opened.
    ///
    /// # Errors
    ///
    /// When this client may not connect to one of the addresses, or would use a proxy, which resolves names itself.
    pub fn check(&self, details: &ConnectionDetails) -> Result<(), ureq::Error> {
        if self.reach == AddressReach::Anywhere {
            return Ok(());
        }
        let is_direct = details.config.proxy().is_none();
        if is_direct && details.addrs.iter().all(|one| self.allows(one.ip())) {
            return Ok(());
        }
        let error = io::Error::new(io::ErrorKind::PermissionDenied, NotPublic);
        Err(ureq::Error::Io(error))
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|one| one.contains(address))
    }
}

/// Whether the guard refused the connection.
pub(super) fn is_refusal(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else {
        return false;
    };
    error.get_ref().is_some_and(|inner| inner.is::<NotPublic>())
}
