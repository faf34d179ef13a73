//! The thread that keeps a replica up: what the log says goes out each window, whole copies now and then,
//! originals of documents as they come. Begins again after every failure; never holds up a change.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::copies;
use super::documents::Documents;
use super::holder::{self, Holder};
use super::names::{self, Inventory};
use super::spool::{Shared, file_of};
use super::target::{Fault, Result, Target};
use crate::clock;
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::Store;

/// How often it is looked whether another process has changed the database.
const FOREIGN: Duration = Duration::from_secs(30);
/// What a changed database waits at most for a whole copy.
const COPY_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Fewer changes than this are always quick to apply.
const FEW: u32 = 64;
/// What fetching one more file costs a restoring process, told in bytes that it could fetch meanwhile.
const FILE_COST: u64 = 200 * 1024;
/// While nothing can be sent the log grows up to here before it is looked at all the same.
const LARGE_LOG: u64 = 64 * 1024 * 1024;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a shipper needs.
pub struct Settings {
    /// Where to.
    pub target: Arc<dyn Target>,
    /// How it is called where people read it.
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

/// How a replica is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Where it lies.
    pub shown: String,
    /// How long something that was acknowledged may be here only, where nothing fails.
    pub window: Duration,
    /// When everything that was stored was there too.
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
}

#[derive(Default)]
struct Signal {
    stop_by: Option<Instant>,
    // Somebody wants a whole copy.
    copy: bool,
    is_done: bool,
}

/// The thread, for who started it.
pub struct Shipper {
    status: Arc<Mutex<Status>>,
    shared: Arc<Shared>,
    signal: Arc<(Mutex<Signal>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shipper {
    /// Starts. `shared` is what follows the store's log.
    pub fn start(
        settings: Settings,
        shared: Arc<Shared>,
        store: Store,
        holder: Holder,
    ) -> std::io::Result<Self> {
        let status = Arc::new(Mutex::new(Status {
            shown: settings.shown.clone(),
            window: settings.window,
            ..Status::default()
        }));
        let signal = Arc::default();
        let worker = Worker {
            documents: Documents::new(Arc::clone(&settings.target), &settings.data),
            spool: settings.data.join("tmp").join("replica"),
            copy_due: settings.restored_from > 16,
            settings,
            shared: Arc::clone(&shared),
            store,
            holder,
            status: Arc::clone(&status),
            signal: Arc::clone(&signal),
            seen: None,
            looked: None,
            copied: clock::instant(),
            unsent: None,
            database: 0,
        };
        let thread = std::thread::Builder::new()
            .name("quire-replica".into())
            .stack_size(512 * 1024)
            .spawn(move || worker.run())?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            status,
            shared,
            signal,
            thread,
        })
    }

    /// How the replica is.
    pub fn status(&self) -> Status {
        let mut status = locked(&self.status).clone();
        let state = self.shared.lock();
        let bytes = state.waiting.iter().map(|waiting| waiting.bytes).sum();
        status.waiting = (state.waiting.len(), bytes);
        status.fault = status.fault.or_else(|| state.fault.clone());
        status
    }

    /// Makes a whole copy as soon as it can; the status says when it is there.
    pub fn copy_soon(&self) {
        let (signal, wake) = &*self.signal;
        locked(signal).copy = true;
        wake.notify_all();
    }

