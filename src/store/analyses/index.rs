//! Derived data that lists and searches use instead of an analysis's JSON: case-folded text, and rows for its
//! models and documents. Written with the analysis, and again for one from an archive or an older database.

use rusqlite::Connection;
use serde::Deserialize;

use crate::domain::case_folding::fold_case;

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

/// Writes the folded text and the links of an existing analysis.
///
/// # Errors
/// Returns an error if there is no such row, or the database cannot be written.
pub(in crate::store) fn write(db: &Connection, id: &str) -> rusqlite::Result<()> {
    let mut query = db.prepare_cached(
        "SELECT question, topic, request, origin = '' AS listed FROM analyses WHERE id = ?1",
    )?;
    let (question, topic, request, is_listed) = query.query_row([id], |row| {
        let texts: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((texts.0, texts.1, texts.2, row.get::<_, bool>(3)?))
    })?;
    db.prepare_cached("UPDATE analyses SET question_folded = ?2, topic_folded = ?3 WHERE id = ?1")?
        .execute([id, &fold_case(&question), &fold_case(&topic)])?;
    link(db, id, &request, is_listed)
}

/// Writes only the links. Models are linked only for analyses in the history.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn link(
    db: &Connection,
    id: &str,
    request: &str,
    is_listed: bool,
) -> rusqlite::Result<()> {
    // An unreadable request links nothing: one old row must not keep a database from opening.
    let named: IndexedRequest = serde_json::from_str(request).unwrap_or_default();
    if is_listed {
        link_models(db, id, named.models.iter().chain(&named.ultra_model))?;
    }
    let mut add = db.prepare_cached(
        "INSERT INTO analysis_documents (document_id, analysis_id) VALUES (?1, ?2)
         ON CONFLICT DO NOTHING",
    )?;
    for document in &named.document_ids {
        add.execute([document, id])?;
    }
    Ok(())
}

/// Links an analysis in the history to its models.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn link_models<'a>(
    db: &Connection,
    id: &str,
    models: impl IntoIterator<Item = &'a String>,
) -> rusqlite::Result<()> {
    let mut add = db.prepare_cached(
        "INSERT INTO analysis_models (analysis_id, model) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    for model in models {
        add.execute([id, model])?;
    }
    Ok(())
}
