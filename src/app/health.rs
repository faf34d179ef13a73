//! Health of the program: its load, and the state of the database, the disk, the replica, and the process. Only reads;
//! never repairs anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Result, folder};
use crate::engine::Engine;
use crate::llm::{CircuitView, Llm};
use crate::replica::replicator::{ReplicaStatus, Replicator};
pub use crate::store::commit_times::{BUCKET_BOUNDS_MS, CommitTimesSnapshot};
pub use crate::store::usage::DailyUsage as Sum;
use crate::store::usage::DailyUsage;
use crate::store::{self, DiskState, Store, cached_answers, usage};
pub use crate::store::{DatabaseServerStatus, LiveServer};

/// The state of the database, as of its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// The error of the last read or commit, if it failed.
    pub error: Option<String>,
    /// The engine and its version.
    pub engine: String,
    /// Whether the database is a file opened by this process rather than a database server.
    pub is_embedded: bool,
}

/// Statistics for this process from the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessStats {
    /// Resident memory in KiB.
    pub memory_kib: u64,
    /// CPU time since the process started.
    pub cpu: Duration,
    /// Number of open file descriptors.
    pub open_files: usize,
    /// Number of operating-system threads.
    pub threads: u64,
}

/// The current load and the commit times since startup. Requires no query.
#[derive(Debug, Clone, Copy, Default)]
pub struct Activity {
    /// Number of running and waiting analyses and relayed calls.
    pub runs: usize,
    /// Number of running calls to providers.
    pub calls: usize,
    /// Number of calls waiting in a queue.
    pub calls_waiting: usize,
    /// Number of writes waiting for the database.
    pub changes_waiting: usize,
    /// Distribution of the times that database commits took.
    pub commits: CommitTimesSnapshot,
}

/// The current load and the usage since the first start. Contains no texts and no user names.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// Number of running and waiting analyses and relayed calls.
    pub runs: usize,
    /// Number of running calls to providers.
    pub calls: usize,
    /// Number of calls waiting in a queue.
    pub calls_waiting: usize,
    /// Number of writes waiting for the database.
    pub changes_waiting: usize,
    /// Distribution of the times that database commits took.
    pub commits: CommitTimesSnapshot,
    /// Usage per model, summed over all days.
    pub models: Vec<DailyUsage>,
    /// Models whose circuit breaker is not closed: 2 means open (no calls), 1 means half-open (one call at a
    /// time).
    pub circuits: Vec<(String, u8)>,
}

/// Use cases for health: load, usage, and the state of the database, the disk, and the replica.
#[derive(Clone, Copy)]
pub struct Health<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) llm: &'a Llm,
    pub(super) replica: Option<&'a Replicator>,
    pub(super) data_dir: &'a Path,
    /// Whether a provider is configured or the demo models are enabled.
    pub(super) has_models: bool,
}

