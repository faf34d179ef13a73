//! Default limits derived from the machine's memory: concurrent runs, calls, and streams.

use crate::config::ServerLimits;

/// Files with the memory limit of the container that the server runs in (cgroup v2 and v1).
pub(super) const CONTAINER_LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];
/// Memory assumed if the system does not report it, in MiB: that of a small free host.
const ASSUMED_MEMORY_MIB: u64 = 512;
/// Provider calls per MiB of memory, as numerator and denominator. A call itself takes about 0.1 MiB; the rest is for
/// its content.
const CALLS_PER_MIB_RATIO: (u64, u64) = (1, 2);
/// Range of the derived limit on concurrent provider calls.
const CALLS_RANGE: (u64, u64) = (64, 1_000);
/// Memory per concurrent analysis, in MiB.
const MIB_PER_RUN: u64 = 64;
/// Range of the derived limit on concurrent analyses.
const RUNS_RANGE: (u64, u64) = (16, 64);

/// Replaces limits of 0 with values that fit the machine.
pub(super) fn fill(limits: &mut ServerLimits) {
    fill_unset_limits(limits, memory_mib().unwrap_or(ASSUMED_MEMORY_MIB));
}

fn fill_unset_limits(limits: &mut ServerLimits, mib: u64) {
    let set_if_unset = |limit: &mut usize, scaled: u64| {
        if *limit == 0 {
            *limit = scaled as usize;
        }
    };
    let calls =
        (mib * CALLS_PER_MIB_RATIO.0 / CALLS_PER_MIB_RATIO.1).clamp(CALLS_RANGE.0, CALLS_RANGE.1);
    set_if_unset(
        &mut limits.max_runs,
        (mib / MIB_PER_RUN).clamp(RUNS_RANGE.0, RUNS_RANGE.1),
    );
    set_if_unset(&mut limits.max_calls, calls);
    // More streams than calls would only wait for calls to end.
    let streams = limits.max_calls as u64;
    set_if_unset(&mut limits.max_streams, streams);
    // Half of all streams, so that one user cannot take all of them.
    let per_user_streams = (limits.max_streams as u64).div_ceil(2);
    set_if_unset(&mut limits.max_streams_per_user, per_user_streams);
}

/// Returns the memory that the server may use, in MiB.
fn memory_mib() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let container_memory = CONTAINER_LIMITS
        .iter()
        .find_map(|path| read(path).trim().parse::<u64>().ok());
    let machine_memory = parse_meminfo(&read("/proc/meminfo"));
    let all = container_memory.map(|bytes| bytes >> 20).into_iter();
    all.chain(machine_memory).min()
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, ConfigLayers};

    fn resolved_limits(settings: &[(&str, &str)], mib: u64) -> [usize; 4] {
        let environment = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let layers = ConfigLayers {
            environment: environment.collect(),
            ..ConfigLayers::default()
        };
        let mut limits = config::load(&layers).unwrap().limits;
        fill_unset_limits(&mut limits, mib);
        [
            limits.max_runs,
            limits.max_calls,
            limits.max_streams,
            limits.max_streams_per_user,
        ]
    }

    #[test]
    fn limits_grow_with_the_machine_unless_they_are_set() {
        assert_eq!(resolved_limits(&[], 100), [16, 64, 64, 32]);
        assert_eq!(resolved_limits(&[], 1_024), [16, 512, 512, 256]);
        assert_eq!(resolved_limits(&[], 16_384), [64, 1_000, 1_000, 500]);
        let set = [("MAX_RUNS", "3"), ("MAX_STREAMS", "10")];
        assert_eq!(resolved_limits(&set, 16_384), [3, 1_000, 10, 5]);
        assert_eq!(
            resolved_limits(&[("MAX_CALLS", "8"), ("MAX_STREAMS_PER_USER", "7")], 100),
            [16, 8, 8, 7]
        );
    }

    #[test]
    fn the_memory_of_the_machine_is_read_in_mebibytes() {
        let text = "MemTotal:       16308212 kB\nMemFree:         1234 kB\n";
        assert_eq!(parse_meminfo(text), Some(15_925));
        assert_eq!(parse_meminfo("nothing"), None);
    }
}
