//! Asks a question on a server: uploads its files, starts the run, shows its events, and stops it on Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::args::CommandCall;
use super::input_files::InputFile;
use super::outcome::{CommandFailure, Outcome, failed, print};
use super::remote::RemoteSession;
use super::screen::{Screen, print_progress};
use super::{estimate, question};
use crate::config::Config;

/// Interval between checks whether an uploaded document has been read.
const READ_INTERVAL: Duration = Duration::from_millis(300);
/// The events that end a run.
const LAST_EVENTS: &[&str] = &[
    "analysis.completed",
    "analysis.failed",
    "analysis.cancelled",
];

/// A question for a server, with the files to upload before it.
pub(super) struct RemoteQuestion {
    body: Value,
    files: Vec<InputFile>,
    config: Config,
    is_quiet: bool,
}

impl RemoteQuestion {
    pub(super) fn new(
        call: &CommandCall,
        mut body: Value,
        files: Vec<InputFile>,
        config: Config,
    ) -> Self {
        body["async"] = json!(true);
        Self {
            body,
            files,
            config,
            is_quiet: call.has("quiet"),
        }
    }

    /// Asks the question and shows the answer. With `--estimate`, only prints the estimated cost.
    ///
    /// # Errors
    /// Returns an error if there is no answer or the run was stopped.
    pub(super) async fn ask(mut self, call: &CommandCall, server: &Arc<RemoteSession>) -> Outcome {
        if call.has("continue") {
            self.body["follow_up_to"] = json!(newest_turn(server)?);
        }
        if call.has("estimate") {
            self.send_files(server)?;
            if let Some(body) = self.body.as_object_mut() {
                body.remove("async");
            }
            return estimate::print(call, &server.post("/api/estimate", &self.body)?);
        }
        self.answer(call, server).await.map(drop)
    }

    /// Asks the question, shows the answer, and returns the ID of the new turn.
    ///
    /// # Errors
    /// Returns an error if there is no answer or the run was stopped.
    pub(super) async fn answer(
        self,
        call: &CommandCall,
        server: &Arc<RemoteSession>,
    ) -> Result<String, CommandFailure> {
        let is_json = call.has("json");
        let mut screen = Screen::new(self.is_quiet, !is_json);
        let report = self.follow(server, &mut screen).await?;
        if is_json {
            print(&report)?;
        }
        print_answer(&report, is_json, &mut screen)?;
        let id = report["analysis_id"].as_str().unwrap_or_default();
        Ok(id.to_owned())
    }

    async fn follow(
        self,
        server: &Arc<RemoteSession>,
        screen: &mut Screen,
    ) -> Result<Value, CommandFailure> {
        let id = tokio::select! {
            id = self.start(server.clone()) => id?,
            _ = tokio::signal::ctrl_c() => return stopped_error(),
        };
        let path = format!("/api/analyses/{id}");
        let mut events = server.events(format!("{path}/events"), LAST_EVENTS);
        let mut is_stopped = false;
        loop {
            tokio::select! {
                next = events.recv() => match next {
                    Some(event) => screen.show(&[event?]),
                    None if is_stopped => return stopped_error(),
                    None => return server.get(&path),
                },
                _ = tokio::signal::ctrl_c() => {
                    if std::mem::replace(&mut is_stopped, true) {
                        return stopped_error();
                    }
                    server.post(&format!("{path}/cancel"), &json!({}))?;
                }
            }
        }
    }

    /// Uploads the files, starts the run, and returns its ID. The blocking calls run on a separate thread.
    async fn start(mut self, server: Arc<RemoteSession>) -> Result<String, CommandFailure> {
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            let upload_result = self.send_files(&server);
            let started = upload_result.and_then(|()| server.post("/api/analyze", &self.body));
            let _ = sender.send(started);
        });
        let Ok(started) = receiver.await else {
            return failed("the run ended without a result");
        };
        match started?["analysis_id"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => {
                failed("the server did not name the analysis it started; its version may differ")
            }
        }
    }

    /// Uploads the files and adds their IDs to the request body. Blocks.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or the server refuses it.
    fn send_files(&mut self, server: &RemoteSession) -> Outcome {
        let mut documents = Vec::new();
        for file in std::mem::take(&mut self.files) {
            documents.extend(upload(server, &file, &self.config, self.is_quiet)?);
        }
        if let Some(named_ids) = self.body["document_ids"].as_array() {
            documents.extend(
                named_ids
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
        }
        self.body["document_ids"] = json!(documents);
        Ok(())
    }
}

/// Returns the ID of the last turn in the newest thread. Blocks.
///
/// # Errors
/// Returns an error if there is no thread or the server refuses.
pub(super) fn newest_turn(server: &RemoteSession) -> Result<String, CommandFailure> {
    let list = server.get("/api/threads?limit=1")?;
    let Some(thread) = list["threads"][0]["thread_id"].as_str() else {
        return failed(question::NO_THREAD);
    };
    question::newest_turn(&server.get(&format!("/api/threads/{thread}"))?)
}

/// Uploads a document, waits until the server has read it, and returns its ID. Returns `None` if the document is a pipe
/// without any input. Blocks.
///
/// # Errors
/// Returns an error if the file cannot be read or the server refuses it.
pub(super) fn upload(
    server: &RemoteSession,
    file: &InputFile,
    config: &Config,
    is_quiet: bool,
) -> Result<Option<String>, CommandFailure> {
    let Some(input) = file.open(config)? else {
        return Ok(None);
    };
    let display_name = &file.display_name;
    let mut stored = server.upload("/api/upload-document", &input.name, input.content)?;
    let id = ["document_id", "id"]
        .iter()
        .find_map(|field| stored[*field].as_str());
    let Some(id) = id.map(str::to_owned) else {
        return failed(format!("the server did not store {display_name}"));
    };
    loop {
        let document = match stored["document"].is_object() {
            true => &stored["document"],
            false => &stored,
        };
        match document["status"].as_str() {
            Some("failed") => {
                let why = document["message"].as_str().unwrap_or("it cannot be read");
                return failed(format!("{display_name}: {why}"));
            }
            Some("processing" | "pending") => {}
            _ => break,
        }
        std::thread::sleep(READ_INTERVAL);
        stored = server.get(&format!("/api/documents/{id}"))?;
    }
    if !is_quiet {
        print_progress(&format!("{display_name}: read by the server"));
    }
    Ok(Some(id))
}

fn print_answer(report: &Value, shown: bool, screen: &mut Screen) -> Outcome {
    let text = ["ultra_response", "synthesis"]
        .iter()
        .find_map(|field| report[*field].as_str());
    match (report["status"].as_str(), text) {
        (Some("completed"), Some(text)) => screen.finish_answer((!shown).then_some(text)),
        (status, _) => {
            screen.abandon();
            let why = report["error"].as_str().unwrap_or("no answer was written");
            failed(format!(
                "the analysis is {}: {why}",
                status.unwrap_or("gone")
            ))
        }
    }
}

fn stopped_error<T>() -> Result<T, CommandFailure> {
    Err(CommandFailure::Stopped("stopped".to_owned()))
}