impl Health<'_> {
    /// Returns the current load.
    pub fn activity(&self) -> Activity {
        let (commits, changes_waiting) = self.store.commits();
        let (calls, calls_waiting) = self.llm.running_and_waiting();
        let runs = self.engine.run_count();
        Activity {
            runs,
            calls,
            calls_waiting,
            changes_waiting,
            commits,
        }
    }

    /// Returns the current load and the usage since the first start.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn work(&self) -> Result<Workload> {
        let days = self
            .store
            .read(|db| usage::days_of_all(db, 0, i64::MAX))
            .await?;
        let Activity {
            runs,
            calls,
            calls_waiting,
            changes_waiting,
            commits,
        } = self.activity();
        let mut circuits = Vec::new();
        for provider in self.llm.providers(None) {
            for (model, circuit, _) in provider.held_models {
                let state = match circuit {
                    CircuitView::Closed => continue,
                    CircuitView::HalfOpen => 1,
                    CircuitView::Open(_) => 2,
                };
                circuits.push((format!("{}/{model}", provider.id), state));
            }
        }
        Ok(Workload {
            runs,
            calls,
            calls_waiting,
            changes_waiting,
            commits,
            models: by_model(days),
            circuits,
        })
    }

    /// Returns the state of the database according to the last read and the last commit. Requires no query.
    pub fn database(&self) -> DatabaseHealth {
        DatabaseHealth {
            error: self.store.check().err().map(|error| match error {
                store::StoreError::Failed(what) => what,
                store::StoreError::Closed if self.is_superseded() => {
                    "another process has taken over the replica and now stores all data".into()
                }
                other => other.to_string(),
            }),
            engine: self.store.engine().to_owned(),
            is_embedded: self.store.is_embedded(),
        }
    }

    /// Returns the status of the database server and of the Quire servers that share it; `None` for a database file.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn database_server(&self) -> Result<Option<DatabaseServerStatus>> {
        Ok(self.store.database_server_status().await?)
    }

    /// Runs a query, so that `database` is up to date. Returns whether it succeeded and, for an embedded database,
    /// whether the file still exists. Gives up after five seconds.
    pub async fn probe_database(&self) -> bool {
        let outcome = tokio::time::timeout(Duration::from_secs(5), self.store.probe()).await;
        let path = folder::database(self.data_dir);
        matches!(outcome, Ok(Ok(())))
            && (!self.store.is_embedded() || tokio::fs::metadata(path).await.is_ok())
    }

    /// Returns the number of calls answered from the cache.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn cache_hits(&self) -> Result<u64> {
        let stats = self.store.read(cached_answers::stats).await?;
        Ok(stats.hits)
    }

    /// Returns the state of the replica, if there is one.
    pub fn replica(&self) -> Option<ReplicaStatus> {
        self.replica.map(Replicator::status)
    }

    // Whether another process has taken over storage, in which case this process can no longer change anything.
    fn is_superseded(&self) -> bool {
        self.replica().is_some_and(|status| status.is_superseded)
    }

    /// Returns the state of the data folder's disk; `None` if it is not monitored. Makes one or two system calls.
    pub fn disk(&self) -> Option<DiskState> {
        self.store.disk()
    }

    /// Whether a provider has a stored key that cannot be decrypted.
    pub fn has_lost_keys(&self) -> bool {
        self.llm.has_lost_keys()
    }

    /// Whether any model can be called.
    pub fn has_callable_model(&self) -> bool {
        self.has_models
    }
}

/// Sums the usage to one row per model, ordered by name.
fn by_model(days: Vec<DailyUsage>) -> Vec<DailyUsage> {
    let mut models: BTreeMap<String, DailyUsage> = BTreeMap::new();
    for day in days {
        let sum = models.entry(day.model.clone()).or_default();
        sum.calls += day.calls;
        sum.failed += day.failed;
        sum.input += day.input;
        sum.output += day.output;
        sum.cost = sum.cost.saturating_add(day.cost);
    }
    let rows = models
        .into_iter()
        .map(|(model, sum)| DailyUsage { model, ..sum });
    rows.collect()
}

impl ProcessStats {
    /// Returns the proportional set size in KiB: private memory plus the process's share of shared memory. The kernel
    /// computes it page by page, so it takes longer than all the other statistics.
    pub fn process_memory_kib() -> u64 {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
        line(&rollup, "Pss:")
    }

    /// Returns the current statistics. Those that cannot be read are zero.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let files = std::fs::read_dir("/proc/self/fd");
        Self {
            memory_kib: line(&status, "VmRSS:"),
            cpu: cpu(&stat),
            // Leave out the file that was opened to count the others.
            open_files: files.map_or(0, |files| files.count().saturating_sub(1)),
            threads: line(&status, "Threads:"),
        }
    }
}

fn line(status: &str, name: &str) -> u64 {
    let mut lines = status.lines();
    let found = lines.find_map(|line| line.strip_prefix(name));
    let number = found.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

/// Parses the CPU time from `/proc/self/stat`. The process name may contain anything, so fields are counted from
/// the last parenthesis.
fn cpu(stat: &str) -> Duration {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|tick| tick.parse::<u64>().ok()).sum();
    // On every Linux system, `/proc` reports CPU times in ticks of 10 ms.
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        let status = "Name:\tquire\nVmRSS:\t    4321 kB\nThreads:\t7\n";
        assert_eq!(
            (line(status, "VmRSS:"), line(status, "Threads:")),
            (4321, 7)
        );
        assert_eq!(line(status, "VmSwap:"), 0);
        let stat = "9 (a) b) S 1 9 9 0 -1 4194560 500 0 0 0 12 30 0 0 20 0 7 0 100 0";
        assert_eq!(cpu(stat), Duration::from_millis(420));
        assert_eq!(cpu(""), Duration::ZERO);
    }

    #[test]
    fn process_stats_are_read() {
        let now = ProcessStats::now();
        assert!(
            now.memory_kib > 100 && now.threads > 0 && now.open_files > 2,
            "{now:?}"
        );
    }
}
