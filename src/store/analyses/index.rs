//! What lists and searches read of an analysis instead of its JSON: text without regard to case, and its models
//! and documents as rows of their own. Written with the analysis, and again where an archive or an older
//! database brings one.

use rusqlite::Connection;
use serde::Deserialize;

use crate::domain::case::fold_case;

/// The parts of a stored request that are indexed.
#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    ultra_model: Option<String>,
    #[serde(default)]
    documents: Vec<String>,
}

/// Writes the folded text and the links of an analysis whose row is there.
///
/// # Errors
/// When there is no such row, or SQLite fails.
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

/// Writes the links alone. Models are linked only where the history lists the analysis.
pub(super) fn link(
    db: &Connection,
    id: &str,
    request: &str,
    is_listed: bool,
) -> rusqlite::Result<()> {
    // An unreadable request names nothing, and one old row must not keep a database from opening.
    let named: Named = serde_json::from_str(request).unwrap_or_default();
    if is_listed {
        let mut add = db.prepare_cached(
            "INSERT INTO analysis_models (analysis_id, model) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?;
        for model in named.models.iter().chain(&named.ultra_model) {
            add.execute([id, model])?;
        }
    }
    let mut add = db.prepare_cached(
        "INSERT INTO analysis_documents (document_id, analysis_id) VALUES (?1, ?2)
         ON CONFLICT DO NOTHING",
    )?;
    for document in &named.documents {
        add.execute([document, id])?;
    }
    Ok(())
}
