//! The single writer thread. Jobs that are queued together share one transaction and one fsync; each still has its own
//! savepoint, result, and reply, which is sent after the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::commit_times::CommitTimes;
use super::connection::Writer;
use super::error::{Result, StoreError};
use super::health::StoreHealth;
use super::job_queue::WriteQueue;
use super::postgres::lost_commit;
use super::sqlite::wal_follower::{HeldSnapshot, WalLog};
use crate::clock;

/// Maximum number of jobs per commit. More would delay the first job without any gain.
const MAX_JOBS_PER_COMMIT: usize = 128;

/// Outcome of a job, reported once the result of the commit is known.
pub(super) struct CommitResult {
    /// Result of the job; its changes are rolled back on an error.
    pub(super) result: Result<()>,
    /// Reports the result to the caller.
    pub(super) answer: Box<dyn FnOnce(Result<()>) + Send>,
}

impl CommitResult {
    /// Turns a success into a failure.
    fn fail(&mut self, error: StoreError) {
        let answer = std::mem::replace(&mut self.answer, Box::new(|_| ()));
        self.result = Err(error.clone());
        self.answer = Box::new(move |_| answer(Err(error)));
    }
}

/// A caller's change. If it receives an error instead of a connection, it passes the error on.
pub(super) type Work = Box<dyn FnOnce(Result<&Writer>) -> CommitResult + Send>;

pub(super) enum WriteJob {
    /// Make a change.
    Change(Work),
    /// Make a change in a transaction of its own, so that it holds no locks of other changes while it waits.
    ChangeAlone(Work),
    /// Run a closure between two transactions, to read or to free memory.
    Between(Box<dyn FnOnce(&Writer) + Send>),
    /// Checkpoint the whole log.
    Checkpoint(Box<dyn FnOnce(Result<()>) + Send>),
    /// Make the follower read the log, then call the function with the result.
    NotifyFollower(Box<dyn FnOnce(Result<()>) + Send>),
    /// Empty the log and hold the database in that state.
    HoldFile(Box<dyn FnOnce(Result<HeldSnapshot>) + Send>),
}

impl WriteJob {
    /// Runs a command that is not a change. With a database server, there is no log, so there is nothing to empty or
    /// follow.
    fn run_command(self, db: &Writer, log: Option<&mut WalLog>) {
        match (self, log) {
            (Self::Change(_) | Self::ChangeAlone(_), _) => {}
            // A panic drops the reply channel, which the caller treats as a failure.
            (Self::Between(visit), _) => drop(catch_unwind(AssertUnwindSafe(|| visit(db)))),
            (Self::Checkpoint(answer), Some(log)) => answer(log.checkpoint(db)),
            (Self::NotifyFollower(answer), Some(log)) => answer(log.read_and_checkpoint(db)),
            (Self::HoldFile(answer), Some(log)) => answer(log.hold_file(db)),
            (Self::Checkpoint(answer) | Self::NotifyFollower(answer), None) => answer(Ok(())),
            (Self::HoldFile(answer), None) => answer(db.sqlite().and(Err(StoreError::Busy))),
        }
    }
}

/// Wraps a closure and its reply channel for a job.
pub(super) fn work<T: Send + 'static>(
    change: impl FnOnce(&Writer) -> Result<T> + Send + 'static,
    answer: impl FnOnce(Result<T>) + Send + 'static,
) -> Work {
    Box::new(move |db| {
        let result = db.and_then(change);
        CommitResult {
            result: result.as_ref().map(drop).map_err(Clone::clone),
            answer: Box::new(move |commit| {
                answer(match (result, commit) {
                    (Ok(_), Err(error)) => Err(error),
                    (result, _) => result,
                });
            }),
        }
    })
}

/// Runs jobs until the queue is closed and empty. Reports each commit's outcome to `health` and its duration to
/// `times`.
pub(super) fn run_writer(
    db: Writer,
    log: Option<WalLog>,
    queue: &WriteQueue<WriteJob>,
    health: &StoreHealth,
    times: &CommitTimes,
    reopen: impl Fn() -> Result<Writer>,
) {
    let end = catch_unwind(AssertUnwindSafe(|| {
        process_jobs(db, log, queue, health, times, reopen)
    }));
    // If this thread ends early, no caller may wait for it: dropping a job sends its caller an error.
    health.record_writer_end(end.is_ok());
    queue.close();
    drop(queue.take_waiting(usize::MAX));
}

