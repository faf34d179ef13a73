//! Handler that shows administrators the state of the database, the Quire servers that share it, and Redis.

use serde_json::{Value, json};

use super::accounts::no_store;
use crate::app::health::{DatabaseServerStatus, LiveServer};
use crate::app::{RedisState, RedisStatus};
use crate::http::auth::Admin;
use crate::http::{ApiError, Reply, RequestContext};

/// Number of characters of a server's name in responses: enough to distinguish a few servers.
const NAME_LENGTH: usize = 8;

/// `GET /api/admin/database`: returns the database engine, its connections, the servers that share it, and the state of
/// Redis.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn show(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let health = cx.app.health();
    let (database, server) = (health.database(), health.database_server().await?);
    let own = cx.app.boot();
    let servers = server.iter().flat_map(|server| &server.servers);
    let servers: Vec<Value> = servers
        .map(|server| server_json(server, own.as_deref()))
        .collect();
    Ok(no_store(Reply::json(&json!({
        "type": if database.is_embedded { "sqlite" } else { "postgresql" },
        "engine": database.engine,
        "connections": server.as_ref().map(connections_json),
        "is_pooled": server.as_ref().is_some_and(|server| server.is_pooled),
        "replicas": server.as_ref().map_or(0, |server| server.replicas),
        "replica_lag_bytes": server.as_ref().and_then(|server| server.replica_lag_bytes),
        "servers": servers,
        "redis": cx.app.limits().status().map(|redis| redis_json(&redis)),
    }))))
}

fn redis_json(redis: &RedisStatus) -> Value {
    let (version, unreachable_since, error) = match &redis.state {
        RedisState::Connected { version } => (Some(version), None, None),
        RedisState::Away { since, why } => (None, Some(since), Some(why)),
    };
    json!({
        "address": redis.address,
        "status": if version.is_some() { "ok" } else { "error" },
        "version": version,
        "away_since": unreachable_since,
        "error": error,
    })
}

fn connections_json(server: &DatabaseServerStatus) -> Value {
    json!({
        "used": server.connections,
        "used_by_quire": server.own_connections,
        "max": server.max_connections,
    })
}

fn server_json(server: &LiveServer, own: Option<&str>) -> Value {
    let name: String = server.boot.chars().take(NAME_LENGTH).collect();
    json!({
        "id": name,
        "is_this": own == Some(server.boot.as_str()),
        "version": server.version,
        "age_seconds": server.age.as_secs(),
        "seen_seconds_ago": server.silent.as_secs(),
    })
}
