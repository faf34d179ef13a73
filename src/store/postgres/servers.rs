//! Servers of one database, and the leases of what only one of them may do at a time. A server's row says how long it
//! counts as alive; a lease is free once the row of its server is gone. All times are those of the database's clock.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::id::AnalysisId;
use crate::store::connection::{Reader, Writer};
use crate::store::error::{Result, StoreError};

/// Name of the conflict when a server writes to a run that another server has taken over.
pub const NEWER_LEASE: &str = "a newer lease of the run";
/// Name of the conflict when a user already has the maximum number of runs.
pub const TOO_MANY_RUNS: &str = "as many runs of a person as are allowed";
/// Number of a run's first lease.
const FIRST: i64 = 1;

/// The right to drive a run: every write of the run names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunLease(i64);

impl RunLease {
    /// The lease of a new run, which its server gets with [`lease_run`].
    pub const NEW: Self = Self(FIRST);

    /// The lease after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// How many leases the run has had, with this one.
    pub fn number(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// A command for a run, from a server that does not drive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommand {
    /// Unique, but not in the order of commits.
    pub id: i64,
    /// The run.
    pub analysis: AnalysisId,
    /// The run's lease.
    pub lease: RunLease,
    /// Name of the command.
    pub command: String,
    /// Argument of the command; empty if it has none.
    pub argument: String,
}

/// Adds a server, alive for this long from now on. If it was one before, it has its leases again, except those that
/// others have taken over.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn enter(db: &Writer, boot: &str, lifetime: Duration) -> Result<()> {
    db.run(
        "INSERT INTO servers (boot, version, started, until) VALUES (?1, ?2, quire_now(), quire_now() + ?3)
         ON CONFLICT (boot) DO UPDATE SET until = excluded.until",
        (boot, env!("CARGO_PKG_VERSION"), lifetime.as_millis() as i64),
    )
    .map(drop)
}

/// Keeps a server alive for this long from now on. Returns false if its time was over already: others may have taken
/// its leases.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn renew(db: &Writer, boot: &str, lifetime: Duration) -> Result<bool> {
    let rows = db.run(
        "UPDATE servers SET until = quire_now() + ?2 WHERE boot = ?1 AND until > quire_now()",
        (boot, lifetime.as_millis() as i64),
    )?;
    Ok(rows > 0)
}

/// Removes a server, which frees its leases.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn leave(db: &Writer, boot: &str) -> Result<()> {
    db.run("DELETE FROM servers WHERE boot = ?1", [boot])
        .map(drop)
}

/// Counts the servers that are alive.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_alive(db: &Reader) -> Result<u64> {
    db.query_one(
        "SELECT count(*) FROM servers WHERE until > quire_now()",
        [],
        |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()),
    )
}

/// Checks that an owner of runs has fewer than `most` on all servers, and keeps other servers from adding one before the
/// end of the transaction.
///
/// # Errors
/// `Conflict` with [`TOO_MANY_RUNS`] if there are as many; another error if the database cannot be read.
pub fn check_run_count(db: &Writer, owner: &str, most: u64) -> Result<()> {
    db.lock(&format!("runs of {owner}"))?;
    let sql = "SELECT count(*) FROM leases WHERE owner = ?1";
    let runs: i64 = db.query_one(sql, [owner], |row| row.get(0))?;
    match runs.unsigned_abs() < most {
        true => Ok(()),
        false => Err(StoreError::Conflict(TOO_MANY_RUNS)),
    }
}

/// Gives a server the lease of a new run, [`RunLease::NEW`]. The run counts as one of its owner's until it ends, unless
/// the owner is empty.
///
/// # Errors
/// `Busy` if the server no longer counts as alive; another error if the database cannot be written.
pub fn lease_run(db: &Writer, id: &AnalysisId, boot: &str, owner: &str) -> Result<()> {
    // The lock keeps the row until the lease is visible, so that no one finds the lease without its server.
    db.query_optional(
        "SELECT 1 FROM servers WHERE boot = ?1 FOR KEY SHARE",
        [boot],
        |_| Ok(()),
    )?
    .ok_or(StoreError::Busy)?;
    db.run(
        "INSERT INTO leases (name, server, number, owner) VALUES (?1, ?2, ?3, ?4)",
        (id, boot, FIRST, owner),
    )
    .map(drop)
}

/// Checks that a run still has this lease, and keeps it from being taken over before the end of the transaction.
///
/// # Errors
/// `Conflict` if another server has taken the run over, or it has ended; another error if the database cannot be read.
pub fn check_lease(db: &Writer, id: &AnalysisId, lease: RunLease) -> Result<()> {
    let sql = "SELECT 1 FROM leases WHERE name = ?1 AND number = ?2 FOR SHARE";
    let held = db.query_optional(sql, (id, lease.0), |_| Ok(()))?;
    held.ok_or(StoreError::Conflict(NEWER_LEASE))
}

