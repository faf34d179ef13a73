//! Database addresses such as `postgres://user:password@host/name`, and how to connect to them. If there are several
//! hosts, connects to the first one that accepts changes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Connection, Socket};

use super::errors::meaning;
use super::hosts;
use super::tls::{EncryptedStream, Encryption};
use crate::store::error::{OpenError, Result, StoreError};

/// Timeout for connecting to a host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for trying all hosts, divided equally among them, so that a host that accepts connections but never answers
/// does not prevent the next one from being tried.
const ALL_HOSTS_TIMEOUT: Duration = Duration::from_secs(8);
/// Time after which a connection with unacknowledged packets counts as lost.
const TCP_TIMEOUT: Duration = Duration::from_secs(20);
/// Idle time before a connection is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// A validated address.
#[derive(Clone)]
pub struct PostgresAddress {
    /// The configuration of each host.
    hosts: Arc<[Config]>,
    /// Index of the host that accepted the last connection, which is tried first.
    current: Arc<AtomicUsize>,
    encryption: Encryption,
}

impl PostgresAddress {
    /// Parses an address and sets the connection options that Quire requires. Unless the address specifies `sslmode`, a
    /// connection to another machine is encrypted. `authorities` is PEM text that replaces the built-in certificate
    /// authorities.
    ///
    /// # Errors
    /// Returns an error, without the password, if the address or an authority is not valid.
    pub fn parse(text: &str, authorities: Option<&str>) -> std::result::Result<Self, OpenError> {
        let refused = |error: tokio_postgres::Error| {
            OpenError::Failed(format!("it is not an address of PostgreSQL: {error}"))
        };
        let mut config: Config = text.parse().map_err(refused)?;
        if !states_ssl_mode(text) {
            // tokio-postgres connects to `hostaddr` if there is one, regardless of the host name.
            let is_here = config.get_hosts().iter().all(is_this_machine)
                && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
            config.ssl_mode(if is_here {
                SslMode::Disable
            } else {
                SslMode::Require
            });
        }
        config
            .application_name("quire")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            // After a failover, do not connect to a server that has become a replica.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let encryption = Encryption::new(authorities)
            .map_err(|why| OpenError::Failed(format!("QUIRE_CA_FILE: {why}")))?;
        let mut hosts = hosts::split(config);
        if hosts.len() > 1 {
            // A host may have two addresses, of which one does not answer; each gets half of the host's time.
            let time = ALL_HOSTS_TIMEOUT / hosts.len() as u32 / 2;
            for host in &mut hosts {
                host.connect_timeout(time.min(CONNECT_TIMEOUT));
            }
        }
        Ok(Self {
            hosts: hosts.into(),
            current: Arc::default(),
            encryption,
        })
    }

    /// Connects to the database. A task on the current runtime drives the connection, and ends when the client is
    /// dropped.
    ///
    /// # Errors
    /// `Busy` if no host can be reached or accepts changes; another error if one rejects the connection.
    pub(super) async fn connect(self) -> Result<Client> {
        let (client, connection) = self.open().await?;
        drop(tokio::task::spawn(connection));
        Ok(client)
    }

    /// Connects to the database. The caller must drive the connection.
    ///
    /// # Errors
    /// `Busy` if no host can be reached or accepts changes; another error if one rejects the connection.
    pub(super) async fn open(
        self,
    ) -> Result<(Client, Connection<Socket, EncryptedStream<Socket>>)> {
        let count = self.hosts.len();
        let share = ALL_HOSTS_TIMEOUT / count.max(1) as u32;
        let first = self.current.load(Relaxed);
        let mut why = StoreError::Busy;
        for number in (first..first + count).map(|number| number % count) {
            let connecting = self.hosts[number].connect(self.encryption.clone());
            match tokio::time::timeout(share, connecting).await {
                Ok(Ok(connected)) => {
                    self.current.store(number, Relaxed);
                    return Ok(connected);
                }
                // Of several errors, report a rejected connection, such as one for a wrong password, rather than an
                // unreachable host.
                Ok(Err(error)) if why == StoreError::Busy => why = meaning(&error).0,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(why)
    }
}

/// Returns whether the address has an `sslmode` parameter, in either of the two syntaxes. Names and passwords that
/// contain the word do not count.
fn states_ssl_mode(text: &str) -> bool {
    let is_mode = |parameter: &str| {
        let (name, _) = parameter.split_once('=').unwrap_or_default();
        name.trim() == "sslmode"
    };
    match text.contains("://") {
        true => text
            .rsplit_once('?')
            .is_some_and(|(_, parameters)| parameters.split('&').any(is_mode)),
        false => text.replace(" =", "=").split_whitespace().any(is_mode),
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let ip = name.parse::<IpAddr>();
            name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_other_machines_are_encrypted() {
        for (address, mode) in [
            ("postgres://q:p@db.internal/quire", SslMode::Require),
            ("postgres://q:p@127.0.0.1/quire", SslMode::Disable),
            ("postgres://q@/quire?host=/run/postgresql", SslMode::Disable),
            (
                "postgres://q:p@db.internal/quire?sslmode=disable",
                SslMode::Disable,
            ),
            (
                "postgres://q:p@127.0.0.1/quire?sslmode=require",
                SslMode::Require,
            ),
            ("host=localhost user=q sslmode = require", SslMode::Require),
            // The IP address decides, not the host name next to it.
            (
                "postgres://q:p@/quire?hostaddr=203.0.113.5",
                SslMode::Require,
            ),
            (
                "host=localhost hostaddr=203.0.113.5 user=q",
                SslMode::Require,
            ),
            ("host=localhost hostaddr=127.0.0.1 user=q", SslMode::Disable),
            // In a password, the word is not a parameter.
            (
                "postgres://q:sslmode=disable@db.internal/quire",
                SslMode::Require,
            ),
        ] {
            let parsed = PostgresAddress::parse(address, None).expect("valid");
            assert_eq!(parsed.hosts[0].get_ssl_mode(), mode, "{address}");
        }
        let refused = PostgresAddress::parse("postgres://q:geheim@h:port/x", None);
        assert!(refused.is_err_and(|error| !error.to_string().contains("geheim")));
    }
}
