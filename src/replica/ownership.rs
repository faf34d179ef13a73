//! Ownership of a replica: one process at a time writes to it. A starting process claims it, and the previous one
//! sends its last changes and then stores nothing more. Also records in the data folder which replica state it
//! has, so that an old disk is never mistaken for the newest.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::lease::{self, Lease, LeaseView, LeaseWatch};
use super::names::{self, RELEASED};
use super::target::{Result, Target, TargetError};
use crate::clock;

/// Advice when two processes use one replica.
pub const TWO: &str = "two Quires must not share one replica";

/// Time for the previous process to notice the claim, send its changes, and release.
const PATIENCE: Duration = Duration::from_secs(6);

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
    /// There was none, or it sent everything and released the replica.
    Clean,
    /// It did not answer: it crashed, or is unreachable.
    Silent,
}

impl ReplicaLease {
    /// Claims the replica, and waits for the previous process to release it.
    ///
    /// # Errors
    /// When the target or the data folder cannot be written to.
    pub fn claim(
        target: Arc<dyn Target>,
        id: String,
        data: &Path,
    ) -> Result<(Self, PreviousHolder)> {
        let scratch = scratch(data);
        fs::create_dir_all(&scratch).map_err(failed)?;
        // The previous process's unsent changes are in the database, and no other process reads these files.
        for left in fs::read_dir(&scratch).map_err(failed)?.flatten() {
            let _ = fs::remove_file(left.path());
        }
        let before = lease::read(&*target, names::OWNER)?;
        // Recorded before it becomes true, so that the folder is still recognized after a crash in between.
        let own = before.as_deref().filter(|before| noted(data, before));
        note(data, &id, own).map_err(failed)?;
        lease::write(&*target, &scratch, names::OWNER, &id)?;
        let watch = LeaseWatch::new(Arc::clone(&target), id.clone(), scratch);
        let holder = Self {
            target,
            id,
            data: data.to_owned(),
            lease: Lease::start(watch).map_err(failed)?,
        };
        if own.is_some() {
            // It was this folder's own process, and only one process uses a folder at a time.
            return Ok((holder, PreviousHolder::Clean));
        }
        let end = clock::instant() + PATIENCE;
        loop {
            let released = lease::read(&*holder.target, RELEASED)?;
            if before.is_none() || before == released {
                return Ok((holder, PreviousHolder::Clean));
            }
            if clock::instant() > end {
                return Ok((holder, PreviousHolder::Silent));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Whether this process still owns the replica, as of the last check.
    ///
    /// # Errors
    /// When the last check failed.
    pub fn is_ours(&self) -> Result<bool> {
        Ok(self.lease.seen()? == LeaseView::Ours)
    }

    /// Returns the thread that watches the lease.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Releases the replica after everything was sent.
    ///
    /// # Errors
    /// When the target cannot be written to.
    pub fn release(&self) -> Result<()> {
        lease::write(&*self.target, &scratch(&self.data), RELEASED, &self.id)
    }

    /// Releases the replica permanently, after everything was sent. The folder records that its database, in its
    /// current state, contains nothing that the replica lacks.
    ///
    /// # Errors
    /// When the target or the data folder cannot be written to.
    pub fn hand_over(&self) -> Result<()> {
        let stamp = stamp(&self.data).map_err(failed)?;
        write(&self.data.join(HANDED_OVER), &stamp).map_err(failed)?;
        self.release()
    }
}

/// Name of the record about a database that was handed over.
const HANDED_OVER: &str = "replica-handed-over";

/// Whether the folder's database is unchanged since all its changes were handed over, so that the replica may replace
/// it.
pub fn is_handed_over(data: &Path) -> bool {
    let noted = fs::read_to_string(data.join(HANDED_OVER)).ok();
    noted.is_some() && noted == stamp(data).ok()
}

/// A fingerprint that changes whenever the database does.
fn stamp(data: &Path) -> io::Result<String> {
    let database = fs::metadata(data.join("quire.db"))?;
    let log = fs::metadata(data.join("quire.db-wal")).map_or(0, |log| log.len());
    let (seconds, nanos) = (database.mtime(), database.mtime_nsec());
    Ok(format!("{} {seconds}.{nanos:09} {log}\n", database.len()))
}

fn scratch(data: &Path) -> PathBuf {
    data.join("tmp").join("replica")
}

/// Records the owner in the data folder: this process, and the previous one if this folder knew it.
fn note(data: &Path, id: &str, before: Option<&str>) -> io::Result<()> {
    let text = format!("{id}\n{}\n", before.unwrap_or_default());
    write(&data.join("replica"), &text)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether this data folder was the last one to write to the replica.
///
/// # Errors
/// When the target cannot be read.
pub fn is_known(target: &dyn Target, data: &Path) -> Result<bool> {
    let holder = lease::read(target, names::OWNER)?;
    Ok(holder.is_none_or(|holder| noted(data, &holder)))
}

fn noted(data: &Path, holder: &str) -> bool {
    let note = fs::read_to_string(data.join("replica")).unwrap_or_default();
    note.lines().any(|line| line == holder)
}

fn failed(error: io::Error) -> TargetError {
    TargetError::Failed(error.to_string())
}
