//! `quire history`: lists, searches, shows, and exports the threads of an account, in the data folder (even while a
//! server uses it) or on the server that QUIRE_SERVER names. Both return the JSON of the API.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::markdown::remove_control_characters;
use super::outcome::{CommandFailure, Outcome, failed, print, unknown_action, usage};
use super::relative_time::relative_text;
use super::remote::{RemoteSession, query_text};
use super::table::TextTable;
use super::{block_on, screen};
use crate::app::Error;
use crate::app::threads::{SearchScope, ThreadFilter, ThreadQuery};
use crate::domain::id::ThreadId;
use crate::http::handlers::{thread_shape, threads};
use crate::{clock, log};

/// The list of actions in the help text.
pub(super) const DETAILS: &str = "  list                list the newest threads
  show ID             print a thread's questions and answers
  search WORDS        list the threads that contain all these words
  export ID           write a thread as Markdown, HTML, or JSON; see --out
Instead of an ID, `last` names the newest thread.";

/// Default and maximum number of threads listed.
const THREAD_COUNTS: (u32, u32) = (20, 100);

enum HistoryBackend {
    Local(Box<LocalSession>),
    Server(Box<RemoteSession>),
}

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let action = call.words.first().map_or("list", String::as_str);
    let rest = call.words.get(1..).unwrap_or_default().join(" ");
    match (action, rest.as_str()) {
        ("list", "") => {}
        ("show" | "export", "") => {
            return usage(format!("history {action} needs a thread ID or `last`"));
        }
        ("search", "") => return usage("history search needs the words to find"),
        ("show" | "export" | "search", _) => {}
        ("list", _) => return usage("history list takes no arguments"),
        _ => return usage(unknown_action("history", action, DETAILS)),
    }
    let limit = list_limit(call)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        let backend = match RemoteSession::from_settings(call, &config)? {
            Some(server) => HistoryBackend::Server(Box::new(server)),
            None => {
                let session = LocalSession::open_to_read(config, call.value("as")).await?;
                HistoryBackend::Local(Box::new(session))
            }
        };
        let outcome = perform(call, &backend, action, &rest, limit).await;
        if let HistoryBackend::Local(session) = &backend {
            session.app.close().await;
        }
        outcome
    })
}

fn list_limit(call: &CommandCall) -> Result<u32, CommandFailure> {
    match call.value("limit").map(str::parse::<u32>) {
        None => Ok(THREAD_COUNTS.0),
        Some(Ok(limit)) if (1..=THREAD_COUNTS.1).contains(&limit) => Ok(limit),
        Some(_) => usage(format!(
            "--limit must be a number from 1 to {}",
            THREAD_COUNTS.1
        )),
    }
}

async fn perform(
    call: &CommandCall,
    backend: &HistoryBackend,
    action: &str,
    rest: &str,
    limit: u32,
) -> Outcome {
    match action {
        "show" => show(
            call,
            &backend.thread(&backend.thread_id(rest).await?).await?,
        ),
        "export" => export(call, backend, rest).await,
        _ => {
            let words = (action == "search").then_some(rest);
            let page_json = backend.list(limit, words).await?;
            list(call, &page_json, words)
        }
    }
}

fn list(call: &CommandCall, page_json: &Value, words: Option<&str>) -> Outcome {
    if call.has("json") {
        return print(format_args!("{page_json:#}"));
    }
    let now = clock::now();
    let mut table = TextTable::new(&["id", "updated", ">turns", "title"]);
    for thread in page_json["threads"].as_array().into_iter().flatten() {
        let text = |name: &str| thread[name].as_str().unwrap_or_default().to_owned();
        let title = match thread["snippet"]["text"].as_str() {
            Some(snippet) => format!("{}: {snippet}", text("title")),
            None => text("title"),
        };
        table.push([
            text("thread_id"),
            relative_text(thread["updated_at"].as_str(), now),
            thread["turns"].to_string(),
            title,
        ]);
    }
    table.print(match words {
        Some(_) => "No thread contains these words.",
        None => "No threads yet. Ask something: quire ask \"What is a quire?\"",
    })
}

