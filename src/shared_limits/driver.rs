//! Drives the connection: sends queued commands, returns replies to those who wait, renews slots, and connects again
//! after a pause when the connection is lost. One task does all this.

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

/// Pause before Redis is asked again after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Maximum number of renewals that wait for a reply.
const MAX_RENEWALS: usize = 32;

/// A command without a reply yet.
struct AwaitedReply {
    due: Instant,
    waiter: Option<oneshot::Sender<RedisValue>>,
}

/// Uses Redis, and connects again whenever the connection is lost. Never returns.
pub(super) async fn drive(inner: &LimitsInner, mut commands: mpsc::Receiver<QueuedCommand>) {
    let mut is_reported = false;
    loop {
        let why = match RedisConnection::open(&inner.config, inner.tls.as_ref()).await {
            Ok(connection) => {
                let version = connection.version.clone();
                let fields: [log::Field; 2] = [("address", &inner.config), ("version", &version)];
                log::info("limits are shared through Redis", &fields);
                is_reported = false;
                inner.connected(&connection);
                exchange(inner, connection, &mut commands).await
            }
            Err(why) => why,
        };
        inner.queue.set_open(false);
        // Whoever waits learns it now; nothing of this may be carried out later.
        while commands.try_recv().is_ok() {}
        inner.lost(why.to_string());
        if !std::mem::replace(&mut is_reported, true) {
            let what = "Redis cannot be used: the limits are divided among the servers";
            log::warn(what, &[("address", &inner.config), ("why", &why)]);
        }
        tokio::time::sleep(RETRY_PAUSE).await;
        while commands.try_recv().is_ok() {}
    }
}

/// Uses a connection until it fails, and returns why.
async fn exchange(
    inner: &LimitsInner,
    mut connection: RedisConnection,
    commands: &mut mpsc::Receiver<QueuedCommand>,
) -> RedisError {
    let mut awaited = VecDeque::new();
    let mut renewals: VecDeque<Arc<str>> = VecDeque::new();
    let mut ticks = interval(RENEWAL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = awaited.front().map(|first: &AwaitedReply| first.due);
        let mut bytes = Vec::new();
        tokio::select! {
            arrived = connection.read() => {
                if let Err(why) = arrived.and_then(|()| deliver(&mut connection, &mut awaited)) {
                    return why;
                }
            }
            Some(command) = commands.recv() => {
                let mut next = Some(command);
                while let Some(command) = next {
                    bytes.extend(command.bytes);
                    awaited.push_back(AwaitedReply::new(command.reply));
                    next = commands.try_recv().ok();
                }
            }
            _ = ticks.tick() => {
                renewals = inner.slots.keys().into();
                // Also shows in time that a connection without calls is lost.
                bytes.extend(b"*1\r\n$4\r\nPING\r\n");
                awaited.push_back(AwaitedReply::new(None));
            }
            () = sleep_until(due.unwrap_or_else(clock::instant).into()), if due.is_some() => {
                return RedisError::late();
            }
        }
        while awaited.len() < MAX_RENEWALS
            && let Some(key) = renewals.pop_front()
        {
            if let Some(renewal) = inner.slots.renewal(&key) {
                bytes.extend(renewal);
                awaited.push_back(AwaitedReply::new(None));
            }
        }
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

/// Passes on the replies that have arrived.
///
/// # Errors
/// Returns an error if Redis refuses a command for another reason than that it does not know the script, for example
/// because it is loading its data, has become a replica, or has no memory left.
fn deliver(
    connection: &mut RedisConnection,
    awaited: &mut VecDeque<AwaitedReply>,
) -> Result<(), RedisError> {
    while let Some(value) = connection.next_reply()? {
        match &value {
            RedisValue::Refusal(why) if !why.starts_with("NOSCRIPT") => {
                return Err(RedisError::from_refusal(why.clone()));
            }
            _ => {}
        }
        let waiter = awaited.pop_front().and_then(|first| first.waiter);
        if let Some(waiter) = waiter {
            // Whoever no longer waits has been canceled.
            let _ = waiter.send(value);
        }
    }
    Ok(())
}

impl AwaitedReply {
    fn new(waiter: Option<oneshot::Sender<RedisValue>>) -> Self {
        Self {
            due: clock::instant() + DEADLINE,
            waiter,
        }
    }
}

impl LimitsInner {
    fn connected(&self, connection: &RedisConnection) {
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
