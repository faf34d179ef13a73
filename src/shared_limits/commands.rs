//! The queue of commands to Redis. While there is no connection, commands are refused immediately.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::resp::{self, RedisValue};

/// Maximum number of queued commands; further ones are refused.
const MAX_QUEUED: usize = 1024;
/// Timeout for a reply; when it expires, the connection counts as lost.
pub(super) const DEADLINE: Duration = Duration::from_millis(250);

/// An encoded command, and the sender for its reply if a caller waits for one.
pub(super) struct QueuedCommand {
    pub bytes: Vec<u8>,
    pub reply: Option<oneshot::Sender<RedisValue>>,
}

/// Redis cannot be reached at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RedisUnavailable;

/// Sender side of the queue.
pub(super) struct CommandQueue {
    sender: mpsc::Sender<QueuedCommand>,
    is_open: AtomicBool,
}

impl CommandQueue {
    /// Creates a closed queue and its receiver.
    pub fn new() -> (Self, mpsc::Receiver<QueuedCommand>) {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        let queue = Self {
            sender,
            is_open: AtomicBool::new(false),
        };
        (queue, receiver)
    }

    /// Returns whether the queue is open, which means that Redis can be reached.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// Opens or closes the queue; a closed queue refuses commands.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Relaxed);
    }

    /// Sends a command without waiting for its reply. Redis executes commands in the order in which they are sent.
    pub fn send<T: AsRef<[u8]>>(&self, parts: &[T]) {
        // If Redis cannot be reached, the values that the command would have changed expire on their own.
        let _ = self.enqueue(parts, None);
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// Returns an error if Redis is unavailable or does not reply in time, or if the queue is full.
    pub async fn ask<T: AsRef<[u8]>>(&self, parts: &[T]) -> Result<RedisValue, RedisUnavailable> {
        let (sender, reply) = oneshot::channel();
        self.enqueue(parts, Some(sender))?;
        // The connection has its own timeout for each command it sends. This one covers a command that is still queued
        // when the connection is lost.
        match tokio::time::timeout(2 * DEADLINE, reply).await {
            Ok(Ok(value)) => Ok(value),
            _ => Err(RedisUnavailable),
        }
    }

    fn enqueue<T: AsRef<[u8]>>(
        &self,
        parts: &[T],
        reply: Option<oneshot::Sender<RedisValue>>,
    ) -> Result<(), RedisUnavailable> {
        if !self.is_open() {
            return Err(RedisUnavailable);
        }
        let mut bytes = Vec::new();
        resp::write_command(parts, &mut bytes);
        let command = QueuedCommand { bytes, reply };
        self.sender.try_send(command).map_err(|_| RedisUnavailable)
    }
}
