//! Whether a server has a connection to the database without a pooler.

/// The connection without a pooler that a server may have beside its others, for announcements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectConnection {
    /// There is no address for one.
    NotConfigured,
    /// Its address leads to the database server.
    Direct,
    /// Its address leads to a pooler too, so that nothing can be announced.
    Pooled,
}
