//! Checks the third-party libraries that the pages load unchanged: each file is the output of `.ci/vendor/build`, its
//! version and license are documented, and the folder contains no other files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/vendor")
}

/// Returns the names that a minified module exports. They are in a list at its end.
pub(super) fn exported_names(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let list = text
        .rsplit_once("export{")
        .and_then(|(_, rest)| rest.split_once('}'));
    let names = list.map_or("", |(names, _)| names).split(',');
    names
        .filter_map(|name| name.split_whitespace().last())
        .map(str::to_owned)
        .collect()
}

fn collect_files(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect_files(&path, found),
            false => {
                let name = path.strip_prefix(self::folder()).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
}

#[test]
fn vendored_files_are_the_ones_that_were_made() {
    let sums = fs::read_to_string(folder().join("SHA256SUMS")).unwrap();
    let mut list = BTreeSet::from(["README.md".to_owned(), "SHA256SUMS".to_owned()]);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let bytes = fs::read(folder().join(name)).unwrap();
        let hash = digest(&SHA256, &bytes);
        let hex: String = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, sum, "assets/vendor/{name} was changed by hand");
        list.insert(name.to_owned());
    }
    let mut present = BTreeSet::new();
    collect_files(&folder(), &mut present);
    assert_eq!(present, list);
}

#[test]
fn vendored_libraries_name_their_versions_and_licenses() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let lock = include_str!("../../.ci/vendor/package-lock.json");
    let lock: serde_json::Value = serde_json::from_str(lock).unwrap();
    let mut present = BTreeSet::new();
    collect_files(&folder(), &mut present);
    for name in present.iter().filter(|name| name.ends_with(".js")) {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let message = text.split_whitespace().skip(1).take(2).collect::<Vec<_>>();
        let [package, version] = message[..] else {
            panic!("assets/vendor/{name} does not begin with its package and version");
        };
        let version = version.trim_end_matches(';');
        let locked = &lock["packages"][format!("node_modules/{package}")]["version"];
        assert_eq!(locked, version, "{name}");
        assert!(
            readme.contains(&format!("{package} {version}")),
            "assets/vendor/README.md: {package} {version} is missing"
        );
        let license = format!("licenses/{}.txt", name.trim_end_matches(".js"));
        assert!(present.contains(&license), "{license} is missing");
    }
}
