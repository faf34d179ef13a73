//! `quire chat`: a conversation in the terminal. Each line is a question that follows up on the previous one, and the
//! answers look like those of `quire ask`. Runs the same app as the server, or uses a running server.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::outcome::{CommandFailure, Outcome};
use super::remote::RemoteSession;
use super::remote_question::{self, RemoteQuestion};
use super::screen::print_progress;
use super::{ask, block_on, input_files, question};
use crate::config::Config;
use crate::log;

/// The explanation in `quire help chat`.
pub(super) const DETAILS: &str = "Each line is a question that follows up on the one before, with the same panel.\nWith --continue, the chat continues the newest thread. Ctrl-C stops an answer;\nat the prompt, it ends the chat. Commands:\n  /new   start a new thread\n  /help  list the commands\n  /quit  exit (Ctrl-D does the same)";

/// A one-line reminder of the commands of the conversation.
const COMMANDS_HINT: &str = "/new starts a new thread, /quit exits";
/// Maximum number of lines that are read from stdin in advance.
const MAX_WAITING_LINES: usize = 16;

/// Where questions are answered: in the data folder or on a server.
enum ChatBackend {
    Local(Box<LocalSession>),
    Server(Arc<RemoteSession>),
}

/// Runs the conversation until the input ends.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    call.warn(&config);
    block_on(async {
        if let Some(server) = RemoteSession::from_call(call, &config).await? {
            let server = Arc::new(server);
            let outcome = run_chat(call, &config, &ChatBackend::Server(server.clone())).await;
            server.close().await;
            return outcome;
        }
        let (account, is_quiet) = (call.value("as"), call.has("quiet"));
        let session =
            LocalSession::open_to_run(config.clone(), account, is_quiet, ask::WAIT_ADVICE).await?;
        // Local models must be known first, because the default panel and synthesizer depend on which models are
        // available.
        session.app.discovery().probe_local_servers().await;
        let app = session.app.clone();
        let backend = ChatBackend::Local(Box::new(session));
        let outcome = run_chat(call, &config, &backend).await;
        app.close().await;
        outcome
    })
}

async fn run_chat(call: &CommandCall, config: &Config, backend: &ChatBackend) -> Outcome {
    let is_shown = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut lines = read_lines();
    let mut follows = match call.has("continue") {
        true => Some(backend.newest_turn().await?),
        false => None,
    };
    loop {
        if is_shown {
            let _ = write!(std::io::stderr().lock(), "> ");
        }
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(line) = line else { return Ok(()) };
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => return Ok(()),
            "/new" => {
                follows = None;
                print_progress("new thread");
            }
            word if word.starts_with('/') && !word.contains(char::is_whitespace) => {
                print_progress(COMMANDS_HINT);
            }
            question => match backend
                .answer(call, config, question, follows.as_deref())
                .await
            {
                Ok(id) => follows = Some(id),
                // A failed question does not end the conversation.
                Err(failure) => print_progress(&failure.into_parts().0),
            },
        }
    }
}

// Reads the lines of stdin on a separate thread, because reading from a terminal blocks.
fn read_lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(MAX_WAITING_LINES);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl ChatBackend {
    async fn newest_turn(&self) -> Result<String, CommandFailure> {
        match self {
            Self::Local(session) => ask::newest_turn(session).await,
            Self::Server(server) => remote_question::newest_turn(server),
        }
    }

    /// Asks a question, shows its answer, and returns the ID of the new turn. `follows` is the ID of the previous turn.
    async fn answer(
        &self,
        call: &CommandCall,
        config: &Config,
        text: &str,
        follows: Option<&str>,
    ) -> Result<String, CommandFailure> {
        // Later questions inherit the panel and the documents of the previous turn.
        let (body, files) = match follows {
            None => (
                question::request_body(call, text)?,
                input_files::from_call(call, false)?,
            ),
            Some(turn) => (json!({ "prompt": text, "follow_up_to": turn }), Vec::new()),
        };
        match self {
            Self::Local(session) => {
                let request = ask::request(call, config, body, &files, session).await?;
                ask::run_request(call, session, request).await
            }
            Self::Server(server) => {
                let remote_question = RemoteQuestion::new(call, body, files, config.clone());
                remote_question.answer(call, server).await
            }
        }
    }
}
