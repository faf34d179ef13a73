//! Who writes to a replica: one process at a time. A process that starts claims it, and the one before it sends its
//! last changes and stores nothing more. Also what the data folder remembers of the replica, so that an old disk
//! never passes for the newest.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::lease::{self, Lease, Seen, Watch};
use super::names::{self, RELEASED};
use super::target::{Fault, Result, Target};
use crate::clock;

/// What to do about two processes.
pub const TWO: &str = "two Quires must not share one replica";

/// What the one before has to notice, send and let go.
const PATIENCE: Duration = Duration::from_secs(6);

/// This process's right to write.
pub struct Holder {
    target: Arc<dyn Target>,
    id: String,
    data: PathBuf,
    lease: Lease,
}

/// How the one before this one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// There was none, or it has sent everything and let go.
    Clean,
    /// It did not answer: it crashed, or cannot be reached.
    Silent,
}

impl Holder {
    /// Claims the replica, and waits for the one before to let go.
    ///
    /// # Errors
    /// When the target or the data folder cannot be written to.
    pub fn claim(target: Arc<dyn Target>, id: String, data: &Path) -> Result<(Self, Before)> {
        let scratch = scratch(data);
        fs::create_dir_all(&scratch).map_err(failed)?;
        // What waited when the last process ended is in the database, and no other process reads these.
        for left in fs::read_dir(&scratch).map_err(failed)?.flatten() {
            let _ = fs::remove_file(left.path());
        }
        let before = lease::read(&*target, names::HOLDER)?;
        // Before it is true, so that a crash in between leaves a folder that is known.
        let own = before.as_deref().filter(|before| noted(data, before));
        note(data, &id, own).map_err(failed)?;
        lease::write(&*target, &scratch, names::HOLDER, &id)?;
        let watch = Watch::new(Arc::clone(&target), id.clone(), scratch);
        let holder = Self {
            target,
            id,
            data: data.to_owned(),
            lease: Lease::start(watch).map_err(failed)?,
        };
        if own.is_some() {
            // It was this folder's, which one process uses at a time.
            return Ok((holder, Before::Clean));
        }
        let end = clock::instant() + PATIENCE;
        loop {
            let released = lease::read(&*holder.target, RELEASED)?;
            if before.is_none() || before == released {
                return Ok((holder, Before::Clean));
            }
            if clock::instant() > end {
                return Ok((holder, Before::Silent));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Whether nobody else has claimed it, as the last look found.
    ///
    /// # Errors
    /// When the last look failed.
    pub fn is_ours(&self) -> Result<bool> {
        Ok(self.lease.seen()? == Seen::Ours)
    }

    /// What watches over it.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Says that everything was sent.
    ///
    /// # Errors
    /// When the target does not take the note.
    pub fn release(&self) -> Result<()> {
        lease::write(&*self.target, &scratch(&self.data), RELEASED, &self.id)
    }

    /// Lets go for good, after everything was sent. The folder remembers that its database, as it now is, holds
    /// nothing that the replica lacks.
    ///
    /// # Errors
    /// When the target or the data folder cannot be written to.
    pub fn hand_over(&self) -> Result<()> {
        let stamp = stamp(&self.data).map_err(failed)?;
        write(&self.data.join(HANDED_OVER), &stamp).map_err(failed)?;
        self.release()
    }
}

/// The note about a database that was handed over.
const HANDED_OVER: &str = "replica-handed-over";

/// Whether the folder's database is still the one whose every change was handed over: the replica may take its
/// place.
pub fn is_handed_over(data: &Path) -> bool {
    let noted = fs::read_to_string(data.join(HANDED_OVER)).ok();
    noted.is_some() && noted == stamp(data).ok()
}

/// What changes whenever the database does.
fn stamp(data: &Path) -> io::Result<String> {
    let database = fs::metadata(data.join("quire.db"))?;
    let log = fs::metadata(data.join("quire.db-wal")).map_or(0, |log| log.len());
    let (seconds, nanos) = (database.mtime(), database.mtime_nsec());
    Ok(format!("{} {seconds}.{nanos:09} {log}\n", database.len()))
}

fn scratch(data: &Path) -> PathBuf {
    data.join("tmp").join("replica")
}

/// Notes who holds it in the data folder: this process, and the one that did as far as the folder knew.
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

/// Whether nobody has written to the replica since this data folder did.
///
/// # Errors
/// When the target cannot be read.
pub fn is_known(target: &dyn Target, data: &Path) -> Result<bool> {
    let holder = lease::read(target, names::HOLDER)?;
    Ok(holder.is_none_or(|holder| noted(data, &holder)))
}

fn noted(data: &Path, holder: &str) -> bool {
    let note = fs::read_to_string(data.join("replica")).unwrap_or_default();
    note.lines().any(|line| line == holder)
}

fn failed(error: io::Error) -> Fault {
    Fault::Failed(error.to_string())
}
