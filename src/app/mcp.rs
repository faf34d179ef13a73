//! MCP tools: consult a panel, list patterns, search documents, and look up an analysis. Every tool has a
//! deadline, and a panel has a budget; a run that no client is waiting for is stopped.

use std::time::Duration;

use serde_json::{Value, json};

use super::analyses::{Analyses, StartedRun};
use super::meaning_search::SemanticSearch;
use super::patterns::Patterns;
use super::{Error, Kind, Result};
use crate::clock;
use crate::domain::analysis::{Analysis, Depth, Status};
use crate::domain::id::AnalysisId;
use crate::domain::key::KeyScope;
use crate::domain::request::{Request, RunContext};
use crate::domain::user::Caller;
use crate::wire::mcp::{self, McpRequest, McpTool, PanelQuestion};
pub use crate::wire::mcp::{McpMessage, error_response, parse_message};

/// Maximum length of a message, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;

/// Use cases for MCP clients: answer their messages and run their tools.
#[derive(Clone, Copy)]
pub struct McpService<'a> {
    pub(super) analyses: Analyses<'a>,
    pub(super) patterns: Patterns<'a>,
    pub(super) semantic_search: SemanticSearch<'a>,
}

impl McpService<'_> {
    /// Answers a message; `None` for a notification. Dropping the future cancels its work.
    pub async fn answer(&self, caller: &Caller, text: &str) -> Option<Value> {
        match mcp::parse_message(text) {
            Ok(McpMessage::Request { id, ask }) => {
                Some(mcp::success_response(&id, self.respond(caller, ask).await))
            }
            Ok(McpMessage::Cancelled(_) | McpMessage::Notification) => None,
            Err(error) => Some(mcp::error_response(&error)),
        }
    }

    async fn respond(&self, caller: &Caller, ask: McpRequest) -> Value {
        let (tool, seconds) = match ask {
            McpRequest::Initialize(version) => {
                return mcp::initialize_result(version, env!("CARGO_PKG_VERSION"));
            }
            McpRequest::Ping => return json!({}),
            McpRequest::Tools => return mcp::tools(),
            McpRequest::Call(tool, seconds) => (tool, seconds),
        };
        let work = self.call(caller, tool);
        match tokio::time::timeout(Duration::from_secs_f64(seconds), work).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => mcp::tool_error(&error_text(&error)),
            Err(_) => mcp::tool_error(&format!(
                "canceled after {seconds} seconds; try a higher deadline_s or the depth quick"
            )),
        }
    }

    async fn call(&self, caller: &Caller, tool: McpTool) -> Result<Value> {
        match tool {
            McpTool::AskPanel(consult) => self.ask_panel(caller, consult).await,
            McpTool::ListPatterns => self.patterns(caller).await,
            McpTool::SearchDocuments { query, limit } => self.search(caller, &query, limit).await,
            McpTool::AnalysisStatus(id) => {
                let id = AnalysisId::parse(&id).ok_or_else(Error::missing)?;
                let analysis = self.analyses.show(caller, &id).await?.analysis;
                // A key may look up analyses that it started itself, whatever its scopes.
                let key_id = caller.key.as_ref().map(|key| &key.id);
                if analysis.context.key.as_ref() != key_id {
                    check_scope(caller, KeyScope::Analyze)?;
                }
                Ok(analysis_json(&analysis))
            }
        }
    }

    async fn ask_panel(&self, caller: &Caller, consult: PanelQuestion) -> Result<Value> {
        if !consult.documents.is_empty() {
            check_scope(caller, KeyScope::Documents)?;
        }
        let depth = match consult.depth.as_deref() {
            None => None,
            Some("quick") => Some(Depth::Quick),
            Some("standard") => Some(Depth::Standard),
            Some("full") => Some(Depth::Full),
            Some(_) => {
                let why = "depth must be quick, standard, or full";
                return Err(Error::new(Kind::BadRequest, why));
            }
        };
        let request = Request {
            prompt: consult.question,
            models: consult.models,
            pattern: consult.pattern,
            document_ids: consult.documents,
            budget_usd: consult.budget_usd,
            depth,
            ..Request::default()
        };
        let StartedRun {
            id,
            finished,
            mut guard,
            ..
        } = self
            .analyses
            .start(Some(caller), request, RunContext::default(), clock::now())
            .await?;
        let outcome = finished.wait_for_outcome().await;
        if let Some(guard) = &mut guard {
            guard.disarm();
        }
        let report = match outcome {
            Some(outcome) => {
                self.analyses
                    .show_ended(Some(caller), &id, *outcome)
                    .await?
            }
            None => self.analyses.show(caller, &id).await?,
        };
        match report.analysis.status {
            Status::Completed => Ok(analysis_json(&report.analysis)),
            status => Err(Error::new(
                Kind::Unavailable,
                format!(
                    "the analysis {id} is {}: {}",
                    status.as_str(),
                    report
                        .analysis
                        .error
                        .as_deref()
                        .unwrap_or("it has no answer")
                ),
            )),
        }
    }

    async fn patterns(&self, caller: &Caller) -> Result<Value> {
        let all = self.patterns.visible(Some(&caller.user)).await?;
        let rows: Vec<Value> = all
            .iter()
            .map(|stored| {
                let pattern = &stored.pattern;
                json!({
                    "id": pattern.id, "name": pattern.name, "description": pattern.description,
                    "good_for": pattern.use_cases, "bad_at": pattern.limitations,
                })
            })
            .collect();
        let lines: Vec<String> = all
            .iter()
            .map(|stored| format!("{}: {}", stored.pattern.id, stored.pattern.description))
            .collect();
        Ok(mcp::tool_result(
            &lines.join("\n"),
            json!({ "patterns": rows }),
        ))
    }

    async fn search(&self, caller: &Caller, query: &str, limit: usize) -> Result<Value> {
        check_scope(caller, KeyScope::Documents)?;
        let mut hits = self.semantic_search.search(caller, None, query).await?.hits;
        hits.truncate(limit);
        let rows: Vec<Value> = hits
            .iter()
            .map(|hit| {
                json!({
                    "document_id": hit.document, "name": hit.name, "page": hit.passage.page,
                    "text": hit.passage.text,
                })
            })
            .collect();
        let mut text: Vec<String> = hits
            .iter()
            .map(|hit| {
                format!(
                    "{}, page {}:\n{}",
                    hit.name, hit.passage.page, hit.passage.text
                )
            })
            .collect();
        if text.is_empty() {
            text.push("no results".to_owned());
        }
        Ok(mcp::tool_result(
            &text.join("\n\n"),
            json!({ "passages": rows }),
        ))
    }
}

