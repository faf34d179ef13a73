//! Checks that every name imported between the pages' scripts is exported by the other script. Otherwise, a browser
//! would report the error only when the page is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{assert_no_violations, collect_files, find_cycle, is_word, vendor};

const MAX_SCRIPT_LINES: usize = 300;

/// Returns a script without its block comments. An unterminated comment hides the rest of the script.
fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once("*/").map_or("", |(_, code)| code));
    let full = rest.fold(first, |whole, part| whole + part);
    let lines = full
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the names that a script exports, either where they are declared or in a list on one line.
fn exported_names(code: &str) -> BTreeSet<&str> {
    let keywords = ["async", "function", "const", "let", "class"];
    let lines = code.lines().filter_map(|line| line.strip_prefix("export "));
    let names = lines.flat_map(|line| {
        let words = line.split(|c: char| !is_word(c));
        let words = words.filter(move |word| !word.is_empty() && !keywords.contains(word));
        words.take(if line.starts_with('{') { usize::MAX } else { 1 })
    });
    names.collect()
}

/// Returns the names that a script imports, each with the script from which it is imported.
fn imported_names(code: &str) -> Vec<(&str, &str)> {
    let statements = code.split("import {").skip(1);
    let read = statements.filter_map(|rest| {
        let (names, from) = rest.split_once('}')?;
        let from = from.trim_start().strip_prefix("from \"")?;
        Some((names, from.split('"').next()?))
    });
    read.filter(|(_, from)| from.starts_with('.'))
        .flat_map(|(names, from)| names.split(',').map(move |name| (name, from)))
        .filter_map(|(name, from)| Some((name.split_whitespace().next()?, from)))
        .collect()
}

#[test]
fn every_script_import_is_exported() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/js");
    let mut paths = Vec::new();
    collect_files(&root, "js", &mut paths);
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        (path.canonicalize().unwrap(), without_comments(&text))
    };
    let scripts: BTreeMap<PathBuf, String> = paths.iter().map(read).collect();
    let (mut faults, mut count) = (Vec::new(), 0);
    for (path, code) in &scripts {
        for (name, from) in imported_names(code) {
            count += 1;
            let target = path.parent().unwrap().join(from).canonicalize().unwrap();
            let is_exported = match scripts.get(&target) {
                Some(code) => exported_names(code).contains(name),
                None => vendor::exported_names(&target).contains(name),
            };
            if !is_exported {
                faults.push(format!("{}: {from} does not export {name}", path.display()));
            }
        }
    }
    assert!(count > 300, "the imports are found");
    assert_no_violations(faults);
}

#[test]
fn unterminated_comment_hides_an_export() {
    assert!(
        exported_names(&without_comments(
            "/** About. */\nexport function Chart() {}\n"
        ))
        .contains("Chart")
    );
    assert!(
        exported_names(&without_comments(
            "/** About.\nexport function Chart() {}\n/** More. */"
        ))
        .is_empty()
    );
}

#[test]
fn the_pages_scripts_keep_their_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/js");
    let mut paths = Vec::new();
    collect_files(&root, "js", &mut paths);
    let mut faults = Vec::new();
    let mut edges = BTreeSet::new();
    for path in &paths {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().count();
        if lines > MAX_SCRIPT_LINES {
            faults.push(format!("assets/js/{name}: {lines} lines"));
        }
        for (before, quoted) in text
            .split('"')
            .collect::<Vec<_>>()
            .windows(2)
            .map(|two| (two[0], two[1]))
        {
            if !(before.ends_with("from ") || before.ends_with("import "))
                || !quoted.starts_with('.')
            {
                continue;
            }
            let target = path.parent().unwrap().join(quoted);
            let Ok(target) = target.canonicalize() else {
                faults.push(format!("assets/js/{name}: {quoted} is not there"));
                continue;
            };
            // Third-party code is checked in vendor.rs.
            let Ok(target) = target.strip_prefix(root.canonicalize().unwrap()) else {
                continue;
            };
            let target = target.to_str().unwrap().to_owned();
            if name.starts_with("parts/") && target.starts_with("pages/") {
                faults.push(format!(
                    "assets/js/{name}: a part must not know the page {target}"
                ));
            }
            edges.insert((name.clone(), target));
        }
    }
    assert_no_violations(faults);
    assert_eq!(
        find_cycle(&edges),
        None,
        "a script imports itself in the end"
    );
}
