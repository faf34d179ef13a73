//! Tests that the web pages' assets stay within a budget: the files and bytes that a client transfers before a page is
//! usable, and the total size embedded in the binary.

use std::collections::BTreeSet;

use super::assets::{EmbeddedFiles, TREE_HASH};
use super::preload;

/// Maximum compressed size of the landing page with everything that it needs to be usable, in bytes.
const MAX_FIRST_PAGE_BYTES: usize = 34_000;
/// Maximum compressed size of a thread with a result, in bytes. Files that are loaded only for a formula, for code, or
/// for another view do not count.
const MAX_THREAD_BYTES: usize = 86_000;
/// Maximum compressed size of the guided page before a run, in bytes.
const MAX_GUIDED_BYTES: usize = 54_000;
/// Maximum compressed size of a project's page, which contains everything that a thread's page does, in bytes.
const MAX_PROJECT_BYTES: usize = 90_000;
/// Maximum compressed size of any other page, in bytes.
const MAX_PAGE_BYTES: usize = 84_000;
/// Maximum number of files that a page loads: HTML, scripts, and style sheets.
const MAX_FILES: usize = 12;
/// Maximum compressed size of everything embedded in a release, in bytes, except the two tables that only the server
/// reads. Third-party libraries account for 122 KB of it.
const MAX_TOTAL_BYTES: usize = 500_000;
const DATA_FILES: [&str; 2] = ["openapi.json", "models.json"];

fn compressed_size(name: &str) -> usize {
    let file = EmbeddedFiles::get(name).unwrap_or_else(|| panic!("there is no {name}"));
    file.data.len()
}

/// Returns the files that a page loads before it is usable: those that its HTML and its `Link` header refer to.
fn files_of(path: &str, is_signed_in: bool) -> BTreeSet<String> {
    let links = preload::links(path, false, is_signed_in).expect(path);
    let start = format!("</assets/{TREE_HASH}/");
    let linked = links.split(", ").map(|link| {
        let name = link
            .strip_prefix(&start)
            .and_then(|rest| rest.split('>').next());
        name.expect(link).to_owned()
    });
    let named_files = ["index.html", "js/theme.js", "css/app.css", "app/core.js"];
    named_files
        .into_iter()
        .map(str::to_owned)
        .chain(linked)
        .collect()
}

#[test]
fn pages_are_few_files_and_few_bytes() {
    for (path, is_signed_in, max_bytes) in [
        ("/", false, MAX_FIRST_PAGE_BYTES),
        ("/login", false, MAX_FIRST_PAGE_BYTES),
        ("/", true, MAX_THREAD_BYTES),
        ("/t/thread_1", true, MAX_THREAD_BYTES),
        ("/analyze", false, MAX_GUIDED_BYTES),
        ("/documents", true, MAX_PAGE_BYTES),
        ("/projects/project_1", true, MAX_PROJECT_BYTES),
        ("/orchestrator", true, MAX_PAGE_BYTES),
        ("/modelrunner", true, MAX_PAGE_BYTES),
        ("/history", true, MAX_PAGE_BYTES),
        ("/experiments", true, MAX_PAGE_BYTES),
        ("/usage", true, MAX_PAGE_BYTES),
        ("/settings", true, MAX_PAGE_BYTES),
        ("/admin", true, MAX_PAGE_BYTES),
        ("/manual", false, MAX_PAGE_BYTES),
        ("/share/token", false, MAX_PAGE_BYTES),
    ] {
        let files = files_of(path, is_signed_in);
        let bytes: usize = files.iter().map(|name| compressed_size(name)).sum();
        assert!(files.len() > 4, "the links are no longer found: {files:?}");
        assert!(files.len() <= MAX_FILES, "{path} needs {files:?}");
        assert!(bytes < max_bytes, "{path} needs {bytes} bytes: {files:?}");
    }
}

#[test]
fn manual_topics_are_few_bytes() {
    let files = files_of("/manual", true);
    let page_size: usize = files.iter().map(|name| compressed_size(name)).sum();
    let list_size = compressed_size("manual.json");
    let topics: Vec<_> = EmbeddedFiles::iter()
        .filter(|name| name.starts_with("manual/"))
        .collect();
    assert!(topics.len() > 15, "{topics:?}");
    for topic in topics {
        let bytes = page_size + list_size + compressed_size(&topic);
        assert!(bytes < MAX_PAGE_BYTES, "{topic} needs {bytes} bytes");
    }
}

#[test]
fn all_assets_are_small() {
    // Debug builds also embed the modules and libraries from which the chunks are built.
    let is_source = |name: &str| {
        (name.starts_with("js/") || name.starts_with("vendor/"))
            && name.ends_with(".js")
            && name != "js/theme.js"
    };
    let names = EmbeddedFiles::iter()
        .map(|name| name.into_owned())
        .filter(|name| !DATA_FILES.contains(&name.as_str()) && !is_source(name));
    let sizes: Vec<usize> = names.map(|name| compressed_size(&name)).collect();
    let bytes: usize = sizes.iter().sum();
    assert!(
        sizes.len() > 50 && bytes < MAX_TOTAL_BYTES,
        "{} files, {bytes} bytes",
        sizes.len()
    );
}
