//! Limits that several servers share through Redis: token buckets, slots for concurrent calls, and temporary blocks.
//! Any operation may report that Redis is unavailable; the caller then applies its server's share of the limit. Knows
//! nothing about people, providers, or money, and stores nothing that must not be lost.

mod commands;
mod connection;
mod driver;
pub mod resp;
mod scripts;
mod slots;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::mpsc;

use crate::clock;
use crate::config::RedisConfig;
use crate::crypto::pseudonym::Pseudonyms;
use crate::crypto::{hex, random};
use crate::domain::time::Timestamp;
use crate::domain::token_bucket::{Rate, TokenBucket};
use crate::tls;
use commands::{CommandQueue, QueuedCommand, RedisUnavailable};
use connection::RedisConnection;
pub use connection::RedisError;
use resp::RedisValue;
use scripts::{BLOCK, LimitScript, REFUND};
pub use slots::SlotLease;
use slots::{HeldSlots, LEASE};

/// Maximum number of slots that a single request may take; larger requests are refused.
const MAX_SLOTS_AT_ONCE: usize = 1000;

/// Entry point to the shared limits. Cheap to clone. Without `REDIS_URL`, limits are not shared, and it only holds the
/// number of servers by which they are divided.
#[derive(Clone, Default)]
pub struct SharedLimits(Arc<ServersLimits>);

#[derive(Default)]
struct ServersLimits {
    /// Number of servers by which the limits are divided while they are not shared; 0 until it is known.
    servers: AtomicU32,
    redis: Option<LimitsInner>,
}

struct LimitsInner {
    config: RedisConfig,
    tls: Option<Arc<ClientConfig>>,
    pseudonyms: Pseudonyms,
    queue: Arc<CommandQueue>,
    /// The receiver of the queue, until `drive` takes it.
    commands: Mutex<Option<mpsc::Receiver<QueuedCommand>>>,
    slots: Arc<HeldSlots>,
    status: Mutex<ConnectionStatus>,
}

struct ConnectionStatus {
    state: RedisState,
    hashes: [String; LimitScript::ALL.len()],
}

/// The state of the connection to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisState {
    /// Redis is available, and the limits are shared.
    Connected {
        /// Redis's name and version.
        version: String,
    },
    /// Redis is unavailable, and the limits are divided among the servers.
    Away {
        /// When Redis became unavailable.
        since: Timestamp,
        /// Why Redis is unavailable.
        why: String,
    },
}

/// Redis's address and state, for the status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisStatus {
    /// The address without the credentials.
    pub address: String,
    /// Whether Redis is available, with its version or the reason.
    pub state: RedisState,
}

/// The outcome of a request for slots.
pub enum SlotOutcome {
    /// The slots are taken.
    Granted(SlotLease),
    /// There are not enough free slots.
    Full,
    /// Redis is unavailable. The slots count only on this server; they are registered in Redis if they are still held
    /// when it is available again.
    Away(SlotLease),
}

/// A request for slots under a concurrency limit.
#[derive(Debug, Clone, Copy)]
pub struct SlotRequest<'a> {
    /// The kind of limit, such as `streams`.
    pub kind: &'a str,
    /// The user, address, or provider to which the limit applies.
    pub subject: &'a str,
    /// Maximum number of slots across all servers; 0 for no limit.
    pub limit: usize,
    /// Number of slots requested.
    pub count: usize,
}

impl SharedLimits {
    /// Creates the limits for the configured Redis server, if there is one. Opens no connection. `authorities` is PEM
    /// text that replaces the built-in certificate authorities; the subjects' pseudonyms are derived from `secret`.
    ///
    /// # Errors
    /// Returns an error if the authorities are invalid, or if the system cannot provide random numbers.
    pub fn new(
        config: Option<&RedisConfig>,
        authorities: Option<&str>,
        secret: &str,
    ) -> Result<Self, String> {
        let Some(config) = config else {
            return Ok(Self::default());
        };
        let (queue, commands) = CommandQueue::new();
        let server = random::<8>().map_err(|error| error.to_string())?;
        let state = RedisState::Away {
            since: clock::now(),
            why: "not connected yet".into(),
        };
        let redis = LimitsInner {
            tls: tls_of(config, authorities)?,
            config: config.clone(),
            pseudonyms: Pseudonyms::new(secret),
            queue: Arc::new(queue),
            commands: Mutex::new(Some(commands)),
            slots: HeldSlots::new(hex(&server)),
            status: Mutex::new(ConnectionStatus {
                state,
                hashes: Default::default(),
            }),
        };
        Ok(Self(Arc::new(ServersLimits {
            redis: Some(redis),
            ..ServersLimits::default()
        })))
    }

