//! The servers of one database, and leases for what only one server may do at a time. A server's row contains the time
//! until which it counts as alive; its leases are free once the row is gone. All times are from the database's clock.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::id::AnalysisId;
use crate::store::connection::{Reader, Writer};
use crate::store::error::{Result, StoreError};

/// Subject of the `Conflict` error when a server writes to a run whose lease has ended or passed to another server.
pub const NEWER_LEASE: &str = "a newer lease of the run";
/// Subject of the `Conflict` error when a user already has the maximum number of runs.
pub const TOO_MANY_RUNS: &str = "as many runs of a person as are allowed";
/// Number of a run's first lease.
const FIRST: i64 = 1;

/// The right to drive a run. Every write to the run checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunLease(i64);

impl RunLease {
    /// The first lease of a new run, which [`lease_run`] gives to a server.
    pub const NEW: Self = Self(FIRST);

    /// Returns the lease that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns how many leases the run has had, including this one.
    pub fn number(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// A command for a run, stored by a server that does not drive the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommand {
    /// Unique ID. IDs are not necessarily in the order of the commits.
    pub id: i64,
    /// The run that the command is for.
    pub analysis: AnalysisId,
    /// The current lease of the run.
    pub lease: RunLease,
    /// Name of the command.
    pub command: String,
    /// Argument of the command; empty if it has none.
    pub argument: String,
}

/// Registers a server, which then counts as alive for `lifetime`. If it was registered before, it has its leases again,
/// except those that others have taken over.
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

/// Extends the time for which a server counts as alive to `lifetime` from now. Returns false if it no longer counts as
/// alive: others may have taken its leases.
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

/// Removes a server's row, which frees the server's leases.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn leave(db: &Writer, boot: &str) -> Result<()> {
    db.run("DELETE FROM servers WHERE boot = ?1", [boot])
        .map(drop)
}

/// Returns the number of servers that count as alive.
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

/// Checks that an owner has fewer than `most` runs across all servers, and keeps other servers from adding one until
/// the transaction ends.
///
/// # Errors
/// `Conflict` with [`TOO_MANY_RUNS`] if the owner has at least `most` runs; another error if the database cannot be
/// read.
pub fn check_run_count(db: &Writer, owner: &str, most: u64) -> Result<()> {
    db.lock(&format!("runs of {owner}"))?;
    let sql = "SELECT count(*) FROM leases WHERE owner = ?1";
    let runs: i64 = db.query_one(sql, [owner], |row| row.get(0))?;
    match runs.unsigned_abs() < most {
        true => Ok(()),
        false => Err(StoreError::Conflict(TOO_MANY_RUNS)),
    }
}

