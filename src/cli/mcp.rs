//! `quire mcp`: serves Quire's tools over stdin and stdout, for programs that start it and use the Model Context
//! Protocol. Each line is one message, and requests run concurrently. When stdin ends, the command stops the running
//! requests and exits. If a server is named or uses the data folder, messages are forwarded to that server.

use std::io::{BufRead as _, Read as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::remote::RemoteSession;
use super::{Outcome, ask, block_on, print};
use crate::app::App;
use crate::app::mcp::{MAX_BYTES, McpMessage, error_response, parse_message};
use crate::domain::user::Caller;
use crate::log;

/// Maximum number of queued requests. While the queue is full, stdin is not read.
const MAX_WAITING: usize = 16;
/// Maximum number of concurrent requests.
const MAX_CONCURRENT: usize = 16;
/// JSON-RPC code for internal errors.
const INTERNAL_ERROR: i64 = -32603;
/// How long requests may continue after stdin ends.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers messages until stdin ends.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        if let Some(server) = RemoteSession::from_call(call, &config).await? {
            let server = Arc::new(server);
            let outcome = serve(&McpBackend::Server(server.clone())).await;
            server.close().await;
            return outcome;
        }
        let session =
            LocalSession::open_to_run(config, call.value("as"), false, ask::WAIT_ADVICE).await?;
        session.app.discovery().probe_local_servers().await;
        let outcome = serve(&McpBackend::Local(
            session.app.clone(),
            session.caller.clone(),
        ))
        .await;
        session.app.close().await;
        outcome
    })
}

/// Where MCP requests are answered: in the data folder or on a server.
#[derive(Clone)]
enum McpBackend {
    Local(Arc<App>, Caller),
    Server(Arc<RemoteSession>),
}

impl McpBackend {
    /// Answers a message. Returns `None` if the message needs no response, as for a notification.
    async fn answer(self, line: String) -> Option<Value> {
        match self {
            Self::Local(app, caller) => app.mcp().answer(&caller, &line).await,
            Self::Server(server) => match parse_message(&line) {
                Err(error) => Some(error_response(&error)),
                Ok(_) => forward(server, line).await,
            },
        }
    }
}

/// Forwards a message to the server and returns its response. If the server cannot be reached, returns an error
/// response to a request.
async fn forward(server: Arc<RemoteSession>, line: String) -> Option<Value> {
    let (sender, receiver) = oneshot::channel();
    // The call blocks, so it runs on a separate thread, which is never joined.
    std::thread::spawn(move || {
        let answer = server.post_mcp(&line).unwrap_or_else(|failure| {
            let message = crate::domain::json::parse(&line).unwrap_or_default();
            let id = message.get("id")?;
            let error = json!({ "code": INTERNAL_ERROR, "message": failure.into_parts().0 });
            Some(json!({ "jsonrpc": "2.0", "id": id, "error": error }))
        });
        let _ = sender.send(answer);
    });
    receiver.await.ok().flatten()
}

async fn serve(backend: &McpBackend) -> Outcome {
    let mut lines = stdin_lines();
    let mut work: JoinSet<Option<Value>> = JoinSet::new();
    let mut running: Vec<(Value, AbortHandle)> = Vec::new();
    loop {
        tokio::select! {
            line = lines.recv(), if work.len() < MAX_CONCURRENT => {
                let Some(line) = line else { break };
                running.retain(|(_, handle)| !handle.is_finished());
                match parse_message(&line) {
                    Ok(McpMessage::Cancelled(id)) => {
                        running.iter().filter(|(of, _)| *of == id).for_each(|(_, handle)| handle.abort());
                    }
                    other => {
                        let handle = work.spawn(backend.clone().answer(line));
                        if let Ok(McpMessage::Request { id, .. }) = other {
                            running.push((id, handle));
                        }
                    }
                }
            }
            Some(finished) = work.join_next() => write_message(finished.ok().flatten())?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
    let rest = async {
        while let Some(finished) = work.join_next().await {
            write_message(finished.ok().flatten())?;
        }
        Ok(())
    };
    tokio::time::timeout(FINISH_TIMEOUT, rest)
        .await
        .unwrap_or(Ok(()))
}

fn write_message(answer: Option<Value>) -> Outcome {
    answer.map_or(Ok(()), print)
}

/// Returns the lines of stdin. A separate thread reads them until the process exits.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            // A line that is too long is truncated. It is then invalid JSON, so the client receives an error.
            let read = stdin.by_ref().take(MAX_BYTES).read_until(b'\n', &mut line);
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if !matches!(read, Ok(1..)) || !text.is_empty() && sender.blocking_send(text).is_err() {
                return;
            }
        }
    });
    receiver
}