    /// Connects to Redis and keeps the connection open. Never returns; without `REDIS_URL`, does nothing.
    pub async fn drive(&self) {
        let commands = self.0.redis.as_ref().and_then(|inner| {
            let mut commands = inner
                .commands
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Some((inner, commands.take()?))
        });
        match commands {
            Some((inner, commands)) => driver::drive(inner, commands).await,
            None => std::future::pending().await,
        }
    }

    /// Returns whether Redis is configured and available, in which case the limits are shared.
    pub fn is_shared(&self) -> bool {
        self.open().is_some()
    }

    /// Returns whether Redis is configured, available or not.
    pub fn is_configured(&self) -> bool {
        self.0.redis.is_some()
    }

    /// Returns Redis's address and state; `None` if it is not configured.
    pub fn status(&self) -> Option<RedisStatus> {
        let inner = self.0.redis.as_ref()?;
        Some(RedisStatus {
            address: inner.config.to_string(),
            state: inner.lock_status().state.clone(),
        })
    }

    /// Sets the number of servers by which the limits are divided while they are not shared.
    pub fn divide_among(&self, servers: u32) {
        self.0.servers.store(servers, Relaxed);
    }

    /// Returns the number by which the limits are currently divided: 1 while they are shared, and otherwise the number
    /// of servers, at least 1.
    pub fn divisor(&self) -> u32 {
        match self.is_shared() {
            true => 1,
            false => self.0.servers.load(Relaxed).max(1),
        }
    }

    /// Takes a token from a shared bucket. Returns the bucket's new state, or the time until the next token if it is
    /// empty; `None` if Redis is unavailable.
    pub async fn take_token(
        &self,
        kind: &str,
        subject: &str,
        rate: Rate,
    ) -> Option<Result<TokenBucket, Duration>> {
        let inner = self.open()?;
        let keys = [inner.key("rate", kind, subject)];
        let arguments = [rate.capacity_units(), rate.units_per_ms()].map(|units| units.to_string());
        let reply = inner.run(LimitScript::Take, &keys, &arguments).await.ok()?;
        let [taken, level] = reply[..] else {
            return None;
        };
        let bucket = TokenBucket::at_level(level.unsigned_abs());
        Some(match taken {
            0 => Err(bucket.until_token(rate)),
            _ => Ok(bucket),
        })
    }

    /// Puts a token back into a shared bucket for an attempt that does not count. Does nothing while Redis is
    /// unavailable.
    pub fn refund_token(&self, kind: &str, subject: &str, rate: Rate) {
        if let Some(inner) = self.open() {
            let key = inner.key("rate", kind, subject);
            let capacity = rate.capacity_units().to_string();
            inner.queue.send(&["EVAL", REFUND, "1", &key, &capacity]);
        }
    }

    /// Requests slots, and reads how much longer each of the names is blocked (`None` if it is not, or if that is
    /// unknown). Returns `None` if Redis is not configured.
    pub async fn take_slots(
        &self,
        request: SlotRequest<'_>,
        names: &[String],
    ) -> Option<(SlotOutcome, Vec<Option<Duration>>)> {
        let inner = self.0.redis.as_ref()?;
        let unknown = || vec![None; names.len()];
        if request.count > MAX_SLOTS_AT_ONCE {
            return Some((SlotOutcome::Full, unknown()));
        }
        let count = if request.limit == 0 { 0 } else { request.count };
        let key = inner.key("slots", request.kind, request.subject);
        let lease = inner
            .slots
            .prepare(&inner.queue, key.as_str().into(), count);
        let names = names.iter().map(|name| inner.key("block", "", name));
        let keys: Vec<String> = [key].into_iter().chain(names).collect();
        let head = [request.limit.to_string(), LEASE.as_millis().to_string()];
        let arguments: Vec<String> = head.into_iter().chain(lease.members()).collect();
        let Ok(reply) = inner.run(LimitScript::Acquire, &keys, &arguments).await else {
            return Some((SlotOutcome::Away(lease.keep()), unknown()));
        };
        let Some((&granted, blocked)) = reply.split_first() else {
            return Some((SlotOutcome::Away(lease.keep()), unknown()));
        };
        let blocked = blocked.iter().map(|millis| {
            let millis = u64::try_from(*millis).ok()?;
            Some(Duration::from_millis(millis))
        });
        let blocked = blocked.collect();
        if granted == 0 {
            lease.forget();
            return Some((SlotOutcome::Full, blocked));
        }
        Some((SlotOutcome::Granted(lease.keep()), blocked))
    }

