//! Password work on one thread of its own: slow on purpose, so one at a time, and never on the runtime.
//! The thread starts with the first password. A full queue says "later" instead of growing.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::{Error, Kind, Result};
use crate::crypto::password;

/// Waiting passwords. At a tenth of a second each, the last one waits three seconds.
const QUEUE: usize = 32;

/// Hashes and checks passwords.
pub struct Passwords {
    rounds: u32,
    dummy: String,
    queue: OnceLock<SyncSender<PasswordJob>>,
}

enum PasswordJob {
    Hash(String, oneshot::Sender<Result<String>>),
    Verify {
        password: String,
        stored: String,
        answer: oneshot::Sender<bool>,
    },
}

impl Passwords {
    /// Starts nothing yet.
    pub fn new(rounds: u32) -> Self {
        Self {
            rounds,
            dummy: password::dummy(rounds),
            queue: OnceLock::new(),
        }
    }

    /// A hash to store.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let (answer, answered) = oneshot::channel();
        self.send(PasswordJob::Hash(password.to_owned(), answer))?;
        answered.await.map_err(|_| gone())?
    }

    /// Whether the password fits the stored hash. Without one it takes as long and fits nothing.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        self.send(PasswordJob::Verify {
            password: password.to_owned(),
            stored: stored.unwrap_or(&self.dummy).to_owned(),
            answer,
        })?;
        let fits = answered.await.map_err(|_| gone())?;
        Ok(fits && stored.is_some())
    }

    /// Whether a stored hash is weaker than what would be made today.
    pub fn is_outdated(&self, stored: &str) -> bool {
        password::needs_rehash(stored, self.rounds)
    }

    fn send(&self, job: PasswordJob) -> Result<()> {
        let queue = self.queue.get_or_init(|| start(self.rounds));
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error {
                retry_after: Some(Duration::from_secs(3)),
                ..Error::new(
                    Kind::Unavailable,
                    "too many people are signing in right now",
                )
            }
            .resolve("try again in a few seconds"),
            TrySendError::Disconnected(_) => gone(),
        })
    }
}

fn start(rounds: u32) -> SyncSender<PasswordJob> {
    let (queue, jobs) = sync_channel(QUEUE);
    // If there is no thread to be had, the receiver is dropped and every send says so.
    let _ = std::thread::Builder::new()
        .name("quire-password".into())
        .stack_size(128 * 1024)
        .spawn(move || work(&jobs, rounds));
    queue
}

/// Ends when the last sender is gone. Who has left no longer wants an answer.
fn work(jobs: &Receiver<PasswordJob>, rounds: u32) {
    for job in jobs {
        match job {
            PasswordJob::Hash(_, answer) if answer.is_closed() => {}
            PasswordJob::Verify { answer, .. } if answer.is_closed() => {}
            PasswordJob::Hash(password, answer) => {
                let _ = answer.send(password::hash(&password, rounds).map_err(Error::internal));
            }
            PasswordJob::Verify {
                password,
                stored,
                answer,
            } => {
                let _ = answer.send(password::verify(&password, &stored));
            }
        }
    }
}

fn gone() -> Error {
    Error::internal("the password thread is gone")
}
