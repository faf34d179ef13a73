//! `quire experiment`: the server's search for the best setting, run from a file with a progress bar.
//! Prints the estimate before spending anything.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::screen::{progress, width};
use super::table::TextTable;
use super::text_width::cut;
use super::{
    CommandFailure, Outcome, block_on, experiment_file, failed, no_action, print, public_url, usage,
};
use crate::app::accounts::RequestOrigin;
use crate::app::experiments::{ExperimentForecast, ExperimentProgress, ExperimentView};
use crate::domain::experiment::export;
use crate::domain::experiment::record::ExperimentState;
use crate::domain::id::ExperimentId;
use crate::http::handlers::experiment_shape as shape;
use crate::{clock, log};

pub(super) const DETAILS: &str = "  example          print a file that runs as it is, to start from\n  \
run FILE         run the experiment in a file: quire help experiments\n  \
list             list the experiments of the account\n  \
show ID          print the results of one\n  \
resume ID        continue one that was stopped\n\
Progress goes to stderr, the result to stdout. Ctrl-C stops it and\nkeeps its results.";

/// A file that runs with the demo models.
const EXAMPLE: &str = include_str!("experiment_example.toml");
/// Width of the progress bar in characters.
const BAR: usize = 24;
/// Maximum number of experiments listed.
const LISTED: u32 = 50;

/// Runs the action that the first word names.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    let word = call.words.first().map(String::as_str);
    if word == Some("example") {
        call.at_most(1)?;
        return print(EXAMPLE.trim_end());
    }
    let most = if word == Some("list") { 1 } else { 2 };
    call.at_most(most)?;
    if !matches!(word, Some("run" | "list" | "show" | "resume")) {
        return match word {
            Some(other) => usage(no_action("experiment", other, DETAILS)),
            None => usage(format!("experiment needs one of these:\n{DETAILS}")),
        };
    }
    if let (Some("show" | "resume"), Some(id)) = (word, call.words.get(1)) {
        id_of(id)?;
    }
    block_on(async {
        let instead = format!(
            "run it there: on {0}/experiments, or with POST {0}/api/experiments and an API key",
            public_url(&config)
        );
        let account = call.value("as");
        let home = match word {
            Some("list" | "show") => LocalSession::to_read(config, account).await?,
            _ => LocalSession::to_run(config, account, false, &instead).await?,
        };
        let outcome = act(call, &home, word.unwrap_or_default()).await;
        home.app.close().await;
        outcome
    })
}

async fn act(call: &CommandCall, home: &LocalSession, word: &str) -> Outcome {
    let argument = call.words.get(1).map(String::as_str);
    match (word, argument) {
        ("list", _) => list(call, home).await,
        ("run", Some(file)) => start(call, home, Path::new(file)).await,
        ("show", Some(id)) => conclude(call, home, &id_of(id)?).await,
        ("resume", Some(id)) => {
            let id = id_of(id)?;
            home.app.discovery().probe().await;
            let visit = RequestOrigin::local(clock::now());
            let experiments = home.app.experiments();
            experiments.resume(&home.caller, &id, &visit).await?;
            follow(call, home, &id).await
        }
        ("run", None) => usage("experiment run needs a file: quire experiment run sums.toml"),
        _ => usage(format!(
            "experiment {word} needs an id; see quire experiment list"
        )),
    }
}

fn id_of(text: &str) -> Result<ExperimentId, CommandFailure> {
    match ExperimentId::parse(text) {
        Some(id) => Ok(id),
        None => usage(format!("\"{text}\" is not the id of an experiment")),
    }
}

async fn start(call: &CommandCall, home: &LocalSession, file: &Path) -> Outcome {
    let (wanted, lines) = experiment_file::read(call, home, file)?;
    home.app.discovery().probe().await;
    let experiments = home.app.experiments();
    let forecast = experiments.forecast(&home.caller, wanted.clone()).await;
    let forecast = forecast.map_err(|error| lines.explain(error))?;
    print_forecast(&forecast);
    if call.has("estimate") {
        return match call.has("json") {
            true => print(format_args!("{:#}", shape::forecast(&forecast))),
            false => Ok(()),
        };
    }
    let visit = RequestOrigin::local(clock::now());
    let begun = experiments.start(&home.caller, wanted, &visit).await;
    let begun = begun.map_err(|error| lines.explain(error))?;
    follow(call, home, &begun.id).await
}

/// Prints the estimate to stderr; nothing has been spent yet.
fn print_forecast(forecast: &ExperimentForecast) {
    let cost = |cost: Option<crate::domain::money::MicroDollars>| match cost {
        Some(cost) => format!("${:.4}", cost.dollars()),
        None => "an unknown price".to_owned(),
    };
    progress(&format!(
        "{} settings, {} cases ({} in the final comparison), at most {} evaluations",
        forecast.design.arms.len(),
        forecast.cases.len(),
        forecast.power.cases,
        forecast.evaluations
    ));
    progress(&format!(
        "expected {}, at most {}; about {} tokens",
        cost(forecast.cost),
        cost(forecast.cost_at_most),
        forecast.tokens
    ));
    progress(&forecast.power.sentence(&forecast.design));
    progress(&forecast.stopping);
    for warning in &forecast.warnings {
        progress(&format!("mind: {warning}"));
    }
}

