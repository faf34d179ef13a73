//! Holds what the pages weigh to a budget: what comes over the line before the first page can be used, and all
//! that is in the binary for them. Only tests live here.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;

use super::assets::EmbeddedFiles;

/// Compressed, with everything that the page needs to be usable.
const FIRST_PAGE: usize = 60_000;
/// The same for the workbench, in steps or on one screen. What shows a run, a result or a document comes later.
const WORKBENCH: usize = 56_000;
/// As embedded, without the two tables that the server itself reads.
const ALL: usize = 400_000;
const TABLES: [&str; 2] = ["openapi.json", "models.json"];

fn stored() -> impl Iterator<Item = String> {
    EmbeddedFiles::iter().map(|name| name.into_owned())
}

fn packed(name: &str) -> Vec<u8> {
    let file = EmbeddedFiles::get(name).unwrap_or_else(|| panic!("there is no {name}"));
    file.data.into_owned()
}

fn content(name: &str) -> String {
    let mut text = String::new();
    let data = packed(name);
    GzDecoder::new(&data[..])
        .read_to_string(&mut text)
        .expect("an asset is sound");
    text
}

fn weight<'a>(files: impl IntoIterator<Item = &'a String>) -> usize {
    files.into_iter().map(|name| packed(name).len()).sum()
}

/// The addresses in quotes that follow `word`, as modules name those they cannot begin without.
fn named<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let after = text.split(word).skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

/// The module and all that it imports before it runs. What it imports when asked for is not counted.
fn closure(module: &str, seen: &mut BTreeSet<String>) {
    if !seen.insert(module.to_owned()) {
        return;
    }
    let text = content(module);
    let whole = named(&text, " from \"")
        .into_iter()
        .chain(named(&text, "import \""));
    for name in whole.filter(|name| name.starts_with('.')) {
        closure(&beside(module, name), seen);
    }
}

/// A relative address as seen from a module.
fn beside(module: &str, name: &str) -> String {
    let mut path: Vec<&str> = module.split('/').collect();
    path.pop();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

#[test]
fn the_first_page_is_small() {
    let page = content("index.html");
    let styles: BTreeSet<String> = stored()
        .filter(|name| name.starts_with("css/") && page.contains(&format!("/{name}\"")))
        .collect();
    assert!(styles.len() > 3, "{styles:?}");
    for (first, later, most) in [
        ("js/pages/landing.js", None, FIRST_PAGE),
        ("js/pages/analyze.js", None, WORKBENCH),
        (
            "js/pages/analyze.js",
            Some("js/workbench/bench.js"),
            WORKBENCH,
        ),
    ] {
        let mut files = styles.clone();
        files.extend(["index.html", "js/theme.js"].map(String::from));
        closure("js/index.js", &mut files);
        for module in [first].into_iter().chain(later) {
            closure(module, &mut files);
        }
        // The sheets that the page waits for by itself.
        for name in named(&content(first), "styled(\"") {
            files.insert(format!("css/{name}.css"));
        }
        let bytes = weight(&files);
        assert!(files.len() > 12, "imports are no longer found: {files:?}");
        assert!(bytes < most, "{first} needs {bytes} bytes: {files:?}");
    }
}

#[test]
fn all_assets_are_small() {
    let files: Vec<_> = stored()
        .filter(|name| !TABLES.contains(&name.as_str()))
        .collect();
    let bytes = weight(&files);
    assert!(
        files.len() > 100 && bytes < ALL,
        "{} files, {bytes} bytes",
        files.len()
    );
}
