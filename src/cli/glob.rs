//! Expands file patterns that the shell has not expanded, such as quoted ones: `*`, `?`, and `**` for folders.

use std::path::{Path, PathBuf};

/// Maximum number of files of a pattern.
const MAX_FILES: usize = 200;
/// Maximum depth of folders that `**` descends into.
const MAX_DEPTH: usize = 16;

/// Whether a name is a pattern and not the name of an existing file.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?']) && !Path::new(name).exists()
}

/// The files that match, in alphabetical order.
///
/// # Errors
/// The reason, when none or too many match.
pub(super) fn expand(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    walk(Path::new(start), &parts, MAX_DEPTH, &mut found);
    found.sort();
    found.dedup();
    match found.len() {
        0 => Err(format!("no file matches {pattern}")),
        1..=MAX_FILES => Ok(found),
        more => Err(format!(
            "{pattern} matches {more} files; at most {MAX_FILES} are read"
        )),
    }
}

fn walk(folder: &Path, parts: &[&str], depth: usize, found: &mut Vec<PathBuf>) {
    let Some((part, rest)) = parts.split_first() else {
        return;
    };
    // One more than the limit, to notice that there are too many.
    if found.len() > MAX_FILES {
        return;
    }
    if *part == "**" {
        walk(folder, rest, depth, found);
    } else if !part.contains(['*', '?']) {
        return step(folder.join(part), rest, depth, found);
    }
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let Ok(entries) = std::fs::read_dir(here) else {
        return;
    };
    for name in entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        let path = folder.join(&name);
        let is_hidden = name.starts_with('.') && !part.starts_with('.');
        if is_hidden {
            continue;
        }
        if *part == "**" {
            // A link could lead back to a folder above.
            let is_folder = path.is_dir() && !path.is_symlink();
            if is_folder && depth > 0 {
                walk(&path, parts, depth - 1, found);
            }
        } else if matches(part.as_bytes(), name.as_bytes()) {
            step(path, rest, depth, found);
        }
    }
}

fn step(path: PathBuf, rest: &[&str], depth: usize, found: &mut Vec<PathBuf>) {
    match rest.is_empty() {
        true if path.is_file() => found.push(path),
        true => {}
        false => walk(&path, rest, depth, found),
    }
}

/// Whether a name matches a part with `*` and `?`. Linear in the name's length for every star.
fn matches(part: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while of < name.len() {
        match part.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, of));
                at += 1;
            }
            Some(b'?') => (at, of) = (at + 1, of + 1),
            Some(byte) if *byte == name[of] => (at, of) = (at + 1, of + 1),
            _ => match retry {
                Some((star, begin)) => {
                    retry = Some((star, begin + 1));
                    (at, of) = (star, begin + 1);
                }
                None => return false,
            },
        }
    }
    part[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (part, name, expected) in [
            ("*.md", "a.md", true),
            ("*.md", "a.txt", false),
            ("a?c*", "abcde", true),
            ("*b*b*", "abxb", true),
            ("*b*b*", "abx", false),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(
                matches(part.as_bytes(), name.as_bytes()),
                expected,
                "{part} {name}"
            );
        }
    }

    #[test]
    fn files_are_found_in_folders() {
        let root = std::env::temp_dir().join(format!("quire-glob-{}", std::process::id()));
        std::fs::create_dir_all(root.join("a/b")).expect("folders");
        for name in [
            "one.md",
            "two.txt",
            ".hidden.md",
            "a/three.md",
            "a/b/four.md",
        ] {
            std::fs::write(root.join(name), "x").expect("a file");
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(&format!("{}/{pattern}", root.display())).unwrap_or_default();
            let names = found
                .iter()
                .filter_map(|path| path.strip_prefix(&root).ok());
            names.map(|path| path.display().to_string()).collect()
        };
        assert_eq!(names("*.md"), ["one.md"]);
        assert_eq!(names("*/*.md"), ["a/three.md"]);
        assert_eq!(names("**/*.md"), ["a/b/four.md", "a/three.md", "one.md"]);
        assert!(names("*.pdf").is_empty());
        std::fs::remove_dir_all(&root).expect("removed");
    }
}
