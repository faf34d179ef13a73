//! The limits of a free hosting plan, a tenth of a CPU and 512 MB, applied with cgroup v1 or v2 (needs root).

use std::fs;
use std::path::{Path, PathBuf};

/// A control group, removed on drop; its processes must have ended by then.
pub struct Limits {
    groups: Vec<PathBuf>,
    /// Script that starts a program inside the group.
    pub starter: PathBuf,
}

const MEMORY_LIMIT: &str = "536870912";

impl Limits {
    /// Creates the group. Returns `None` if this machine does not permit that.
    pub fn new(folder: &Path, binary: &Path) -> Option<Self> {
        let name = format!("quire-bench-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let expected: Vec<(PathBuf, Vec<(&str, &str)>)> =
            if root.join("cgroup.controllers").exists() {
                vec![(
                    root.join(&name),
                    vec![("cpu.max", "10000 100000"), ("memory.max", MEMORY_LIMIT)],
                )]
            } else {
                vec![
                    (
                        root.join("cpu").join(&name),
                        vec![
                            ("cpu.cfs_period_us", "100000"),
                            ("cpu.cfs_quota_us", "10000"),
                        ],
                    ),
                    (
                        root.join("memory").join(&name),
                        vec![("memory.limit_in_bytes", MEMORY_LIMIT)],
                    ),
                ]
            };
        let mut limits = Self {
            groups: Vec::new(),
            starter: folder.join("limited"),
        };
        let mut script = "#!/bin/sh\n".to_owned();
        for (group, settings) in expected {
            fs::create_dir(&group).ok()?;
            limits.groups.push(group.clone());
            for (file, value) in settings {
                fs::write(group.join(file), value).ok()?;
            }
            script += &format!("echo $$ > {}/cgroup.procs || exit 1\n", group.display());
        }
        let binary = std::path::absolute(binary).ok()?;
        script += &format!("exec '{}' \"$@\"\n", binary.display());
        fs::write(&limits.starter, script).ok()?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&limits.starter, mode).ok()?;
        Some(limits)
    }

    /// Returns the peak memory charged to the group in MB, including its page cache.
    pub fn peak_mb(&self) -> Option<f64> {
        let files = ["memory.peak", "memory.max_usage_in_bytes"];
        let mut peaks = (self.groups.iter())
            .flat_map(|group| files.map(|file| group.join(file)))
            .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<f64>().ok());
        peaks.next().map(|bytes| bytes / 1_048_576.0)
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        for group in &self.groups {
            let _ = fs::remove_dir(group);
        }
    }
}
