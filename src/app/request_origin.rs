//! Where a request comes from, for rate limits and the audit log.

use std::net::IpAddr;

use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::audit;

/// The origin and time of a request, for throttling and the audit log.
#[derive(Debug, Clone)]
pub struct RequestOrigin {
    /// The client's IP address; `None` for the command line, which is not rate-limited.
    pub peer: Option<IpAddr>,
    /// The client's description of itself (the user agent).
    pub client: String,
    /// The value of the client's device cookie. May be empty.
    pub devices: String,
    /// When the server received the request.
    pub now: Timestamp,
}

impl RequestOrigin {
    /// Returns the origin of an action on the command line.
    pub fn local(now: Timestamp) -> Self {
        Self {
            peer: None,
            client: String::new(),
            devices: String::new(),
            now,
        }
    }
    pub(super) fn address(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }
    pub(super) fn audit_entry(
        &self,
        actor: Option<&UserId>,
        action: &'static str,
        target: &str,
    ) -> audit::AuditEntry {
        audit::AuditEntry {
            at: self.now,
            actor: actor.cloned(),
            action: action.to_owned(),
            target: target.to_owned(),
            address: self.address(),
            detail: String::new(),
        }
    }
}
