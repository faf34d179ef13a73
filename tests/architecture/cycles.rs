//! Checks that files do not depend on each other in cycles. Which file uses definitions from which other file is
//! determined from the paths in the code.
//!
//! A re-export (`pub use`) does not count as an import; instead, using it counts as an import of the file that defines
//! the item. Submodules may use what their parents define, as with `super` in Rust, so this does not count either.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, assert_no_violations, is_word, joined_imports, sources};

type Path = Vec<String>;

/// The crate's modules and their exports.
struct Modules {
    /// The file of each module, by module path.
    files: BTreeMap<Path, String>,
    /// For each module, its exports: each exported name (`*` for all) with the full path of the item.
    exports: BTreeMap<Path, Vec<(String, Path)>>,
}

fn module_path(file: &str) -> Path {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut path: Path = stem.split('/').map(str::to_owned).collect();
    if matches!(
        path.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        path.pop();
    }
    path
}

/// Collects every path at the start of `text`, after `prefix`, together with the name that it gets. Brace groups are
/// expanded.
fn expand(text: &str, prefix: &[String], found: &mut Vec<(Path, String)>) {
    let mut path = prefix.to_vec();
    let mut rest = text;
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            for part in group_items(group) {
                expand(part.trim(), &path, found);
            }
            return;
        }
        let word: String = rest
            .chars()
            .take_while(|c| is_word(*c) || *c == '*')
            .collect();
        rest = &rest[word.len()..];
        if word == "self" && !path.is_empty() {
            break;
        }
        if word.is_empty() {
            return;
        }
        path.push(word);
        match rest.strip_prefix("::") {
            Some(more) => rest = more,
            None => break,
        }
    }
    let alias = rest.strip_prefix(" as ").map(|alias| {
        let word = alias.chars().take_while(|c| is_word(*c));
        word.collect::<String>()
    });
    let name = alias.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
    found.push((path, name));
}

/// Returns the items of a brace group. `group` begins after the opening brace.
fn group_items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&group[start..at]);
                return found;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found
}

impl Modules {
    fn read(all: &[Source]) -> Self {
        let files: BTreeMap<Path, String> = all
            .iter()
            .map(|source| (module_path(&source.name), source.name.clone()))
            .collect();
        let mut modules = Self {
            files,
            exports: BTreeMap::new(),
        };
        for source in all {
            let own = module_path(&source.name);
            let mut exports = Vec::new();
            for (_, line) in joined_imports(source) {
                let line = line.trim_start();
                let Some((visible, path)) = line.split_once("use ") else {
                    continue;
                };
                if visible.starts_with("pub") {
                    let mut found = Vec::new();
                    expand(path, &[], &mut found);
                    for (path, name) in found {
                        if let Some(path) = modules.absolute(&own, &path) {
                            exports.push((name, path));
                        }
                    }
                }
            }
            modules.exports.insert(own, exports);
        }
        modules
    }

    /// Resolves a path to a path from the crate root. Returns `None` if it does not refer to this crate.
    fn absolute(&self, own: &[String], path: &[String]) -> Option<Path> {
        let mut base = match path[0].as_str() {
            "crate" | "quire" => Vec::new(),
            "self" => own.to_vec(),
            "super" => own.split_last()?.1.to_vec(),
            name => {
                let mut child = own.to_vec();
                child.push(name.to_owned());
                self.files.contains_key(&child).then_some(child)?
            }
        };
        for word in &path[1..] {
            match word.as_str() {
                "super" => drop(base.pop()),
                word => base.push(word.to_owned()),
            }
        }
        Some(base)
    }

    /// Returns the file that defines the item at a path.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&String> {
        let length = (0..=path.len())
            .rev()
            .find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        if let (Some(name), true) = (rest.first(), depth < 8) {
            let exports = self.exports.get(module)?;
            for (exported, target) in exports {
                if exported == name {
                    let target: Path = target.iter().chain(&rest[1..]).cloned().collect();
                    return self.file_of(&target, depth + 1);
                }
            }
        }
        self.files.get(module)
    }

    fn imports(&self, source: &Source) -> BTreeSet<String> {
        let own = module_path(&source.name);
        let mut found = Vec::new();
        for (_, line) in joined_imports(source) {
            let trimmed = line.trim_start();
            if trimmed.starts_with("pub") && trimmed.contains(" use ") {
                continue;
            }
            for (at, _) in line.match_indices("::") {
                let start = line[..at]
                    .rfind(|c| !is_word(c))
                    .map_or(0, |before| before + 1);
                // This position is in the middle of a longer path, which has been handled already.
                if start >= at || line[..start].ends_with("::") {
                    continue;
                }
                expand(&line[start..], &[], &mut found);
            }
        }
        found
            .iter()
            .filter_map(|(path, _)| self.absolute(&own, path))
            .filter_map(|path| self.file_of(&path, 0).cloned())
            .filter(|file| !own.starts_with(&module_path(file)))
            .collect()
    }
}

/// Returns the groups of files that depend on each other in a cycle.
fn find_cycles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let mut visited: BTreeSet<String> = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(node) = open.pop() {
            for next in edges.get(&node).into_iter().flatten() {
                if visited.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        visited
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|from| (from, reach(from))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (from, targets) in &reached {
        if targets.contains(*from) {
            let circle = targets
                .iter()
                .filter(|to| reached.get(to).is_some_and(|back| back.contains(*from)));
            found.insert(circle.cloned().collect());
        }
    }
    found.into_iter().collect()
}

#[test]
fn files_form_no_cycles() {
    let all: Vec<Source> = sources()
        .into_iter()
        .filter(|source| source.own_lines() > 0)
        .collect();
    let modules = Modules::read(&all);
    let edges: BTreeMap<String, BTreeSet<String>> = all
        .iter()
        .map(|source| (source.name.clone(), modules.imports(source)))
        .collect();
    let edge_count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(edge_count > 1_000, "imports are found: {edge_count}");
    let describe = |circle: &Vec<String>| {
        let lines = circle.iter().map(|file| {
            let within = edges[file].iter().filter(|to| circle.contains(to));
            let names: Vec<&str> = within.map(String::as_str).collect();
            format!("  {file} -> {}", names.join(", "))
        });
        format!("a cycle:\n{}", lines.collect::<Vec<_>>().join("\n"))
    };
    assert_no_violations(find_cycles(&edges).iter().map(describe).collect());
}

#[test]
fn the_rule_can_fail() {
    let source = |name: &str, text: &str| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let cyclic = [
        source(
            "a/mod.rs",
            "mod b;\npub use b::{B as Bee};\nfn f() { b::g() }",
        ),
        source("a/b.rs", "use crate::{c, a::Bee};\nuse super::f;"),
        source("c.rs", "fn x() { crate::a::Bee::new(); crate::a::f() }"),
    ];
    let modules = Modules::read(&cyclic);
    let imports = |at: usize| -> Vec<String> { modules.imports(&cyclic[at]).into_iter().collect() };
    assert_eq!(imports(0), ["a/b.rs"]);
    assert_eq!(imports(1), ["c.rs"]);
    assert_eq!(imports(2), ["a/b.rs", "a/mod.rs"]);
    let edges = cyclic
        .iter()
        .map(|source| (source.name.clone(), modules.imports(source)))
        .collect();
    assert_eq!(find_cycles(&edges), [["a/b.rs", "a/mod.rs", "c.rs"]]);
}
