//! Records the usage of relayed calls. The calls are collected for a moment and written in batches, so that
//! no client waits for the disk. Until a call is recorded, its maximum cost stays reserved, so that no budget
//! is exceeded in the meantime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use super::answer_cache::LeaderGuard;
use super::budget::BudgetReservation;
use super::journal::JournalBatch;
use crate::clock;
use crate::log;
use crate::store::{Store, StoreError, Writer};

/// How long calls are collected before they are written.
const COLLECT_INTERVAL: Duration = Duration::from_millis(200);
/// Number of collected calls at which a batch is written without waiting for more.
const MAX_BATCH: usize = 256;
/// Maximum number of unwritten calls before new calls have to wait. A crash would lose the usage of all of
/// them. Each takes about 8 KB of memory.
const MAX_BACKLOG: usize = 512;
/// Pause after a failed write.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Number of calls in a row that cannot be written before the others are not tried.
const MAX_FAILURES: u32 = 2;
/// How long a call is kept while the store fails; after that, the call is dropped.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Maximum number of queued calls while the store fails; above this limit, the oldest are dropped.
const MAX_WAITING: usize = 20_000;

/// A relayed call that has ended. Dropping it discards its usage.
pub(super) struct SettledCall {
    pub batch: Arc<JournalBatch>,
    /// Reservation of the call, released on drop.
    pub reservation: BudgetReservation,
    /// Held until the answer is in the cache; other callers wait until these guards are dropped.
    pub _leaders: Vec<LeaderGuard>,
    /// When the call ended.
    pub ended_at: Instant,
    /// Whether the first failure to record the call has been logged.
    pub is_reported: bool,
}

/// Records relayed calls in the background.
pub(super) struct UsageRecorder {
    store: Store,
    state: Mutex<SettlementState>,
    /// Held while a batch is written.
    write_lock: AsyncMutex<()>,
}

#[derive(Default)]
struct SettlementState {
    waiting_calls: Vec<SettledCall>,
    /// Whether a task is already waiting to write.
    is_due: bool,
    /// Whether the last write failed.
    has_failed: bool,
}

impl UsageRecorder {
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            state: Mutex::default(),
            write_lock: AsyncMutex::default(),
        })
    }

    /// Adds a call that has ended.
    pub fn add(self: &Arc<Self>, call: SettledCall) {
        // While the call is unrecorded, its reservation may prevent other calls, so write soon.
        let holds_budget = call.reservation.holds_budget();
        let (starts, is_batch_full) = {
            let mut state = self.lock_state();
            state.waiting_calls.push(call);
            let starts = !std::mem::replace(&mut state.is_due, true);
            (starts, state.waiting_calls.len() == MAX_BATCH)
        };
        let is_urgent = is_batch_full || holds_budget;
        if starts || is_urgent {
            self.write_after(if is_urgent {
                Duration::ZERO
            } else {
                COLLECT_INTERVAL
            });
        }
    }

    // Writes all queued calls after a pause, in a separate task. If the task never starts,
    // `Engine::drain_runs` writes them instead.
    fn write_after(self: &Arc<Self>, pause: Duration) {
        let settlement = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            settlement.write_waiting().await;
        });
    }

    /// Waits until a long backlog has been written. If the processor is busy, the writer may get too little
    /// time, and new calls must not take even more of it. While the store fails, calls do not wait.
    pub async fn wait_for_backlog(self: &Arc<Self>) {
        if !self.must_wait() {
            return;
        }
        let settlement = self.clone();
        // A separate task, so that no calls are lost if the caller is dropped.
        let writing = tokio::spawn(async move {
            let guard = settlement.write_lock.lock().await;
            // Another attempt may have failed in the meantime.
            if settlement.must_wait() {
                settlement.write_locked(&guard).await;
            }
        });
        // This fails only when the runtime is shutting down.
        let _ = writing.await;
    }

    fn must_wait(&self) -> bool {
        let state = self.lock_state();
        state.waiting_calls.len() >= MAX_BACKLOG && !state.has_failed
    }

    /// Writes all queued calls in a separate task, so that no calls are lost if the caller is dropped.
    pub async fn write_all(self: &Arc<Self>) {
        let settlement = self.clone();
        let writing = tokio::spawn(async move { settlement.write_waiting().await });
        // This fails only when the runtime is shutting down.
        let _ = writing.await;
    }

    async fn write_waiting(self: &Arc<Self>) {
        let guard = self.write_lock.lock().await;
        self.write_locked(&guard).await;
    }

    async fn write_locked(self: &Arc<Self>, _: &tokio::sync::MutexGuard<'_, ()>) {
        let group = {
            let mut state = self.lock_state();
            state.is_due = false;
            std::mem::take(&mut state.waiting_calls)
        };
        if group.is_empty() {
            return;
        }
        let mut failed = self.write(group).await;
        let mut state = self.lock_state();
        state.has_failed = !failed.is_empty();
        if failed.is_empty() {
            return;
        }
        failed.append(&mut state.waiting_calls);
        let surplus = failed.len().saturating_sub(MAX_WAITING);
        state.waiting_calls = failed.split_off(surplus);
        if !std::mem::replace(&mut state.is_due, true) {
            drop(state);
            self.write_after(RETRY_PAUSE);
        }
    }

    // Writes all calls in a single transaction or, if that fails because of one of them, each call separately. Returns
    // the calls that should be tried again: those that are not too old and certainly were not written.
    async fn write(&self, group: Vec<SettledCall>) -> Vec<SettledCall> {
        let batches: Vec<_> = group.iter().map(|call| call.batch.clone()).collect();
        let all = move |db: &Writer| batches.iter().try_for_each(|batch| batch.store(db));
        match self.store.write(all).await {
            Ok(()) => Vec::new(),
            Err(StoreError::Unknown) => {
                report_unknown(group.len());
                Vec::new()
            }
            Err(error) => {
                // New calls stop waiting for this attempt.
                self.lock_state().has_failed = true;
                match error {
                    StoreError::Closed | StoreError::Full => keep_recent(group, &error),
                    _ => self.write_separately(group).await,
                }
            }
        }
    }

    // Writes each call in a transaction of its own, so that only the failing call has to wait.
    async fn write_separately(&self, group: Vec<SettledCall>) -> Vec<SettledCall> {
        let mut failed = Vec::new();
        let mut failures_in_a_row = 0;
        let mut calls = group.into_iter();
        while let Some(call) = calls.next() {
            let batch = call.batch.clone();
            match self.store.write(move |db: &Writer| batch.store(db)).await {
                Ok(()) => failures_in_a_row = 0,
                Err(StoreError::Unknown) => report_unknown(1),
                Err(error) => {
                    failures_in_a_row += 1;
                    failed.extend(keep_recent([call], &error));
                    // The store is at fault, not the calls. Each further attempt would fail too, and may take seconds.
                    if failures_in_a_row >= MAX_FAILURES && is_unavailable(&error) {
                        failed.extend(keep_recent(calls.by_ref(), &error));
                    }
                }
            }
        }
        failed
    }

    fn lock_state(&self) -> MutexGuard<'_, SettlementState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether writing failed because of the store and not because of what was written.