/// Gives a server the lease of a new run, [`RunLease::NEW`]. The run counts as one of `owner`'s until it ends; with an
/// empty `owner`, it is not counted.
///
/// # Errors
/// `Busy` if the server no longer counts as alive; another error if the database cannot be written.
pub fn lease_run(db: &Writer, id: &AnalysisId, boot: &str, owner: &str) -> Result<()> {
    // The lock keeps the server's row until the lease is visible, so that no one sees the lease without the server.
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

/// Checks that a run still has this lease, and prevents other servers from taking the run over before the end of the
/// transaction.
///
/// # Errors
/// `Conflict` if another server has taken the run over or the run has ended; another error if the database cannot be
/// read.
pub fn check_lease(db: &Writer, id: &AnalysisId, lease: RunLease) -> Result<()> {
    let sql = "SELECT 1 FROM leases WHERE name = ?1 AND number = ?2 FOR SHARE";
    let held = db.query_optional(sql, (id, lease.0), |_| Ok(()))?;
    held.ok_or(StoreError::Conflict(NEWER_LEASE))
}

/// Deletes the lease and the commands of a run that ends.
///
/// # Errors
/// `Conflict` if another server has taken the run over or the run has already ended; another error if the database
/// cannot be written.
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

/// Checks that a server counts as alive, and prevents its row from being deleted before the end of the transaction.
///
/// # Errors
/// `Busy` if the server does not count as alive; another error if the database cannot be read.
pub fn check_alive(db: &Writer, boot: &str) -> Result<()> {
    let sql = "SELECT 1 FROM servers WHERE boot = ?1 AND until > quire_now() FOR KEY SHARE";
    let alive = db.query_optional(sql, [boot], |_| Ok(()))?;
    alive.ok_or(StoreError::Busy)
}

/// Deletes the rows of servers whose time has expired: they count as dead, and their leases and reservations end. Only
/// a server that has been able to reach the database all the time may call this: see `Membership::may_declare_dead`.
///
/// # Errors
/// Returns an error if the database cannot be written.
fn remove_expired(db: &Writer) -> Result<()> {
    // DELETE locks each row and checks it again, so a server that has renewed its row in the meantime is spared.
    db.run("DELETE FROM servers WHERE until <= quire_now()", [])
        .map(drop)
}

/// Takes over up to `limit` unfinished runs of dead servers, oldest first. Calls `may_declare_dead` inside the
/// transaction, because the database may have been unavailable while this server waited for the transaction.
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

/// Takes over up to `limit` unfinished runs whose servers have no row anymore, oldest first.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn take_over_runs(db: &Writer, boot: &str, limit: u32) -> Result<Vec<(AnalysisId, RunLease)>> {
    // Without this lock, two servers could take the same lease, one after the other.
    db.lock("take over runs")?;
    // Delete the leases of runs that have been deleted or have ended, and add leases to unfinished runs that have none
    // because they date from before leases.
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

/// Lists the runs whose lease a server has, oldest first, with the leases.
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

/// Returns the lease of a run if this server has it.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn lease_of(db: &Reader, id: &AnalysisId, boot: &str) -> Result<Option<RunLease>> {
    let sql = "SELECT number FROM leases WHERE name = ?1 AND server = ?2";
    db.query_optional(sql, (id, boot), |row| Ok(RunLease(row.get(0)?)))
}

/// Renumbers the leases of a server's runs, so that nothing can write with the given leases anymore. Returns the runs
/// with their new leases; omits runs that no longer have the given lease.
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

/// Takes or keeps a lease that is not a run's, unless another server that still has a row holds it. Returns whether
/// this server now has the lease; false if the server no longer counts as alive.
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

/// Returns whether a server has a lease that is not a run's, and prevents others from taking the lease before the end
/// of the transaction.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn holds_lease(db: &Writer, name: &str, boot: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM leases WHERE name = ?1 AND server = ?2 FOR SHARE";
    Ok(db.query_optional(sql, (name, boot), |_| Ok(()))?.is_some())
}

/// Deletes leases that are not runs' if their server has no row, or if their document or experiment no longer needs
/// one.
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

/// Prevents other servers from recording or comparing their secret before the end of the transaction.
///
/// # Errors
/// `Busy` if another transaction holds the lock for too long; another error if the database cannot be read.
pub fn lock_secret(db: &Writer) -> Result<()> {
    db.lock("secret")
}

/// Lists the names of the leases that begin with a prefix and are held by other servers that have a row.
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
    // The same command sent twice is stored once.
    let sql = "INSERT INTO run_commands (analysis_id, command, argument)
               SELECT name, ?2, ?3 FROM leases WHERE name = ?1 FOR SHARE
               ON CONFLICT (analysis_id, command, argument) DO UPDATE SET argument = excluded.argument";
    Ok(db.run(sql, (id, command, argument))? > 0)
}

/// Returns the argument of a command for a run; `None` if the command was not sent.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn argument_of(db: &Reader, id: &AnalysisId, command: &str) -> Result<Option<String>> {
    let sql = "SELECT argument FROM run_commands WHERE analysis_id = ?1 AND command = ?2 ORDER BY id LIMIT 1";
    db.query_optional(sql, (id, command), |row| row.get(0))
}

/// Lists the commands for the runs that a server drives, in the order of their IDs.
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
