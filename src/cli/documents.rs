//! `quire documents …`: adds, lists, searches, and deletes a user's documents. Works in the data folder, or on the
//! server that QUIRE_SERVER names. Documents are also added through a server that uses the data folder.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::markdown::remove_control_characters;
use super::outcome::{CommandFailure, Outcome, print, unknown_action, usage};
use super::relative_time::relative_text;
use super::remote::{RemoteSession, query_text};
use super::table::TextTable;
use super::{ask, block_on, input_files, remote_question};
use crate::config::Config;
use crate::domain::document::{Document, SearchHit};
use crate::domain::id::DocumentId;
use crate::{clock, log};

/// Number of documents per page of the list.
const PAGE_SIZE: u32 = 100;

/// The list of actions in the help text.
pub(super) const DETAILS: &str = "  list                list the documents
  add FILE …          add files, file patterns, or web addresses; - for stdin
  search WORDS        list matching passages, best first
  delete ID           delete a document and its text";

/// The requested action with its arguments.
enum DocumentsAction<'a> {
    List,
    Add(Vec<&'a str>),
    Search(String),
    Delete(&'a str),
}

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let action = parse_action(call)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        // If a server is running, it reads the new documents, because documents read by a second process would not
        // count toward the server's limits.
        let server = match &action {
            DocumentsAction::Add(_) => RemoteSession::from_call(call, &config).await?,
            _ => RemoteSession::from_settings(call, &config)?,
        };
        if let Some(server) = server {
            let outcome = perform_at_server(call, &config, &server, &action);
            server.close().await;
            return outcome;
        }
        let account = call.value("as");
        let session = match &action {
            DocumentsAction::Add(_) => {
                LocalSession::open_for_write(config.clone(), account, ask::WAIT_ADVICE).await?
            }
            _ => LocalSession::open_to_read(config.clone(), account).await?,
        };
        let outcome = perform(call, &config, &session, &action).await;
        session.app.close().await;
        outcome
    })
}

fn parse_action(call: &CommandCall) -> Result<DocumentsAction<'_>, CommandFailure> {
    let action = call.words.first().map_or("list", String::as_str);
    let rest: Vec<&str> = call.words.iter().skip(1).map(String::as_str).collect();
    match (action, rest.as_slice()) {
        ("list", []) => Ok(DocumentsAction::List),
        ("add", [_, ..]) => Ok(DocumentsAction::Add(rest)),
        ("add", []) => usage("documents add needs a file: quire documents add report.pdf"),
        ("search", [_, ..]) => Ok(DocumentsAction::Search(rest.join(" "))),
        ("delete", [id]) => Ok(DocumentsAction::Delete(id)),
        ("search", []) => usage("documents search needs the words to find"),
        ("delete", _) => usage("documents delete needs the ID of one document"),
        ("list", _) => usage("documents list takes no arguments"),
        (other, _) => usage(unknown_action("documents", other, DETAILS)),
    }
}

async fn perform(
    call: &CommandCall,
    config: &Config,
    session: &LocalSession,
    action: &DocumentsAction<'_>,
) -> Outcome {
    let (documents, user) = (session.app.documents(), &session.caller.user);
    match action {
        DocumentsAction::Add(names) => {
            let mut added_documents = Vec::new();
            for file in input_files::from_names(names)? {
                added_documents
                    .extend(ask::upload_document(call.has("json"), config, session, &file).await?);
            }
            print_added(call, &added_documents)
        }
        DocumentsAction::Search(words) => {
            let hits = documents.search_all(user, words, None).await?;
            print_passages(call, &hits.iter().map(hit_json).collect::<Vec<_>>())
        }
        DocumentsAction::Delete(id) => {
            let id = document_id(id)?;
            documents.delete(user, &id).await?;
            print(format!("{id} deleted"))
        }
        DocumentsAction::List => {
            let mut rows: Vec<Value> = Vec::new();
            let mut cursor = None;
            loop {
                let page = documents.list(user, PAGE_SIZE, cursor).await?;
                rows.extend(page.iter().map(document_json));
                match page.last() {
                    Some(last) if page.len() == PAGE_SIZE as usize => {
                        cursor = Some(last.id.clone())
                    }
                    _ => break,
                }
            }
            print_documents(call, &rows)
        }
    }
}

// Performs the action on a server. The calls may block, because this process does nothing else.
fn perform_at_server(
    call: &CommandCall,
    config: &Config,
    server: &RemoteSession,
    action: &DocumentsAction<'_>,
) -> Outcome {
    match action {
        DocumentsAction::Add(names) => {
            let mut added_documents = Vec::new();
            for file in input_files::from_names(names)? {
                added_documents.extend(remote_question::upload(
                    server,
                    &file,
                    config,
                    call.has("json"),
                )?);
            }
            print_added(call, &added_documents)
        }
        DocumentsAction::Search(words) => {
            let response = server.get(&format!("/api/search?q={}", query_text(words)))?;
            let mut passages = Vec::new();
            for document in response["documents"].as_array().into_iter().flatten() {
                for hit in document["results"].as_array().into_iter().flatten() {
                    let mut passage = hit.clone();
                    passage["document_id"] = document["document_id"].clone();
                    passage["name"] = document["name"].clone();
                    passages.push(passage);
                }
            }
            print_passages(call, &passages)
        }
        DocumentsAction::Delete(id) => {
            let id = document_id(id)?;
            server.delete(&format!("/api/documents/{id}"))?;
            print(format!("{id} deleted"))
        }
        DocumentsAction::List => {
            print_documents(call, &server.list("/api/documents", "documents")?)
        }
    }
}

fn document_id(text: &str) -> Result<DocumentId, CommandFailure> {
    DocumentId::parse(text).map_or_else(
        || {
            usage(format!(
                "\"{text}\" is not a document ID; `quire documents list` shows the IDs"
            ))
        },
        Ok,
    )
}

fn print_added(call: &CommandCall, ids: &[String]) -> Outcome {
    if call.has("json") {
        return print(json!({ "added": ids }));
    }
    ids.iter().try_for_each(print)
}

fn print_passages(call: &CommandCall, passages: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "passages": passages }));
    }
    if passages.is_empty() {
        return print("No passage matches.");
    }
    for passage in passages {
        let field = |name: &str| passage[name].as_str().unwrap_or_default();
        let text: Vec<String> = field("text")
            .lines()
            .map(remove_control_characters)
            .collect();
        print(format!(
            "{}, page {}:\n{}\n",
            remove_control_characters(field("name")),
            passage["page"],
            text.join("\n")
        ))?;
    }
    Ok(())
}

fn print_documents(call: &CommandCall, rows: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "documents": rows }));
    }
    let now = clock::now();
    let mut table = TextTable::new(&["id", "added", "kind", ">words", "status", "name"]);
    for row in rows {
        let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        table.push([
            field("id"),
            relative_text(row["created_at"].as_str(), now),
            field("kind"),
            row["words"].to_string(),
            field("status"),
            field("name"),
        ]);
    }
    table.print("No documents yet. Add one: quire documents add FILE")
}

fn document_json(document: &Document) -> Value {
    json!({
        "id": document.id, "name": document.name, "kind": document.kind, "size": document.size,
        "words": document.words, "pages": document.pages, "status": document.status.as_str(),
        "created_at": document.created,
    })
}

fn hit_json(hit: &SearchHit) -> Value {
    json!({
        "document_id": hit.document, "name": hit.name, "page": hit.passage.page, "text": hit.passage.text,
    })
}
