//! Tests that keep the page assets within a size budget: the bytes transferred before the first page is usable, and
//! all assets embedded in the binary.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;

use super::assets::EmbeddedFiles;

/// Compressed bytes of the landing page and everything it needs to be usable.
const MAX_FIRST_PAGE: usize = 60_000;
/// Compressed bytes of the workbench, step by step or on one screen. Modules that show a run, a result, or a
/// document load later.
const MAX_WORKBENCH: usize = 62_000;
/// Compressed bytes of all embedded assets of our own, without the two tables that only the server reads.
const MAX_TOTAL: usize = 400_000;
/// Compressed bytes of the libraries by others, which pages load where a text needs them.
const MAX_VENDOR: usize = 150_000;
const TABLES: [&str; 2] = ["openapi.json", "models.json"];

fn asset_names() -> impl Iterator<Item = String> {
    EmbeddedFiles::iter().map(|name| name.into_owned())
}

fn compressed(name: &str) -> Vec<u8> {
    let file = EmbeddedFiles::get(name).unwrap_or_else(|| panic!("there is no {name}"));
    file.data.into_owned()
}

fn content(name: &str) -> String {
    let mut text = String::new();
    let data = compressed(name);
    GzDecoder::new(&data[..])
        .read_to_string(&mut text)
        .expect("an asset is sound");
    text
}

fn compressed_size<'a>(files: impl IntoIterator<Item = &'a String>) -> usize {
    files.into_iter().map(|name| compressed(name).len()).sum()
}

/// The quoted strings that follow `word`, such as the paths of static imports.
fn quoted_after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let after = text.split(word).skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

/// Collects a module and all its static imports; dynamic imports are not counted.
fn collect_imports(module: &str, seen: &mut BTreeSet<String>) {
    if !seen.insert(module.to_owned()) {
        return;
    }
    let text = content(module);
    let imports = quoted_after(&text, " from \"")
        .into_iter()
        .chain(quoted_after(&text, "import \""));
    for name in imports.filter(|name| name.starts_with('.')) {
        collect_imports(&resolve(module, name), seen);
    }
}

/// Resolves a relative import against the path of a module.
fn resolve(module: &str, name: &str) -> String {
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
    let styles: BTreeSet<String> = asset_names()
        .filter(|name| name.starts_with("css/") && page.contains(&format!("/{name}\"")))
        .collect();
    assert!(styles.len() > 3, "{styles:?}");
    for (first, later, max_bytes) in [
        ("js/pages/landing.js", None, MAX_FIRST_PAGE),
        ("js/pages/analyze.js", None, MAX_WORKBENCH),
        (
            "js/pages/analyze.js",
            Some("js/workbench/bench.js"),
            MAX_WORKBENCH,
        ),
    ] {
        let mut files = styles.clone();
        files.extend(["index.html", "js/theme.js"].map(String::from));
        collect_imports("js/index.js", &mut files);
        for module in [first].into_iter().chain(later) {
            collect_imports(module, &mut files);
        }
        // Style sheets that the page itself waits for.
        for name in quoted_after(&content(first), "styled(\"") {
            files.insert(format!("css/{name}.css"));
        }
        let bytes = compressed_size(&files);
        assert!(files.len() > 12, "imports are no longer found: {files:?}");
        assert!(bytes < max_bytes, "{first} needs {bytes} bytes: {files:?}");
    }
}

#[test]
fn all_assets_are_small() {
    let (vendor, files): (Vec<_>, Vec<_>) = asset_names()
        .filter(|name| !TABLES.contains(&name.as_str()))
        .partition(|name| name.starts_with("vendor/"));
    let bytes = compressed_size(&vendor);
    assert!(bytes < MAX_VENDOR, "assets/vendor: {bytes} bytes");
    let bytes = compressed_size(&files);
    assert!(
        files.len() > 100 && bytes < MAX_TOTAL,
        "{} files, {bytes} bytes",
        files.len()
    );
}
