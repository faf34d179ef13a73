//! Where a request comes from.

use std::net::IpAddr;

use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::store::audit;

/// Where a request comes from and when: for throttling and the audit log.
#[derive(Debug, Clone)]
pub struct RequestOrigin {
    /// The caller's address; none for the command line, which is not throttled.
    pub peer: Option<IpAddr>,
    /// What the client calls itself.
    pub client: String,
    /// When.
    pub now: Timestamp,
}

impl RequestOrigin {
    /// An act of whoever operates the machine.
    pub fn local(now: Timestamp) -> Self {
        Self {
            peer: None,
            client: String::new(),
            now,
        }
    }
    pub(super) fn address(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }
    pub(super) fn entry(
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
