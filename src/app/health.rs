//! How the program is: its database, its cache, the process. Reads, never repairs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{App, Result, folder};
use crate::llm::CircuitView;
pub use crate::store::times::{BOUNDS_MS, CommitTimesSnapshot};
pub use crate::store::usage::DailyUsage as Sum;
use crate::store::usage::DailyUsage;
use crate::store::{self, answers, usage};

/// What the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// What is wrong with it, if anything is.
    pub fault: Option<String>,
    /// The engine and its version.
    pub engine: String,
}

/// What the operating system says about this process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessStats {
    /// Resident memory, in kibibytes.
    pub memory_kib: u64,
    /// Processor time spent since the start.
    pub cpu: Duration,
    /// File handles that are open.
    pub open_files: usize,
    /// Threads.
    pub threads: u64,
}

/// What is under way, and how long commits took since the start. Costs nothing to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Activity {
    /// Analyses under way or waiting.
    pub runs: usize,
    /// Calls to providers under way.
    pub calls: usize,
    /// Calls that wait for their turn.
    pub calls_waiting: usize,
    /// Changes that wait for the database.
    pub changes_waiting: usize,
    /// How long commits took.
    pub commits: CommitTimesSnapshot,
}

/// What is under way, and what was used since the first start. Nobody's texts, nobody's names.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// Analyses under way or waiting.
    pub runs: usize,
    /// Calls to providers under way.
    pub calls: usize,
    /// Calls that wait for their turn.
    pub calls_waiting: usize,
    /// Changes that wait for the database.
    pub changes_waiting: usize,
    /// How long commits took.
    pub commits: CommitTimesSnapshot,
    /// What was used of each model, all days together.
    pub models: Vec<DailyUsage>,
    /// Models that are not asked as usual because they failed: 2 not at all, 1 one call at a time.
    pub circuits: Vec<(String, u8)>,
}

impl App {
    /// What is under way.
    pub fn pulse(&self) -> Activity {
        let (commits, changes_waiting) = self.store.commits();
        let (calls, calls_waiting) = self.llm.counts();
        let runs = self.engine.count();
        Activity {
            runs,
            calls,
            calls_waiting,
            changes_waiting,
            commits,
        }
    }

    /// What is under way and what was used.
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
        } = self.pulse();
        let mut circuits = Vec::new();
        for provider in self.models().providers(None) {
            for (model, circuit, _) in provider.held {
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
    /// How the last read and the last commit went. Costs nothing.
    pub fn database(&self) -> DatabaseHealth {
        DatabaseHealth {
            fault: self.store.check().err().map(|fault| match fault {
                store::StoreError::Failed(what) => what,
                store::StoreError::Closed if self.is_superseded() => {
                    "another Quire has taken over the replica, and stores everything now".into()
                }
                other => other.to_string(),
            }),
            engine: format!("SQLite {}", store::engine_version()),
        }
    }
    /// Really asks the database, so that `database` is true of now. Gives up after five seconds.
    pub async fn probe_database(&self) -> bool {
        let asked = tokio::time::timeout(Duration::from_secs(5), self.store.probe()).await;
        let there = folder::database(&self.config.data_dir);
        matches!(asked, Ok(Ok(()))) && tokio::fs::metadata(there).await.is_ok()
    }
    /// How often an answer was given again instead of bought again.
    pub async fn cache_hits(&self) -> Result<u64> {
        let stats = self.store.read(answers::stats).await?;
        Ok(stats.hits)
    }
    /// Whether the key of some provider is stored and cannot be read.
    pub fn has_lost_keys(&self) -> bool {
        self.llm.has_lost_keys()
    }
    /// Whether some model can be asked at all.
    pub fn can_answer(&self) -> bool {
        !self.config.providers.is_empty() || self.config.use_mock != Some(false)
    }
}

/// One row a model, in the order of their names.
fn by_model(days: Vec<DailyUsage>) -> Vec<DailyUsage> {
    let mut models: BTreeMap<String, DailyUsage> = BTreeMap::new();
    for day in days {
        let sum = models.entry(day.model.clone()).or_default();
        sum.calls += day.calls;
        sum.failed += day.failed;
        sum.input += day.input;
        sum.output += day.output;
        sum.cost = sum.cost.plus(day.cost);
    }
    let named = models
        .into_iter()
        .map(|(model, sum)| DailyUsage { model, ..sum });
    named.collect()
}

impl ProcessStats {
    /// Memory of its own with its share of what processes have in common, in kibibytes: the system counts page
    /// by page, so this takes longer than all the rest.
    pub fn own_kib() -> u64 {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
        line(&rollup, "Pss:")
    }

    /// As it is now. What cannot be read is zero.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let files = std::fs::read_dir("/proc/self/fd");
        Self {
            memory_kib: line(&status, "VmRSS:"),
            cpu: cpu(&stat),
            // Less the one that the counting itself opens.
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

/// The process's name may hold anything, so the fields are counted from the last bracket on.
fn cpu(stat: &str) -> Duration {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|tick| tick.parse::<u64>().ok()).sum();
    // A tick is a hundredth of a second on every Linux that a program can see.
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_understood() {
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
    fn this_process_is_alive() {
        let now = ProcessStats::now();
        assert!(
            now.memory_kib > 100 && now.threads > 0 && now.open_files > 2,
            "{now:?}"
        );
    }
}
