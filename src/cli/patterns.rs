//! `quire patterns`: lists the built-in patterns and those in the folder, and validates pattern files.
//! Needs no server and no database; patterns stored for the team or a user are shown by the API and the
//! pages.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::CommandCall;
use super::table::TextTable;
use super::{Outcome, failed, no_action, print, usage};
use crate::app::patterns::{HousePatterns, folder};
use crate::domain::closest::closest;
use crate::domain::pattern::Pattern;
use crate::domain::pattern::stored::{PatternOrigin, StoredPattern};

pub(super) const DETAILS: &str = "  list             list built-in patterns and those in the folder QUIRE_PATTERNS\n  \
show ID          print one with its prompts; with --json, a file to start from\n  \
check FILE …     check TOML or JSON files; names line and field of each problem";

/// Runs the action that the first word names.
pub(super) fn run(call: &CommandCall) -> Outcome {
    match call.words.first().map(String::as_str) {
        Some("list") | None => list(call),
        Some("show") => show(call),
        Some("check") => check(call),
        Some(other) => usage(no_action("patterns", other, DETAILS)),
    }
}

fn known(call: &CommandCall) -> Result<Vec<StoredPattern>, super::CommandFailure> {
    let (house, faults) = HousePatterns::open(&call.config()?);
    for fault in faults {
        warn(&format!("skipped: {fault}"));
    }
    Ok(house.all().to_vec())
}

fn list(call: &CommandCall) -> Outcome {
    call.at_most(1)?;
    let all = known(call)?;
    if call.has("json") {
        let list: Vec<&Pattern> = all.iter().map(|kept| &*kept.pattern).collect();
        return whole(&json!(list));
    }
    let mut table = TextTable::new(&["id", "category", "stages", "from"]);
    for kept in &all {
        let pattern = &kept.pattern;
        let stages: Vec<&str> = pattern.stages.iter().map(|stage| &*stage.name).collect();
        let from = match kept.origin {
            PatternOrigin::Folder => "the folder",
            _ => "built in",
        };
        table.push([
            pattern.id.clone(),
            pattern.category.clone(),
            stages.join(" → "),
            from.to_owned(),
        ]);
    }
    table.print("No patterns.")
}

fn show(call: &CommandCall) -> Outcome {
    call.at_most(2)?;
    let Some(id) = call.words.get(1) else {
        return usage("the pattern's id is missing; `quire patterns list` lists them");
    };
    let all = known(call)?;
    let Some(kept) = all.iter().find(|kept| kept.id() == id) else {
        let hint = match closest(id, all.iter().map(|kept| kept.id())) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "`quire patterns list` lists them".to_owned(),
        };
        return usage(format!("there is no pattern \"{id}\"; {hint}"));
    };
    let pattern = &kept.pattern;
    if call.has("json") {
        return whole(&json!(**pattern));
    }
    print(format_args!(
        "{} ({}, {})\n{}\n\nGood for: {}\nBad at: {}\nPanel: {} to {} members",
        pattern.name,
        pattern.category,
        pattern.arrangement.as_str(),
        pattern.description,
        pattern.use_cases.join("; "),
        pattern.limitations.join("; "),
        pattern.panel.0,
        pattern.panel.1
    ))?;
    for stage in &pattern.stages {
        print(format_args!(
            "\n--- {}: {}\n{}",
            stage.name,
            stage.help,
            stage.prompt.trim()
        ))?;
    }
    Ok(())
}

fn check(call: &CommandCall) -> Outcome {
    let files = &call.words[1..];
    if files.is_empty() {
        return usage("patterns check needs a file: quire patterns check my-pattern.toml");
    }
    let mut wrong = 0;
    for file in files {
        match folder::read(Path::new(file)) {
            Ok((pattern, warnings)) => {
                for warning in warnings {
                    warn(&format!("{file}: {warning}"));
                }
                print(format_args!(
                    "{file}: valid, id {}, {} stages",
                    pattern.id,
                    pattern.stages.len()
                ))?;
            }
            Err(faults) => {
                wrong += 1;
                for fault in faults {
                    print(format_args!("{file}: {fault}"))?;
                }
            }
        }
    }
    match wrong {
        0 => Ok(()),
        1 => failed("one file is invalid"),
        more => failed(format!("{more} files are invalid")),
    }
}

fn whole(value: &serde_json::Value) -> Outcome {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(text),
        Err(fault) => failed(format!("cannot write JSON: {fault}")),
    }
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "quire: {text}");
}
