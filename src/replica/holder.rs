//! Who writes to a replica: one process at a time. Who starts says so, and the one before it sends its last changes
//! and stores nothing more. And what the data folder remembers of the replica, so that an old disk never passes
//! for the newest.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::names;
use super::target::{Fault, Result, Target};
use crate::clock;

/// What to do about two processes.
pub const TWO: &str = "two Quires must not share one replica";

const RELEASED: &str = "quire-released";
const ASK_EVERY: Duration = Duration::from_secs(2);
/// What the one before has to notice, send and let go.
const PATIENCE: Duration = Duration::from_secs(6);

/// This process's right to write.
pub struct Holder {
    target: Arc<dyn Target>,
    id: String,
    note: PathBuf,
    asked: Option<Instant>,
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
    /// Takes over: says so, and waits for the one before to let go.
    pub fn claim(target: Arc<dyn Target>, id: String, data: &Path) -> Result<(Self, Before)> {
        let scratch = data.join("tmp").join("replica");
        fs::create_dir_all(&scratch).map_err(failed)?;
        let before = read(&*target, names::HOLDER)?;
        let mut holder = Self {
            target,
            id,
            note: data.join("replica"),
            asked: None,
        };
        // Before it is true, so that a crash in between leaves a folder that is known.
        let own = before.as_deref().filter(|before| noted(data, before));
        holder.note(own).map_err(failed)?;
        holder.write(names::HOLDER)?;
        if own.is_some() {
            // It was this folder's, which one process uses at a time.
            return Ok((holder, Before::Clean));
        }
        holder.asked = Some(clock::instant());
        let end = clock::instant() + PATIENCE;
        loop {
            let released = read(&*holder.target, RELEASED)?;
            if before.is_none() || before == released {
                return Ok((holder, Before::Clean));
            }
            if clock::instant() > end {
                return Ok((holder, Before::Silent));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Whether nobody else has taken over. Asks now and then.
    pub fn is_ours(&mut self) -> Result<bool> {
        if self
            .asked
            .is_some_and(|at| clock::instant() - at < ASK_EVERY)
        {
            return Ok(true);
        }
        let now = read(&*self.target, names::HOLDER)?;
        self.asked = Some(clock::instant());
        Ok(now.as_deref() == Some(&self.id))
    }

    /// Says that everything was sent.
    pub fn release(&self) -> Result<()> {
        self.write(RELEASED)
    }

    fn write(&self, name: &str) -> Result<()> {
        let path = self.note.with_file_name("tmp").join("replica").join(name);
        let write = || {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)?;
            file.write_all(self.id.as_bytes())?;
            Ok(file)
        };
        let put = write()
            .map_err(failed)
            .and_then(|file| self.target.put(name, &file, false));
        let _ = fs::remove_file(path);
        put
    }

    /// Notes who holds it in the data folder: this process, and the one that did as far as the folder knew.
    fn note(&self, before: Option<&str>) -> io::Result<()> {
        let part = self.note.with_extension("part");
        let text = format!("{}\n{}\n", self.id, before.unwrap_or_default());
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, &self.note)?;
        File::open(self.note.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Whether nobody has written to the replica since this data folder did.
pub fn is_known(target: &dyn Target, data: &Path) -> Result<bool> {
    let holder = read(target, names::HOLDER)?;
    Ok(holder.is_none_or(|holder| noted(data, &holder)))
}

fn noted(data: &Path, holder: &str) -> bool {
    let note = fs::read_to_string(data.join("replica")).unwrap_or_default();
    note.lines().any(|line| line == holder)
}

fn read(target: &dyn Target, name: &str) -> Result<Option<String>> {
    const LONGEST: u64 = 100;
    let mut text = String::new();
    match target.get(name) {
        Err(Fault::Missing) => Ok(None),
        Err(fault) => Err(fault),
        Ok(from) => {
            from.take(LONGEST)
                .read_to_string(&mut text)
                .map_err(failed)?;
            Ok(Some(text))
        }
    }
}

fn failed(error: io::Error) -> Fault {
    Fault::Failed(error.to_string())
}
