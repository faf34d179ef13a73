//! A pool of idle connections to providers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::http::uri::{Authority, Scheme};

use super::connection::ProviderConnection;
use crate::clock;
use crate::domain::network::AddressScope;

/// How long an idle connection stays in the pool. Most servers close a connection only after it has been idle for a
/// minute or more.
const MAX_IDLE_AGE: Duration = Duration::from_secs(55);
/// Maximum number of idle connections, in total and per server. Each takes about 12 KB, or 40 KB with TLS.
const MAX_IDLE: (usize, usize) = (128, 64);

/// The server at the other end of a connection, and the addresses that its provider may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub scheme: Scheme,
    pub authority: Authority,
    pub reach: AddressScope,
}

/// The idle connections, oldest first.
#[derive(Default)]
pub(super) struct ConnectionPool(Mutex<Vec<IdleConnection>>);

struct IdleConnection {
    origin: Origin,
    idle_since: Instant,
    connection: Box<ProviderConnection>,
}

impl ConnectionPool {
    /// Takes the most recently used connection to a server out of the pool. Returns `None` if there is none, or if it
    /// has been idle for too long.
    pub fn take(&self, origin: &Origin) -> Option<Box<ProviderConnection>> {
        let mut idle = self.lock_idle();
        let newest = idle.iter().rposition(|one| one.origin == *origin)?;
        let newest = idle.remove(newest);
        // A connection that is too old is closed after the lock is released.
        drop(idle);
        let age = clock::instant().saturating_duration_since(newest.idle_since);
        (age < MAX_IDLE_AGE).then_some(newest.connection)
    }

    /// Adds a connection to the pool. If the pool is full, closes the oldest connection.
    pub fn put(&self, origin: Origin, connection: Box<ProviderConnection>) {
        let mut idle = self.lock_idle();
        let same_origin_count = idle.iter().filter(|one| one.origin == origin).count();
        let oldest = match (idle.len() >= MAX_IDLE.0, same_origin_count >= MAX_IDLE.1) {
            (_, true) => idle.iter().position(|one| one.origin == origin),
            (true, false) => Some(0),
            (false, false) => None,
        };
        let closed_connection = oldest.map(|oldest| idle.remove(oldest));
        idle.push(IdleConnection {
            origin,
            idle_since: clock::instant(),
            connection,
        });
        // Closed only after the lock is released, because closing a socket is a system call.
        drop(idle);
        drop(closed_connection);
    }

    /// Closes the connections that have been idle for too long.
    pub fn close_idle(&self) {
        let now = clock::instant();
        let mut idle = self.lock_idle();
        idle.retain(|one| now.saturating_duration_since(one.idle_since) < MAX_IDLE_AGE);
        if idle.is_empty() {
            idle.shrink_to_fit();
        }
    }

    fn lock_idle(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(authority: &'static str) -> Origin {
        Origin {
            scheme: Scheme::HTTP,
            authority: Authority::from_static(authority),
            reach: AddressScope::AnyAddress,
        }
    }

    async fn connection() -> Box<ProviderConnection> {
        let (stream, _) = tokio::io::duplex(64);
        let new_connection = ProviderConnection::open(Box::new(stream)).await;
        new_connection.unwrap_or_else(|_| panic!("no connection"))
    }

    #[tokio::test]
    async fn connections_are_kept_by_server_and_not_without_end() {
        let pool = ConnectionPool::default();
        for _ in 0..=MAX_IDLE.1 {
            pool.put(origin("a:1"), connection().await);
        }
        assert_eq!(pool.lock_idle().len(), MAX_IDLE.1);
        let other = Origin {
            reach: AddressScope::Public,
            ..origin("a:1")
        };
        assert!(pool.take(&other).is_none(), "checked differently");
        assert!(pool.take(&origin("b:1")).is_none());
        for number in 0..MAX_IDLE.0 {
            let server = ["b:1", "c:1", "d:1"][number % 3];
            pool.put(origin(server), connection().await);
        }
        assert_eq!(pool.lock_idle().len(), MAX_IDLE.0);
        assert!(pool.take(&origin("a:1")).is_none(), "the oldest are closed");
        assert!(pool.take(&origin("c:1")).is_some());
    }

    #[tokio::test]
    async fn unused_connections_expire() {
        let pool = ConnectionPool::default();
        pool.put(origin("a:1"), connection().await);
        pool.close_idle();
        assert_eq!(pool.lock_idle().len(), 1);
        let Some(old) = clock::instant().checked_sub(MAX_IDLE_AGE) else {
            return;
        };
        pool.lock_idle()[0].idle_since = old;
        pool.close_idle();
        assert!(pool.lock_idle().is_empty());
    }
}
