//! Patterns that come with the installation: the built-in ones, and those in its patterns folder, which override them.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::folder;
use crate::config::Config;
use crate::domain::pattern::Pattern;
use crate::domain::pattern::stored::{EMBEDDED_PATTERNS, PatternOrigin, StoredPattern};

/// The built-in patterns and those from the patterns folder.
pub struct InstallationPatterns {
    folder: Vec<Pattern>,
    all: OnceLock<Vec<StoredPattern>>,
}

impl InstallationPatterns {
    /// Loads the patterns in the folder. Also returns messages about skipped files and about a folder that cannot be
    /// read.
    pub fn open(config: &Config) -> (Self, Vec<String>) {
        let is_configured = config.patterns.is_some();
        let path: PathBuf = match &config.patterns {
            Some(path) => path.clone(),
            None => config.data_dir.join("patterns"),
        };
        let (folder, problems) = folder::load(&path, is_configured);
        let all = OnceLock::new();
        (Self { folder, all }, problems)
    }

    /// Returns all patterns. If an ID occurs twice, the folder's pattern takes precedence. The built-in
    /// patterns are parsed only at the first call, because startup does not need them.
    pub fn all(&self) -> &[StoredPattern] {
        self.all.get_or_init(|| {
            let mut all: Vec<StoredPattern> = embedded()
                .into_iter()
                .map(|pattern| StoredPattern::without_owner(pattern, PatternOrigin::Embedded))
                .collect();
            for pattern in self.folder.iter().cloned() {
                let folder_pattern = StoredPattern::without_owner(pattern, PatternOrigin::Folder);
                match all
                    .iter_mut()
                    .find(|existing| existing.id() == folder_pattern.id())
                {
                    Some(existing) => *existing = folder_pattern,
                    None => all.push(folder_pattern),
                }
            }
            all
        })
    }
}

/// Returns the built-in patterns. The build converts them to JSON; tests ensure that they are valid patterns.
pub(super) fn embedded() -> Vec<Pattern> {
    serde_json::from_str(EMBEDDED_PATTERNS).expect("the build checks the patterns")
}
