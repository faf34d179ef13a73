//! `quire experiment`: searches for the best configuration as described in a file, in the data folder or on a server.
//! Shows a progress bar, and prints the estimate before anything is spent.

use std::path::Path;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::experiment_side::ExperimentBackend;
use super::screen::print_progress;
use super::table::TextTable;
use super::{
    CommandFailure, Outcome, block_on, experiment_file, failed, print, unknown_action, usage,
};
use crate::domain::id::ExperimentId;
use crate::log;

pub(super) const DETAILS: &str = "  example          print a working example to start from\n  \
run FILE         run the experiment in a file: quire help experiments\n  \
list             list the account's experiments\n  \
show ID          print an experiment's results\n  \
resume ID        continue a stopped experiment\n\
Progress goes to stderr, the result to stdout. Ctrl-C stops it and\nkeeps its results.";

/// The output of `quire experiment example`: an experiment that uses only the demo models.
const EXAMPLE_FILE: &str = include_str!("experiment_example.toml");

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    let word = call.words.first().map(String::as_str);
    if word == Some("example") {
        call.check_argument_count(1)?;
        return print(EXAMPLE_FILE.trim_end());
    }
    let max_words = if word == Some("list") { 1 } else { 2 };
    call.check_argument_count(max_words)?;
    let word = match word {
        Some(word @ ("run" | "list" | "show" | "resume")) => word,
        Some(other) => return usage(unknown_action("experiment", other, DETAILS)),
        None => return usage(format!("experiment needs one of these:\n{DETAILS}")),
    };
    if let ("show" | "resume", Some(id)) = (word, call.words.get(1))
        && ExperimentId::parse(id).is_none()
    {
        return usage(format!("\"{id}\" is not an experiment ID"));
    }
    block_on(async {
        let runs = !matches!(word, "list" | "show");
        let backend = ExperimentBackend::open(call, config, runs).await?;
        let outcome = perform(call, &backend, word).await;
        backend.close().await;
        outcome
    })
}

async fn perform(call: &CommandCall, backend: &ExperimentBackend, word: &str) -> Outcome {
    let argument = call.words.get(1).map(String::as_str);
    match (word, argument) {
        ("list", _) => list(call, &backend.list().await?),
        ("run", Some(file)) => start(call, backend, Path::new(file)).await,
        ("show", Some(id)) => test_winner(call, backend, id).await,
        ("resume", Some(id)) => {
            backend.resume(id).await?;
            follow(call, backend, id).await
        }
        ("run", None) => usage("experiment run needs a file: quire experiment run sums.toml"),
        _ => usage(format!(
            "experiment {word} needs an ID; see quire experiment list"
        )),
    }
}

async fn start(call: &CommandCall, backend: &ExperimentBackend, file: &Path) -> Outcome {
    let file = experiment_file::read(call, file)?;
    let forecast = backend.forecast(&file).await?;
    print_forecast(&forecast);
    if call.has("estimate") {
        return match call.has("json") {
            true => print(format_args!("{forecast:#}")),
            false => Ok(()),
        };
    }
    let id = backend.start(&file).await?;
    follow(call, backend, &id).await
}

/// Prints the estimate to stderr.
fn print_forecast(forecast: &Value) {
    let cost = |cost: &Value| match cost.as_f64() {
        Some(cost) => format!("${cost:.4}"),
        None => "an unknown amount".to_owned(),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    print_progress(&format!(
        "{} configurations, {} cases ({} in the final comparison), at most {} evaluations",
        forecast["arms"],
        forecast["cases"],
        forecast["detectable"]["cases"],
        forecast["evaluations_at_most"]
    ));
    print_progress(&format!(
        "expected {}, at most {}; about {} tokens",
        cost(&forecast["cost_usd"]["expected"]),
        cost(&forecast["cost_usd"]["at_most"]),
        forecast["tokens"]["expected"]
    ));
    print_progress(&text(&forecast["detectable"]["sentence"]));
    print_progress(&text(&forecast["stopping"]));
    for warning in forecast["warnings"].as_array().into_iter().flatten() {
        print_progress(&format!("note: {}", text(warning)));
    }
}

async fn follow(call: &CommandCall, backend: &ExperimentBackend, id: &str) -> Outcome {
    backend.follow(id).await?;
    if backend.is_stored() {
        print_progress(&format!("stored as {id}"));
    }
    test_winner(call, backend, id).await
}

async fn test_winner(call: &CommandCall, backend: &ExperimentBackend, id: &str) -> Outcome {
    if let Some(path) = call.value("out") {
        let text = backend.export(id, format_of(path)?).await?;
        std::fs::write(path, text)
            .or_else(|error| failed(format!("cannot write {path}: {error}")))?;
    }
    let format = if call.has("json") { "json" } else { "markdown" };
    print(backend.export(id, format).await?.trim_end())?;
    let experiment = backend.show(id).await?;
    match (experiment["status"].as_str(), experiment["error"].as_str()) {
        (Some("paused"), Some(why)) => failed(format!("paused: {why}")),
        (Some("cancelled"), _) => failed("stopped early"),
        _ => Ok(()),
    }
}

/// Returns the export format for the file extension of a path.
fn format_of(path: &str) -> Result<&'static str, CommandFailure> {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "csv" => Ok("csv"),
        "md" => Ok("markdown"),
        "json" => Ok("json"),
        _ => usage("--out must end in .json, .csv, or .md"),
    }
}

fn list(call: &CommandCall, rows: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "experiments": rows }));
    }
    let mut table = TextTable::new(&["id", "state", ">evaluations", ">cost, USD", "name"]);
    for row in rows {
        let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        table.push([
            field("id"),
            field("status"),
            row["evaluations"].to_string(),
            format!("{:.4}", row["cost_usd"].as_f64().unwrap_or_default()),
            field("name"),
        ]);
    }
    table.print("No experiments yet. Start with: quire experiment example > example.toml")
}
