//! `quire ask --server`: the same question, sent to a running server. Needs no data folder; the key comes
//! from the environment, where it does not appear in the list of processes.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::args::CommandCall;
use super::screen::{Screen, progress};
use super::{CommandFailure, Outcome, block_on, failed, print, usage};
use crate::app::offline::remote::{Remote, RemoteError};

/// Environment variable of the API key.
const KEY: &str = "QUIRE_API_KEY";
/// Why nothing can be continued.
pub(super) const NO_THREAD: &str = "there is no thread to continue";
/// Maximum number of events queued for the screen.
const WAITING: usize = 64;
/// Maximum number of reconnections of a broken stream.
const TRIES: u32 = 5;

/// A message of the thread that talks to the server.
enum ServerMessage {
    Begun(String),
    Event(String, Value),
    Over(Result<Value, CommandFailure>),
}

/// Runs the analysis that the arguments describe on the server at this address.
pub(super) fn run(call: &CommandCall, server: &str, question: &str) -> Outcome {
    let session = RemoteSession::new(call, server)?;
    let mut wanted = RemoteQuestion::new(call, question);
    if call.has("continue") {
        wanted.body["follow_up_to"] = json!(session.newest_turn()?);
    }
    block_on(session.put(call, wanted)).map(drop)
}

/// A running server and the key to it.
pub(super) struct RemoteSession(Arc<Remote>);

impl RemoteSession {
    /// Prepares to ask the server at this address.
    ///
    /// # Errors
    /// When the options do not fit a server.
    pub(super) fn new(call: &CommandCall, server: &str) -> Result<Self, CommandFailure> {
        if call.value("as").is_some() {
            return usage(
                "--as works only without --server: a server takes the account from the API key",
            );
        }
        let key = std::env::var(KEY).unwrap_or_default();
        let config = call.config()?;
        let remote = Remote::new(server, key.trim(), config.authorities);
        Ok(Self(Arc::new(remote)))
    }

    /// The newest turn of the newest thread. Blocks.
    ///
    /// # Errors
    /// When there is no thread, or the server refuses.
    pub(super) fn newest_turn(&self) -> Result<String, CommandFailure> {
        let list = self.0.get("/api/threads?limit=1").map_err(failure)?;
        let Some(thread) = list["threads"][0]["thread_id"].as_str() else {
            return failed(NO_THREAD);
        };
        let thread = self.0.get(&format!("/api/threads/{thread}"));
        let thread = thread.map_err(failure)?;
        let newest = thread["turns"].as_array().and_then(|turns| turns.last());
        match newest.and_then(|turn| turn["analysis_id"].as_str()) {
            Some(id) => Ok(id.to_owned()),
            None => failed(NO_THREAD),
        }
    }

    /// Asks a question of a conversation, shows the answer, and returns the turn.
    ///
    /// # Errors
    /// When it has no answer, or was stopped.
    pub(super) async fn answer(
        &self,
        call: &CommandCall,
        question: &str,
        follows: Option<&str>,
    ) -> Result<String, CommandFailure> {
        let wanted = match follows {
            None => RemoteQuestion::new(call, question),
            // The panel and the documents are those of the turn before.
            Some(turn) => RemoteQuestion {
                body: json!({ "prompt": question, "async": true, "follow_up_to": turn }),
                files: Vec::new(),
                is_quiet: call.has("quiet"),
            },
        };
        self.put(call, wanted).await
    }

    async fn put(
        &self,
        call: &CommandCall,
        wanted: RemoteQuestion,
    ) -> Result<String, CommandFailure> {
        let is_json = call.has("json");
        let mut screen = Screen::new(wanted.is_quiet, !is_json);
        let report = follow(self.0.clone(), wanted, &mut screen).await?;
        if is_json {
            print(&report)?;
        }
        conclude(&report, is_json, &mut screen)?;
        let id = report["analysis_id"].as_str().unwrap_or_default();
        Ok(id.to_owned())
    }
}

struct RemoteQuestion {
    body: Value,
    files: Vec<String>,
    is_quiet: bool,
}

impl RemoteQuestion {
    fn new(call: &CommandCall, question: &str) -> Self {
        let files = call.values("file");
        Self {
            body: body(call, question),
            files: files.into_iter().map(str::to_owned).collect(),
            is_quiet: call.has("quiet"),
        }
    }
}

fn body(call: &CommandCall, question: &str) -> Value {
    let mut body = json!({ "prompt": question, "async": true });
    let names = call.value("panel").or_else(|| call.value("models"));
    let names: Vec<&str> = names
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if !names.is_empty() {
        body["models"] = json!(names);
    }
    for (option, field) in [
        ("pattern", "pattern"),
        ("depth", "depth"),
        ("synthesiser", "ultra_model"),
    ] {
        if let Some(value) = call.value(option) {
            body[field] = json!(value);
        }
    }
    body
}

