//! Commands that run on a server: one that `QUIRE_SERVER` names, or the one that uses the same data folder. The API key
//! of the former comes from the environment, where it does not appear in the list of processes; for the latter, a key
//! is created and deleted again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::args::CommandCall;
use super::input_files::InputFile;
use super::local_address::running_server;
use super::outcome::{CommandFailure, Outcome, failed, print, usage, without_key};
use super::screen::{Screen, progress};
use super::{estimate, local_session, option_names, question};
use crate::app::accounts::{Accounts, RequestOrigin};
use crate::app::api_keys::NewKey;
use crate::app::offline::remote::{Remote, RemoteError};
use crate::clock;
use crate::config::Config;
use crate::domain::user::Caller;

/// Environment variable of the API key.
const KEY: &str = "QUIRE_API_KEY";
/// Maximum number of events queued for the screen.
const WAITING: usize = 64;
/// Maximum number of reconnections of a broken stream.
const TRIES: u32 = 5;
/// Scopes of the key for the server that uses the same data folder.
const SCOPES: [&str; 4] = ["chat", "analyze", "documents", "export"];

/// A message of the thread that talks to the server.
enum ServerMessage {
    Begun(String),
    Event(String, Value),
    Over(Result<Value, CommandFailure>),
}

/// A running server and the key to it.
pub(super) struct RemoteSession {
    remote: Arc<Remote>,
    own_key: Option<OwnKey>,
}

/// A key that was created for this command.
struct OwnKey {
    accounts: Accounts,
    caller: Caller,
    id: String,
}

impl RemoteSession {
    /// The server that a command runs on; `None` when it opens the data folder itself.
    ///
    /// # Errors
    /// When the options do not fit a server, or the account does not exist.
    pub(super) async fn of_call(
        call: &CommandCall,
        config: &Config,
    ) -> Result<Option<Self>, CommandFailure> {
        if let Some(server) = Self::named(call, config)? {
            return Ok(Some(server));
        }
        let Some(address) = running_server(config) else {
            return Ok(None);
        };
        // Its certificate is for its public name.
        let public = config.public_url.clone().filter(|_| config.tls.is_some());
        let address = public.unwrap_or(address);
        let accounts = Accounts::open_existing(config)?;
        let user = match call.value("as") {
            Some(email) => Some(accounts.user_by_email(email).await?),
            None => local_session::operator(&accounts).await?,
        };
        let Some(user) = user else {
            accounts.close().await;
            return failed(local_session::NO_ACCOUNT);
        };
        let wanted = NewKey {
            name: "command line (temporary)".to_owned(),
            days: Some(1),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            ..NewKey::default()
        };
        let caller = Caller::of(user.id, user.role);
        let visit = RequestOrigin::local(clock::now());
        let (key, known) = accounts.make_key(&caller.user, wanted, &visit).await?;
        let remote = Remote::new(&address, &key, config.authorities.clone());
        Ok(Some(Self {
            remote: Arc::new(remote),
            own_key: Some(OwnKey {
                accounts,
                caller,
                id: known.id.to_string(),
            }),
        }))
    }

    /// The server that QUIRE_SERVER or --server names.
    ///
    /// # Errors
    /// When an account is named too.
    pub(super) fn named(
        call: &CommandCall,
        config: &Config,
    ) -> Result<Option<Self>, CommandFailure> {
        let Some(server) = &config.server else {
            return Ok(None);
        };
        if call.value("as").is_some() {
            return usage(
                "--as works only without --server (QUIRE_SERVER): a server takes the account from the API key",
            );
        }
        let key = std::env::var(KEY).unwrap_or_default();
        let remote = Remote::new(server, key.trim(), config.authorities.clone());
        Ok(Some(Self {
            remote: Arc::new(remote),
            own_key: None,
        }))
    }

    /// Deletes the key that was created for this command.
    pub(super) async fn close(self) {
        if let Some(key) = self.own_key {
            let visit = RequestOrigin::local(clock::now());
            // It expires within a day anyway.
            let _ = key.accounts.delete_key(&key.caller, &key.id, &visit).await;
            key.accounts.close().await;
        }
    }

