//! Fetches originals that exist only in the replica: on demand, and all of them in the background, several at a time.
//! Each is fetched once, even if several callers wait for it.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::names;
use crate::clock;
use crate::domain::id::DocumentId;
use crate::log;
use crate::objects::target::{Result, Target, TargetError};
use crate::store::{Store, documents};

/// Number of background threads that fetch originals.
const FETCH_THREADS: usize = 4;
/// Maximum number of concurrent fetches, including those on demand.
const MAX_CONCURRENT: usize = 12;
/// Pause of a background thread after a failed fetch.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Fetches the original documents of a data folder from the replica.
pub struct Originals {
    target: Arc<dyn Target>,
    folder: PathBuf,
    scratch: PathBuf,
    store: Store,
    state: Mutex<OriginalsState>,
    changed: Condvar,
}

#[derive(Default)]
struct OriginalsState {
    // Originals being fetched.
    in_progress: BTreeSet<DocumentId>,
    // Originals still to be fetched in the background.
    queue: VecDeque<DocumentId>,
    threads: usize,
    stopping: bool,
}

impl Originals {
    /// Creates the fetcher for a data folder and its store. Starts no thread.
    pub fn new(target: Arc<dyn Target>, data: &Path, store: Store) -> Self {
        Self {
            target,
            folder: data.join("documents"),
            scratch: data.join("tmp").join("replica"),
            store,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Returns the path of an original, whether or not it exists.
    pub fn path(&self, id: &DocumentId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Ensures that an original is in the data folder, and blocks until it has been fetched.
    ///
    /// # Errors
    /// [`TargetError::Missing`] if the replica does not have it or the document has been deleted; any other error if it
    /// cannot be fetched now.
    pub fn fetch(&self, id: &DocumentId) -> Result<()> {
        let mut state = self.lock_state();
        loop {
            if self.path(id).exists() {
                return Ok(());
            }
            if !state.in_progress.contains(id) && state.in_progress.len() < MAX_CONCURRENT {
                break;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.in_progress.insert(id.clone());
        drop(state);
        let fetched = self.fetch_now(id);
        self.lock_state().in_progress.remove(id);
        self.changed.notify_all();
        fetched
    }

    fn fetch_now(&self, id: &DocumentId) -> Result<()> {
        let scratch = self.scratch.join(format!("original-{}", id.as_str()));
        let fetched = self.fetch_to(id, &scratch);
        let _ = std::fs::remove_file(&scratch);
        fetched
    }

    fn fetch_to(&self, id: &DocumentId, scratch: &Path) -> Result<()> {
        let failed = |error: io::Error| TargetError::Failed(error.to_string());
        let expected = self.size(id)?.ok_or(TargetError::Missing)?;
        let mut from = self.target.get(&names::original_name(id))?;
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(scratch).map_err(failed)?;
        let bytes = io::copy(&mut from, &mut file).map_err(failed)?;
        if bytes != expected {
            return Err(TargetError::Failed(format!(
                "the original of document {} has {bytes} bytes in the replica instead of {expected}",
                id.as_str()
            )));
        }
        file.sync_all().map_err(failed)?;
        std::fs::rename(scratch, self.path(id)).map_err(failed)?;
        // If the document was deleted in the meantime, its file must not reappear.
        if self.size(id)?.is_none() {
            let _ = std::fs::remove_file(self.path(id));
            return Err(TargetError::Missing);
        }
        Ok(())
    }

    fn size(&self, id: &DocumentId) -> Result<Option<u64>> {
        let id = id.clone();
        self.store
            .read_now(move |db| documents::size_of(db, &id))
            .map_err(|error| TargetError::Failed(error.to_string()))
    }

    /// Fetches these originals in the background.
    pub fn fetch_all(self: &Arc<Self>, missing: Vec<DocumentId>) {
        let mut state = self.lock_state();
        state.queue.extend(missing);
        let thread_count = FETCH_THREADS.min(state.queue.len());
        while state.threads < thread_count && !state.stopping {
            let originals = Arc::clone(self);
            let thread = std::thread::Builder::new()
                .name("quire-originals".into())
                .stack_size(512 * 1024)
                .spawn(move || originals.run_worker());
            if let Err(error) = thread {
                // If a thread cannot be started, originals are still fetched on demand.
                log::error(
                    "originals are not fetched in the background",
                    &[("why", &error)],
                );
                return;
            }
            state.threads += 1;
        }
    }

    /// Returns the number of originals in the background queue, without those being fetched.
    pub fn remaining(&self) -> usize {
        self.lock_state().queue.len()
    }

    /// Stops the background threads, and waits up to `within` for them to end.
    pub fn stop(&self, within: Duration) {
        let mut state = self.lock_state();
        state.stopping = true;
        self.changed.notify_all();
        let until = clock::instant() + within;
        while state.threads > 0 {
            let remaining_time = until.saturating_duration_since(clock::instant());
            if remaining_time.is_zero() {
                return;
            }
            let wait_result = self.changed.wait_timeout(state, remaining_time);
            state = wait_result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run_worker(&self) {
        let mut is_reported = false;
        loop {
            let mut state = self.lock_state();
            let next = state.queue.pop_front().filter(|_| !state.stopping);
            let Some(id) = next else {
                state.threads -= 1;
                if state.threads == 0 && !state.stopping {
                    log::info("all original documents are restored", &[]);
                }
                self.changed.notify_all();
                return;
            };
            drop(state);
            match self.fetch(&id) {
                // The replication thread reports missing originals.
                Ok(()) | Err(TargetError::Missing) => {}
                Err(error) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        log::warn("an original could not be fetched yet", &[("why", &error)]);
                    }
                    let mut state = self.lock_state();
                    state.queue.push_back(id);
                    let wait_result =
                        self.changed
                            .wait_timeout_while(state, RETRY_PAUSE, |state| !state.stopping);
                    drop(wait_result);
                }
            }
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, OriginalsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