fn process_jobs(
    mut db: Writer,
    mut log: Option<WalLog>,
    queue: &WriteQueue<WriteJob>,
    health: &StoreHealth,
    times: &CommitTimes,
    reopen: impl Fn() -> Result<Writer>,
) {
    while let Some(jobs) = queue.take(MAX_JOBS_PER_COMMIT) {
        replace_broken(&mut db, &reopen, health);
        let mut group = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                WriteJob::Change(work) => group.push(work),
                WriteJob::ChangeAlone(work) => {
                    commit_group(&mut db, std::mem::take(&mut group), &reopen, health, times);
                    commit_group(&mut db, vec![work], &reopen, health, times);
                }
                // The command must come after all changes that were queued before it.
                other => {
                    commit_group(&mut db, std::mem::take(&mut group), &reopen, health, times);
                    other.run_command(&db, log.as_mut());
                }
            }
        }
        commit_group(&mut db, group, &reopen, health, times);
    }
    // There is no one left to report to; if this fails, the log is replayed at the next start.
    if let Some(mut log) = log {
        let _ = db.run_batch("PRAGMA optimize;");
        let _ = log.checkpoint(&db);
    }
}

/// Replaces a broken connection. If that fails, each job is refused when it starts.
fn replace_broken(db: &mut Writer, reopen: &dyn Fn() -> Result<Writer>, health: &StoreHealth) {
    if !db.is_broken() {
        return;
    }
    match reopen() {
        Ok(fresh) => *db = fresh,
        Err(error) => health.record_commit(&Err(error)),
    }
}

fn commit_group(
    db: &mut Writer,
    group: Vec<Work>,
    reopen: &dyn Fn() -> Result<Writer>,
    health: &StoreHealth,
    times: &CommitTimes,
) {
    let mut waiting = group.into_iter();
    while waiting.len() > 0 {
        let (begun, rows) = (clock::instant(), db.rows_changed());
        let (verdicts, commit) = run_transaction(db, &mut waiting, reopen);
        times.add(clock::instant().saturating_duration_since(begun));
        health.record_commit(&commit);
        // A job that found no space is rolled back alone, because the rest of its group may have fit.
        let had_no_room = |verdict: &CommitResult| verdict.result == Err(StoreError::Full);
        if verdicts.iter().any(had_no_room) {
            health.record_commit(&Err(StoreError::Full));
        } else if commit.is_ok() && db.rows_changed() != rows {
            health.record_successful_commit();
        }
        if db.is_damaged() {
            health.record_damage();
        }
        for verdict in verdicts {
            (verdict.answer)(commit.clone());
        }
        // If the connection was lost midway, the remaining jobs need a new one.
        if waiting.len() > 0 {
            replace_broken(db, reopen, health);
        }
    }
}

/// Runs jobs until there are none left or the transaction is lost. Returns their outcomes and the result of the commit.
fn run_transaction(
    db: &Writer,
    jobs: &mut std::vec::IntoIter<Work>,
    reopen: &dyn Fn() -> Result<Writer>,
) -> (Vec<CommitResult>, Result<()>) {
    if let Err(error) = db.run_control("BEGIN IMMEDIATE") {
        let refused = jobs.map(|job| job(Err(error.clone()))).collect();
        return (refused, Err(error));
    }
    db.drop_totals();
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let kept = run_job(db, job, &mut verdicts);
        if let Err(error) = kept {
            db.roll_back();
            return (verdicts, Err(error));
        }
    }
    if let Err(error) = db.write_totals() {
        db.roll_back();
        return (verdicts, Err(error));
    }
    let commit = db
        .run_control("COMMIT")
        .or_else(|error| match db.lost_commit() {
            // The commit may have been executed; only the reply is missing.
            Some(mark) => lost_commit::settle(&mark, reopen),
            None => {
                db.roll_back();
                Err(error)
            }
        });
    (verdicts, commit)
}

/// Runs a job. Fails only if the whole transaction is lost, including all earlier jobs in it.
fn run_job(db: &Writer, job: Work, verdicts: &mut Vec<CommitResult>) -> Result<()> {
    if let Err(error) = db.run_control("SAVEPOINT job") {
        verdicts.push(job(Err(error.clone())));
        return Err(error);
    }
    // A panic drops the reply channel, which the caller treats as a failure.
    let went = match catch_unwind(AssertUnwindSafe(|| job(Ok(db)))) {
        Ok(verdict) => {
            let went = verdict.result.clone();
            verdicts.push(verdict);
            went
        }
        Err(_) => Err(StoreError::Failed("the closure panicked".into())),
    };
    // A full disk, an I/O error, or the loss of the connection has already rolled everything back.
    if !db.in_transaction() {
        return Err(match went {
            Err(StoreError::Full) => StoreError::Full,
            // Nothing was committed, so the whole group can be retried.
            _ if db.is_connection_lost() => StoreError::Busy,
            _ => StoreError::Failed("the transaction was lost".into()),
        });
    }
    let mut is_kept = went.is_ok();
    if is_kept && let Err(error) = db.run_control("RELEASE job") {
        // The job ignored an error of the database server, which has since rejected its statements.
        is_kept = false;
        if let Some(verdict) = verdicts.last_mut() {
            verdict.fail(error);
        }
    }
    db.end_job(is_kept);
    if !is_kept {
        db.run_control("ROLLBACK TO job")?;
        db.run_control("RELEASE job")?;
    }
    Ok(())
}