    /// Blocks a name on all servers for this long, unless it is already blocked for longer. Does nothing while Redis is
    /// unavailable.
    pub fn block(&self, name: &str, length: Duration) {
        if let Some(inner) = self.open() {
            let millis = length.as_millis().max(1).to_string();
            let key = inner.key("block", "", name);
            inner.queue.send(&["EVAL", BLOCK, "1", &key, &millis]);
        }
    }

    /// Removes the blocks of these names.
    pub fn unblock(&self, names: &[String]) {
        if let Some(inner) = self.open() {
            // The queue is bounded, so all names are sent in a single command.
            let keys = names.iter().map(|name| inner.key("block", "", name));
            let parts: Vec<String> = ["DEL".to_owned()].into_iter().chain(keys).collect();
            if parts.len() > 1 {
                inner.queue.send(&parts);
            }
        }
    }

    fn open(&self) -> Option<&LimitsInner> {
        let redis = self.0.redis.as_ref();
        redis.filter(|inner| inner.queue.is_open())
    }
}

/// Connects once and returns Redis's name and version.
///
/// # Errors
/// Returns an error if Redis cannot be reached, or refuses the credentials or a command.
pub async fn probe(config: &RedisConfig, authorities: Option<&str>) -> Result<String, RedisError> {
    let tls = tls_of(config, authorities).map_err(RedisError::Refused)?;
    let connection = RedisConnection::open(config, tls.as_ref()).await?;
    Ok(connection.version)
}

fn tls_of(
    config: &RedisConfig,
    authorities: Option<&str>,
) -> Result<Option<Arc<ClientConfig>>, String> {
    match config.is_encrypted {
        true => tls::client_config(authorities)
            .map(Some)
            .map_err(|why| format!("QUIRE_CA_FILE: {why}")),
        false => Ok(None),
    }
}

impl LimitsInner {
    /// Returns the key in Redis. The subject may be an email address or an IP address, so the key contains its
    /// pseudonym.
    fn key(&self, area: &str, kind: &str, subject: &str) -> String {
        let subject = self.pseudonyms.of(&format!("{kind}\0{subject}"));
        format!("{}:{area}:{subject}", self.config.prefix)
    }

    /// Runs a script and returns its reply, which is an array of numbers.
    async fn run(
        &self,
        script: LimitScript,
        keys: &[String],
        arguments: &[String],
    ) -> Result<Vec<i64>, RedisUnavailable> {
        let hash = self.lock_status().hashes[script as usize].clone();
        let count = keys.len().to_string();
        let parts = |command, script| {
            let head = [command, script, count.as_str()].into_iter();
            let rest = keys.iter().chain(arguments).map(String::as_str);
            head.chain(rest).collect::<Vec<&str>>()
        };
        let reply = self.queue.ask(&parts("EVALSHA", &hash)).await?;
        let reply = match reply {
            // Redis no longer has the script in its cache; EVAL also loads it again.
            RedisValue::Refusal(_) => self.queue.ask(&parts("EVAL", script.source())).await?,
            reply => reply,
        };
        let RedisValue::Array(values) = reply else {
            return Err(RedisUnavailable);
        };
        let numbers = values.into_iter().map(|value| match value {
            RedisValue::Integer(number) => Ok(number),
            _ => Err(RedisUnavailable),
        });
        numbers.collect()
    }

    fn lock_status(&self) -> MutexGuard<'_, ConnectionStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_with_one_command() {
        let config = RedisConfig {
            host: "localhost".into(),
            port: 6379,
            is_encrypted: false,
            user: None,
            password: None,
            database: 0,
            prefix: "quire".into(),
        };
        let limits = SharedLimits::new(Some(&config), None, "secret").unwrap();
        let inner = limits.0.redis.as_ref().unwrap();
        let mut sent = inner.commands.lock().unwrap().take().unwrap();
        inner.queue.set_open(true);
        let names: Vec<String> = (0..300).map(|number| number.to_string()).collect();
        limits.unblock(&names);
        let command = sent.try_recv().expect("sent").bytes;
        assert!(command.starts_with(b"*301\r\n$3\r\nDEL\r\n"));
        assert!(sent.try_recv().is_err(), "one command");
        limits.unblock(&[]);
        assert!(sent.try_recv().is_err(), "DEL needs a key");
    }
}