    /// Sends a GET request. Blocks.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(super) fn get(&self, path: &str) -> Result<Value, CommandFailure> {
        self.remote.get(path).map_err(failure)
    }

    /// Downloads a text. Blocks.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn text(&self, path: &str) -> Result<String, CommandFailure> {
        self.remote.text(path).map_err(failure)
    }

    /// Sends a DELETE request. Blocks.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn delete(&self, path: &str) -> Result<Value, CommandFailure> {
        self.remote.delete(path).map_err(failure)
    }

    /// Uploads a document, waits until it has been read, and returns its id. `None` when nothing was piped. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read, or the server refuses it.
    pub(super) fn upload(
        &self,
        file: &InputFile,
        config: &Config,
        is_quiet: bool,
    ) -> Result<Option<String>, CommandFailure> {
        give(&self.remote, file, config, is_quiet)
    }

    /// Asks a question, or estimates it.
    ///
    /// # Errors
    /// When it has no answer, or was stopped.
    pub(super) async fn ask(&self, call: &CommandCall, mut wanted: RemoteQuestion) -> Outcome {
        if call.has("continue") {
            wanted.body["follow_up_to"] = json!(self.newest_turn()?);
        }
        if call.has("estimate") {
            wanted.send_files(&self.remote)?;
            if let Some(body) = wanted.body.as_object_mut() {
                body.remove("async");
            }
            let estimate = self.remote.post("/api/estimate", &wanted.body);
            return estimate::print(call, &estimate.map_err(failure)?);
        }
        self.put(call, wanted).await.map(drop)
    }

    /// The newest turn of the newest thread. Blocks.
    ///
    /// # Errors
    /// When there is no thread, or the server refuses.
    pub(super) fn newest_turn(&self) -> Result<String, CommandFailure> {
        let list = self.get("/api/threads?limit=1")?;
        let Some(thread) = list["threads"][0]["thread_id"].as_str() else {
            return failed(question::NO_THREAD);
        };
        question::newest_turn(&self.get(&format!("/api/threads/{thread}"))?)
    }

    /// Asks a question of a conversation, shows the answer, and returns the turn.
    ///
    /// # Errors
    /// When it has no answer, or was stopped.
    pub(super) async fn answer(
        &self,
        call: &CommandCall,
        wanted: RemoteQuestion,
    ) -> Result<String, CommandFailure> {
        self.put(call, wanted).await
    }

    async fn put(
        &self,
        call: &CommandCall,
        wanted: RemoteQuestion,
    ) -> Result<String, CommandFailure> {
        let is_json = call.has("json");
        let mut screen = Screen::new(wanted.is_quiet, !is_json);
        let report = follow(self.remote.clone(), wanted, &mut screen).await?;
        if is_json {
            print(&report)?;
        }
        conclude(&report, is_json, &mut screen)?;
        let id = report["analysis_id"].as_str().unwrap_or_default();
        Ok(id.to_owned())
    }
}

/// A question for a server, with the files that are sent first.
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

    /// Uploads the files and names them in the body. Blocks.
    ///
    /// # Errors
    /// When one cannot be read, or the server refuses it.
    fn send_files(&mut self, remote: &Remote) -> Outcome {
        let mut documents = Vec::new();
        for file in std::mem::take(&mut self.files) {
            documents.extend(give(remote, &file, &self.config, self.is_quiet)?);
        }
        if let Some(named) = self.body["document_ids"].as_array() {
            documents.extend(named.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        self.body["document_ids"] = json!(documents);
        Ok(())
    }
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
    mut wanted: RemoteQuestion,
    tell: &mpsc::Sender<ServerMessage>,
) -> Result<Value, CommandFailure> {
    wanted.send_files(remote)?;
    let started = remote.post("/api/analyze", &wanted.body).map_err(failure)?;
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
fn give(
    remote: &Remote,
    file: &InputFile,
    config: &Config,
    is_quiet: bool,
) -> Result<Option<String>, CommandFailure> {
    let Some(opened) = file.open(config)? else {
        return Ok(None);
    };
    let shown = &file.shown;
    let mut stored = remote
        .upload("/api/upload-document", &opened.name, opened.content)
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
    Ok(Some(id))
}

fn conclude(report: &Value, shown: bool, screen: &mut Screen) -> Outcome {
    let text = ["ultra_response", "synthesis"]
        .iter()
        .find_map(|field| report[*field].as_str());
    match (report["status"].as_str(), text) {
        (Some("completed"), Some(text)) => screen.conclude((!shown).then_some(text)),
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

fn failure(fault: RemoteError) -> CommandFailure {
    if let RemoteError::Refused(_, why) = &fault
        && let Some(text) = without_key(why)
    {
        return CommandFailure::Usage(text);
    }
    CommandFailure::Failed(match fault {
        RemoteError::Away(why) => format!("cannot reach the server: {why}"),
        RemoteError::Refused(401, why) => format!("the server refused the key in {KEY}: {why}"),
        RemoteError::Refused(422, why) => return CommandFailure::Usage(option_names::named(&why)),
        RemoteError::Refused(_, why) => format!("the server refused: {why}"),
    })
}

/// A text as a value of a query.
pub(super) fn query_text(text: &str) -> String {
    let kept = |byte: &u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| match kept(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
