//! The replication thread's settings, the requests to it, and its reports.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::target::Target;
use crate::domain::time::Timestamp;

/// What a shipper needs.
pub struct Settings {
    /// Where to.
    pub target: Arc<dyn Target>,
    /// Its name where people read it.
    pub shown: String,
    /// How long something that was acknowledged may be here only.
    pub window: Duration,
    /// Whole copies that are kept.
    pub keep: usize,
    /// The data folder.
    pub data: PathBuf,
    /// Changes that the database was just restored from: many ask for a whole copy soon.
    pub restored_from: usize,
}

/// The state of a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Where it lies.
    pub shown: String,
    /// How long something that was acknowledged may be here only, where nothing fails.
    pub window: Duration,
    /// Everything stored up to this moment is in the replica; none while that is not known.
    pub whole_at: Option<Timestamp>,
    /// When the newest whole copy was made.
    pub copied_at: Option<Timestamp>,
    /// The last change that is there.
    pub position: u64,
    /// Changes that wait to be sent, and their bytes.
    pub waiting: (usize, u64),
    /// What is in the way.
    pub fault: Option<String>,
    /// Another process has taken over: nothing is sent any more.
    pub superseded: bool,
    /// And that process has ended: nobody stores anything.
    pub is_abandoned: bool,
    /// Documents whose original is in neither place.
    pub absent: usize,
    /// Originals that are still to be fetched after a restore.
    pub originals_left: usize,
}

/// What the thread is asked for, and whether it has ended.
#[derive(Default)]
pub(super) struct Signal {
    /// By when to end.
    pub stop_by: Option<Instant>,
    /// Somebody wants a whole copy.
    pub copy: bool,
    /// It has ended.
    pub is_done: bool,
}

/// The content, for a moment.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread is asked for, and what wakes it.
pub(super) type Bell = (Mutex<Signal>, Condvar);
