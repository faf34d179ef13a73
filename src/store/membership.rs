//! This process's membership among the servers of a database. A row in the database states how long the process
//! counts as alive. A thread with its own connection renews the row, so that no other work of this process can delay
//! the renewal. Behind a pooler, other work can still delay it by occupying all of the pooler's connections.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connection::{Reader, Writer};
use super::engine::DatabaseConnector;
use super::error::{Result, StoreError};
use super::postgres::direct_connection::DirectConnection;
use super::postgres::notices::{NoticeWatch, RunNotices};
use super::postgres::status::{self, DatabaseServerStatus};
use super::postgres::{legacy_server_lock, servers};
use crate::clock;
use crate::domain::id::AnalysisId;

/// How long a server counts as alive after it renews its row.
const LIFETIME: Duration = Duration::from_secs(10);
/// Interval between renewals.
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How long before its row expires a server stops its work, so that it never overlaps with the server that takes
/// over.
const STOP_MARGIN: Duration = Duration::from_secs(2);
/// Maximum time since the last renewal, and between the last two, for a server to be allowed to declare others dead. A
/// longer gap may mean that the database itself was unreachable, so that the rows of the others expired only because of
/// that.
const MAX_GAP: Duration = Duration::from_secs(6);
/// Timeout for a renewal. When it expires, the row is about to expire too, and a new connection will reveal sooner than
/// the old one whether the database can be reached again.
const RENEWAL_TIMEOUT: Duration = LIFETIME.saturating_sub(STOP_MARGIN);
/// Limits how long a change of this server's row waits for a lock, so that what it writes has not expired by the time
/// it is written.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '6s'";
/// Timeout for adding the row at the start, and for removing it at the end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Stack size of the thread, in bytes; it runs one small statement at a time.
const STACK_BYTES: usize = 256 * 1024;

/// This process's membership. Dropping it ends the renewals.
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
    /// Number of times that this process has added its row: once, and again whenever the row had expired.
    entries: AtomicU32,
    /// Whether a server that cannot share the database was started while this process had lost its connection.
    is_excluded: AtomicBool,
}

struct MembershipState {
    /// When the last successful renewal was sent. The row does not expire earlier than a lifetime after that.
    last_renewal: Instant,
    /// When this process may declare others dead again: they have then had a lifetime to renew their rows since the
    /// database may have been unreachable.
    may_judge_from: Instant,
    is_leaving: bool,
}

impl MembershipState {
    /// Records a renewal that was sent and answered at these times. After a long gap, and at the start, the database
    /// may have been unreachable, so the others get a whole lifetime to renew their rows.
    fn record_renewal(&mut self, sent: Instant, answered: Instant, is_first: bool) {
        if is_first || sent.saturating_duration_since(self.last_renewal) > MAX_GAP {
            self.may_judge_from = answered + LIFETIME;
        }
        self.last_renewal = sent;
    }

    fn may_judge_others(&self, now: Instant) -> bool {
        now >= self.may_judge_from && now.saturating_duration_since(self.last_renewal) <= MAX_GAP
    }
}

