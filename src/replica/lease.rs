//! Watches the lease of a replica on a separate thread, so that a long upload does not delay the checks. A replaced
//! process asks the new owner at intervals whether it is still running; the owner answers.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::names::{ANSWER_NOTE, OWNER_NOTE, QUESTION_NOTE, RELEASED_NOTE};
use crate::objects::target::{Result, Target, TargetError};

/// Interval between two checks of the lease.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Number of checks per question: questions are asked or looked for only at every third check, because buckets charge
/// for each request.
const CHECKS_PER_QUESTION: u64 = 3;
/// Number of unanswered checks in a row after which the new owner counts as gone.
const MAX_UNANSWERED_CHECKS: u32 = 15;

/// Who owns the replica, according to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseCheck {
    /// This process owns the replica.
    Ours,
    /// Another process owns it.
    Replaced {
        /// Whether the new owner has released the replica, or has not answered for half a minute.
        is_gone: bool,
    },
}

/// Checks who owns the replica, one step at a time, by reading and writing the target's notes.
pub struct LeaseWatch {
    target: Arc<dyn Target>,
    id: String,
    scratch: PathBuf,
    steps: u64,
    // The last question that this process answered while it owned the replica.
    answered_question: Option<String>,
    replacement: Option<Replacement>,
}

struct Replacement {
    id: String,
    answer: Option<String>,
    unanswered_count: u32,
}

impl LeaseWatch {
    /// Creates a watch for the process with this ID; temporary files go to `scratch`.
    pub fn new(target: Arc<dyn Target>, id: String, scratch: PathBuf) -> Self {
        Self {
            target,
            id,
            scratch,
            steps: 0,
            answered_question: None,
            replacement: None,
        }
    }

    /// Performs one check. A failed check changes nothing.
    ///
    /// # Errors
    /// Returns an error if the target fails.
    pub fn step(&mut self) -> Result<LeaseCheck> {
        let is_question_due = self.steps.is_multiple_of(CHECKS_PER_QUESTION);
        self.steps += 1;
        let Some(holder) = read_note(&*self.target, OWNER_NOTE)? else {
            // A process takes over by replacing the note, never by removing it. So the target has lost the note.
            self.write_note(OWNER_NOTE, &self.id)?;
            return Ok(LeaseCheck::Ours);
        };
        if holder != self.id {
            return self.examine_holder(holder, is_question_due);
        }
        self.replacement = None;
        if is_question_due
            && let Some(question) = read_note(&*self.target, QUESTION_NOTE)?
            && self.answered_question.as_ref() != Some(&question)
        {
            self.write_note(ANSWER_NOTE, &question)?;
            self.answered_question = Some(question);
        }
        Ok(LeaseCheck::Ours)
    }

    fn examine_holder(&mut self, holder: String, is_question_due: bool) -> Result<LeaseCheck> {
        let answer = read_note(&*self.target, ANSWER_NOTE)?;
        let has_stopped = read_note(&*self.target, RELEASED_NOTE)?.as_ref() == Some(&holder);
        if is_question_due {
            self.write_note(QUESTION_NOTE, &format!("{} {}", self.id, self.steps))?;
        }
        let previous = self.replacement.take().filter(|known| known.id == holder);
        let unanswered = match previous {
            Some(known) if known.answer == answer => known.unanswered_count + 1,
            _ => 0,
        };
        self.replacement = Some(Replacement {
            id: holder,
            answer,
            unanswered_count: unanswered,
        });
        let is_gone = has_stopped || unanswered >= MAX_UNANSWERED_CHECKS;
        Ok(LeaseCheck::Replaced { is_gone })
    }

    fn write_note(&self, name: &str, text: &str) -> Result<()> {
        write_note(&*self.target, &self.scratch, name, text)
    }
}

/// The result of the last check, and whether the thread must stop.
#[derive(Default)]
struct LeaseState {
    last_check: Option<Result<LeaseCheck>>,
    stopping: bool,
}

/// Handle to a thread that checks the lease every two seconds until the last clone of the handle is dropped.
#[derive(Clone)]
pub struct Lease(Arc<LeaseThread>);

struct LeaseThread {
    shared: Arc<(Mutex<LeaseState>, Condvar)>,
}

impl Drop for LeaseThread {
    fn drop(&mut self) {
        lock(&self.shared.0).stopping = true;
        self.shared.1.notify_all();
    }
}

