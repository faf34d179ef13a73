//! Checks the documentation next to the code: the purposes of modules, the units of constants, the manual, and the
//! overview.

use std::fs;
use std::path::Path;

use super::{Source, assert_no_violations, collect_files, sources};

const NUMBERS: &[&str] = &[
    "u8", "u16", "u32", "u64", "usize", "i32", "i64", "f32", "f64", "Duration",
];

/// Returns the lines that declare a numeric constant without documentation: there is a comment neither above its group
/// nor beside it.
fn silent_constants(source: &Source) -> Vec<usize> {
    let mut is_documented = false;
    let lines = source.text.lines().take(source.own_lines()).enumerate();
    let silent = lines.filter(|(_, line)| {
        let line = line.trim_start();
        let declared = [
            "pub const ",
            "pub(super) const ",
            "pub(crate) const ",
            "const ",
        ]
        .iter()
        .find_map(|start| line.strip_prefix(start))
        .and_then(|rest| rest.split_once(": "))
        .and_then(|(_, kind)| kind.split_once(" = "));
        let Some((kind, _)) = declared else {
            is_documented = line.starts_with("//") || (is_documented && !line.is_empty());
            return false;
        };
        NUMBERS.contains(&kind) && !is_documented && !line.contains("// ")
    });
    silent.map(|(number, _)| number + 1).collect()
}

#[test]
fn constants_state_their_unit() {
    let faults = sources().into_iter().flat_map(|source| {
        let silent = silent_constants(&source);
        let name = source.name;
        silent
            .into_iter()
            .map(move |number| format!("src/{name}:{number}: a number without a comment"))
    });
    assert_no_violations(faults.collect());
}

#[test]
fn a_silent_constant_is_found() {
    let text = "/// Bytes.\nconst A: u64 = 1;\nconst B: u64 = 2;\n\nconst C: u8 = 3;\nconst D: u8 = 3; // rows\n";
    let source = Source {
        name: "a.rs".to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(silent_constants(&source), [5]);
}

#[test]
fn every_module_has_a_doc_comment() {
    let silent = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    assert_no_violations(
        silent
            .map(|source| format!("src/{}: begins without //!", source.name))
            .collect(),
    );
}

#[test]
fn the_manual_lists_everything() {
    let topics = quire::http::manual::topics().unwrap();
    let mut faults = Vec::new();
    let mut needs = |topic: &str, kind: &str, text: &str| {
        let found = topics.iter().find(|known| known.id == topic).unwrap();
        if !found.text.contains(&format!("`{text}`")) {
            faults.push(format!(
                "assets/manual/{topic}.md: the {kind} `{text}` is missing"
            ));
        }
    };
    for route in quire::http::routes::ROUTES {
        let row = format!("{} {}", route.verb.as_str(), route.path);
        needs("api", "route", &row);
    }
    for setting in quire::config::options::SETTINGS {
        needs("settings", "setting", setting.name);
    }
    for command in quire::cli::COMMANDS {
        needs("commands", "command", command.name);
    }
    for row in quire::http::error::ERROR_TABLE {
        needs("api", "error code", row.2);
    }
    let mut patterns = Vec::new();
    collect_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patterns"),
        "toml",
        &mut patterns,
    );
    for pattern in patterns {
        let id = pattern.file_stem().unwrap().to_str().unwrap();
        needs("panels", "pattern", id);
    }
    assert_no_violations(faults);
}

#[test]
fn the_overview_names_files_that_exist() {
    let overview = fs::read_to_string("src/README.md").expect("the overview");
    let names: Vec<String> = sources().into_iter().map(|source| source.name).collect();
    let named_paths = overview.split('`').skip(1).step_by(2);
    let named_paths = named_paths.filter(|name| name.ends_with(".rs") && !name.contains('<'));
    let is_known = |name: &str| {
        let file = format!("/{name}");
        names
            .iter()
            .any(|known| format!("/{known}").ends_with(&file))
            || Path::new(name).exists()
    };
    let unknown = named_paths.filter(|name| !is_known(name));
    assert_no_violations(
        unknown
            .map(|name| format!("src/README.md: no file {name}"))
            .collect(),
    );
}
