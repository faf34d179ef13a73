//! Expands file patterns that the shell has not expanded, such as quoted ones. Supports `*`, `?`, `[a-z]`, and `**` for
//! nested folders.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use walkdir::{DirEntry, WalkDir};

/// Maximum number of files that a pattern may match.
const MAX_FILES: usize = 200;
/// Maximum number of folders searched for one pattern.
const MAX_FOLDERS: usize = 10_000;
/// Matches as shells do: `*` does not match a slash, and a hidden file matches only if the pattern contains its dot.
const MATCH_OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};
/// Characters that make a name a pattern.
const PATTERN_CHARACTERS: [char; 3] = ['*', '?', '['];

/// Returns whether a name is a pattern, that is, contains special characters and does not name an existing file.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(PATTERN_CHARACTERS) && !Path::new(name).exists()
}

/// Returns the files that match a pattern, in alphabetical order.
///
/// # Errors
/// Returns an error message if no file matches, too many files match, or too many folders would be searched.
pub(super) fn expand(pattern: &str) -> Result<Vec<PathBuf>, String> {
    matching_files(pattern, MAX_FOLDERS)
}

fn matching_files(pattern: &str, max_folders: usize) -> Result<Vec<PathBuf>, String> {
    // Doubled slashes are removed, because the paths found by the search never contain them.
    let normalized: PathBuf = Path::new(pattern).components().collect();
    let parts: Vec<String> = (normalized.components())
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let compiled = Pattern::new(&normalized.to_string_lossy())
        .map_err(|error| format!("{pattern} is not a file pattern: {}", error.msg))?;
    let fixed_part = parts
        .iter()
        .take_while(|part| !part.contains(PATTERN_CHARACTERS));
    let fixed_part: PathBuf = fixed_part.collect();
    let is_current_folder = fixed_part.as_os_str().is_empty();
    let depth = match parts.iter().any(|part| part == "**") {
        true => usize::MAX,
        false => parts.len() - fixed_part.components().count(),
    };
    let matches_hidden = parts.iter().any(|part| is_hidden(part));
    let root = if is_current_folder {
        Path::new(".")
    } else {
        &fixed_part
    };
    let may_enter = |entry: &DirEntry| {
        entry.depth() == 0 || matches_hidden || !is_hidden(&entry.file_name().to_string_lossy())
    };
    let (mut found, mut folders) = (Vec::new(), 0);
    let walk = WalkDir::new(root).max_depth(depth).into_iter();
    // Unreadable folders are skipped, as in shells.
    for entry in walk.filter_entry(may_enter).flatten() {
        if entry.file_type().is_dir() {
            folders += 1;
        }
        if folders > max_folders {
            return Err(format!(
                "{pattern} would search more than {max_folders} folders; start it with a folder closer to the files"
            ));
        }
        let path = match is_current_folder {
            true => entry.path().strip_prefix(".").unwrap_or(entry.path()),
            false => entry.path(),
        };
        if compiled.matches_path_with(path, MATCH_OPTIONS) && path.is_file() {
            found.push(path.to_owned());
        }
        if found.len() > MAX_FILES {
            return Err(format!(
                "{pattern} matches more than {MAX_FILES} files; narrow it"
            ));
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(format!("no file matches {pattern}")),
        false => Ok(found),
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("quire-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&root);
            for folder in ["a/b", "a/.git"] {
                std::fs::create_dir_all(root.join(folder)).expect("folders");
            }
            for name in [
                "one.md",
                "two.txt",
                ".hidden.md",
                "a/three.md",
                "a/b/four.md",
                "a/.git/five.md",
            ] {
                std::fs::write(root.join(name), "x").expect("a file");
            }
            Self(root)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_found_as_in_shells() {
        let root = Folder::new("patterns");
        for (pattern, expected) in [
            ("*.md", &["one.md"][..]),
            (".*.md", &[".hidden.md"]),
            ("[on]*.md", &["one.md"]),
            ("t??.txt", &["two.txt"]),
            ("*/*.md", &["a/three.md"]),
            ("a//*.md", &["a/three.md"]),
            ("**/*.md", &["a/b/four.md", "a/three.md", "one.md"]),
            ("a/**/four.md", &["a/b/four.md"]),
            ("a/.git/*", &["a/.git/five.md"]),
            ("*.pdf", &[]),
            ("*", &["one.md", "two.txt"]),
        ] {
            let matches = expand(&format!("{}/{pattern}", root.0.display())).unwrap_or_default();
            let names = matches
                .iter()
                .filter_map(|path| path.strip_prefix(&root.0).ok());
            let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
            assert_eq!(names, expected, "{pattern}");
        }
    }

    #[test]
    fn invalid_and_too_broad_patterns_are_rejected() {
        let root = Folder::new("limits");
        let within = |pattern: &str| format!("{}/{pattern}", root.0.display());
        let expect_refusal = |pattern: &str, max_files| {
            matching_files(&within(pattern), max_files).expect_err("refused")
        };
        assert!(expect_refusal("**/*.md", 2).contains("more than 2 folders"));
        assert!(matching_files(&within("**/*.md"), 3).is_ok());
        assert!(expect_refusal("x**y", 9).contains("is not a file pattern"));
        assert!(expect_refusal("*.pdf", 9).starts_with("no file matches"));
        for number in 0..=MAX_FILES {
            std::fs::write(root.0.join(format!("{number}.log")), "x").expect("a file");
        }
        assert!(expect_refusal("*.log", 9).contains("more than 200 files"));
    }
}