/// Ends a run's lease with the run, and drops the commands for it.
///
/// # Errors
/// `Conflict` if another server has taken the run over, or it has ended; another error if the database cannot be
/// written.
pub fn end_lease(db: &Writer, id: &AnalysisId, lease: RunLease) -> Result<()> {
    let sql = "DELETE FROM leases WHERE name = ?1 AND number = ?2";
    match db.run(sql, (id, lease.0))? {
        0 => Err(StoreError::Conflict(NEWER_LEASE)),
        _ => db
            .run("DELETE FROM run_commands WHERE analysis_id = ?1", [id])
            .map(drop),
    }
}

/// Frees a run's lease, so that any server can take the run over.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn free_lease(db: &Writer, id: &AnalysisId, lease: RunLease) -> Result<()> {
    db.run(
        "UPDATE leases SET server = '' WHERE name = ?1 AND number = ?2",
        (id, lease.0),
    )
    .map(drop)
}

/// Checks that a server counts as alive, and keeps its row until the end of the transaction.
///
/// # Errors
/// `Busy` if it does not; another error if the database cannot be read.
pub fn check_alive(db: &Writer, boot: &str) -> Result<()> {
    let sql = "SELECT 1 FROM servers WHERE boot = ?1 AND until > quire_now() FOR KEY SHARE";
    let alive = db.query_optional(sql, [boot], |_| Ok(()))?;
    alive.ok_or(StoreError::Busy)
}

/// Declares the servers dead whose rows have expired, which frees their leases and ends their reservations. Only a server
/// that has reached the database all the time may do so: see `Membership::may_declare_dead`.
///
/// # Errors
/// Returns an error if the database cannot be written.
fn remove_expired(db: &Writer) -> Result<()> {
    // Deleting a row locks and reads it again, so a server that has renewed it in the meantime is spared.
    db.run("DELETE FROM servers WHERE until <= quire_now()", [])
        .map(drop)
}

/// Takes over unfinished runs of servers that are dead, oldest first. Asks inside the transaction whether this server may
/// declare others dead, because the database may have been away while it waited.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn take_over_lost_runs(
    db: &Writer,
    may_declare_dead: impl Fn() -> bool,
    boot: &str,
    limit: u32,
) -> Result<Vec<(AnalysisId, RunLease)>> {
    if may_declare_dead() {
        remove_expired(db)?;
    }
    take_over_runs(db, boot, limit)
}

/// Takes over unfinished runs of servers whose rows are gone, oldest first.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn take_over_runs(db: &Writer, boot: &str, limit: u32) -> Result<Vec<(AnalysisId, RunLease)>> {
    // Otherwise two servers could take the same lease, one after the other.
    db.lock("take over runs")?;
    // Leases of runs that were deleted, and missing ones of runs from before there were leases.
    db.run(
        "DELETE FROM leases WHERE starts_with(name, 'analysis_')
           AND NOT EXISTS (SELECT 1 FROM analyses a WHERE a.id = name AND a.finished = 0)",
        [],
    )?;
    db.run(
        "INSERT INTO leases (name, server, number, owner)
         SELECT a.id, '', 0, CASE WHEN starts_with(a.origin, 'experiment_') THEN '' ELSE coalesce(a.user_id, 'nobody') END
         FROM analyses a
         WHERE a.finished = 0 AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.name = a.id)
         ON CONFLICT DO NOTHING",
        [],
    )?;
    let mut taken = db.all(
        "UPDATE leases SET server = ?1, number = number + 1 WHERE name IN (
             SELECT l.name FROM leases l
             WHERE starts_with(l.name, 'analysis_') AND NOT EXISTS (SELECT 1 FROM servers s WHERE s.boot = l.server)
             ORDER BY l.name LIMIT ?2 FOR UPDATE OF l SKIP LOCKED
         ) RETURNING name, number",
        (boot, limit),
        |row| Ok((row.get::<_, AnalysisId>(0)?, RunLease(row.get(1)?))),
    )?;
    taken.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(taken)
}

/// Lists the runs of a server with their leases, oldest first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn runs_of(db: &Reader, boot: &str) -> Result<Vec<(AnalysisId, RunLease)>> {
    db.all(
        "SELECT name, number FROM leases WHERE server = ?1 AND starts_with(name, 'analysis_') ORDER BY name",
        [boot],
        |row| Ok((row.get(0)?, RunLease(row.get(1)?))),
    )
}

/// Returns the lease that a server has of a run.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn lease_of(db: &Reader, id: &AnalysisId, boot: &str) -> Result<Option<RunLease>> {
    let sql = "SELECT number FROM leases WHERE name = ?1 AND server = ?2";
    db.query_optional(sql, (id, boot), |row| Ok(RunLease(row.get(0)?)))
}

