//! Whether a Quire server has a connection to the database that does not go through a pooler.

/// The additional connection without a pooler that a server may have for notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectConnection {
    /// No address is configured for it.
    NotConfigured,
    /// The configured address leads directly to the database server.
    Direct,
    /// The configured address leads to a pooler too, so that no notices can be sent.
    Pooled,
}
