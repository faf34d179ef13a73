//! Drives the connection to Redis in a single task: sends queued commands, passes replies to their callers, renews
//! slots, and reconnects after a pause when the connection is lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::commands::{DEADLINE, QueuedCommand};
use super::connection::{RedisConnection, RedisError};
use super::resp::RedisValue;
use super::slots::RENEWAL_INTERVAL;
use super::{LimitsInner, RedisState};
use crate::clock;
use crate::log;

/// Pause before reconnecting after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Maximum number of renewals sent but not yet answered.
const MAX_RENEWALS: usize = 32;

/// A sent command that has no reply yet.
struct AwaitedReply {
    due: Instant,
    waiter: Option<oneshot::Sender<RedisValue>>,
    is_renewal: bool,
}

/// The commands that await a reply, and the renewals that have not been sent yet.
#[derive(Default)]
struct CommandFlow {
    awaited: VecDeque<AwaitedReply>,
    /// Number of renewals among the awaited replies.
    awaited_renewals: usize,
    /// Keys whose slots have not been renewed yet in this interval.
    renewals: VecDeque<Arc<str>>,
    /// Whether the first tick has passed. At the next one, the connection has lasted for a whole renewal interval.
    was_stable: bool,
}

/// Logs when Redis becomes available or unavailable. Each change is logged once, even if every new connection fails
/// at its first use.
#[derive(Default)]
struct ConnectionLog {
    is_shared: bool,
    is_away: bool,
}

/// Connects to Redis and executes commands, reconnecting whenever the connection is lost. Never returns.
pub(super) async fn drive(inner: &LimitsInner, mut commands: mpsc::Receiver<QueuedCommand>) {
    let mut connection_log = ConnectionLog::default();
    loop {
        let why = match RedisConnection::open(&inner.config, inner.tls.as_ref()).await {
            Ok(connection) => {
                inner.record_connection(&connection);
                exchange(inner, connection, &mut commands, &mut connection_log).await
            }
            Err(why) => why,
        };
        inner.queue.set_open(false);
        // Discards the queued commands, so that their callers fail now and no command is executed late.
        while commands.try_recv().is_ok() {}
        inner.lost(why.to_string());
        connection_log.set_unavailable(inner, &why);
        tokio::time::sleep(RETRY_PAUSE).await;
        while commands.try_recv().is_ok() {}
    }
}