/// Gives a server new leases of those of its runs that still have these. Whatever wrote with the earlier ones no longer
/// can.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn lease_again(
    db: &Writer,
    runs: Vec<(AnalysisId, RunLease)>,
    boot: &str,
) -> Result<Vec<(AnalysisId, RunLease)>> {
    let sql =
        "UPDATE leases SET number = number + 1 WHERE name = ?1 AND number = ?2 AND server = ?3";
    let mut leased = Vec::with_capacity(runs.len());
    for (id, lease) in runs {
        if db.run(sql, (&id, lease.0, boot))? > 0 {
            leased.push((id, lease.next()));
        }
    }
    Ok(leased)
}

/// Takes or keeps a lease that is not a run's, unless another server has it whose row is not gone. Returns whether this
/// one has it.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn keep_lease(db: &Writer, name: &str, boot: &str) -> Result<bool> {
    let rows = db.run(
        "INSERT INTO leases (name, server, number)
         SELECT ?1, boot, 1 FROM servers WHERE boot = ?2 AND until > quire_now() FOR KEY SHARE
         ON CONFLICT (name) DO UPDATE SET server = excluded.server, number = leases.number + 1
         WHERE leases.server = excluded.server
            OR NOT EXISTS (SELECT 1 FROM servers s WHERE s.boot = leases.server)",
        (name, boot),
    )?;
    Ok(rows > 0)
}

/// Ends a lease that is not a run's, if this server has it.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn drop_lease(db: &Writer, name: &str, boot: &str) -> Result<()> {
    db.run(
        "DELETE FROM leases WHERE name = ?1 AND server = ?2",
        (name, boot),
    )
    .map(drop)
}

/// Whether a server has a lease that is not a run's. It keeps the lease until the end of the transaction.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn holds_lease(db: &Writer, name: &str, boot: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM leases WHERE name = ?1 AND server = ?2 FOR SHARE";
    Ok(db.query_optional(sql, (name, boot), |_| Ok(()))?.is_some())
}

/// Deletes leases that are not runs', of servers that are gone or of things that no longer need one.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_unused_leases(db: &Writer) -> Result<()> {
    db.run(
        "DELETE FROM leases WHERE NOT starts_with(name, 'analysis_') AND (
             NOT EXISTS (SELECT 1 FROM servers s WHERE s.boot = server)
             OR starts_with(name, 'document_') AND NOT EXISTS (
                 SELECT 1 FROM documents d WHERE d.id = name AND d.status = 'processing')
             OR starts_with(name, 'experiment_') AND NOT EXISTS (
                 SELECT 1 FROM experiments e WHERE e.id = name))",
        [],
    )
    .map(drop)
}

/// Keeps other servers from recording or comparing their secret before the end of the transaction.
///
/// # Errors
/// `Busy` if another transaction has the lock for long; another error if the database cannot be read.
pub fn lock_secret(db: &Writer) -> Result<()> {
    db.lock("secret")
}

/// Lists the leases of other servers, whose rows are not gone, with names that begin with a prefix.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn leased_elsewhere(db: &Reader, prefix: &str, boot: &str) -> Result<BTreeSet<String>> {
    let names = db.all(
        "SELECT l.name FROM leases l JOIN servers s ON s.boot = l.server
         WHERE starts_with(l.name, ?1) AND l.server <> ?2",
        (prefix, boot),
        |row| row.get(0),
    )?;
    Ok(names.into_iter().collect())
}

/// Stores a command for a run. Returns false if the run has ended or was never leased.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn send_command(db: &Writer, id: &AnalysisId, command: &str, argument: &str) -> Result<bool> {
    // The same command twice is one command.
    let sql = "INSERT INTO run_commands (analysis_id, command, argument)
               SELECT name, ?2, ?3 FROM leases WHERE name = ?1 FOR SHARE
               ON CONFLICT (analysis_id, command, argument) DO UPDATE SET argument = excluded.argument";
    Ok(db.run(sql, (id, command, argument))? > 0)
}

/// Returns the argument of a command for a run, if it was given.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn argument_of(db: &Reader, id: &AnalysisId, command: &str) -> Result<Option<String>> {
    let sql = "SELECT argument FROM run_commands WHERE analysis_id = ?1 AND command = ?2 ORDER BY id LIMIT 1";
    db.query_optional(sql, (id, command), |row| row.get(0))
}

/// Lists the commands for a server's runs in the order in which they were given.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn commands_for(db: &Reader, boot: &str) -> Result<Vec<StoredCommand>> {
    db.all(
        "SELECT c.id, c.analysis_id, l.number, c.command, c.argument
         FROM run_commands c JOIN leases l ON l.name = c.analysis_id
         WHERE l.server = ?1 ORDER BY c.id",
        [boot],
        |row| {
            Ok(StoredCommand {
                id: row.get(0)?,
                analysis: row.get(1)?,
                lease: RunLease(row.get(2)?),
                command: row.get(3)?,
                argument: row.get(4)?,
            })
        },
    )
}
