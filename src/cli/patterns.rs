//! `quire patterns`: lists the built-in patterns and those in the patterns folder, and validates pattern files. Needs
//! neither a server nor a database. With QUIRE_SERVER, shows the patterns that the account can use on that server,
//! including its own and its team's.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::remote::{RemoteSession, query_text};
use super::screen::print_wrapped;
use super::table::TextTable;
use super::{CommandFailure, Outcome, failed, print, unknown_action, usage};
use crate::app::patterns::{InstallationPatterns, folder};
use crate::domain::closest::closest;
use crate::domain::pattern::Pattern;
use crate::domain::pattern::stored::PatternOrigin;

pub(super) const DETAILS: &str = "  list             list built-in patterns and those in your patterns folder\n  \
show ID          print a pattern's prompts; with --json, a file to start from\n  \
check FILE …     check TOML or JSON files; print each problem's line and field";

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    match call.words.first().map(String::as_str) {
        Some("list") | None => list(call),
        Some("show") => show(call),
        Some("check") => check(call),
        Some(other) => usage(unknown_action("patterns", other, DETAILS)),
    }
}

/// A pattern and where it comes from.
struct ListedPattern {
    pattern: Arc<Pattern>,
    source: &'static str,
}

fn list_patterns(call: &CommandCall) -> Result<Vec<ListedPattern>, CommandFailure> {
    let config = call.config()?;
    if let Some(server) = RemoteSession::from_settings(call, &config)? {
        let response = server.get("/api/patterns")?;
        let rows = response["patterns"].as_array().into_iter().flatten();
        return rows.map(|row| fetch_pattern(&server, row)).collect();
    }
    let (installation_patterns, errors) = InstallationPatterns::open(&config);
    for error in errors {
        print_warning(&format!("skipped: {error}"));
    }
    let listed = installation_patterns
        .all()
        .iter()
        .map(|stored| ListedPattern {
            pattern: stored.pattern.clone(),
            source: match stored.origin {
                PatternOrigin::Folder => "the folder",
                _ => "built in",
            },
        });
    Ok(listed.collect())
}

/// Fetches the complete pattern for a row of the server's list.
fn fetch_pattern(server: &RemoteSession, row: &Value) -> Result<ListedPattern, CommandFailure> {
    let id = row["id"].as_str().unwrap_or_default();
    let mut pattern_json = server.get(&format!("/api/patterns/{}", query_text(id)))?;
    let Ok(pattern) = serde_json::from_value(pattern_json["source"].take()) else {
        return failed(format!(
            "cannot read the server's pattern {id}; the server's version may differ"
        ));
    };
    Ok(ListedPattern {
        pattern: Arc::new(pattern),
        source: match row["origin"].as_str() {
            Some("folder") => "the folder",
            Some("own") => "you",
            Some("team") => "the team",
            _ => "built in",
        },
    })
}

fn list(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    let all = list_patterns(call)?;
    if call.has("json") {
        let list: Vec<&Pattern> = all.iter().map(|listed| &*listed.pattern).collect();
        return print_json(&json!(list));
    }
    let mut table = TextTable::new(&["id", "category", "stages", "from"]);
    for ListedPattern {
        pattern,
        source: from,
    } in &all
    {
        let stages: Vec<&str> = pattern.stages.iter().map(|stage| &*stage.name).collect();
        table.push([
            pattern.id.clone(),
            pattern.category.clone(),
            stages.join(" → "),
            (*from).to_owned(),
        ]);
    }
    table.print("No patterns.")
}

fn show(call: &CommandCall) -> Outcome {
    call.check_argument_count(2)?;
    let Some(id) = call.words.get(1) else {
        return usage("the pattern's ID is missing; `quire patterns list` lists them");
    };
    let all = list_patterns(call)?;
    let Some(listed) = all.iter().find(|listed| listed.pattern.id == *id) else {
        let hint = match closest(id, all.iter().map(|listed| listed.pattern.id.as_str())) {
            Some(suggestion) => format!("did you mean {suggestion}?"),
            None => "`quire patterns list` lists them".to_owned(),
        };
        return usage(format!("there is no pattern \"{id}\"; {hint}"));
    };
    let pattern = &listed.pattern;
    if call.has("json") {
        return print_json(&json!(**pattern));
    }
    print_wrapped(format_args!(
        "{} ({}, {})\n{}\n\nGood for: {}\nLimitations: {}\nPanel: {} to {} members",
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
        print_wrapped(format_args!(
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
    let mut invalid_count = 0;
    for file in files {
        match folder::read(Path::new(file)) {
            Ok((pattern, warnings)) => {
                for warning in warnings {
                    print_warning(&format!("{file}: {warning}"));
                }
                print(format_args!(
                    "{file}: valid, id {}, {} stages",
                    pattern.id,
                    pattern.stages.len()
                ))?;
            }
            Err(errors) => {
                invalid_count += 1;
                for error in errors {
                    print(format_args!("{file}: {error}"))?;
                }
            }
        }
    }
    match invalid_count {
        0 => Ok(()),
        1 => failed("one file is invalid"),
        more => failed(format!("{more} files are invalid")),
    }
}

fn print_json(value: &serde_json::Value) -> Outcome {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(text),
        Err(error) => failed(format!("cannot write JSON: {error}")),
    }
}

fn print_warning(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "quire: {text}");
}