/// Uses the connection until it fails, and returns the reason.
async fn exchange(
    inner: &LimitsInner,
    mut connection: RedisConnection,
    commands: &mut mpsc::Receiver<QueuedCommand>,
    connection_log: &mut ConnectionLog,
) -> RedisError {
    let mut flow = CommandFlow::default();
    let mut ticks = interval(RENEWAL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = flow.awaited.front().map(|first| first.due);
        let mut bytes = Vec::new();
        tokio::select! {
            // Reads come first: a reply that has already arrived counts even if this process was suspended past the
            // reply's deadline.
            biased;
            arrived = connection.read() => {
                match arrived.and_then(|()| deliver(&mut connection, &mut flow)) {
                    Ok(true) => connection_log.shared(inner, &connection),
                    Ok(false) => {}
                    Err(why) => return why,
                }
            }
            () = sleep_until(due.unwrap_or_else(clock::instant).into()), if due.is_some() => {
                return RedisError::late();
            }
            _ = ticks.tick() => {
                if std::mem::replace(&mut flow.was_stable, true) {
                    connection_log.shared(inner, &connection);
                }
                flow.renew(inner.slots.keys());
                // The ping also detects a lost connection in time while there are no other commands.
                bytes.extend(b"*1\r\n$4\r\nPING\r\n");
                flow.awaited.push_back(AwaitedReply::new(None));
            }
            Some(command) = commands.recv() => {
                let mut next = Some(command);
                while let Some(command) = next {
                    bytes.extend(command.bytes);
                    flow.awaited.push_back(AwaitedReply::new(command.reply));
                    next = commands.try_recv().ok();
                }
            }
        }
        flow.send_renewals(inner, &mut bytes);
        if bytes.is_empty() {
            continue;
        }
        match timeout(DEADLINE, connection.write(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return why,
            Err(_) => return RedisError::Unreachable("it does not read its commands".into()),
        }
    }
}

/// Passes the replies that have arrived to their callers. Returns whether any caller got a successful reply.
///
/// # Errors
/// Returns an error if Redis refuses a command for any reason other than an unknown script: it is loading its data,
/// has become a replica, or has no memory left, for example.
fn deliver(connection: &mut RedisConnection, flow: &mut CommandFlow) -> Result<bool, RedisError> {
    let mut has_replied = false;
    while let Some(value) = connection.next_reply()? {
        match &value {
            RedisValue::Refusal(why) if !why.starts_with("NOSCRIPT") => {
                return Err(RedisError::from_refusal("", why));
            }
            _ => {}
        }
        let Some(first) = flow.awaited.pop_front() else {
            continue;
        };
        flow.awaited_renewals -= usize::from(first.is_renewal);
        if let Some(waiter) = first.waiter {
            has_replied |= !matches!(value, RedisValue::Refusal(_));
            // Sending fails if the caller was canceled, which needs no handling.
            let _ = waiter.send(value);
        }
    }
    Ok(has_replied)
}

impl CommandFlow {
    /// Schedules a renewal for these keys, unless some renewals of the previous interval have not been sent yet.
    fn renew(&mut self, keys: Vec<Arc<str>>) {
        if self.renewals.is_empty() {
            self.renewals = keys.into();
        }
    }

    /// Appends scheduled renewals to `bytes` until [`MAX_RENEWALS`] renewals await a reply. Other commands that await a
    /// reply do not count toward this limit.
    fn send_renewals(&mut self, inner: &LimitsInner, bytes: &mut Vec<u8>) {
        while self.awaited_renewals < MAX_RENEWALS
            && let Some(key) = self.renewals.pop_front()
        {
            if let Some(renewal) = inner.slots.renewal(&key) {
                bytes.extend(renewal);
                self.awaited_renewals += 1;
                self.awaited.push_back(AwaitedReply {
                    is_renewal: true,
                    ..AwaitedReply::new(None)
                });
            }
        }
    }
}

impl ConnectionLog {
    fn shared(&mut self, inner: &LimitsInner, connection: &RedisConnection) {
        self.is_away = false;
        if !std::mem::replace(&mut self.is_shared, true) {
            let fields: [log::Field; 2] =
                [("address", &inner.config), ("version", &connection.version)];
            log::info("limits are shared through Redis", &fields);
        }
    }

    fn set_unavailable(&mut self, inner: &LimitsInner, why: &RedisError) {
        self.is_shared = false;
        if !std::mem::replace(&mut self.is_away, true) {
            let what = "Redis cannot be used: the limits are divided among the servers";
            log::warn(what, &[("address", &inner.config), ("why", why)]);
        }
    }
}

impl AwaitedReply {
    fn new(waiter: Option<oneshot::Sender<RedisValue>>) -> Self {
        Self {
            due: clock::instant() + DEADLINE,
            waiter,
            is_renewal: false,
        }
    }
}

impl LimitsInner {
    fn record_connection(&self, connection: &RedisConnection) {
        let mut status = self.lock_status();
        status.hashes.clone_from(&connection.hashes);
        status.state = RedisState::Connected {
            version: connection.version.clone(),
        };
        drop(status);
        self.queue.set_open(true);
    }

    fn lost(&self, why: String) {
        let mut status = self.lock_status();
        let since = match status.state {
            RedisState::Away { since, .. } => since,
            RedisState::Connected { .. } => clock::now(),
        };
        status.state = RedisState::Away { since, why };
    }
}
