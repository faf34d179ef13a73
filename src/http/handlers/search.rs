//! Search handlers, for a single document and for all of the caller's documents. The rules are in
//! `app::meaning_search`.

use serde_json::{Value, json};

use crate::app::Error;
use crate::app::meaning_search::SemanticRanking;
use crate::domain::document::SearchHit;
use crate::domain::id::DocumentId;
use crate::domain::search::SearchQuery;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Maximum number of matches highlighted in one passage.
const MAX_MATCHES: usize = 50;

/// `GET /api/documents/{id}/search?q=`: searches one document.
///
/// # Errors
/// `Missing` if the caller has no such document; `BadInput` without search terms.
pub async fn search_document(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = super::documents::document_id(&cx)?;
    let words = search_words(&cx)?;
    let search = cx.app.meaning_search();
    let found = search.search(&caller, Some(&id), &words).await?;
    let query = SearchQuery::parse(&words);
    let results: Vec<Value> = found.hits.iter().map(|hit| hit_json(hit, &query)).collect();
    Ok(Reply::json(&json!({
        "document_id": id, "query": words, "count": results.len(), "results": results,
        "meaning": found.semantic_ranking.as_ref().map(meaning_json),
    })))
}

/// `GET /api/search?q=`: searches all of the caller's documents. The results are grouped by document; the document with
/// the best result comes first.
///
/// # Errors
/// `BadInput` without search terms.
pub async fn search_all(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let words = search_words(&cx)?;
    let found = cx
        .app
        .meaning_search()
        .search(&caller, None, &words)
        .await?;
    let query = SearchQuery::parse(&words);
    // Hits are ordered by score, so the document with the best hit comes first.
    let mut documents: Vec<(&DocumentId, &str, Vec<Value>)> = Vec::new();
    for hit in &found.hits {
        let result = hit_json(hit, &query);
        match documents.iter_mut().find(|(id, ..)| **id == hit.document) {
            Some((.., results)) => results.push(result),
            None => documents.push((&hit.document, &hit.name, vec![result])),
        }
    }
    let documents: Vec<Value> = documents
        .into_iter()
        .map(|(id, name, results)| json!({"document_id": id, "name": name, "count": results.len(), "results": results}))
        .collect();
    Ok(Reply::json(&json!({
        "query": words, "count": found.hits.len(), "documents": documents,
        "meaning": found.semantic_ranking.as_ref().map(meaning_json),
    })))
}

/// Returns the record of the semantic ranking as JSON: its model, cost, and error.
fn meaning_json(ranking: &SemanticRanking) -> Value {
    json!({ "model": ranking.model, "cost_usd": ranking.cost, "error": ranking.failure })
}

fn search_words(cx: &RequestContext) -> Result<String, ApiError> {
    let words = cx.query("q").unwrap_or_default();
    match words.trim().is_empty() {
        true => Err(Error::field(&["query", "q"], "missing", "enter what to search for").into()),
        false => Ok(words),
    }
}

fn hit_json(hit: &SearchHit, query: &SearchQuery) -> Value {
    let matches: Vec<[usize; 2]> = query
        .find_matches(&hit.passage.text)
        .iter()
        .take(MAX_MATCHES)
        .map(|range| [range.start, range.end])
        .collect();
    json!({
        "page": hit.passage.page,
        "heading": hit.passage.heading,
        "start": hit.passage.start,
        "end": hit.passage.end,
        "text": hit.passage.text,
        "matches": matches,
        "score": hit.score,
    })
}
