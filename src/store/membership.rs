//! Membership of this process in the servers on one database. Its row says until when it counts as alive. A thread with
//! its own connection renews the row, so that no other work of this process can delay the renewal. Behind a pooler,
//! other work can, if it occupies all of the pooler's connections.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connection::{Reader, Writer};
use super::engine::DatabaseConnector;
use super::error::{Result, StoreError};
use super::postgres::notices::{NoticeWatch, RunNotices};
use super::postgres::status::{self, DatabaseServerStatus};
use super::postgres::{earlier_version, servers};
use crate::clock;
use crate::domain::id::AnalysisId;

/// How long a server counts as alive after it renews its row.
const LIFETIME: Duration = Duration::from_secs(10);
/// Pause between two renewals.
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How long before its row expires a server stops its work, so that another server can take over.
const STOP_EARLY: Duration = Duration::from_secs(2);
/// Time to wait for the first row, and for its removal at the end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Stack size in bytes: the thread runs one small statement at a time.
const STACK_BYTES: usize = 256 * 1024;

/// A server's membership; ends when it is dropped.
pub struct Membership {
    shared: Arc<SharedMembership>,
    notices: Option<RunNotices>,
    left: watch::Receiver<bool>,
}

struct SharedMembership {
    state: Mutex<MembershipState>,
    changed: Condvar,
    boot: Arc<str>,
    /// Number of live servers at the last renewal, including this one.
    alive: AtomicU32,
    /// Number of times that this process has added its row.
    entries: AtomicU32,
    /// Whether a server that cannot share the database was started while this process had lost its connection.
    is_excluded: AtomicBool,
}

struct MembershipState {
    /// Latest time at which the row expires, counted from before its renewal was sent.
    until: Instant,
    is_leaving: bool,
}

impl Membership {
    /// Adds this process to the servers on a database. `seed` must be random. Blocks.
    ///
    /// # Errors
    /// `Conflict` if a server runs that cannot share the database; another error if the database cannot be written.
    pub(super) fn join(connector: Arc<DatabaseConnector>, seed: u128) -> Result<Self> {
        let state = MembershipState {
            until: clock::instant(),
            is_leaving: false,
        };
        let shared = Arc::new(SharedMembership {
            state: Mutex::new(state),
            changed: Condvar::new(),
            boot: format!("{seed:032x}").into(),
            alive: AtomicU32::new(1),
            entries: AtomicU32::new(0),
            is_excluded: AtomicBool::new(false),
        });
        let (end, left) = watch::channel(false);
        let (answer, entered) = std::sync::mpsc::sync_channel(1);
        let notices = connector.start_notices(Arc::clone(&shared.boot));
        let renewing = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("quire-member".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let first = fenced_session(&connector).and_then(|db| {
                    renewing.enter(&db)?;
                    Ok(db)
                });
                let _ = answer.send(first.as_ref().map(drop).map_err(Clone::clone));
                if let Ok(db) = first {
                    renewing.renew_until_left(db, &connector);
                }
                end.send_replace(true);
            })
            .map_err(|error| StoreError::Failed(format!("no thread: {error}")))?;
        match entered.recv_timeout(ANSWER_TIMEOUT) {
            Ok(entered) => entered?,
            Err(_) => return Err(StoreError::Busy),
        }
        Ok(Self {
            shared,
            notices,
            left,
        })
    }

    /// Name of this process in its leases.
    pub fn boot(&self) -> Arc<str> {
        Arc::clone(&self.shared.boot)
    }

    /// Tells the other servers that a run has new events.
    pub fn announce_events(&self, id: &AnalysisId) {
        if let Some(notices) = &self.notices {
            notices.send(id);
        }
    }

    /// Subscribes to the notices of other servers.
    pub fn watch_notices(&self) -> Option<NoticeWatch> {
        self.notices.as_ref().map(RunNotices::watch)
    }

    /// Number of times that this process has added its row. It is more than 1 if the row had expired: then other
    /// servers may have taken over some leases and deleted the reservations.
    pub fn entries(&self) -> u32 {
        self.shared.entries.load(Relaxed)
    }

    /// Whether this process may still use its leases. False if it could not renew its row for so long that other
    /// servers are about to take the leases over.
    pub fn is_current(&self, now: Instant) -> bool {
        now + STOP_EARLY < self.shared.state().until
    }

    /// Whether a server of an earlier version, which cannot share the database, was started while this process had lost
    /// its connection. This process must then stop.
    pub fn is_excluded(&self) -> bool {
        self.shared.is_excluded.load(Relaxed)
    }

    /// Number of live servers at the last renewal, including this one.
    pub fn alive(&self) -> u32 {
        self.shared.alive.load(Relaxed).max(1)
    }

    /// Removes this process from the servers, which frees its leases.
    pub async fn leave(&self) {
        self.shared.ask_to_leave();
        let mut left = self.left.clone();
        let removed = left.wait_for(|left| *left);
        // If the database does not answer, the row expires.
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, removed).await;
    }
}

/// Opens a session that prevents servers of earlier versions from starting while it lasts.
fn fenced_session(connector: &DatabaseConnector) -> Result<Writer> {
    let db = connector.session()?;
    earlier_version::exclude(&db)?;
    Ok(db)
}

/// Returns the status of a database server, and of the servers that use the database.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) fn database_server_status(db: &Reader) -> Result<DatabaseServerStatus> {
    status::status(db, LIFETIME)
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.ask_to_leave();
    }
}

impl SharedMembership {
    fn state(&self) -> MutexGuard<'_, MembershipState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_to_leave(&self) {
        self.state().is_leaving = true;
        self.changed.notify_all();
    }

    /// Waits until the next renewal is due. Returns false if the process is leaving.
    fn wait(&self) -> bool {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, RENEW_INTERVAL, |state| !state.is_leaving);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_leaving
    }

    fn enter(&self, db: &Writer) -> Result<()> {
        let sent = clock::instant();
        servers::enter(db, &self.boot, LIFETIME)?;
        // Count first, so that a thread that sees this process as current also sees the new count.
        self.entries.fetch_add(1, Relaxed);
        self.state().until = sent + LIFETIME;
        Ok(())
    }

    fn renew_until_left(&self, mut db: Writer, connector: &DatabaseConnector) {
        while self.wait() {
            if db.is_broken() {
                match fenced_session(connector) {
                    Ok(fresh) => db = fresh,
                    Err(error) => {
                        if error == StoreError::Conflict(earlier_version::EARLIER_SERVER) {
                            self.is_excluded.store(true, Relaxed);
                        }
                        continue;
                    }
                }
            }
            let sent = clock::instant();
            match servers::renew(&db, &self.boot, LIFETIME) {
                Ok(true) => self.state().until = sent + LIFETIME,
                // The name stays the same, so that leases that no server has taken over still belong to this one.
                Ok(false) => drop(self.enter(&db)),
                // The next renewal tries again.
                Err(_) => continue,
            }
            if let Ok(alive) = servers::count_alive(&db) {
                self.alive.store(u32::try_from(alive).unwrap_or(1), Relaxed);
            }
        }
        let _ = servers::leave(&db, &self.boot);
    }
}