fn show(call: &CommandCall, thread: &Value) -> Outcome {
    if call.has("json") {
        return print(format_args!("{thread:#}"));
    }
    let mut text = format!("# {}\n", thread["title"].as_str().unwrap_or_default());
    for turn in thread["turns"].as_array().into_iter().flatten() {
        let field = |name: &str| turn[name].as_str().unwrap_or_default();
        let answer = [field("answer"), field("partial"), field("error")];
        let answer = answer.into_iter().find(|text| !text.is_empty());
        text += &format!(
            "\n## {}\n\n{}\n",
            field("question").trim(),
            answer.unwrap_or(field("status")).trim()
        );
    }
    screen::print_markdown(&text)
}

async fn export(call: &CommandCall, backend: &HistoryBackend, id: &str) -> Outcome {
    let extension = call.value("out").and_then(|path| path.rsplit_once('.'));
    let format = call
        .value("format")
        .or(extension.map(|(_, extension)| extension));
    let format = match format {
        None | Some("md" | "markdown") => "markdown",
        Some("html") => "html",
        Some("json") => "json",
        Some(_) => return usage("--format (or the extension of --out) must be md, html, or json"),
    };
    let id = backend.thread_id(id).await?;
    let text = match backend {
        HistoryBackend::Server(server) => {
            server.text(&format!("/api/threads/{id}/export?format={format}"))?
        }
        HistoryBackend::Local(session) => {
            let id = ThreadId::parse(&id).ok_or_else(Error::missing)?;
            let reports = session
                .app
                .threads()
                .reports(&session.caller, &id, None)
                .await?;
            match threads::export_thread(&reports.0, &reports.1, format) {
                Some(file) => file.text,
                None => return usage("--format must be md, html, or json"),
            }
        }
    };
    match call.value("out") {
        None => print(text.trim_end()),
        Some(path) => {
            std::fs::write(path, text)
                .or_else(|error| failed(format!("cannot write {path}: {error}")))?;
            print(path)
        }
    }
}

impl HistoryBackend {
    /// Returns the newest threads. If `words` is given, returns only threads that contain all of these words.
    async fn list(&self, limit: u32, words: Option<&str>) -> Result<Value, CommandFailure> {
        match self {
            Self::Server(server) => {
                let words = words.map(|words| format!("&q={}", query_text(words)));
                let words = words.unwrap_or_default();
                server.get(&format!("/api/threads?limit={limit}{words}"))
            }
            Self::Local(session) => {
                let query = ThreadQuery {
                    limit,
                    cursor: None,
                    words: words.map(str::to_owned),
                    scope: SearchScope::Everything,
                    with_answers: false,
                    filter: ThreadFilter {
                        archived: words.is_none().then_some(false),
                        ..ThreadFilter::default()
                    },
                };
                let thread_rows = session.app.threads().list(&session.caller, query).await?;
                let items: Vec<Value> = thread_rows.iter().map(thread_shape::listed_json).collect();
                Ok(json!({ "threads": items }))
            }
        }
    }

    /// Returns a thread with its turns.
    async fn thread(&self, id: &str) -> Result<Value, CommandFailure> {
        match self {
            Self::Server(server) => server.get(&format!("/api/threads/{id}")),
            Self::Local(session) => {
                let id = ThreadId::parse(id).ok_or_else(Error::missing)?;
                let report = session.app.threads().show(&session.caller, &id).await?;
                Ok(thread_shape::report_json(&report))
            }
        }
    }

    /// Resolves an argument to a thread ID. `last` stands for the newest thread.
    async fn thread_id(&self, word: &str) -> Result<String, CommandFailure> {
        if word != "last" {
            return match ThreadId::parse(word) {
                Some(id) => Ok(id.to_string()),
                None => usage(format!(
                    "\"{}\" is not a thread ID; `quire history` shows the IDs",
                    remove_control_characters(word)
                )),
            };
        }
        let newest = self.list(1, None).await?;
        match newest["threads"][0]["thread_id"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => failed("there is no thread yet"),
        }
    }
}
