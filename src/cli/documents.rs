//! `quire documents …`: lists, searches, and deletes a user's documents, also while the server runs.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::markdown::clean;
use super::{Outcome, block_on, print, usage};
use crate::app::Error;
use crate::domain::id::DocumentId;
use crate::log;

/// Documents fetched per query.
const PAGE: u32 = 100;

/// The actions, for the help text.
pub(super) const DETAILS: &str = "  list                list the documents
  search WORDS        the passages that match, best first
  delete ID           delete one with its text";

/// Runs the action that the first word names.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let act = match call.words.first().map(String::as_str) {
        None => "list",
        Some(act @ ("list" | "search" | "delete")) => act,
        Some(_) => return usage(format!("documents needs one of these:\n{DETAILS}")),
    };
    let rest = call.words.get(1..).unwrap_or_default();
    match (act, rest.len()) {
        ("list", 0) | ("delete", 1) | ("search", 1..) => {}
        _ => return usage(format!("documents needs one of these:\n{DETAILS}")),
    }
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        let home = LocalSession::to_read(config, call.value("as")).await?;
        let outcome = perform(call, &home, act, &rest.join(" ")).await;
        home.app.close().await;
        outcome
    })
}

async fn perform(call: &CommandCall, home: &LocalSession, act: &str, words: &str) -> Outcome {
    let (documents, user) = (home.app.documents(), &home.caller.user);
    match act {
        "search" => {
            let hits = documents.search_all(user, words).await?;
            let row = |hit: &crate::domain::document::SearchHit| {
                json!({
                    "document_id": hit.document, "name": hit.name, "page": hit.passage.page, "text": hit.passage.text,
                })
            };
            if call.has("json") {
                let rows: Vec<Value> = hits.iter().map(row).collect();
                return print(json!({ "passages": rows }));
            }
            for hit in &hits {
                let text: Vec<String> = hit.passage.text.lines().map(clean).collect();
                print(format!(
                    "{}, page {}:\n{}\n",
                    clean(&hit.name),
                    hit.passage.page,
                    text.join("\n")
                ))?;
            }
            Ok(())
        }
        "delete" => {
            let id = DocumentId::parse(words).ok_or_else(Error::missing)?;
            documents.delete(user, &id).await?;
            print(format!("{id} is deleted"))
        }
        _ => list(call, home).await,
    }
}

async fn list(call: &CommandCall, home: &LocalSession) -> Outcome {
    let mut rows: Vec<Value> = Vec::new();
    let mut cursor = None;
    loop {
        let page = home
            .app
            .documents()
            .list(&home.caller.user, PAGE, cursor)
            .await?;
        for document in &page {
            if call.has("json") {
                rows.push(json!({
                    "id": document.id, "name": document.name, "kind": document.kind, "size": document.size,
                    "words": document.words, "pages": document.pages, "status": document.status.as_str(),
                    "created_at": document.created,
                }));
                continue;
            }
            print(format!(
                "{}  {}  {}  {} words  {}  {}",
                document.id,
                document.created,
                document.kind,
                document.words,
                document.status.as_str(),
                clean(&document.name)
            ))?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => cursor = Some(last.id.clone()),
            _ => break,
        }
    }
    if call.has("json") {
        return print(json!({ "documents": rows }));
    }
    Ok(())
}
