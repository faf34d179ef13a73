//! `quire mcp`: Quire's tools over stdin and stdout, for programs that start it and speak the Model Context
//! Protocol. One message per line; requests run concurrently. When stdin ends, it stops the running work
//! and exits.

use std::io::{BufRead as _, Read as _};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::{Outcome, block_on, print, public_url};
use crate::app::mcp::{MOST_BYTES, McpMessage, read};
use crate::log;

/// Maximum number of waiting requests; stdin is not read while the queue is full.
const WAITING: usize = 16;
/// Maximum number of concurrent requests.
const AT_ONCE: usize = 16;
/// How long requests that are running when stdin ends may take to finish.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves until stdin ends.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(0)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        let instead = format!(
            "it offers the same tools to programs at {}/mcp, with an API key (quire key add EMAIL)",
            public_url(&config)
        );
        let home = LocalSession::to_run(config, call.value("as"), false, &instead).await?;
        home.app.discovery().probe().await;
        let outcome = serve(&home).await;
        home.app.close().await;
        outcome
    })
}

async fn serve(home: &LocalSession) -> Outcome {
    let mut lines = lines();
    let mut work: JoinSet<Option<Value>> = JoinSet::new();
    let mut running: Vec<(Value, AbortHandle)> = Vec::new();
    loop {
        tokio::select! {
            line = lines.recv(), if work.len() < AT_ONCE => {
                let Some(line) = line else { break };
                running.retain(|(_, handle)| !handle.is_finished());
                match read(&line) {
                    Ok(McpMessage::Cancelled(id)) => {
                        running.iter().filter(|(of, _)| *of == id).for_each(|(_, handle)| handle.abort());
                    }
                    other => {
                        let (app, caller) = (home.app.clone(), home.caller.clone());
                        let handle = work.spawn(async move { app.mcp().answer(&caller, &line).await });
                        if let Ok(McpMessage::Request { id, .. }) = other {
                            running.push((id, handle));
                        }
                    }
                }
            }
            Some(done) = work.join_next() => write_message(done.ok().flatten())?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
    let rest = async {
        while let Some(done) = work.join_next().await {
            write_message(done.ok().flatten())?;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, rest).await.unwrap_or(Ok(()))
}

fn write_message(answer: Option<Value>) -> Outcome {
    answer.map_or(Ok(()), print)
}

/// The lines of stdin, read by a thread of its own, which ends with the process.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            // A line that is too long is cut and thus no longer valid JSON; the client gets an error.
            let read = stdin.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line);
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if !matches!(read, Ok(1..)) || !text.is_empty() && sender.blocking_send(text).is_err() {
                return;
            }
        }
    });
    receiver
}