impl Lease {
    /// Starts a thread that performs the checks of `watch`.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be started.
    pub fn start(mut watch: LeaseWatch) -> io::Result<Self> {
        let shared: Arc<(Mutex<LeaseState>, Condvar)> = Arc::default();
        let thread_state = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("quire-lease".into())
            .stack_size(512 * 1024)
            .spawn(move || {
                let (state, wake) = &*thread_state;
                loop {
                    let check = watch.step();
                    let mut state = lock(state);
                    state.last_check = Some(check);
                    let paused =
                        wake.wait_timeout_while(state, CHECK_INTERVAL, |state| !state.stopping);
                    if paused.unwrap_or_else(PoisonError::into_inner).0.stopping {
                        return;
                    }
                }
            })?;
        Ok(Self(Arc::new(LeaseThread { shared })))
    }

    /// Returns the result of the last check; `Ours` before the first.
    ///
    /// # Errors
    /// Returns an error if the last check failed.
    pub fn last_check(&self) -> Result<LeaseCheck> {
        let state = lock(&self.0.shared.0);
        state.last_check.clone().unwrap_or(Ok(LeaseCheck::Ours))
    }
}

fn lock(state: &Mutex<LeaseState>) -> MutexGuard<'_, LeaseState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a short note; `None` if it does not exist.
///
/// # Errors
/// Returns an error if the target cannot be read.
pub(super) fn read_note(target: &dyn Target, name: &str) -> Result<Option<String>> {
    // Maximum size of a note, in bytes.
    const MAX_BYTES: u64 = 100;
    let mut text = String::new();
    match target.get(name) {
        Err(TargetError::Missing) => Ok(None),
        Err(error) => Err(error),
        Ok(from) => {
            let read = from.take(MAX_BYTES).read_to_string(&mut text);
            read.map_err(|error| TargetError::Failed(error.to_string()))?;
            Ok(Some(text))
        }
    }
}

/// Writes a short note, replacing the previous one.
///
/// # Errors
/// Returns an error if the target cannot be written to.
pub(super) fn write_note(
    target: &dyn Target,
    scratch: &Path,
    name: &str,
    text: &str,
) -> Result<()> {
    let path = scratch.join(name);
    let write = || {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(file)
    };
    let write_result = write()
        .map_err(|error: io::Error| TargetError::Failed(error.to_string()))
        .and_then(|file| target.put(name, &file, false));
    let _ = fs::remove_file(path);
    write_result
}

#[cfg(test)]
mod tests {
    use super::super::folder::FolderTarget;
    use super::*;

    #[test]
    fn a_replacement_is_trusted_only_while_it_answers() {
        let base = std::env::temp_dir().join(format!("quire-lease-{}", std::process::id()));
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(&base).unwrap();
        let target: Arc<dyn Target> = Arc::new(FolderTarget::open(&base.join("replica")).unwrap());
        let watch = |id: &str| {
            let scratch = base.join(id);
            fs::create_dir_all(&scratch).unwrap();
            LeaseWatch::new(Arc::clone(&target), id.into(), scratch)
        };
        let note = |name: &str, text: &str| write_note(&*target, &base, name, text).unwrap();
        let (mut first, mut other) = (watch("first"), watch("other"));
        // If the target has lost the note, it is written again.
        assert_eq!(first.step(), Ok(LeaseCheck::Ours));
        assert_eq!(
            read_note(&*target, OWNER_NOTE).unwrap().as_deref(),
            Some("first")
        );
        note(OWNER_NOTE, "other");
        for _ in 0..MAX_UNANSWERED_CHECKS * 3 {
            assert_eq!(first.step(), Ok(LeaseCheck::Replaced { is_gone: false }));
            assert_eq!(other.step(), Ok(LeaseCheck::Ours));
        }
        // The other process dies, so it stops answering.
        let unanswered_steps = (0..MAX_UNANSWERED_CHECKS * 2)
            .take_while(|_| first.step() == Ok(LeaseCheck::Replaced { is_gone: false }));
        let unanswered_steps = unanswered_steps.count() as u32;
        assert!(
            (MAX_UNANSWERED_CHECKS - 3..=MAX_UNANSWERED_CHECKS + 1).contains(&unanswered_steps),
            "{unanswered_steps}"
        );
        // The other process resumes and answers again.
        assert_eq!(other.step(), Ok(LeaseCheck::Ours));
        assert_eq!(other.step(), Ok(LeaseCheck::Ours));
        assert_eq!(other.step(), Ok(LeaseCheck::Ours));
        assert_eq!(first.step(), Ok(LeaseCheck::Replaced { is_gone: false }));
        // A clean shutdown is detected immediately.
        note(RELEASED_NOTE, "other");
        assert_eq!(first.step(), Ok(LeaseCheck::Replaced { is_gone: true }));
        note(OWNER_NOTE, "first");
        assert_eq!(first.step(), Ok(LeaseCheck::Ours));
        fs::remove_dir_all(base).unwrap();
    }
}