fn is_unavailable(error: &StoreError) -> bool {
    use StoreError::{Busy, Closed, Full};
    matches!(error, Busy | Closed | Full)
}

/// Returns the calls that are not too old to be tried again. Logs the first failure of each call.
fn keep_recent(
    calls: impl IntoIterator<Item = SettledCall>,
    error: &StoreError,
) -> Vec<SettledCall> {
    let now = clock::instant();
    let mut recent = Vec::new();
    for mut call in calls {
        let is_late = now.saturating_duration_since(call.ended_at) > MAX_AGE;
        if is_late || !std::mem::replace(&mut call.is_reported, true) {
            let (error, retries) = (format!("{error:?}"), if is_late { "no" } else { "yes" });
            log::error(
                "call could not be recorded",
                &[("fault", &error), ("retries", &retries)],
            );
        }
        recent.extend((!is_late).then_some(call));
    }
    recent
}

/// Logs that calls may not have been recorded. They are not recorded again, because they might then be counted twice.
fn report_unknown(calls: usize) {
    log::error(
        "it is unknown whether calls were recorded",
        &[("calls", &calls)],
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AnalysisId;
    use crate::domain::pattern::CallId;
    use crate::domain::usage::{CallEnd, UserLimits};
    use crate::engine::RunTerms;
    use crate::engine::budget::tests::{charge, ledger, store};
    use crate::engine::journal::Journal;
    use crate::engine::run_channel::{RelayAudience, RunChannel};
    use crate::store::usage;

    #[tokio::test]
    async fn a_long_backlog_is_written_before_a_call_begins() {
        let (_folder, store, user) = store();
        let ledger = ledger(&store, UserLimits::default());
        let recorder = UsageRecorder::new(store.clone());
        let call = |number: u128| {
            let id = AnalysisId::new(clock::now(), number);
            let channel = Arc::new(RunChannel::for_passthrough());
            let owner = (Some(user.clone()), None);
            let mut journal = Journal::new(store.clone(), channel, id, owner, 0)
                .into_passthrough(Some(RelayAudience::NoWatcher));
            let member = CallId {
                stage: 0,
                member: 0,
            };
            journal.charge(vec![charge(member, 7, CallEnd::Answered)]);
            let terms = RunTerms::default();
            let reservation = BudgetReservation::new(ledger.clone(), Some(user.clone()), &terms);
            journal.into_settled(reservation).unwrap()
        };
        for number in 1..MAX_BACKLOG {
            recorder.add(call(number as u128));
        }
        recorder.wait_for_backlog().await;
        assert_eq!(
            recorder.lock_state().waiting_calls.len(),
            MAX_BACKLOG - 1,
            "not long yet"
        );
        recorder.add(call(0));
        recorder.wait_for_backlog().await;
        assert_eq!(recorder.lock_state().waiting_calls.len(), 0);
        let today = clock::now().day();
        let user_spending = store.read(move |db| usage::spent(db, &user, today)).await;
        let tokens = user_spending.unwrap().day.tokens;
        assert_eq!(tokens, 7 * MAX_BACKLOG as u64);
    }
}
