//! Checks of the machine: clock, open files, and memory. Values that the system does not report yield no finding.

use super::{CheckResult, CheckState, finding};
use crate::app::memory_based_defaults::CONTAINER_LIMITS;
use crate::config::Config;
use crate::domain::time::Timestamp;

/// Number of open files besides connections: the database, its log, and files being read.
const BASE_FILES: u64 = 64;
/// Memory in MiB that the server needs in addition to the document readers.
const BASE_MEMORY_MIB: u64 = 96;

/// Runs the checks. `newest` is the time of the newest audit log entry.
pub(super) fn examine(
    config: &Config,
    now: Timestamp,
    newest: Option<Timestamp>,
) -> Vec<CheckResult> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = CONTAINER_LIMITS
        .iter()
        .find_map(|path| read(path).trim().parse().ok());
    let connections = config.limits.max_connections as u64;
    let found = [
        Some(check_clock(now, newest)),
        check_open_files(&read("/proc/self/limits"), connections),
        memory.and_then(|bytes| check_memory(bytes, config.limits.document_memory)),
    ];
    found.into_iter().flatten().collect()
}

/// Checks the clock, on which signed tokens, limits, and certificates depend.
fn check_clock(now: Timestamp, newest: Option<Timestamp>) -> CheckResult {
    const CLOCK_ADVICE: &str = "turn on time synchronization (timedatectl set-ntp true)";
    // Every release is newer than this date, so an earlier time means that the clock is wrong.
    let release_date = Timestamp::parse("2026-01-01T00:00:00Z");
    if release_date.is_some_and(|release_date| now < release_date) {
        let text = format!(
            "it shows {now}, which is too early for any certificate to be valid; {CLOCK_ADVICE}"
        );
        return finding("clock", CheckState::Failed, text);
    }
    match newest {
        Some(newest) if newest.since(now).as_secs() > 120 => {
            let minutes_behind = newest.since(now).as_secs() / 60;
            let text = format!(
                "it shows {now}, but the audit log has an entry from {minutes_behind} minutes later; {CLOCK_ADVICE}"
            );
            finding("clock", CheckState::Failed, text)
        }
        _ => finding("clock", CheckState::Ok, format!("it shows {now}")),
    }
}

fn check_open_files(limits: &str, connections: u64) -> Option<CheckResult> {
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let limit: u64 = line.split_whitespace().nth(3)?.parse().ok()?;
    let needed = connections + BASE_FILES;
    Some(if limit < needed {
        let text = format!(
            "the limit is {limit}, but {needed} are needed for MAX_CONNECTIONS={connections}; set LimitNOFILE={needed} (systemd), ulimit -n {needed} (shell), or lower MAX_CONNECTIONS"
        );
        finding("open files", CheckState::Warning, text)
    } else {
        finding(
            "open files",
            CheckState::Ok,
            format!("the limit is {limit}"),
        )
    })
}

fn check_memory(bytes: u64, document: u64) -> Option<CheckResult> {
    let (limit_mib, document_mib) = (bytes >> 20, document >> 20);
    // Without a limit, cgroup v1 reports a number larger than any machine's memory.
    if limit_mib > 1 << 24 {
        return None;
    }
    let needed = document_mib + BASE_MEMORY_MIB;
    Some(if limit_mib < needed {
        let text = format!(
            "the limit is {limit_mib} MiB, but reading one document may need {document_mib}: set DOCUMENT_MEMORY_MB to {} or less",
            limit_mib.saturating_sub(BASE_MEMORY_MIB).max(32)
        );
        finding("memory", CheckState::Warning, text)
    } else {
        finding(
            "memory",
            CheckState::Ok,
            format!("the limit is {limit_mib} MiB"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn wrong_clocks_are_reported() {
        let now = at("2026-11-23T12:00:00Z");
        for (now, newest, expected) in [
            (now, None, CheckState::Ok),
            (now, Some(at("2026-11-23T12:01:00Z")), CheckState::Ok),
            (now, Some(at("2026-11-23T12:10:00Z")), CheckState::Failed),
            (at("1970-01-01T00:10:00Z"), None, CheckState::Failed),
        ] {
            assert_eq!(check_clock(now, newest).state, expected, "{now} {newest:?}");
        }
    }

    #[test]
    fn low_system_limits_are_reported() {
        let line = "Limit  Soft  Hard  Units\nMax open files            1024                 524288               files\n";
        let state = |found: Option<CheckResult>| found.map(|found| found.state);
        assert_eq!(
            state(check_open_files(line, 1024)),
            Some(CheckState::Warning)
        );
        assert_eq!(state(check_open_files(line, 900)), Some(CheckState::Ok));
        assert_eq!(state(check_open_files("", 1)), None);
        assert_eq!(
            state(check_memory(512 << 20, 256 << 20)),
            Some(CheckState::Ok)
        );
        assert_eq!(
            state(check_memory(256 << 20, 256 << 20)),
            Some(CheckState::Warning)
        );
        assert_eq!(state(check_memory(0x7fff_ffff_ffff_f000, 1)), None);
    }
}