// The calls block, so they run on a thread of their own; Ctrl-C also stops the run on the server.
async fn follow(
    remote: Arc<Remote>,
    wanted: RemoteQuestion,
    screen: &mut Screen,
) -> Result<Value, CommandFailure> {
    let (tell, mut told) = mpsc::channel(WAITING);
    let worker = remote.clone();
    std::thread::spawn(move || {
        let outcome = work(&worker, wanted, &tell);
        let _ = tell.blocking_send(ServerMessage::Over(outcome));
    });
    let mut begun = None;
    let mut is_stopped = false;
    loop {
        tokio::select! {
            next = told.recv() => match next {
                Some(ServerMessage::Begun(id)) => begun = Some(id),
                Some(ServerMessage::Event(kind, data)) => screen.show(&[(kind, data)]),
                Some(ServerMessage::Over(outcome)) => {
                    screen.erase();
                    return match outcome {
                        Ok(_) if is_stopped => Err(CommandFailure::Stopped("stopped".to_owned())),
                        outcome => outcome,
                    };
                }
                None => return failed("the run ended without a result"),
            },
            _ = tokio::signal::ctrl_c() => {
                let Some(id) = begun.take().filter(|_| !is_stopped) else {
                    return Err(CommandFailure::Stopped("stopped".to_owned()));
                };
                is_stopped = true;
                let path = format!("/api/analyses/{id}/cancel");
                remote.post(&path, &json!({})).map_err(failure)?;
            }
        }
    }
}

fn work(
    remote: &Remote,
    wanted: RemoteQuestion,
    tell: &mpsc::Sender<ServerMessage>,
) -> Result<Value, CommandFailure> {
    let RemoteQuestion {
        mut body,
        files,
        is_quiet,
    } = wanted;
    let mut documents = Vec::new();
    for file in &files {
        documents.push(give(remote, file, is_quiet)?);
    }
    if !documents.is_empty() {
        body["document_ids"] = json!(documents);
    }
    let started = remote.post("/api/analyze", &body).map_err(failure)?;
    let Some(id) = started["analysis_id"].as_str() else {
        return failed("the server did not name the analysis it started; its version may differ");
    };
    let _ = tell.blocking_send(ServerMessage::Begun(id.to_owned()));
    let (mut last, mut tries) = (0, 0);
    loop {
        let mut is_over = false;
        let followed = remote.events(
            &format!("/api/analyses/{id}/events"),
            last,
            |number, kind, data| {
                last = last.max(number);
                tries = 0;
                is_over = matches!(
                    kind.as_str(),
                    "analysis.completed" | "analysis.failed" | "analysis.cancelled"
                );
                // A closed channel means that nothing listens any more.
                tell.blocking_send(ServerMessage::Event(kind, data)).is_ok() && !is_over
            },
        );
        match followed {
            _ if is_over => break,
            Err(fault @ RemoteError::Refused(..)) => return Err(failure(fault)),
            Err(fault) if tries == TRIES => return Err(failure(fault)),
            _ if tries == TRIES => break,
            _ => {
                tries += 1;
                std::thread::sleep(Duration::from_secs(u64::from(tries)));
            }
        }
    }
    remote.get(&format!("/api/analyses/{id}")).map_err(failure)
}

// Uploads a file and waits until it has been read.
fn give(remote: &Remote, name: &str, is_quiet: bool) -> Result<String, CommandFailure> {
    let unreadable =
        |error: std::io::Error| CommandFailure::Failed(format!("cannot read {name}: {error}"));
    let (file, shown): (Box<dyn Read>, _) = match name {
        "-" => (Box::new(std::io::stdin()), "stdin.txt".to_owned()),
        _ => {
            let path = Path::new(name);
            let shown = path.file_name().unwrap_or_default().to_string_lossy();
            (
                Box::new(File::open(path).map_err(unreadable)?),
                shown.into_owned(),
            )
        }
    };
    let mut stored = remote
        .upload("/api/upload-document", &shown, file)
        .map_err(failure)?;
    let id = ["document_id", "id"]
        .iter()
        .find_map(|field| stored[*field].as_str());
    let Some(id) = id.map(str::to_owned) else {
        return failed(format!("the server did not store {shown}"));
    };
    loop {
        let document = if stored["document"].is_object() {
            &stored["document"]
        } else {
            &stored
        };
        match document["status"].as_str() {
            Some("failed") => {
                let why = document["message"].as_str().unwrap_or("it cannot be read");
                return failed(format!("{shown}: {why}"));
            }
            Some("processing" | "pending") => {}
            _ => break,
        }
        std::thread::sleep(Duration::from_millis(300));
        stored = remote
            .get(&format!("/api/documents/{id}"))
            .map_err(failure)?;
    }
    if !is_quiet {
        progress(&format!("{shown}: read by the server"));
    }
    Ok(id)
}

fn conclude(report: &Value, shown: bool, screen: &mut Screen) -> Outcome {
    let text = ["ultra_response", "synthesis"]
        .iter()
        .find_map(|field| report[*field].as_str());
    match (report["status"].as_str(), text) {
        (Some("completed"), Some(_)) if shown => Ok(()),
        (Some("completed"), Some(text)) => screen.conclude(text),
        (status, _) => {
            let why = report["error"].as_str().unwrap_or("no answer was written");
            failed(format!(
                "the analysis is {}: {why}",
                status.unwrap_or("gone")
            ))
        }
    }
}

fn failure(fault: RemoteError) -> CommandFailure {
    CommandFailure::Failed(match fault {
        RemoteError::Away(why) => format!("cannot reach the server: {why}"),
        RemoteError::Refused(401, why) => format!("the server refused the key in {KEY}: {why}"),
        RemoteError::Refused(_, why) => format!("the server refused: {why}"),
    })
}
