//! Handle to the replication thread: starts it, reports its status, and stops it. The replication rounds that the
//! thread runs are in `worker`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::lease::{Lease, LeaseCheck};
use super::originals::Originals;
use super::ownership::ReplicaLease;
pub use super::status::{ReplicaStatus, ReplicatorSettings};
use super::status::{ReplicatorWake, lock};
use super::wal_spool::SpoolShared;
use super::worker::ReplicatorWorker;
use crate::clock;
use crate::store::Store;

/// Handle to the replication thread.
pub struct Replicator {
    status: Arc<Mutex<ReplicaStatus>>,
    shared: Arc<SpoolShared>,
    originals: Arc<Originals>,
    lease: Lease,
    signal: Arc<ReplicatorWake>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Replicator {
    /// Starts the replication thread. `shared` is the state that the thread shares with the spool of the write-ahead
    /// log.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be started.
    pub fn start(
        settings: ReplicatorSettings,
        shared: Arc<SpoolShared>,
        store: Store,
        holder: ReplicaLease,
    ) -> std::io::Result<Self> {
        let status = Arc::new(Mutex::new(ReplicaStatus {
            display_address: settings.display_address.clone(),
            sync_interval: settings.sync_interval,
            ..ReplicaStatus::default()
        }));
        let signal: Arc<ReplicatorWake> = Arc::default();
        let originals = Originals::new(
            Arc::clone(&settings.target),
            &settings.data_dir,
            store.clone(),
        );
        let originals = Arc::new(originals);
        let lease = holder.lease();
        let worker = ReplicatorWorker::new(
            settings,
            (Arc::clone(&shared), store, holder),
            Arc::clone(&originals),
            (Arc::clone(&status), Arc::clone(&signal)),
        );
        let thread = std::thread::Builder::new()
            .name("quire-replica".into())
            .stack_size(512 * 1024)
            .spawn(move || worker.run())?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            status,
            shared,
            originals,
            lease,
            signal,
            thread,
        })
    }

    /// Returns the status of the replica.
    pub fn status(&self) -> ReplicaStatus {
        let mut status = lock(&self.status).clone();
        let state = self.shared.lock();
        let bytes = state
            .waiting_changes
            .iter()
            .map(|waiting| waiting.bytes)
            .sum();
        status.waiting = (state.waiting_changes.len(), bytes);
        status.error = status.error.or_else(|| state.error.clone());
        status.originals_to_fetch = self.originals.remaining();
        status.is_abandoned = status.is_superseded
            && self.lease.last_check() == Ok(LeaseCheck::Replaced { is_gone: true });
        status
    }

    /// Returns the fetcher of original documents.
    pub fn originals(&self) -> Arc<Originals> {
        Arc::clone(&self.originals)
    }

    /// Requests a snapshot as soon as possible; the status reports when it is done.
    pub fn request_snapshot(&self) {
        let (signal, wake) = &*self.signal;
        lock(signal).snapshot_requested = true;
        wake.notify_all();
    }

    /// Sends the remaining changes, for up to `within`. The store must be closed. Blocks; returns whether
    /// everything was sent.
    pub fn finish(&self, within: Duration) -> bool {
        let (signal, wake) = &*self.signal;
        lock(signal).stop_by = Some(clock::instant() + within);
        wake.notify_all();
        let started_at = clock::instant();
        let wait_result = wake.wait_timeout_while(lock(signal), within, |signal| !signal.is_done);
        let is_done = wait_result
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .is_done;
        if let Some(thread) = lock(&self.thread).take().filter(|_| is_done) {
            let _ = thread.join();
        }
        self.originals
            .stop(within.saturating_sub(started_at.elapsed()));
        is_done && lock(&self.status).error.is_none()
    }
}