async fn follow(call: &CommandCall, home: &LocalSession, id: &ExperimentId) -> Outcome {
    let experiments = home.app.experiments();
    let mut watch = experiments.watch(&home.caller.user, id).await?;
    let mut bar = ProgressBar::default();
    loop {
        tokio::select! {
            next = watch.next() => match next {
                Some(progress) => bar.show(&progress),
                None => break,
            },
            _ = tokio::signal::ctrl_c() => {
                bar.end();
                progress("stopping");
                experiments.cancel(&home.caller, id).await?;
            }
        }
    }
    bar.end();
    if !home.is_scrap {
        progress(&format!("stored as {id}"));
    }
    conclude(call, home, id).await
}

async fn conclude(call: &CommandCall, home: &LocalSession, id: &ExperimentId) -> Outcome {
    let shown = home.app.experiments().show(&home.caller.user, id).await?;
    if let Some(path) = call.value("out") {
        let text = written(&shown, path)?;
        std::fs::write(path, text)
            .or_else(|error| failed(format!("cannot write {path}: {error}")))?;
    }
    match call.has("json") {
        true => print(format_args!("{:#}", whole(&shown)))?,
        false => {
            print(export::markdown(&shown.experiment, &shown.cases, &shown.report).trim_end())?
        }
    }
    match (shown.experiment.state, &shown.experiment.error) {
        (ExperimentState::Paused, Some(why)) => failed(format!("paused: {why}")),
        (ExperimentState::Cancelled, _) => failed("stopped early"),
        _ => Ok(()),
    }
}

fn whole(shown: &ExperimentView) -> Value {
    let mut all = shape::full(shown);
    let cases = (0..shown.cases.len()).map(|place| shape::case(shown, place, None));
    all["cases"] = cases.collect();
    all
}

fn written(shown: &ExperimentView, path: &str) -> Result<String, CommandFailure> {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "csv" => Ok(export::csv(
            &shown.experiment,
            &shown.cases,
            &shown.evaluations,
        )),
        "md" => Ok(export::markdown(
            &shown.experiment,
            &shown.cases,
            &shown.report,
        )),
        "json" => Ok(format!("{:#}", whole(shown))),
        _ => usage("--out must end in .json, .csv, or .md"),
    }
}

async fn list(call: &CommandCall, home: &LocalSession) -> Outcome {
    let experiments = home.app.experiments();
    let found = experiments.list(&home.caller.user, LISTED, None).await?;
    if call.has("json") {
        let rows: Vec<Value> = found.iter().map(shape::list_item).collect();
        return print(json!({ "experiments": rows }));
    }
    let mut table = TextTable::new(&["id", "state", ">evaluations", ">cost, USD", "name"]);
    for line in &found {
        table.push([
            line.id.to_string(),
            line.state.as_str().to_owned(),
            line.evaluations.to_string(),
            format!("{:.4}", line.cost.dollars()),
            line.name.clone(),
        ]);
    }
    table.print("No experiments yet. Start with: quire experiment example > example.toml")
}

/// Progress: on a terminal one line that is overwritten; elsewhere a line per tenth.
#[derive(Default)]
struct ProgressBar {
    tenth: usize,
    is_open: bool,
}

impl ProgressBar {
    fn show(&mut self, progress: &ExperimentProgress) {
        let most = progress.budget["evaluations"].as_u64().unwrap_or(0) as usize;
        let done = progress.evaluations;
        let part = share(progress, done, most);
        let best = progress.best.as_ref().map_or(String::new(), |best| {
            format!(
                ", setting {} leads with {:.2} ({:.2} to {:.2})",
                best.place, best.mean, best.interval.0, best.interval.1
            )
        });
        let left = progress
            .seconds_left
            .map_or(String::new(), |seconds| format!(", about {seconds} s left"));
        let spent = progress.spent["cost_usd"].as_f64().unwrap_or(0.0);
        let line = format!("{done} evaluations, ${spent:.4}{best}{left}");
        let mut stderr = std::io::stderr().lock();
        if stderr.is_terminal() {
            let full = ((part * BAR as f64) as usize).min(BAR);
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
            let line = format!("[{bar}] {line}");
            let _ = write!(stderr, "\r\x1b[K{}", cut(&line, width()));
            let _ = stderr.flush();
            self.is_open = true;
        } else if (part * 10.0) as usize > self.tenth {
            self.tenth = (part * 10.0) as usize;
            let _ = writeln!(stderr, "{line}");
        }
    }
    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = writeln!(std::io::stderr().lock());
        }
    }
}

/// Used share of the budget, 0 to 1: of the limit that is used most.
fn share(progress: &ExperimentProgress, done: usize, most: usize) -> f64 {
    let of = |name: &str| {
        let limit = progress.budget[name]
            .as_f64()
            .filter(|limit| *limit > 0.0)?;
        Some(progress.spent[name].as_f64()? / limit)
    };
    let parts = ["cost_usd", "tokens", "seconds"].map(of);
    let counted = (most > 0).then(|| done as f64 / most as f64);
    let parts = parts.into_iter().chain([counted]).flatten();
    parts.fold(0.0, f64::max).min(1.0)
}
