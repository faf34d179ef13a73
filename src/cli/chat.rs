//! `quire chat`: a conversation in the terminal. Each line is a question that follows the one before; answers appear as
//! in `quire ask`. Runs the same app as the server, or asks a running one with --server.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use tokio::sync::mpsc;

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::screen::progress;
use super::{CommandFailure, Outcome, ask, block_on, public_url, remote};
use crate::log;

/// What `quire help chat` says besides the options.
pub(super) const DETAILS: &str = "Each line is a question that follows the one before, with the same panel. With\n--continue, the conversation goes on where the newest thread ended. Ctrl-C stops\nan answer, and at the prompt ends the program. Commands:\n  /new   begin a new thread\n  /help  list the commands\n  /quit  end; so does the end of the input";

/// The commands of the conversation, in one line.
const COMMANDS: &str = "/new begins a new thread, /quit ends";
/// Lines read ahead of the conversation at most.
const WAITING: usize = 16;

/// Where the questions are answered.
enum ChatSide {
    Local(Box<LocalSession>),
    Server(remote::RemoteSession),
}

/// Converses until the input ends.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(0)?;
    if let Some(server) = call.value("server") {
        let session = remote::RemoteSession::new(call, server)?;
        return block_on(converse(call, &ChatSide::Server(session)));
    }
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        let instead = format!(
            "converse with it: quire chat --server {}, with an API key (quire key add EMAIL) in QUIRE_API_KEY",
            public_url(&config)
        );
        let (account, is_quiet) = (call.value("as"), call.has("quiet"));
        let home = LocalSession::to_run(config, account, is_quiet, &instead).await?;
        // The available models decide the default panel and the synthesizer.
        home.app.discovery().probe().await;
        let app = home.app.clone();
        let side = ChatSide::Local(Box::new(home));
        let outcome = converse(call, &side).await;
        app.close().await;
        outcome
    })
}

async fn converse(call: &CommandCall, side: &ChatSide) -> Outcome {
    let is_shown = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut lines = lines();
    let mut follows = match call.has("continue") {
        true => Some(side.newest_turn().await?),
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
                progress("a new thread begins");
            }
            word if word.starts_with('/') && !word.contains(char::is_whitespace) => {
                progress(COMMANDS);
            }
            question => match side.answer(call, question, follows.as_deref()).await {
                Ok(id) => follows = Some(id),
                Err(CommandFailure::Failed(why) | CommandFailure::Stopped(why)) => progress(&why),
                Err(fault) => return Err(fault),
            },
        }
    }
}

// Read on a thread of its own, because reading the terminal blocks.
fn lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(WAITING);
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

impl ChatSide {
    async fn newest_turn(&self) -> Result<String, CommandFailure> {
        match self {
            Self::Local(home) => ask::newest_turn(home).await,
            Self::Server(session) => session.newest_turn(),
        }
    }

    /// Asks a question, shows the answer, and returns the turn.
    async fn answer(
        &self,
        call: &CommandCall,
        question: &str,
        follows: Option<&str>,
    ) -> Result<String, CommandFailure> {
        match self {
            Self::Local(home) => {
                let mut request = match follows {
                    None => ask::request(call, home, question).await?,
                    // The panel and the documents are those of the turn before.
                    Some(_) => ask::bare_request(question),
                };
                request.follow_up_to = follows.map(str::to_owned);
                ask::put(call, home, request).await
            }
            Self::Server(session) => session.answer(call, question, follows).await,
        }
    }
}
