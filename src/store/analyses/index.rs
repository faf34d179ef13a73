//! Derived data that lists and searches use instead of an analysis's JSON: case-folded text, and rows for its models
//! and documents. It is written along with the analysis, and again for analyses from an archive or an older database.

use serde::Deserialize;

use crate::domain::case_folding::fold_case;
use crate::store::connection::Writer;
use crate::store::error::Result;

/// The indexed parts of a stored request.
#[derive(Default, Deserialize)]
struct IndexedRequest {
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    ultra_model: Option<String>,
    #[serde(default, alias = "documents")]
    document_ids: Vec<String>,
}

/// Writes the case-folded text of an existing analysis, and its links to models and documents.
///
/// # Errors
/// Returns an error if there is no such analysis, or the database cannot be written.
pub(in crate::store) fn write(db: &Writer, id: &str) -> Result<()> {
    let (question, topic, request, is_listed): (String, String, String, bool) = db.query_one(
        "SELECT question, topic, request, CASE WHEN origin = '' THEN 1 ELSE 0 END FROM analyses WHERE id = ?1",
        [id],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    db.run(
        "UPDATE analyses SET question_folded = ?2, topic_folded = ?3 WHERE id = ?1",
        (id, fold_case(&question), fold_case(&topic)),
    )?;
    link(db, id, &request, is_listed)
}

/// Writes only the links of an analysis. Models are linked only if the analysis is in the history.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn link(db: &Writer, id: &str, request: &str, is_listed: bool) -> Result<()> {
    // An unreadable request gets no links, because a single old row must not prevent a database from opening.
    let indexed_request: IndexedRequest = serde_json::from_str(request).unwrap_or_default();
    if is_listed {
        link_models(
            db,
            id,
            indexed_request
                .models
                .iter()
                .chain(&indexed_request.ultra_model),
        )?;
    }
    indexed_request
        .document_ids
        .iter()
        .try_for_each(|document| {
            db.run(
                "INSERT INTO analysis_documents (document_id, analysis_id) VALUES (?1, ?2)
             ON CONFLICT DO NOTHING",
                (document, id),
            )
            .map(drop)
        })
}

/// Links an analysis in the history to its models.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn link_models<'a>(
    db: &Writer,
    id: &str,
    models: impl IntoIterator<Item = &'a String>,
) -> Result<()> {
    models.into_iter().try_for_each(|model| {
        db.run(
            "INSERT INTO analysis_models (analysis_id, model) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            (id, model),
        )
        .map(drop)
    })
}
