//! Enforces the architecture: allowed imports, boundaries to the outside world, size limits, and complete lists in the
//! manual. The sources are read as text. The rules are described in lib.rs.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod cycles;
mod documentation;
mod linker;
mod names;
mod scripts;
mod services;
mod vendor;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each folder, or file in the root, the modules of the crate that it may import.
#[rustfmt::skip]
const LAYERS: &[(&str, &[&str])] = &[
    ("domain",  &[]),
    ("wire",    &["domain"]),
    ("extract", &["domain"]),
    ("crypto",  &["domain"]),
    ("config",  &["domain"]),
    ("clock",   &["domain"]),
    ("log",     &["clock"]),
    // Config is imported for the paths of the certificate files, domain for their expiry.
    ("tls",     &["config", "domain"]),
    ("allocator", &[]),
    ("system",  &[]),
    ("worker",  &["extract", "system"]),
    // Clock is imported only to measure how long commits take.
    // Tls is imported only for the certificate authorities of a database server.
    ("store",   &["domain", "clock", "tls"]),
    // This is a connection to Redis, through which several servers share limits.
    ("shared_limits", &["domain", "crypto", "config", "tls", "clock", "log"]),
    ("llm",     &["domain", "wire", "tls", "clock", "shared_limits"]),
    // This is a client for buckets.
    ("objects", &["domain", "crypto", "tls", "clock"]),
    // This copies the store's log to a folder or a bucket.
    ("replica", &["domain", "crypto", "objects", "store", "clock", "log"]),
    // Crypto is imported only for the hash in the key of a cached answer.
    ("engine",  &["domain", "store", "llm", "shared_limits", "crypto", "clock", "log"]),
    ("app",     &["domain", "wire", "extract", "crypto", "config", "store", "llm", "shared_limits", "objects", "replica", "engine", "tls", "clock", "log", "system"]),
    ("http",    &["app", "domain", "wire", "tls", "clock", "log"]),
    ("cli",     &["app", "http", "config", "domain", "tls", "log", "clock", "allocator", "system"]),
    ("main",    &["allocator", "cli", "extract", "system", "worker"]),
    ("lib",     &[]),
    // The packages' root files. Which package may import which is in their manifests.
    ("packages", &[]),
    ("build",   &[]),
];

/// External crates, each with the only places that may use it.
#[rustfmt::skip]
const CRATE_OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]), ("r2d2", &["store"]), ("scheduled_thread_pool", &["store"]),
    ("ureq", &["tls", "llm", "objects"]),
    ("hyper", &["http", "llm"]), ("hyper_util", &["http", "llm"]), ("http_body_util", &["http", "llm"]),
    ("multer", &["http"]), ("rust_embed", &["http"]),
    ("ring", &["crypto"]), ("rustls", &["tls", "llm", "store", "shared_limits"]), ("tokio_rustls", &["http", "llm", "store", "shared_limits"]), ("tokio_postgres", &["store"]),
    ("webpki_roots", &["llm", "tls"]),
    ("html_escape", &["extract", "packages"]), ("csv", &["extract"]), ("quick_xml", &["extract", "objects"]), ("chardetng", &["extract"]), ("encoding_rs", &["extract"]),
    ("hayro_syntax", &["extract"]), ("hayro_ccitt", &["extract"]),
    ("regex_lite", &["domain"]), ("jsonschema", &["domain"]), ("pulldown_cmark", &["domain"]), ("statrs", &["domain"]), ("ulid", &["domain"]),
    ("lexopt", &["cli"]), ("unicode_width", &["cli"]), ("listenfd", &["cli"]), ("rustix", &["cli", "store", "system"]),
    ("libc", &["allocator", "system"]), ("seccompiler", &["system"]), ("landlock", &["system"]), ("toml", &["build", "packages", "wire"]), ("toml_parser", &["wire"]), ("httpdate", &["llm"]),
    ("subtle", &["crypto"]), ("matchit", &["http"]), ("percent_encoding", &["config", "crypto", "http", "store"]),
    ("tokio", &["store", "llm", "shared_limits", "engine", "app", "http", "cli"]),
];

/// Strings, each with the only files that may contain it.
#[rustfmt::skip]
const CONFINED_STRINGS: &[(&str, &[&str])] = &[
    ("SystemTime::now", &["clock.rs"]),
    ("Instant::now", &["clock.rs"]),
    // Every task must have an owner that waits for the task.
    ("tokio::spawn", &["http/server.rs", "engine/", "llm/call.rs"]),
    ("println!", &[]),
    ("unsafe ", &["allocator.rs", "system.rs"]),
    // Outbound connections are checked by `llm::address_guard`. The exceptions are connections to servers that the
    // operator has chosen (a bucket, Redis, and the doctor's connection to its own server) and `discover`, which
    // connects only to this machine.
    ("TcpStream::connect", &["llm/connector.rs", "shared_limits/connection.rs", "llm/discover.rs", "app/offline/doctor/health.rs"]),
    ("UdpSocket", &[]),
    ("config_builder", &["llm/blocking_client.rs", "objects/s3/client.rs"]),
    ("new_with_defaults", &[]), ("new_with_config", &[]), ("new_agent", &["objects/s3/client.rs"]),
    ("with_parts", &["llm/blocking_client.rs"]),
    ("ureq::get", &[]), ("ureq::post", &[]), ("ureq::put", &[]), ("ureq::head", &[]), ("ureq::run", &[]),
];

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 80;

