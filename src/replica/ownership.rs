//! Ownership of a replica: one process at a time writes to it. A starting process claims the replica; the previous
//! owner sends its last changes and then stores nothing more. The data folder also records who owns the replica and
//! whether everything was handed over, so that an old disk is never mistaken for the newest one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::lease::{self, Lease, LeaseCheck, LeaseWatch};
use super::names::{self, RELEASED_NOTE};
use crate::clock;
use crate::objects::target::{Result, Target, TargetError};

/// Advice when two processes use one replica.
pub const SHARED_REPLICA_ADVICE: &str = "two Quires must not share one replica";

/// How long to wait for the previous process to notice the claim, send its changes, and release the replica.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(6);

/// This process's lease on a replica.
pub struct ReplicaLease {
    target: Arc<dyn Target>,
    id: String,
    data: PathBuf,
    lease: Lease,
}

/// How the previous process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousHolder {
    /// There was no previous process, it used this data folder and has ended, or it sent everything and released the
    /// replica.
    Released,
    /// The previous process did not answer: it crashed, or is unreachable.
    Unresponsive,
}

impl ReplicaLease {
    /// Claims the replica, and waits up to `RELEASE_TIMEOUT` for the previous process to release it.
    ///
    /// # Errors
    /// Returns an error if the target or the data folder cannot be written to.
    pub fn claim(
        target: Arc<dyn Target>,
        id: String,
        data: &Path,
    ) -> Result<(Self, PreviousHolder)> {
        let scratch = scratch_path(data);
        fs::create_dir_all(&scratch).map_err(io_failure)?;
        // Leftover files are not needed: the previous process's unsent changes are in the database too, and no other
        // process reads the files.
        for leftover in fs::read_dir(&scratch).map_err(io_failure)?.flatten() {
            let _ = fs::remove_file(leftover.path());
        }
        let previous = lease::read_note(&*target, names::OWNER_NOTE)?;
        // The owner is recorded before the claim, so that the folder is still recognized after a crash between these
        // two steps.
        let is_own = previous
            .as_deref()
            .filter(|previous| is_recorded_owner(data, previous));
        record_owner(data, &id, is_own).map_err(io_failure)?;
        lease::write_note(&*target, &scratch, names::OWNER_NOTE, &id)?;
        let watch = LeaseWatch::new(Arc::clone(&target), id.clone(), scratch);
        let holder = Self {
            target,
            id,
            data: data.to_owned(),
            lease: Lease::start(watch).map_err(io_failure)?,
        };
        if is_own.is_some() {
            // The previous owner used this folder, and only one process uses a folder at a time, so that process has
            // ended.
            return Ok((holder, PreviousHolder::Released));
        }
        let end = clock::instant() + RELEASE_TIMEOUT;
        loop {
            let released = lease::read_note(&*holder.target, RELEASED_NOTE)?;
            if previous.is_none() || previous == released {
                return Ok((holder, PreviousHolder::Released));
            }
            if clock::instant() > end {
                return Ok((holder, PreviousHolder::Unresponsive));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Returns whether this process still owned the replica at the last check.
    ///
    /// # Errors
    /// Returns an error if the last check failed.
    pub fn is_ours(&self) -> Result<bool> {
        Ok(self.lease.last_check()? == LeaseCheck::Ours)
    }

    /// Returns a handle of the thread that watches the lease.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Records that this process has sent everything and releases the replica.
    ///
    /// # Errors
    /// Returns an error if the target cannot be written to.
    pub fn release(&self) -> Result<()> {
        lease::write_note(
            &*self.target,
            &scratch_path(&self.data),
            RELEASED_NOTE,
            &self.id,
        )
    }

    /// Releases the replica permanently after everything has been sent. The data folder records that its database, in
    /// its current state, contains nothing that the replica lacks.
    ///
    /// # Errors
    /// Returns an error if the target or the data folder cannot be written to.
    pub fn hand_over(&self) -> Result<()> {
        let stamp = database_fingerprint(&self.data).map_err(io_failure)?;
        write_synced(&self.data.join(HANDOVER_FILE), &stamp).map_err(io_failure)?;
        self.release()
    }
}

/// Name of the file that records the state in which the database was handed over.
const HANDOVER_FILE: &str = "replica-handed-over";

/// Returns whether the folder's database is unchanged since it was handed over, so that it may be replaced by the
/// replica's.
pub fn is_handed_over(data: &Path) -> bool {
    let recorded = fs::read_to_string(data.join(HANDOVER_FILE)).ok();
    recorded.is_some() && recorded == database_fingerprint(data).ok()
}

/// Returns a fingerprint of the database's files that changes when the database does: their sizes and the time of the
/// last modification.
fn database_fingerprint(data: &Path) -> io::Result<String> {
    let database = fs::metadata(data.join("quire.db"))?;
    let log = fs::metadata(data.join("quire.db-wal")).map_or(0, |log| log.len());
    let (seconds, nanos) = (database.mtime(), database.mtime_nsec());
    Ok(format!("{} {seconds}.{nanos:09} {log}\n", database.len()))
}

fn scratch_path(data: &Path) -> PathBuf {
    data.join("tmp").join("replica")
}

/// Records the owner in the data folder: this process, and also the previous one if the folder had recorded that one as
/// the owner.
fn record_owner(data: &Path, id: &str, previous: Option<&str>) -> io::Result<()> {
    let text = format!("{id}\n{}\n", previous.unwrap_or_default());
    write_synced(&data.join("replica"), &text)
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Returns whether this data folder was the last one to write to the replica, or no one has claimed the replica yet.
///
/// # Errors
/// Returns an error if the target cannot be read.
pub fn is_known(target: &dyn Target, data: &Path) -> Result<bool> {
    let holder = lease::read_note(target, names::OWNER_NOTE)?;
    Ok(holder.is_none_or(|holder| is_recorded_owner(data, &holder)))
}

fn is_recorded_owner(data: &Path, holder: &str) -> bool {
    let note = fs::read_to_string(data.join("replica")).unwrap_or_default();
    note.lines().any(|line| line == holder)
}

fn io_failure(error: io::Error) -> TargetError {
    TargetError::Failed(error.to_string())
}
