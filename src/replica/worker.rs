//! The replication thread: each round sends the new changes in the log, a snapshot if one is due, and new original
//! documents. Retries after every failure. Never reports anything as replicated that the target does not have.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::documents::{MissingOriginals, OriginalsSync};
use super::ledger::SizeLedger;
use super::names::{self, Inventory};
use super::originals::Originals;
use super::ownership::{self, ReplicaLease};
use super::snapshots;
use super::status::{ReplicaStatus, ReplicatorSettings, ReplicatorWake, lock};
use super::wal_spool::{SpoolShared, change_path};
use crate::clock;
use crate::domain::time::Timestamp;
use crate::log;
use crate::objects::target::{Result, TargetError};
use crate::store::Store;

/// Maximum time between two reads of the log, because other processes may also change the database.
const FOREIGN_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Maximum age of the newest snapshot of a changed database.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// A new snapshot is made because of the size of the changes only if more than this many files of changes have been
/// written since the last snapshot.
const MIN_SNAPSHOT_CHANGES: u32 = 64;
/// Cost of downloading one more file during a restore, in bytes that could be downloaded in the same time.
const FILE_COST_BYTES: u64 = 200 * 1024;
/// Size of the log, in bytes, above which it is read even while earlier changes cannot be sent (64 MiB).
const LARGE_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// Maximum pause between retries.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Pause before the next listing, as a multiple of the last listing's duration, so that listing a large replica puts
/// little load on the machine.
const LISTING_PAUSE_FACTOR: u32 = 20;
/// Maximum pause between listings that follows from [`LISTING_PAUSE_FACTOR`].
const MAX_LISTING_PAUSE: Duration = Duration::from_secs(60);

/// Fingerprint of the log that changes with every commit, by this process or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CommitStamp {
    commits: u64,
    length: u64,
    modified_at: Option<SystemTime>,
}

impl CommitStamp {
    fn read(store: &Store, log: &Path) -> Self {
        let about = std::fs::metadata(log).ok();
        Self {
            commits: store.commits().0.count,
            length: about.as_ref().map_or(0, std::fs::Metadata::len),
            modified_at: about.and_then(|about| about.modified().ok()),
        }
    }
}

/// State of the replication thread.
pub(super) struct ReplicatorWorker {
    settings: ReplicatorSettings,
    shared: Arc<SpoolShared>,
    store: Store,
    lease_owner: ReplicaLease,
    originals_sync: OriginalsSync,
    ledger: SizeLedger,
    // Time of the last listing of the target, and how long it took; `None` before the first one and after a failure.
    audited_at: Option<(Instant, Duration)>,
    // Whether the target has been listed in this round.
    is_audited: bool,
    status: Arc<Mutex<ReplicaStatus>>,
    signal: Arc<ReplicatorWake>,
    spool: PathBuf,
    // The log's fingerprint from before it was last read.
    last_stamp: Option<CommitStamp>,
    log_read_at: Option<Instant>,
    snapshot_taken_at: Instant,
    snapshot_due: bool,
    // Number of a snapshot that was made but not sent yet.
    unsent_snapshot: Option<u64>,
    database_bytes: u64,
}

impl ReplicatorWorker {
    /// Creates the initial state of the replication thread, before its first round.
    pub fn new(
        settings: ReplicatorSettings,
        (shared, store, lease_owner): (Arc<SpoolShared>, Store, ReplicaLease),
        originals: Arc<Originals>,
        (status, signal): (Arc<Mutex<ReplicaStatus>>, Arc<ReplicatorWake>),
    ) -> Self {
        let spool = settings.data_dir.join("tmp").join("replica");
        let originals_sync = OriginalsSync::new(
            Arc::clone(&settings.target),
            originals,
            spool.clone(),
            settings.originals_elsewhere,
        );
        Self {
            originals_sync,
            ledger: SizeLedger::default(),
            audited_at: None,
            is_audited: false,
            spool,
            snapshot_due: settings.restored_from > 16,
            settings,
            shared,
            store,
            lease_owner,
            status,
            signal,
            last_stamp: None,
            log_read_at: None,
            snapshot_taken_at: clock::instant(),
            unsent_snapshot: None,
            database_bytes: 0,
        }
    }