struct Source {
    /// Path relative to `src`, with slashes.
    name: String,
    text: String,
}

impl Source {
    /// Returns the folder of a file in `src` or, for a file in the root, its name without extension.
    fn layer_name(&self) -> &str {
        let first = self.name.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }
    /// Returns the lines of code with their numbers, without comments and without the test module.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .take(self.own_lines())
            .map(|(number, line)| (number + 1, line.split("//").next().unwrap()))
    }
    /// Returns the number of lines before the test module, or 0 for a file that contains only tests.
    fn own_lines(&self) -> usize {
        if self.name.ends_with("tests.rs") || self.name.contains("/tests/") {
            return 0;
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod tests {"));
        tests.unwrap_or(lines.len())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect_files(&root, "rs", &mut paths);
    assert!(paths.len() > 50, "the sources are found");
    paths
        .iter()
        .map(|path| Source {
            name: path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/"),
            text: fs::read_to_string(path).unwrap(),
        })
        .collect()
}

fn collect_files(folder: &Path, extension: &str, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect_files(&path, extension, paths);
        } else if path.extension().is_some_and(|kind| kind == extension) {
            paths.push(path);
        }
    }
}

/// Fails if there are violations. The message contains all of them, not only the first.
fn assert_no_violations(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns the names that follow `root::` in a line: a single name, or the first segments of the paths in a brace
/// group.
fn imported_names(line: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(root) {
        if line[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let rest = &line[at + root.len()..];
        match rest.strip_prefix('{') {
            None => found.push(rest.chars().take_while(|c| is_word(*c)).collect()),
            Some(group) => {
                let mut depth = 0;
                let mut word = String::new();
                let mut fresh = true;
                for character in group.chars() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.push(std::mem::take(&mut word));
                            fresh = true;
                        }
                        c if is_word(c) && fresh && depth == 0 => word.push(c),
                        ' ' => {}
                        _ => fresh = false,
                    }
                }
                found.push(word);
            }
        }
    }
    found
}

/// Returns a file's code, in which every `use` statement is on one line, with the number of the statement's first line.
fn joined_imports(source: &Source) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in source.code() {
        let trimmed = line.trim_start();
        if open {
            lines.last_mut().unwrap().1.push_str(trimmed);
        } else {
            lines.push((number, line.to_owned()));
            open = ["use ", "pub use ", "pub(super) use ", "pub(crate) use "]
                .iter()
                .any(|start| trimmed.starts_with(start));
        }
        open &= !line.contains(';');
    }
    lines
}

#[test]
fn imports_go_down_only() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut faults = Vec::new();
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    for source in sources() {
        let layer = source.layer_name();
        let Some(allowed) = layers.get(layer) else {
            faults.push(format!(
                "src/{}: the folder {layer} has no rule",
                source.name
            ));
            continue;
        };
        let root = if layer == "main" {
            "quire::"
        } else {
            "crate::"
        };
        for (number, line) in joined_imports(&source) {
            for head in imported_names(&line, root) {
                if head == layer || !layers.contains_key(head.as_str()) {
                    continue;
                }
                edges.insert((layer.to_owned(), head.clone()));
                if !allowed.contains(&head.as_str()) {
                    faults.push(format!(
                        "src/{}:{number}: {layer} must not know {head}",
                        source.name
                    ));
                }
            }
            // Importing a layer through the crate root by a relative path (`super::super::`) would bypass the check
            // above, so it is a violation.
            if let Some(head) = imported_names(&line, "super::super::")
                .iter()
                .find(|head| layers.contains_key(head.as_str()) && *head != layer)
            {
                faults.push(format!(
                    "src/{}:{number}: name {head} by crate::",
                    source.name
                ));
            }
        }
    }
    assert_no_violations(faults);
    assert!(edges.len() > 20, "imports are found: {edges:?}");
    assert_eq!(find_cycle(&edges), None);
}

fn is_build_script(name: &str) -> bool {
    name == "build.rs" || name.starts_with("packages/") && name.ends_with("/build.rs")
}