impl Membership {
    /// Adds this process to the servers on a database. `seed` must be random. Blocks.
    ///
    /// # Errors
    /// `Conflict` if a server that cannot share the database is running; another error if the database cannot be
    /// written.
    pub(super) fn join(connector: Arc<DatabaseConnector>, seed: u128) -> Result<Self> {
        let now = clock::instant();
        let state = MembershipState {
            last_renewal: now,
            may_judge_from: now + LIFETIME,
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
        let renewal_shared = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("quire-member".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let first = fenced_session(&connector).and_then(|db| {
                    renewal_shared.enter(&db)?;
                    Ok(db)
                });
                let _ = answer.send(first.as_ref().map(drop).map_err(Clone::clone));
                if let Ok(db) = first {
                    renewal_shared.renew_until_left(db, &connector);
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

    /// Returns the unique name of this process, under which it holds leases.
    pub fn boot(&self) -> Arc<str> {
        Arc::clone(&self.shared.boot)
    }

    /// Announces to the other servers that a run has new events.
    pub fn announce_events(&self, id: &AnalysisId) {
        if let Some(notices) = &self.notices {
            notices.send_events(id);
        }
    }

    /// Announces to the server that executes a run that there is a command for it.
    pub fn announce_command(&self, id: &AnalysisId) {
        if let Some(notices) = &self.notices {
            notices.send_command(id);
        }
    }

    /// Subscribes to the announcements of other servers.
    pub fn watch_notices(&self) -> Option<NoticeWatch> {
        self.notices.as_ref().map(RunNotices::watch)
    }

    /// Returns how often this process has added its row. More than 1 means that the row had expired: other servers
    /// may have taken over leases and deleted this server's reservations.
    pub fn entries(&self) -> u32 {
        self.shared.entries.load(Relaxed)
    }

    /// Returns whether this process may still use its leases: false if its row has not been renewed for so long that
    /// other servers are about to take them over.
    pub fn is_current(&self, now: Instant) -> bool {
        now + STOP_MARGIN < self.shared.state().last_renewal + LIFETIME
    }

    /// Returns a function that returns whether this process may declare servers dead whose rows have expired. After
    /// this process itself was cut off from the database, it may not until the others have had time to renew their
    /// rows.
    pub fn may_declare_dead(&self) -> impl Fn() -> bool + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.state().may_judge_others(clock::instant())
    }

    /// Returns whether a server of an earlier version, which cannot share the database, was started while this
    /// process had lost its connection. This process must then stop.
    pub fn is_excluded(&self) -> bool {
        self.shared.is_excluded.load(Relaxed)
    }

    /// Returns the number of live servers at the last renewal, including this one.
    pub fn alive(&self) -> u32 {
        self.shared.alive.load(Relaxed).max(1)
    }

    /// Removes this process's row, which frees its leases. Waits for at most a few seconds.
    pub async fn leave(&self) {
        self.shared.request_leave();
        let mut left = self.left.clone();
        let removed = left.wait_for(|left| *left);
        // If the database does not respond, the row expires on its own.
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, removed).await;
    }
}

/// Opens a session that keeps servers of earlier versions from starting as long as it is open.
fn fenced_session(connector: &DatabaseConnector) -> Result<Writer> {
    let db = connector.session()?;
    db.limit_answers(RENEWAL_TIMEOUT);
    legacy_server_lock::exclude(&db)?;
    Ok(db)
}

/// Makes a change in a transaction of its own. Fails if the change waits too long for a lock.
fn change_in_time<T>(db: &Writer, change: impl FnOnce(&Writer) -> Result<T>) -> Result<T> {
    db.run_control("BEGIN")?;
    let result = db.run_batch(LOCK_TIMEOUT).and_then(|()| change(db));
    db.end_transaction(result)
}

/// Returns the status of a database server, and of the servers that use the database.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) fn database_server_status(
    db: &Reader,
    direct: DirectConnection,
) -> Result<DatabaseServerStatus> {
    status::status(db, LIFETIME, direct)
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.request_leave();
    }
}

impl SharedMembership {
    fn state(&self) -> MutexGuard<'_, MembershipState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request_leave(&self) {
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
        change_in_time(db, |db| servers::enter(db, &self.boot, LIFETIME))?;
        // Counted before the renewal is recorded, so that a thread that sees the membership as current also sees the
        // new count.
        self.entries.fetch_add(1, Relaxed);
        let answered = clock::instant();
        self.state().record_renewal(sent, answered, true);
        Ok(())
    }

    fn renew_until_left(&self, mut db: Writer, connector: &DatabaseConnector) {
        while self.wait() {
            if db.is_broken() {
                match fenced_session(connector) {
                    Ok(fresh) => db = fresh,
                    Err(error) => {
                        if error == StoreError::Conflict(legacy_server_lock::EARLIER_SERVER) {
                            self.is_excluded.store(true, Relaxed);
                        }
                        continue;
                    }
                }
            }
            let sent = clock::instant();
            match change_in_time(&db, |db| servers::renew(db, &self.boot, LIFETIME)) {
                Ok(true) => {
                    let answered = clock::instant();
                    self.state().record_renewal(sent, answered, false);
                }
                // The row had expired. Its name stays the same, so leases that no other server has taken over remain
                // valid.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_gap_others_get_the_time_of_a_lease_before_they_are_judged() {
        let start = clock::instant();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = MembershipState {
            last_renewal: start,
            may_judge_from: at(0),
            is_leaving: false,
        };
        state.record_renewal(at(0), at(1), true);
        assert!(!state.may_judge_others(at(1)), "it has just started");
        for second in (2..=12).step_by(2) {
            state.record_renewal(at(second), at(second), false);
            assert_eq!(
                state.may_judge_others(at(second)),
                second >= 11,
                "{second} s"
            );
        }
        assert!(state.may_judge_others(at(18)));
        assert!(
            !state.may_judge_others(at(19)),
            "it may have lost the database"
        );
        // The time of the reply counts: until then, the others could not have renewed their rows either.
        state.record_renewal(at(19), at(22), false);
        for second in (20..=32).step_by(2) {
            state.record_renewal(at(second), at(second), false);
            assert_eq!(
                state.may_judge_others(at(second)),
                second >= 32,
                "{second} s"
            );
        }
    }
}