// Checks that the caller has the scope of the API area that a tool uses.
fn check_scope(caller: &Caller, scope: KeyScope) -> Result<()> {
    if caller.key.as_ref().is_none_or(|key| key.has_scope(scope)) {
        return Ok(());
    }
    let why = format!("this API key does not allow {}", scope.as_str());
    let remedy = format!("use a key with the scope {}", scope.as_str());
    Err(Error::new(Kind::Forbidden, why).resolve(remedy))
}

fn analysis_json(analysis: &Analysis) -> Value {
    let state = analysis.status.as_str();
    let text = match (&analysis.synthesis, &analysis.error) {
        (Some(answer), _) => answer.clone(),
        (None, Some(why)) => format!("the analysis is {state}: {why}"),
        (None, None) => format!("the analysis is {state}"),
    };
    mcp::tool_result(
        &text,
        json!({
            "analysis_id": analysis.id, "status": state, "cost_usd": analysis.cost,
            "answer": analysis.synthesis, "error": analysis.error,
            "evidence": analysis.findings.as_ref().map(|findings| &findings.evidence),
        }),
    )
}

/// Returns the user-facing message of an error, which a model can act on.
fn error_text(error: &Error) -> String {
    let mut text = error.public.clone();
    for field in &error.fields {
        let field_name = field.location.last().map_or("", |name| name);
        text = format!("{text}; {field_name}: {}", field.message);
    }
    text
}
