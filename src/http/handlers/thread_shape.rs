//! Converts threads to JSON.

use serde_json::{Map, Value, json};

use crate::app::threads::{ListedThread, Snippet, SnippetSource, ThreadReport, ThreadRow, TurnRow};
use crate::domain::prompt::letter;

/// Returns a thread as JSON with the tree of its turns, for its owner and for anyone who has its share link.
pub fn report_json(report: &ThreadReport) -> Value {
    let turns: Vec<Value> = report
        .turns
        .iter()
        .map(|turn| turn_json(turn, &report.turns))
        .collect();
    let mut body = row_json(&report.row);
    body["turns"] = json!(turns);
    body
}

/// Returns a thread as JSON without its turns.
pub(super) fn row_json(row: &ThreadRow) -> Value {
    json!({
        "thread_id": row.id, "title": row.title, "created_at": row.created, "updated_at": row.updated,
        "pinned": row.is_pinned, "archived": row.archived, "project_id": row.project, "shared": row.shared,
        "turns": row.turns,
    })
}

/// Returns a thread as JSON for lists.
pub fn listed_json(listed: &ListedThread) -> Value {
    let mut item = row_json(&listed.row);
    item["cost_usd"] = json!(listed.row.cost);
    if let Some((newest, status)) = &listed.row.newest_turn {
        item["newest"] =
            json!({ "analysis_id": newest, "status": status, "members": listed.members });
    }
    if let Some(answer) = &listed.answer {
        item["answer"] = json!(answer);
    }
    if let Some(snippet) = &listed.snippet {
        item["snippet"] = snippet_json(snippet);
    }
    item
}

fn snippet_json(snippet: &Snippet) -> Value {
    let (place, member) = match snippet.source {
        SnippetSource::Answer => ("answer", None),
        SnippetSource::Question => ("question", None),
        SnippetSource::Member(letter) => ("member", Some(letter)),
    };
    let mut body = json!({
        "analysis_id": snippet.analysis, "in": place, "text": snippet.text, "matches": snippet.matches,
    });
    if let Some(letter) = member {
        body["member"] = json!(letter);
    }
    body
}

fn turn_json(turn: &TurnRow, all: &[TurnRow]) -> Value {
    let siblings = all.iter().filter(|other| other.parent == turn.parent);
    let index = siblings.clone().filter(|other| other.id <= turn.id).count();
    let models: Vec<String> = turn.members.iter().map(|member| member.name()).collect();
    let letters = models.iter().enumerate();
    let letters: Map<String, Value> = letters
        .map(|(at, model)| (letter(at).to_string(), json!(model)))
        .collect();
    json!({
        "analysis_id": turn.id, "parent": turn.parent, "question": turn.question, "status": turn.status,
        "answer": turn.answer, "partial": turn.partial, "error": turn.error, "models": models, "letters": letters,
        "pattern": turn.pattern, "created_at": turn.created,
        "branch": { "index": index, "count": siblings.count() },
    })
}