    /// Runs rounds until the thread is asked to stop.
    pub fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            let stop_by = self.wait(pause);
            let started = clock::now();
            pause = match self.run_round(stop_by.is_some()) {
                Ok(report) => {
                    lock(&self.status).absent_originals = report.absent_count;
                    match report.incomplete_reason {
                        None => self.record_success(started),
                        Some(lost) => self.record_error(&TargetError::Failed(lost)),
                    }
                    self.settings.sync_interval
                }
                Err(error) => {
                    // The state of the target is unknown, so it is listed again.
                    self.audited_at = None;
                    self.record_error(&error);
                    (pause * 2).clamp(Duration::from_millis(500), MAX_PAUSE)
                }
            };
            let Some(stop_by) = stop_by else { continue };
            let is_done =
                self.shared.lock().waiting_changes.is_empty() && lock(&self.status).error.is_none();
            let is_superseded = lock(&self.status).is_superseded;
            if is_done || is_superseded || clock::instant() + pause > stop_by {
                if is_done && let Err(error) = self.lease_owner.release() {
                    self.record_error(&error);
                }
                break;
            }
        }
        let (signal, wake) = &*self.signal;
        lock(signal).is_done = true;
        wake.notify_all();
    }

    /// Waits up to `pause` for the next round. A requested snapshot ends the wait, and so does a request to stop unless
    /// the last round failed. Returns the deadline if the thread has been asked to stop.
    fn wait(&mut self, pause: Duration) -> Option<Instant> {
        let signal = Arc::clone(&self.signal);
        let (signal, wake) = &*signal;
        let until = clock::instant() + pause;
        let mut signal = lock(signal);
        loop {
            let left = until.saturating_duration_since(clock::instant());
            let is_snapshot_requested = std::mem::take(&mut signal.snapshot_requested);
            self.snapshot_due |= is_snapshot_requested;
            if is_snapshot_requested
                || left.is_zero()
                || (signal.stop_by.is_some() && !self.has_error())
            {
                return signal.stop_by;
            }
            signal = wake
                .wait_timeout(signal, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn has_error(&self) -> bool {
        lock(&self.status).error.is_some()
    }

    /// Sends missing changes and originals to the replica, and verifies the others if a listing is due. Succeeds only
    /// if everything stored before the round started is in the replica, or the result reports what is missing.
    fn run_round(&mut self, stopping: bool) -> Result<MissingOriginals> {
        self.is_audited = false;
        if lock(&self.status).is_superseded {
            return Ok(MissingOriginals::default());
        }
        if !self.lease_owner.is_ours()? {
            self.hand_over();
            return Ok(MissingOriginals::default());
        }
        let stamp = CommitStamp::read(&self.store, &self.settings.data_dir.join("quire.db-wal"));
        let may_have_changes = stopping || self.may_have_changes(stamp);
        if may_have_changes {
            // The documents are read before the log: if a document was deleted before, the changes sent next contain
            // the deletion, and the original is removed only after they have been sent.
            self.originals_sync.refresh(&self.store)?;
        }
        let was_read = match stopping || !may_have_changes {
            true => Ok(true),
            false => self.read_log(stamp, false),
        };
        // Sends the changes that were read before, even if a full disk prevents reading more.
        self.send_waiting()?;
        if !was_read? {
            // The log was not read because files were waiting, so it may contain more changes.
            self.read_log(stamp, true)?;
            self.send_waiting()?;
        }
        if self.is_lost() || (!stopping && self.is_snapshot_due()) {
            self.snapshot_and_send(stopping)?;
            self.discard_spool()?;
        }
        if self.is_audit_due() {
            self.audit(stopping)?;
        }
        self.originals_sync.sync_round(&self.store, true)
    }

    fn is_lost(&self) -> bool {
        let state = self.shared.lock();
        state.has_lost_changes || state.newest_number == 0
    }

    /// Makes and sends a snapshot. Returns an error, so that another snapshot follows, if changes were discarded in the
    /// meantime because the unsent files were too large.
    fn snapshot_and_send(&mut self, closed: bool) -> Result<()> {
        self.take_snapshot(closed)?;
        self.send_waiting()?;
        match self.is_lost() {
            true => Err(TargetError::Failed("another snapshot must be made".into())),
            false => Ok(()),
        }
    }

    fn is_audit_due(&self) -> bool {
        let interval = self.settings.target.audit_interval();
        self.audited_at.is_none_or(|(at, took)| {
            clock::instant().saturating_duration_since(at) >= next_listing_pause(interval, took)
        })
    }

    /// Lists the target. If database files are missing, sends a new snapshot; the round then sends missing originals
    /// again.
    fn audit(&mut self, stopping: bool) -> Result<()> {
        let started = clock::instant();
        let last_sent = {
            let state = self.shared.lock();
            let next = state.waiting_changes.front();
            next.map_or(state.newest_number, |next| next.number - 1)
        };
        let missing = self.ledger.audit(&*self.settings.target, last_sent)?;
        let originals = self.originals_sync.audit()?;
        let took = clock::instant().saturating_duration_since(started);
        if !missing.is_empty() || originals > 0 {
            lock(&self.status).replicated_until = None;
            log::error(
                "the replica lacks data that was sent; sending it again",
                &[
                    ("replica", &self.settings.display_address),
                    ("database files", &missing.join(", ")),
                    ("originals", &originals),
                ],
            );
        }
        if !missing.is_empty() {
            self.snapshot_and_send(stopping)?;
        }
        self.audited_at = Some((clock::instant(), took));
        self.is_audited = true;
        Ok(())
    }

    /// Handles the takeover of the replica by another process: sends everything that was stored here before, and
    /// nothing after that.
    fn hand_over(&mut self) {
        log::error(
            "another Quire has taken over this replica; nothing more can be stored here",
            &[("replica", &self.settings.display_address)],
        );
        self.store.close_for_writes();
        let send_result = self.finish_sending();
        let mut status = lock(&self.status);
        status.is_superseded = true;
        status.error = Some(match send_result {
            Ok(()) => "another Quire has taken over this replica".into(),
            Err(error) => format!(
                "another Quire has taken over this replica, and the last changes could not be sent: {error}"
            ),
        });
    }

    /// Sends everything that has not been sent yet, including originals, and only then tells the next process that the
    /// replica is complete.
    fn finish_sending(&mut self) -> Result<()> {
        self.send_waiting()?;
        if self.is_lost() {
            self.snapshot_and_send(true)?;
        }
        self.originals_sync.refresh(&self.store)?;
        match self
            .originals_sync
            .sync_round(&self.store, false)?
            .incomplete_reason
        {
            None => self.lease_owner.hand_over(),
            Some(lost) => Err(TargetError::Failed(lost)),
        }
    }

    /// Returns whether anything may have been committed since the log was last read. Changes by other processes may not
    /// alter the fingerprint, so the log is also read after `FOREIGN_CHECK_INTERVAL`.
    fn may_have_changes(&self, stamp: CommitStamp) -> bool {
        let is_overdue = |at: Instant| clock::instant() - at >= FOREIGN_CHECK_INTERVAL;
        self.last_stamp != Some(stamp) || self.log_read_at.is_none_or(is_overdue)
    }

    /// Reads the log. Returns false if that was deferred because unsent files are waiting.
    fn read_log(&mut self, stamp: CommitStamp, is_required: bool) -> Result<bool> {
        let waits = !self.shared.lock().waiting_changes.is_empty();
        if waits && !is_required && stamp.length <= LARGE_LOG_BYTES {
            return Ok(false);
        }
        // While another connection reads, the log cannot be truncated, but it has been spooled.
        match self.store.notify_follower() {
            Ok(()) | Err(crate::store::StoreError::Busy) => {}
            Err(error) => return Err(TargetError::Failed(error.to_string())),
        }
        self.last_stamp = Some(stamp);
        self.log_read_at = Some(clock::instant());
        Ok(true)
    }

    /// Sends the unsent snapshot, if any, and then all waiting changes in order.
    fn send_waiting(&mut self) -> Result<()> {
        if let Some(number) = self.unsent_snapshot {
            let path = self.spool.join("copy");
            match snapshots::upload_snapshot(
                &*self.settings.target,
                &names::snapshot_name(number),
                &path,
            ) {
                Ok(stored) => self.ledger.record_snapshot(number, stored),
                Err(TargetError::Missing) => {
                    // The file was deleted, so another snapshot is needed.
                    self.unsent_snapshot = None;
                    self.shared.lock().has_lost_changes = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            let _ = std::fs::remove_file(&path);
            self.unsent_snapshot = None;
            let mut status = lock(&self.status);
            status.snapshot_at = Some(clock::now());
            status.position = status.position.max(number);
        }
        loop {
            let Some(first) = self.shared.lock().waiting_changes.front().copied() else {
                return Ok(());
            };
            let path = change_path(&self.spool, first.number);
            let upload_result = snapshots::upload_snapshot(
                &*self.settings.target,
                &names::change_name(first.number),
                &path,
            );
            let mut state = self.shared.lock();
            if state.waiting_changes.front() == Some(&first) {
                match upload_result {
                    Ok(stored) => self.ledger.record_change(first.number, stored),
                    Err(TargetError::Missing) => {
                        state.has_lost_changes = true;
                        state.waiting_changes.clear();
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
                state.waiting_changes.pop_front();
                lock(&self.status).position = first.number;
            }
            let _ = std::fs::remove_file(path);
        }
    }

    fn is_snapshot_due(&self) -> bool {
        let (files, bytes) = self.shared.lock().since;
        let is_costly = bytes + u64::from(files) * FILE_COST_BYTES > self.database_bytes;
        let is_overdue = clock::instant() - self.snapshot_taken_at > SNAPSHOT_INTERVAL;
        self.snapshot_due
            || (files > MIN_SNAPSHOT_CHANGES && is_costly)
            || (files > 0 && is_overdue)
    }

    /// Makes a snapshot, which the next call of `send_waiting` sends.
    fn take_snapshot(&mut self, closed: bool) -> Result<()> {
        let path = self.spool.join("copy");
        let failed = |error: std::io::Error| TargetError::Failed(error.to_string());
        let number = if closed {
            let number = self.shared.lock().newest_number + 1;
            self.database_bytes = snapshots::write_snapshot_of_closed(
                &self.settings.data_dir.join("quire.db"),
                &path,
                number,
            )
            .map_err(failed)?;
            let mut state = self.shared.lock();
            (state.newest_number, state.has_lost_changes) = (number, false);
            number
        } else {
            let held_snapshot = self
                .store
                .hold_for_snapshot()
                .map_err(|error| TargetError::Failed(error.to_string()))?;
            let number = self.shared.lock().snapshot_position;
            let result = snapshots::write_snapshot(
                held_snapshot.file(),
                held_snapshot.page_size,
                held_snapshot.pages,
                &path,
                number,
            );
            if result.is_err() {
                // Without the snapshot, later changes could not be restored.
                self.shared.lock().has_lost_changes = true;
            }
            self.database_bytes = result.map_err(failed)?;
            number
        };
        (
            self.unsent_snapshot,
            self.snapshot_taken_at,
            self.snapshot_due,
        ) = (Some(number), clock::instant(), false);
        Ok(())
    }

    fn discard_spool(&self) -> Result<()> {
        let inventory = Inventory::list(&*self.settings.target)?;
        for name in inventory.obsolete_files(self.settings.keep) {
            self.settings.target.remove(&name)?;
        }
        Ok(())
    }

    fn record_success(&self, started: Timestamp) {
        let mut status = lock(&self.status);
        if status.is_superseded {
            return;
        }
        if status.error.take().is_some() {
            log::info(
                "the replica is up to date again",
                &[("replica", &status.display_address)],
            );
        }
        // Files in a folder may be deleted right after they were stored. Listing a folder is free, so its data counts
        // as replicated only after a listing.
        if self.is_audited || !self.settings.target.audit_interval().is_zero() {
            status.replicated_until = Some(started);
        }
    }

    fn record_error(&self, error: &TargetError) {
        let mut status = lock(&self.status);
        let why = match error {
            TargetError::Taken => format!("{error}: {}", ownership::SHARED_REPLICA_ADVICE),
            other => other.to_string(),
        };
        if status.error.as_ref() != Some(&why) {
            log::error(
                "the replica cannot be updated",
                &[("replica", &status.display_address), ("why", &why)],
            );
        }
        status.error = Some(why);
    }
}

/// Returns the minimum time between two listings, given the target's minimum and the duration of the last listing.
fn next_listing_pause(interval: Duration, took: Duration) -> Duration {
    interval.max((took * LISTING_PAUSE_FACTOR).min(MAX_LISTING_PAUSE))
}

#[cfg(test)]
mod tests;
