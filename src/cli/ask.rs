//! `quire ask`: runs one analysis from the command line, with progress on stderr and the answer on stdout (see
//! screen.rs). The command runs the same app as the server; if there is no account, it works in a temporary folder.
//! While a server uses the data folder, or if QUIRE_SERVER is set, the command sends the question to that server.

use std::io::{IsTerminal as _, Read as _};
use std::sync::Arc;

use serde_json::Value;

use super::args::CommandCall;
use super::input_files::{self, InputFile};
use super::local_session::LocalSession;
use super::outcome::{CommandFailure, Outcome, failed, print, usage};
use super::remote::RemoteSession;
use super::remote_question::RemoteQuestion;
use super::screen::{Screen, print_progress};
use super::{block_on, estimate, question};
use crate::app;
use crate::config::Config;
use crate::domain::analysis::{Analysis, Status};
use crate::domain::document::DocumentStatus;
use crate::domain::id::AnalysisId;
use crate::domain::request::{Request, RunContext};
use crate::http::handlers::{analyses, analysis_shape};
use crate::{clock, log};

/// Maximum size of a question read from stdin, in bytes; the rest is cut off. The app's own limit is lower.
const MAX_QUESTION_BYTES: u64 = 4 << 20;

/// Advice for the case that another command uses the data folder.
pub(super) const WAIT_ADVICE: &str = "wait until it finishes, or stop it";

/// Asks the question from the arguments or stdin, on a server or in the data folder.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let is_named = !call.words.is_empty() && call.words != ["-"];
    let question = match is_named {
        true => call.words.join(" "),
        false => from_stdin(call)?,
    };
    let mut body = question::request_body(call, &question)?;
    let files = input_files::from_call(call, is_named)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    call.warn(&config);
    body["document_ids"] = Value::from(call.values("document"));
    block_on(async {
        let Some(server) = RemoteSession::from_call(call, &config).await? else {
            let (account, is_quiet) = (call.value("as"), call.has("quiet"));
            let session =
                LocalSession::open_to_run(config.clone(), account, is_quiet, WAIT_ADVICE).await?;
            let outcome = ask(call, &config, body, files, &session).await;
            session.app.close().await;
            return outcome;
        };
        let server = Arc::new(server);
        let remote_question = RemoteQuestion::new(call, body, files, config);
        let outcome = remote_question.ask(call, &server).await;
        server.close().await;
        outcome
    })
}

