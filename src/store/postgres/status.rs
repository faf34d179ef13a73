//! Status of a database server and of the Quire servers that use it, for operators.

use std::time::Duration;

use super::direct_connection::DirectConnection;
use crate::store::connection::Reader;
use crate::store::error::Result;

/// A database server, as one of its clients sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseServerStatus {
    /// Number of open connections to all its databases.
    pub connections: u64,
    /// Number of these that are Quire's, in this database.
    pub own_connections: u64,
    /// Maximum number of connections.
    pub max_connections: u64,
    /// Whether a pooler is in between.
    pub is_pooled: bool,
    /// Whether there is a connection without one.
    pub direct: DirectConnection,
    /// Number of its replicas.
    pub replicas: u64,
    /// How many bytes of its log the slowest replica has not applied yet; `None` without replicas, or if its user may
    /// not know.
    pub replica_lag_bytes: Option<u64>,
    /// The Quire servers that are alive, oldest first.
    pub servers: Vec<LiveServer>,
}

/// A Quire server that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveServer {
    /// The name under which it has leases.
    pub boot: String,
    /// Version of its program; empty if it is from before versions were recorded.
    pub version: String,
    /// Time since its start.
    pub age: Duration,
    /// Time since it last renewed its row.
    pub silent: Duration,
}

/// Returns the status of the database server. `lifetime` is how long a server counts as alive.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(in crate::store) fn status(
    db: &Reader,
    lifetime: Duration,
    direct: DirectConnection,
) -> Result<DatabaseServerStatus> {
    // Other people's sessions show only their database and user; background processes lack one of them.
    let counts = "SELECT count(*),
            CAST(coalesce(sum(CASE WHEN datname = current_database() AND application_name = 'quire'
                                   THEN 1 ELSE 0 END), 0) AS BIGINT),
            CAST(current_setting('max_connections') AS BIGINT)
         FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL";
    let count = |number: i64| number.unsigned_abs();
    let (connections, own_connections, max_connections) = db.query_one(counts, [], |row| {
        Ok((count(row.get(0)?), count(row.get(1)?), count(row.get(2)?)))
    })?;
    // Quire connects to a primary only.
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
