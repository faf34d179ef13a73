//! `quire ask`: one analysis from the command line. Progress to stderr, the answer to stdout. Does by itself
//! what the server does, with the same app; where a server holds the data folder, or nobody has an account
//! yet, it works in a folder that is thrown away.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::Value;

use super::args::Call;
use super::home::Home;
use super::{Failure, Outcome, block_on, failed, print, usage};
use crate::app;
use crate::app::analyses::Wanted;
use crate::domain::analysis::{Analysis, Depth, Status};
use crate::domain::document::DocumentStatus;
use crate::domain::id::AnalysisId;
use crate::http::handlers::analysis_shape;
use crate::{clock, log};

/// Runs the analysis that the words describe.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(1)?;
    let Some(question) = call.words.first() else {
        return usage("ask needs a question: quire ask \"What does this say?\" --file report.txt");
    };
    let config = call.config()?;
    log::configure(log::Level::Error, config.log_json);
    block_on(async {
        let home = Home::open(config, call.value("as")).await?;
        let outcome = ask(call, question, &home).await;
        home.app.close().await;
        outcome
    })
}

async fn ask(call: &Call, question: &str, home: &Home) -> Outcome {
    let mut documents = Vec::new();
    for file in call.values("file") {
        documents.push(take_in(home, Path::new(file)).await?);
    }
    let names = call.value("models").unwrap_or_default().split(',');
    let wanted = Wanted {
        prompt: question.to_owned(),
        models: names
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        pattern: call.value("pattern").map(str::to_owned),
        documents,
        depth: call.value("depth").map(depth).transpose()?,
        ultra_model: call.value("synthesiser").map(str::to_owned),
        ..Wanted::default()
    };
    // Which models there are decides the default panel and who writes the synthesis.
    home.app.models().probe().await;
    let analyses = home.app.analyses();
    let begun = analyses
        .start(Some(&home.caller), wanted, clock::now())
        .await?;
    tokio::select! {
        told = tell(home, &begun.id) => told?,
        _ = tokio::signal::ctrl_c() => {
            analyses.cancel(&home.caller, &begun.id).await?;
        }
    }
    let report = analyses.show(&home.caller, &begun.id).await?;
    if call.has("json") {
        print(analysis_shape::full(&report))?;
    }
    conclude(&report.analysis, call.has("json"))
}

fn depth(word: &str) -> Result<Depth, Failure> {
    match word {
        "quick" => Ok(Depth::Quick),
        "standard" => Ok(Depth::Standard),
        "full" => Ok(Depth::Full),
        _ => usage("--depth must be quick, standard or full"),
    }
}

/// The answer, or why there is none.
fn conclude(analysis: &Analysis, shown: bool) -> Outcome {
    match (analysis.status, &analysis.synthesis) {
        (Status::Completed, Some(_)) if shown => Ok(()),
        (Status::Completed, Some(text)) => print(text.trim_end()),
        (status, _) => {
            let why = analysis.error.as_deref().unwrap_or("no answer was written");
            failed(format!("the analysis is {}: {why}", status.as_str()))
        }
    }
}

/// Reads a file as an upload would be read.
async fn take_in(home: &Home, path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| Failure::Failed(format!("cannot read {shown}: {error}"));
    let documents = home.app.documents();
    let mut file = File::open(path).map_err(unreadable)?;
    let mut incoming = documents.begin()?;
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut piece).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        incoming.write(&piece[..length]).await?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let received = incoming.finish().await?;
    let document = documents
        .upload(&home.caller.user, &name, received, clock::now())
        .await?;
    match document.status {
        DocumentStatus::Failed => failed(format!("{shown}: {}", document.message)),
        _ => {
            progress(&format!(
                "{shown}: {} words, read as {}",
                document.words, document.kind
            ));
            Ok(document.id.to_string())
        }
    }
}

/// Follows the run and says what a person wants to know meanwhile.
async fn tell(home: &Home, id: &AnalysisId) -> Outcome {
    let mut watch = home.app.analyses().watch(Some(&home.caller), id, 0).await?;
    while let Some(events) = watch.next().await.map_err(app::Error::from)? {
        for event in events {
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            if let Some(line) = line(&event.kind, &data) {
                progress(&line);
            }
        }
    }
    Ok(())
}

/// One event as a line for a person; none for those that say only a piece.
fn line(kind: &str, data: &Value) -> Option<String> {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let number = |name: &str| data[name].as_u64().unwrap_or_default();
    Some(match kind {
        "analysis.started" => {
            let models: Vec<_> = data["models"]
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let end = match text("ultra_model") {
                "" => "the votes are counted".to_owned(),
                model => format!("{model} writes the answer"),
            };
            format!("{} with {}; {end}", text("pattern"), models.join(", "))
        }
        "stage.started" => format!(
            "{} ({} of {})",
            text("stage"),
            number("index") + 1,
            number("total")
        ),
        "member.completed" => {
            let seconds = number("latency_ms") as f64 / 1000.0;
            let cached = if data["cached"] == true {
                ", from the cache"
            } else {
                ""
            };
            format!("  {} answered in {seconds:.1} s{cached}", text("model"))
        }
        "member.failed" => format!("  {} failed: {}", text("model"), text("error")),
        "analysis.completed" | "analysis.failed" | "analysis.cancelled" => ending(data),
        _ => return None,
    })
}

/// What it came to, and what a reader of the answer should know.
fn ending(data: &Value) -> String {
    let seconds = data["total_time_ms"].as_u64().unwrap_or_default() as f64 / 1000.0;
    let more = match data["cost_incomplete"] == true {
        true => " and calls of unknown price",
        false => "",
    };
    let cost = data["cost_usd"].as_f64().unwrap_or_default();
    let notes = data["notes"].as_array().into_iter().flatten();
    let notes: String = notes
        .filter_map(Value::as_str)
        .map(|note| format!("; {note}"))
        .collect();
    format!("{seconds:.1} s, ${cost:.4}{more}{notes}")
}

pub(super) fn progress(line: &str) {
    // Names of files and models come from outside and must not steer the terminal.
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    let _ = writeln!(std::io::stderr().lock(), "{clean}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_as_lines() {
        for (kind, data, expected) in [
            (
                "analysis.started",
                json!({"pattern": "gut", "models": ["a/b", "c/d"], "ultra_model": "a/b"}),
                Some("gut with a/b, c/d; a/b writes the answer"),
            ),
            (
                "stage.started",
                json!({"stage": "meta", "index": 1, "total": 4}),
                Some("meta (2 of 4)"),
            ),
            (
                "member.completed",
                json!({"model": "a/b", "latency_ms": 1250}),
                Some("  a/b answered in 1.2 s"),
            ),
            (
                "member.completed",
                json!({"model": "a/b", "latency_ms": 0, "cached": true}),
                Some("  a/b answered in 0.0 s, from the cache"),
            ),
            (
                "member.failed",
                json!({"model": "a/b", "error": "no"}),
                Some("  a/b failed: no"),
            ),
            (
                "analysis.started",
                json!({"pattern": "vote", "models": ["a/b"], "ultra_model": ""}),
                Some("vote with a/b; the votes are counted"),
            ),
            (
                "analysis.completed",
                json!({"total_time_ms": 1500, "cost_usd": 0.0123, "notes": ["c/d was dropped"]}),
                Some("1.5 s, $0.0123; c/d was dropped"),
            ),
            ("member.delta", json!({"text": "x"}), None),
            ("stage.started", json!(null), Some(" (1 of 0)")),
        ] {
            assert_eq!(line(kind, &data).as_deref(), expected, "{kind}");
        }
    }
}
