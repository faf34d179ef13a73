//! The replication thread's settings, the requests to it, and its status.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;
use crate::objects::target::Target;

/// Settings of the replication thread.
pub struct ReplicatorSettings {
    /// The target to replicate to.
    pub target: Arc<dyn Target>,
    /// The target's name as shown to people.
    pub display_address: String,
    /// Sync interval: how long acknowledged data may exist only in the data folder.
    pub sync_interval: Duration,
    /// Number of snapshots to keep.
    pub keep: usize,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Whether originals are also stored outside the data folder, so that they need no copy in the replica.
    pub originals_elsewhere: bool,
    /// Number of changes that the last restore applied to its snapshot. If there were many, a snapshot is made soon.
    pub restored_from: usize,
}

/// Status of a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// The target's name as shown to people.
    pub display_address: String,
    /// Sync interval: how long acknowledged data may exist only in the data folder while nothing fails.
    pub sync_interval: Duration,
    /// Time before which everything that was stored is in the replica; `None` while it is unknown.
    pub replicated_until: Option<Timestamp>,
    /// When the last snapshot was sent; `None` if none has been sent since this process started.
    pub snapshot_at: Option<Timestamp>,
    /// Number of the last change in the replica.
    pub position: u64,
    /// Number of changes that have not been sent yet, and their total size in bytes.
    pub waiting: (usize, u64),
    /// Current error, if any.
    pub error: Option<String>,
    /// Whether another process has taken over, so that nothing is sent anymore.
    pub is_superseded: bool,
    /// Whether the process that has taken over has ended too, so that no process stores anything.
    pub is_abandoned: bool,
    /// Number of documents whose original is in neither the data folder nor the replica.
    pub absent_originals: usize,
    /// Number of originals still to be fetched after a restore.
    pub originals_to_fetch: usize,
}

/// Requests to the replication thread, and whether it has ended.
#[derive(Default)]
pub(super) struct ReplicatorSignal {
    /// When the thread must have stopped; `None` until it is asked to stop.
    pub stop_by: Option<Instant>,
    /// Whether a snapshot was requested.
    pub snapshot_requested: bool,
    /// Whether the thread has ended.
    pub is_done: bool,
}

/// Locks a mutex, ignoring poisoning.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Requests to the thread, and the condition variable that wakes it.
pub(super) type ReplicatorWake = (Mutex<ReplicatorSignal>, Condvar);