/// Returns the packages that a line names (`quire_app::`), which would bypass the rules for folders.
fn named_packages(line: &str) -> Vec<&str> {
    let is_package = |word: &&str| word.starts_with("quire_");
    let words = line.split("::").map(|part| {
        let start = part.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        &part[start..]
    });
    let count = line.matches("::").count();
    words.take(count).filter(is_package).collect()
}

#[test]
fn packages_are_named_only_where_they_are_put_together() {
    let mut faults = Vec::new();
    for source in sources() {
        if source.name == "lib.rs" || source.layer_name() == "packages" {
            continue;
        }
        for (number, line) in source.code() {
            for package in named_packages(line) {
                faults.push(format!(
                    "src/{}:{number}: name the folder by crate::, not {package}",
                    source.name
                ));
            }
        }
    }
    assert_no_violations(faults);
}

/// Returns a node on a cycle, or `None` if there is no cycle.
fn find_cycle(edges: &BTreeSet<(String, String)>) -> Option<String> {
    let mut remaining = edges.clone();
    loop {
        let sources: BTreeSet<String> = remaining.iter().map(|(from, _)| from.clone()).collect();
        let before = remaining.len();
        // A node without outgoing edges cannot be on a cycle.
        remaining.retain(|(_, to)| sources.contains(to));
        if remaining.is_empty() {
            return None;
        }
        if remaining.len() == before {
            return remaining.first().map(|(from, _)| from.clone());
        }
    }
}

#[test]
fn each_external_crate_has_one_owner() {
    let mut faults = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            for (name, owners) in CRATE_OWNERS {
                let named_crates = imported_names(line, &format!("{name}::")).len()
                    + usize::from(line.trim() == format!("use {name};"));
                if named_crates > 0 && !owners.contains(&source.layer_name()) {
                    faults.push(format!(
                        "src/{}:{number}: {name} belongs to {owners:?}",
                        source.name
                    ));
                }
            }
            for (text, owners) in CONFINED_STRINGS {
                let own = owners.iter().any(|owner| {
                    source.name == *owner
                        || (owner.ends_with('/') && source.name.starts_with(owner))
                });
                let marked_positions = line
                    .match_indices(text)
                    .any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_word));
                let script = is_build_script(&source.name) && *text == "println!";
                if marked_positions && !own && !script {
                    faults.push(format!(
                        "src/{}:{number}: {text} belongs to {owners:?}",
                        source.name
                    ));
                }
            }
        }
    }
    assert_no_violations(faults);
}

#[test]
fn pure_modules_do_no_io() {
    let mut faults = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| ["domain", "wire"].contains(&source.layer_name()))
    {
        for (number, line) in source.code() {
            for side_effect in [
                "std::fs",
                "std::net",
                "std::thread",
                "std::env",
                "std::process",
                "Instant",
                "RandomState",
            ] {
                if line.contains(side_effect) {
                    faults.push(format!(
                        "src/{}:{number}: {side_effect} in a pure folder",
                        source.name
                    ));
                }
            }
        }
    }
    assert_no_violations(faults);
}

#[test]
fn files_and_functions_stay_within_size_limits() {
    let mut faults = Vec::new();
    for source in sources() {
        let own = source.own_lines();
        if own > MAX_FILE_LINES {
            faults.push(format!("src/{}: {own} lines", source.name));
        }
        // rustfmt indents the closing brace of a function as much as the line on which the function starts.
        let lines: Vec<(usize, &str)> = source.code().collect();
        for (at, (number, line)) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function = line.split("fn ").next().is_some_and(|before| {
                before.len() < line.len()
                    && before.split_whitespace().all(|word| {
                        ["pub", "async", "const", "unsafe"].contains(&word)
                            || word.starts_with("pub(")
                    })
            });
            if !is_function {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[at..]
                .iter()
                .position(|(_, line)| line.trim_end() == end)
                .unwrap_or(0);
            if length > MAX_FUNCTION_LINES {
                faults.push(format!(
                    "src/{}:{number}: a function of {length} lines",
                    source.name
                ));
            }
        }
    }
    assert_no_violations(faults);
}

#[test]
fn the_rules_can_fail() {
    assert_eq!(
        imported_names("use crate::{app::{App, Kind}, clock};", "crate::"),
        ["app", "clock"]
    );
    assert_eq!(
        imported_names("let x = crate::store::open(crate::log::X);", "crate::"),
        ["store", "log"]
    );
    assert_eq!(
        imported_names("mycrate::store", "crate::"),
        Vec::<String>::new()
    );
    assert_eq!(
        named_packages("use quire_app::store::Db; let x = (quire_edges::llm::y, a_quire_z::b);"),
        ["quire_app", "quire_edges"]
    );
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(find_cycle(&[edge("a", "b"), edge("b", "c")].into()), None);
    assert!(find_cycle(&[edge("a", "b"), edge("b", "c"), edge("c", "b")].into()).is_some());
}