/// Reads the question from stdin. Fails if stdin is also used as a document, if the question is empty, or if stdin is a
/// terminal and the arguments do not request it.
fn from_stdin(call: &CommandCall) -> Result<String, CommandFailure> {
    if call.values("file").contains(&"-") {
        return usage("stdin cannot be both the question and a document");
    }
    let mut text = String::new();
    if !call.words.is_empty() || !std::io::stdin().is_terminal() {
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

async fn ask(
    call: &CommandCall,
    config: &Config,
    body: Value,
    files: Vec<InputFile>,
    session: &LocalSession,
) -> Outcome {
    let mut request = request(call, config, body, &files, session).await?;
    if call.has("continue") {
        request.follow_up_to = Some(newest_turn(session).await?);
    }
    // Local models must be known first, because the default panel and synthesizer depend on which models are
    // available.
    session.app.discovery().probe_local_servers().await;
    if call.has("estimate") {
        let forecast = session.app.analyses();
        let forecast = forecast
            .forecast(Some(&session.caller), request, RunContext::default())
            .await?;
        return estimate::print(call, &analyses::forecast_json(&forecast, clock::now()));
    }
    run_request(call, session, request).await.map(drop)
}

/// Returns the ID of the last turn in the newest thread.
///
/// # Errors
/// Returns an error if there is no thread.
pub(super) async fn newest_turn(session: &LocalSession) -> Result<String, CommandFailure> {
    let threads = session.app.threads();
    if let Some(id) = threads.newest(&session.caller).await?
        && let Some(turn) = threads.show(&session.caller, &id).await?.turns.pop()
    {
        return Ok(turn.id.to_string());
    }
    failed(question::NO_THREAD)
}

/// Uploads the files as documents, and builds the request from the body and the documents.
///
/// # Errors
/// Returns an error if a value is invalid or a file cannot be read.
pub(super) async fn request(
    call: &CommandCall,
    config: &Config,
    mut body: Value,
    files: &[InputFile],
    session: &LocalSession,
) -> Result<Request, CommandFailure> {
    let document_ids = body
        .as_object_mut()
        .and_then(|body| body.remove("document_ids"));
    let mut documents: Vec<String> =
        serde_json::from_value(document_ids.unwrap_or_default()).unwrap_or_default();
    for file in files {
        documents.extend(upload_document(call.has("quiet"), config, session, file).await?);
    }
    question::to_request(body, &documents)
}

/// Runs a request, shows its progress and its answer, and returns the analysis.
///
/// # Errors
/// Returns an error if the run was stopped or has no answer.
pub(super) async fn run_request(
    call: &CommandCall,
    session: &LocalSession,
    request: Request,
) -> Result<String, CommandFailure> {
    let analyses = session.app.analyses();
    let run = analyses
        .start(
            Some(&session.caller),
            request,
            RunContext::default(),
            clock::now(),
        )
        .await?;
    let is_json = call.has("json");
    let mut screen = Screen::new(call.has("quiet"), !is_json);
    let was_stopped = tokio::select! {
        result = follow(session, &run.id, &mut screen) => {
            result?;
            false
        }
        _ = tokio::signal::ctrl_c() => {
            analyses.cancel(&session.caller, &run.id).await?;
            true
        }
    };
    let report = analyses.show(&session.caller, &run.id).await?;
    if is_json {
        print(analysis_shape::full_json(&report))?;
    }
    match print_answer(&report.analysis, is_json, &mut screen) {
        Err(CommandFailure::Failed(text)) if was_stopped => Err(CommandFailure::Stopped(text)),
        outcome => outcome.map(|()| run.id.to_string()),
    }
}

/// Prints the answer, unless it has been shown already. If there is no answer, fails with the reason.
fn print_answer(analysis: &Analysis, shown: bool, screen: &mut Screen) -> Outcome {
    match (analysis.status, &analysis.synthesis) {
        (Status::Completed, Some(text)) => screen.finish_answer((!shown).then_some(text)),
        (status, _) => {
            screen.abandon();
            let why = analysis.error.as_deref().unwrap_or("no answer was written");
            failed(format!("the analysis is {}: {why}", status.as_str()))
        }
    }
}

/// Stores a file as a document, as an upload would, and returns the document's ID. Returns `None` for stdin if nothing
/// was piped.
///
/// # Errors
/// Returns an error if the file cannot be read or stored.
pub(super) async fn upload_document(
    is_quiet: bool,
    config: &Config,
    session: &LocalSession,
    file: &InputFile,
) -> Result<Option<String>, CommandFailure> {
    let Some(mut input) = file.open(config)? else {
        return Ok(None);
    };
    let documents = session.app.documents();
    let mut incoming = documents.begin()?;
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = input.content.read(&mut chunk);
        let length = read.or_else(|error| file.unreadable_error(error))?;
        if length == 0 {
            break;
        }
        incoming.write(&chunk[..length]).await?;
    }
    let received = incoming.finish().await?;
    let document = documents
        .upload(&session.caller.user, &input.name, received, clock::now())
        .await?;
    match document.status {
        DocumentStatus::Failed => failed(format!("{}: {}", file.display_name, document.message)),
        _ => {
            if !is_quiet {
                print_progress(&format!(
                    "{}: {} words, read as {}",
                    file.display_name, document.words, document.kind
                ));
            }
            Ok(Some(document.id.to_string()))
        }
    }
}

/// Shows the run's progress until it ends.
async fn follow(session: &LocalSession, id: &AnalysisId, screen: &mut Screen) -> Outcome {
    let mut watch = session
        .app
        .analyses()
        .watch(Some(&session.caller), id, 0)
        .await?;
    while let Some(events) = watch.next().await.map_err(app::Error::from)? {
        let data = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let read = events.iter().map(|event| {
            (
                event.stored_event.kind.clone(),
                data(&event.stored_event.data),
            )
        });
        let events: Vec<(String, Value)> = read.collect();
        screen.show(&events);
    }
    Ok(())
}
