//! Status of the database server and of the Quire servers that use it, for operators.

use std::time::Duration;

use super::direct_connection::DirectConnection;
use crate::store::connection::Reader;
use crate::store::error::Result;

/// Status of a database server, as far as the user of the database may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseServerStatus {
    /// Number of open connections to all databases of the server.
    pub connections: u64,
    /// Number of the open connections that belong to Quire and to this database.
    pub own_connections: u64,
    /// Maximum number of connections that the server accepts.
    pub max_connections: u64,
    /// Whether there is a pooler between Quire and the server.
    pub is_pooled: bool,
    /// Whether there is also a connection without a pooler.
    pub direct: DirectConnection,
    /// Number of replicas of the server.
    pub replicas: u64,
    /// Number of bytes of the server's log that the slowest replica has not applied yet; `None` if there are no
    /// replicas or the user of the database may not see this.
    pub replica_lag_bytes: Option<u64>,
    /// The Quire servers that count as alive, oldest first.
    pub servers: Vec<LiveServer>,
}

/// A Quire server that counts as alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveServer {
    /// Random ID of the server's process, under which it has leases.
    pub boot: String,
    /// Version of Quire that it runs; empty if it dates from before versions were recorded.
    pub version: String,
    /// Time since the server started.
    pub age: Duration,
    /// Time since the server last renewed its row.
    pub silent: Duration,
}

/// Returns the status of the database server. `lifetime` is how long a Quire server counts as alive after renewing its
/// row.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(in crate::store) fn status(
    db: &Reader,
    lifetime: Duration,
    direct: DirectConnection,
) -> Result<DatabaseServerStatus> {
    // Only the database and the user are visible in the sessions of other users; background processes lack one of the
    // two.
    let counts = "SELECT count(*),
            CAST(coalesce(sum(CASE WHEN datname = current_database() AND application_name = 'quire'
                                   THEN 1 ELSE 0 END), 0) AS BIGINT),
            CAST(current_setting('max_connections') AS BIGINT)
         FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL";
    let count = |number: i64| number.unsigned_abs();
    let (connections, own_connections, max_connections) = db.query_one(counts, [], |row| {
        Ok((count(row.get(0)?), count(row.get(1)?), count(row.get(2)?)))
    })?;
    // pg_current_wal_lsn() fails on a replica, but Quire connects only to a primary.
    let (replicas, lag) = db.query_one(
        "SELECT count(*), CAST(coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), -1) AS BIGINT)
         FROM pg_stat_replication",
        [],
        |row| Ok((count(row.get(0)?), row.get::<_, i64>(1)?)),
    )?;
    let servers = db.all(
        "SELECT boot, version, quire_now() - started, ?1 - (until - quire_now())
         FROM servers WHERE until > quire_now() ORDER BY started, boot",
        [lifetime.as_millis() as i64],
        |row| {
            Ok(LiveServer {
                boot: row.get(0)?,
                version: row.get(1)?,
                age: Duration::from_millis(row.get::<_, i64>(2)?.max(0).unsigned_abs()),
                silent: Duration::from_millis(row.get::<_, i64>(3)?.max(0).unsigned_abs()),
            })
        },
    )?;
    Ok(DatabaseServerStatus {
        connections,
        own_connections,
        max_connections,
        is_pooled: db.is_pooled(),
        direct,
        replicas,
        replica_lag_bytes: u64::try_from(lag).ok(),
        servers,
    })
}