    /// Sends what is left, for so long at most. The store must be closed. Blocks; true if everything is there.
    pub fn finish(&self, within: Duration) -> bool {
        let (signal, wake) = &*self.signal;
        locked(signal).stop_by = Some(clock::instant() + within);
        wake.notify_all();
        let waited = wake.wait_timeout_while(locked(signal), within, |signal| !signal.is_done);
        let done = waited.unwrap_or_else(PoisonError::into_inner).0.is_done;
        if let Some(thread) = locked(&self.thread).take().filter(|_| done) {
            let _ = thread.join();
        }
        done && locked(&self.status).fault.is_none()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    settings: Settings,
    shared: Arc<Shared>,
    store: Store,
    holder: Holder,
    documents: Documents,
    status: Arc<Mutex<Status>>,
    signal: Arc<(Mutex<Signal>, Condvar)>,
    spool: PathBuf,
    // How many commits there were at the last look, and when that was.
    seen: Option<u64>,
    looked: Option<Instant>,
    copied: Instant,
    copy_due: bool,
    // A whole copy that was made and could not be sent.
    unsent: Option<u64>,
    database: u64,
}

impl Worker {
    fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            let stop_by = self.wait(pause);
            let begun = clock::now();
            pause = match self.round(stop_by.is_some()) {
                Ok(()) => {
                    self.well(begun);
                    self.settings.window
                }
                Err(fault) => {
                    self.unwell(&fault);
                    (pause * 2).clamp(Duration::from_millis(500), LONGEST_PAUSE)
                }
            };
            let Some(stop_by) = stop_by else { continue };
            let done =
                self.shared.lock().waiting.is_empty() && locked(&self.status).fault.is_none();
            let superseded = locked(&self.status).superseded;
            if done || superseded || clock::instant() + pause > stop_by {
                if done && let Err(fault) = self.holder.release() {
                    self.unwell(&fault);
                }
                break;
            }
        }
        let (signal, wake) = &*self.signal;
        locked(signal).is_done = true;
        wake.notify_all();
    }

    /// Waits; gives by when to be done, once it is to stop.
    fn wait(&mut self, pause: Duration) -> Option<Instant> {
        let signal = Arc::clone(&self.signal);
        let (signal, wake) = &*signal;
        let until = clock::instant() + pause;
        let mut signal = locked(signal);
        loop {
            let left = until.saturating_duration_since(clock::instant());
            let is_asked = std::mem::take(&mut signal.copy);
            self.copy_due |= is_asked;
            if is_asked || left.is_zero() || (signal.stop_by.is_some() && !self.has_fault()) {
                return signal.stop_by;
            }
            signal = wake
                .wait_timeout(signal, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn has_fault(&self) -> bool {
        locked(&self.status).fault.is_some()
    }

    fn round(&mut self, stopping: bool) -> Result<()> {
        if locked(&self.status).superseded {
            return Ok(());
        }
        if !self.holder.is_ours()? {
            self.hand_over();
        }
        let changed = !stopping && self.look()?;
        self.send()?;
        let lost = self.shared.lock().lost || self.shared.lock().newest == 0;
        if lost || (!stopping && self.is_copy_due()) {
            self.copy(stopping)?;
            self.send()?;
            self.throw_away()?;
        }
        if changed || stopping {
            self.documents.round(&self.store)?;
        }
        match stopping {
            true => Ok(()),
            false => self.documents.fetch_one(),
        }
    }

    /// Another process writes there from now on. What was acknowledged here before is sent; nothing is after.
    fn hand_over(&mut self) {
        log::error(
            "another quire has taken over this replica: nothing more can be stored here",
            &[("replica", &self.settings.shown)],
        );
        self.store.close_to_changes();
        let sent = self.send();
        let _ = self.holder.release();
        let mut status = locked(&self.status);
        status.superseded = true;
        status.fault = Some(match sent {
            Ok(()) => "another Quire has taken over this replica".into(),
            Err(fault) => format!(
                "another Quire has taken over this replica, and the last changes could not be sent: {fault}"
            ),
        });
    }

    /// Has the log looked at, where it may have grown. Whether it may have.
    fn look(&mut self) -> Result<bool> {
        let commits = self.store.commits().0.count;
        let changed = self.seen != Some(commits);
        let long = self
            .looked
            .is_none_or(|at| clock::instant() - at >= FOREIGN);
        let waits = !self.shared.lock().waiting.is_empty();
        let log = self.settings.data.join("quire.db-wal");
        let large = || std::fs::metadata(&log).is_ok_and(|data| data.len() > LARGE_LOG);
        if !(changed || long) || (waits && !large()) {
            return Ok(false);
        }
        // Busy: somebody reads, and the log is emptied another time.
        match self.store.look_now() {
            Ok(()) | Err(crate::store::StoreError::Busy) => {}
            Err(error) => return Err(Fault::Failed(error.to_string())),
        }
        self.seen = Some(commits);
        self.looked = Some(clock::instant());
        Ok(true)
    }

    /// Sends what waits, in order.
    fn send(&mut self) -> Result<()> {
        if let Some(number) = self.unsent {
            let path = self.spool.join("copy");
            copies::put(&*self.settings.target, &names::snapshot(number), &path)?;
            let _ = std::fs::remove_file(&path);
            self.unsent = None;
            let mut status = locked(&self.status);
            status.copied_at = Some(clock::now());
            status.position = status.position.max(number);
        }
        loop {
            let Some(first) = self.shared.lock().waiting.front().copied() else {
                return Ok(());
            };
            let path = file_of(&self.spool, first.number);
            let sent = copies::put(&*self.settings.target, &names::change(first.number), &path);
            let mut state = self.shared.lock();
            if state.waiting.front() == Some(&first) {
                sent?;
                state.waiting.pop_front();
                locked(&self.status).position = first.number;
            }
            let _ = std::fs::remove_file(path);
        }
    }

    fn is_copy_due(&self) -> bool {
        let (files, bytes) = self.shared.lock().since;
        let costly = bytes + u64::from(files) * FILE_COST > self.database;
        let old = clock::instant() - self.copied > COPY_EVERY;
        self.copy_due || (files > FEW && costly) || (files > 0 && old)
    }

    /// Makes a whole copy; it is sent with the next sending.
    fn copy(&mut self, closed: bool) -> Result<()> {
        let path = self.spool.join("copy");
        let failed = |error: std::io::Error| Fault::Failed(error.to_string());
        let number = if closed {
            let number = self.shared.lock().newest + 1;
            self.database = copies::of_closed(&self.settings.data.join("quire.db"), &path, number)
                .map_err(failed)?;
            let mut state = self.shared.lock();
            (state.newest, state.lost) = (number, false);
            number
        } else {
            let held = self
                .store
                .hold_now()
                .map_err(|error| Fault::Failed(error.to_string()))?;
            let number = self.shared.lock().held_at;
            let made = copies::of(held.file(), held.page_size, held.pages, &path, number);
            if made.is_err() {
                // What follows would have nothing to follow.
                self.shared.lock().lost = true;
            }
            self.database = made.map_err(failed)?;
            number
        };
        (self.unsent, self.copied, self.copy_due) = (Some(number), clock::instant(), false);
        Ok(())
    }

    fn throw_away(&self) -> Result<()> {
        let inventory = Inventory::of(&*self.settings.target)?;
        for name in inventory.dispensable(self.settings.keep) {
            self.settings.target.remove(&name)?;
        }
        Ok(())
    }

    fn well(&self, begun: Timestamp) {
        let mut status = locked(&self.status);
        if status.superseded {
            return;
        }
        if status.fault.take().is_some() {
            log::info(
                "the replica is kept up again",
                &[("replica", &status.shown)],
            );
        }
        status.whole_at = Some(begun);
    }

    fn unwell(&self, fault: &Fault) {
        let mut status = locked(&self.status);
        let why = match fault {
            Fault::Taken => format!("{fault}: {}", holder::TWO),
            other => other.to_string(),
        };
        if status.fault.as_ref() != Some(&why) {
            log::error(
                "the replica cannot be kept up",
                &[("replica", &status.shown), ("why", &why)],
            );
        }
        status.fault = Some(why);
    }
}
