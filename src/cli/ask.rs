//! `quire ask`: one analysis from the command line, with progress on stderr and the answer on stdout (see
//! screen.rs). Runs the same app as the server; without any account it works in a folder that is deleted
//! afterwards. Refuses while a server uses the data folder: that server can be asked with --server.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::Path;

use serde_json::Value;

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::remote;
use super::screen::{Screen, progress};
use super::{CommandFailure, Outcome, block_on, failed, print, public_url, usage};
use crate::app;
use crate::domain::analysis::{Analysis, Depth, Status};
use crate::domain::document::DocumentStatus;
use crate::domain::id::AnalysisId;
use crate::domain::request::{Request, RunContext};
use crate::http::handlers::analysis_shape;
use crate::{clock, log};

/// Maximum number of bytes read of a question from stdin; the domain's own limit is stricter.
const MAX_QUESTION_BYTES: u64 = 4 << 20;

/// Runs the analysis that the arguments describe.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(1)?;
    let question = match call.words.first().map(String::as_str) {
        Some(word) if word != "-" => word.to_owned(),
        word => from_stdin(call, word.is_some())?,
    };
    if let Some(server) = call.value("server") {
        return remote::run(call, server, &question);
    }
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        let instead = format!(
            "ask it: quire ask --server {}, with an API key (quire key add EMAIL) in QUIRE_API_KEY",
            public_url(&config)
        );
        let (account, is_quiet) = (call.value("as"), call.has("quiet"));
        let home = LocalSession::to_run(config, account, is_quiet, &instead).await?;
        let outcome = ask(call, &question, &home).await;
        home.app.close().await;
        outcome
    })
}

/// Reads the question from stdin. On a terminal without a question, that is a usage error.
fn from_stdin(call: &CommandCall, is_asked_for: bool) -> Result<String, CommandFailure> {
    if call.values("file").contains(&"-") {
        return usage("stdin cannot hold both the question and a file");
    }
    let mut text = String::new();
    if is_asked_for || !std::io::stdin().is_terminal() {
        let mut bounded = std::io::stdin().lock().take(MAX_QUESTION_BYTES);
        if let Err(error) = bounded.read_to_string(&mut text) {
            return failed(format!("cannot read the question from stdin: {error}"));
        }
    }
    match text.trim() {
        "" => usage("ask needs a question: quire ask \"What does this say?\" --file report.txt"),
        question => Ok(question.to_owned()),
    }
}

async fn ask(call: &CommandCall, question: &str, home: &LocalSession) -> Outcome {
    let mut request = request(call, home, question).await?;
    if call.has("continue") {
        request.follow_up_to = Some(newest_turn(home).await?);
    }
    // The available models decide the default panel and the synthesizer.
    home.app.discovery().probe().await;
    put(call, home, request).await.map(drop)
}

/// The newest turn of the newest thread.
///
/// # Errors
/// When there is no thread.
pub(super) async fn newest_turn(home: &LocalSession) -> Result<String, CommandFailure> {
    let threads = home.app.threads();
    if let Some(id) = threads.newest(&home.caller).await?
        && let Some(turn) = threads.show(&home.caller, &id).await?.turns.pop()
    {
        return Ok(turn.id.to_string());
    }
    failed(remote::NO_THREAD)
}

/// A question with nothing but its text.
pub(super) fn bare_request(question: &str) -> Request {
    Request {
        prompt: question.to_owned(),
        ..Request::default()
    }
}

/// The request that the options describe, with its documents.
///
/// # Errors
/// When an option is invalid or a file cannot be read.
pub(super) async fn request(
    call: &CommandCall,
    home: &LocalSession,
    question: &str,
) -> Result<Request, CommandFailure> {
    let mut documents = Vec::new();
    for file in call.values("file") {
        documents.push(take_in(call, home, file).await?);
    }
    let names = call.value("panel").or_else(|| call.value("models"));
    let names = names.unwrap_or_default().split(',');
    Ok(Request {
        models: names
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        pattern: call.value("pattern").map(str::to_owned),
        document_ids: documents,
        depth: call.value("depth").map(depth).transpose()?,
        ultra_model: call.value("synthesiser").map(str::to_owned),
        ..bare_request(question)
    })
}

/// Runs a request, shows its progress and its answer, and returns the analysis.
///
/// # Errors
/// When it has no answer, or was stopped.
pub(super) async fn put(
    call: &CommandCall,
    home: &LocalSession,
    request: Request,
) -> Result<String, CommandFailure> {
    let analyses = home.app.analyses();
    let begun = analyses
        .start(
            Some(&home.caller),
            request,
            RunContext::default(),
            clock::now(),
        )
        .await?;
    let is_json = call.has("json");
    let mut screen = Screen::new(call.has("quiet"), !is_json);
    let stopped = tokio::select! {
        told = follow(home, &begun.id, &mut screen) => {
            told?;
            false
        }
        _ = tokio::signal::ctrl_c() => {
            analyses.cancel(&home.caller, &begun.id).await?;
            true
        }
    };
    let report = analyses.show(&home.caller, &begun.id).await?;
    if is_json {
        print(analysis_shape::full(&report))?;
    }
    match conclude(&report.analysis, is_json, &mut screen) {
        Err(CommandFailure::Failed(text)) if stopped => Err(CommandFailure::Stopped(text)),
        outcome => outcome.map(|()| begun.id.to_string()),
    }
}

fn depth(word: &str) -> Result<Depth, CommandFailure> {
    match word {
        "quick" => Ok(Depth::Quick),
        "standard" => Ok(Depth::Standard),
        "full" => Ok(Depth::Full),
        _ => usage("--depth must be quick, standard, or full"),
    }
}

/// Prints the answer, or fails with the reason why there is none.
fn conclude(analysis: &Analysis, shown: bool, screen: &mut Screen) -> Outcome {
    match (analysis.status, &analysis.synthesis) {
        (Status::Completed, Some(_)) if shown => Ok(()),
        (Status::Completed, Some(text)) => screen.conclude(text),
        (status, _) => {
            screen.erase();
            let why = analysis.error.as_deref().unwrap_or("no answer was written");
            failed(format!("the analysis is {}: {why}", status.as_str()))
        }
    }
}

/// Reads a file like an upload.
async fn take_in(
    call: &CommandCall,
    home: &LocalSession,
    name: &str,
) -> Result<String, CommandFailure> {
    let (shown, path) = match name {
        "-" => ("stdin", Path::new("stdin.txt")),
        name => (name, Path::new(name)),
    };
    let unreadable =
        |error: std::io::Error| CommandFailure::Failed(format!("cannot read {shown}: {error}"));
    let documents = home.app.documents();
    let mut file: Box<dyn Read> = match name {
        "-" => Box::new(std::io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(unreadable)?),
    };
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
            if !call.has("quiet") {
                progress(&format!(
                    "{shown}: {} words, read as {}",
                    document.words, document.kind
                ));
            }
            Ok(document.id.to_string())
        }
    }
}

/// Follows the run and reports progress.
async fn follow(home: &LocalSession, id: &AnalysisId, screen: &mut Screen) -> Outcome {
    let mut watch = home.app.analyses().watch(Some(&home.caller), id, 0).await?;
    while let Some(events) = watch.next().await.map_err(app::Error::from)? {
        let data = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let read = events
            .iter()
            .map(|event| (event.stored.kind.clone(), data(&event.stored.data)));
        let events: Vec<(String, Value)> = read.collect();
        screen.show(&events);
    }
    Ok(())
}
