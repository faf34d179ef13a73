//! Checks the database server: whether it has room for more connections, and which Quire servers share it.

use std::time::Duration;

use super::{CheckResult, CheckState, finding};
use crate::store::{DatabaseServerStatus, DirectConnection, LiveServer, Store};

/// Subject of these checks in the report.
const SUBJECT: &str = "database";
/// At this percentage of connections in use or more, a warning is given, because more servers may not get enough
/// connections.
const CROWDED_PERCENT: u64 = 80;

/// Number of megabytes that a replica may lag behind before a warning.
const MAX_LAG_MB: u64 = 64;

/// Runs the checks. Returns no findings if the database is a file.
pub(super) async fn examine(store: &Store) -> Vec<CheckResult> {
    match store.database_server_status().await {
        Ok(None) => Vec::new(),
        Ok(Some(status)) => findings(&status),
        Err(error) => vec![finding(SUBJECT, CheckState::Failed, error.to_string())],
    }
}

fn findings(status: &DatabaseServerStatus) -> Vec<CheckResult> {
    let (used, most) = (status.connections, status.max_connections);
    let state = match used * 100 >= most * CROWDED_PERCENT {
        true => CheckState::Warning,
        false => CheckState::Ok,
    };
    let mut text = format!(
        "{used} of {most} connections are in use, {} of them by Quire",
        status.own_connections
    );
    text.push_str(match (status.is_pooled, status.direct) {
        (false, DirectConnection::NotConfigured) => "",
        (false, _) => "; there is no pooler in between, so DATABASE_DIRECT_URL is not needed",
        (true, DirectConnection::Direct) => {
            "; a pooler is in between, and events and commands are announced through DATABASE_DIRECT_URL"
        }
        (true, DirectConnection::Pooled) => {
            "; a pooler is in between, so events and commands reach other servers up to a quarter of a second later"
        }
        (true, DirectConnection::NotConfigured) => {
            "; a pooler is in between, so events and commands reach other servers up to a quarter of a second later: \
             set DATABASE_DIRECT_URL to announce them"
        }
    });
    if state == CheckState::Warning {
        text.push_str("; each server needs up to seven: raise max_connections");
        if !status.is_pooled {
            text.push_str(" or use a pooler");
        }
    }
    let mut all = vec![finding(SUBJECT, state, text)];
    if status.direct == DirectConnection::Pooled {
        let text = "the address in DATABASE_DIRECT_URL leads to a pooler too, so nothing can be announced: set it to \
                    the address of the PostgreSQL server";
        all.push(finding(SUBJECT, CheckState::Warning, text));
    }
    if status.replicas > 0 {
        let lag = status.replica_lag_bytes.map(|bytes| bytes / 1_000_000);
        let (state, lag) = match lag {
            None => (CheckState::Ok, "an unknown amount".to_owned()),
            Some(lag) if lag < MAX_LAG_MB => (CheckState::Ok, format!("{lag} MB")),
            Some(lag) => (CheckState::Warning, format!("{lag} MB")),
        };
        let text = format!(
            "replicas: {}; the slowest is {lag} of the log behind",
            status.replicas
        );
        all.push(finding(SUBJECT, state, text));
    }
    let servers: Vec<String> = status.servers.iter().map(described).collect();
    let text = match &servers[..] {
        [] => "no server is running".to_owned(),
        [one] => format!("one is running: {one}"),
        more => format!("{} are running: {}", more.len(), more.join(", ")),
    };
    all.push(finding("servers", CheckState::Ok, text));
    all
}

fn described(server: &LiveServer) -> String {
    let version = match server.version.as_str() {
        "" => "an earlier version",
        version => version,
    };
    format!("{version} for {}", shown(server.age))
}

/// Formats a time in its largest suitable unit.
fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowding_and_lag_are_warnings_and_servers_are_listed() {
        let server = |version: &str, seconds| LiveServer {
            boot: "b".into(),
            version: version.into(),
            age: Duration::from_secs(seconds),
            silent: Duration::ZERO,
        };
        let status = DatabaseServerStatus {
            connections: 80,
            own_connections: 12,
            max_connections: 100,
            is_pooled: true,
            direct: DirectConnection::Pooled,
            replicas: 2,
            replica_lag_bytes: Some(80_000_000),
            servers: vec![server("0.3.0", 7300), server("", 60)],
        };
        let shown: Vec<String> = findings(&status)
            .into_iter()
            .map(|found| format!("{}: {:?}: {}", found.subject, found.state, found.text))
            .collect();
        assert_eq!(
            shown,
            [
                "database: Warning: 80 of 100 connections are in use, 12 of them by Quire; a pooler is in between, so \
                 events and commands reach other servers up to a quarter of a second later; each server needs up to seven: raise max_connections",
                "database: Warning: the address in DATABASE_DIRECT_URL leads to a pooler too, so nothing can be announced: \
                 set it to the address of the PostgreSQL server",
                "database: Warning: replicas: 2; the slowest is 80 MB of the log behind",
                "servers: Ok: 2 are running: 0.3.0 for 2 h, an earlier version for 60 s",
            ]
        );
    }
}
