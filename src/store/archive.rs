//! Exports a user's rows as JSON objects for archives, and imports such rows, filling only columns that exist. Does not
//! know the archive format.

use serde_json::{Map, Number, Value};

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::params::Value as Cell;
use super::row::Row;
use super::version::VERSION;
use super::{
    analyses, comparisons, documents, experiments, patterns, projects, recipes, search, threads,
    turn_texts,
};
use crate::domain::analysis::StageAnswer;
use crate::domain::document::DocumentStatus;
use crate::domain::experiment::record::ExperimentState;
use crate::domain::id::{
    AnalysisId, DocumentId, ExperimentId, ProjectId, RecipeId, ThreadId, UserId,
};
use crate::domain::pattern::file::is_id;
use crate::domain::thread;

/// Schema version of the exported rows.
pub const ROW_SCHEMA_VERSION: u32 = VERSION;

/// A table that contains user data.
#[derive(Debug)]
pub struct ArchiveTable {
    /// The table's name, in the database and in the archive.
    pub name: &'static str,
    /// Query for the finished rows of the user in parameter `?1`.
    rows: &'static str,
    /// Columns that are not exported, because they contain credentials or numbers that have a meaning only in this
    /// database.
    excluded_columns: &'static [&'static str],
    /// The column with the ID of the parent row; `None` for a table without a parent.
    pub parent: Option<&'static str>,
    /// Whether rows have IDs of their own, to which child rows refer.
    pub has_id: bool,
    /// Whether the table is imported. Usage is only exported, because an installation counts only its own usage.
    pub is_imported: bool,
    /// Columns with JSON, which is parsed when the row is used.
    pub json: &'static [&'static str],
    /// Maximum size of a row in JSON, in bytes.
    pub max_row: u64,
}

/// Default maximum size of a row, in bytes. In most tables, the longest text is a document page of 1 MiB, which JSON
/// escapes can make several times as long.
const MAX_ROW_BYTES: u64 = 8 << 20;
/// Maximum size of a row that contains a model's answer (at most 8 MiB) or a plan with the text to send, in bytes.
const MAX_LONG_ROW_BYTES: u64 = 32 << 20;

const fn table(name: &'static str, rows: &'static str) -> ArchiveTable {
    ArchiveTable {
        name,
        rows,
        excluded_columns: &["user_id"],
        parent: None,
        has_id: true,
        is_imported: true,
        json: &[],
        max_row: MAX_ROW_BYTES,
    }
}

const fn child(name: &'static str, rows: &'static str, parent: &'static str) -> ArchiveTable {
    ArchiveTable {
        parent: Some(parent),
        has_id: false,
        ..table(name, rows)
    }
}

/// All tables of the archive. A child table comes after its parent.
pub const ARCHIVE_TABLES: &[ArchiveTable] = &[
    ArchiveTable {
        json: &["gaps", "flags"],
        ..table("documents", "SELECT * FROM documents WHERE user_id = ?1 AND status <> 'processing' ORDER BY id")
    },
    child(
        "document_pages",
        "SELECT p.* FROM document_pages p JOIN documents d ON d.id = p.document_id
         WHERE d.user_id = ?1 AND d.status <> 'processing' ORDER BY p.document_id, p.page",
        "document_id",
    ),
    ArchiveTable {
        excluded_columns: &["id", "user_id"],
        ..child(
            "passages",
            "SELECT p.* FROM passages p JOIN documents d ON d.id = p.document_id
             WHERE d.user_id = ?1 AND d.status <> 'processing' ORDER BY p.document_id, p.ordinal",
            "document_id",
        )
    },
    ArchiveTable {
        json: &["body"],
        ..table("patterns", "SELECT * FROM patterns WHERE user_id = ?1 ORDER BY id")
    },
    ArchiveTable {
        excluded_columns: &["user_id", "shared"],
        ..table("recipes", "SELECT * FROM recipes WHERE user_id = ?1 ORDER BY id")
    },
    ArchiveTable {
        json: &["body"],
        ..child(
            "recipe_versions",
            "SELECT v.* FROM recipe_versions v JOIN recipes r ON r.id = v.recipe_id
             WHERE r.user_id = ?1 ORDER BY v.recipe_id, v.version",
            "recipe_id",
        )
    },
    table("projects", "SELECT * FROM projects WHERE user_id = ?1 ORDER BY id"),
    child(
        "project_documents",
        "SELECT d.* FROM project_documents d
         JOIN projects p ON p.id = d.project_id JOIN documents o ON o.id = d.document_id
         WHERE p.user_id = ?1 AND o.user_id = ?1 ORDER BY d.project_id, d.document_id",
        "project_id",
    ),
    ArchiveTable {
        excluded_columns: &["user_id", "share_hash", "title_folded"],
        ..table(
            "threads",
            "SELECT * FROM threads WHERE user_id = ?1 AND id IN (
                 SELECT thread FROM analyses WHERE user_id = ?1 AND finished > 0
             ) ORDER BY id",
        )
    },
    ArchiveTable {
        excluded_columns: &["user_id", "share_hash", "question_folded", "topic_folded"],
        json: &["request", "plan", "usage", "findings", "citations"],
        max_row: MAX_LONG_ROW_BYTES,
        ..table(
            "analyses",
            "SELECT * FROM analyses WHERE user_id = ?1 AND finished > 0 AND origin <> 'call' ORDER BY id",
        )
    },
    ArchiveTable {
        json: &["answer"],
        max_row: MAX_LONG_ROW_BYTES,
        ..child(
            "stage_answers",
            "SELECT s.* FROM stage_answers s JOIN analyses a ON a.id = s.analysis_id
             WHERE a.user_id = ?1 AND a.finished > 0 AND a.origin <> 'call'
             ORDER BY s.analysis_id, s.stage, s.member",
            "analysis_id",
        )
    },
    child("votes", "SELECT * FROM votes WHERE user_id = ?1 ORDER BY analysis_id", "analysis_id"),
    ArchiveTable {
        excluded_columns: &["user_id", "topic_folded"],
        ..child("comparisons", "SELECT * FROM comparisons WHERE user_id = ?1 ORDER BY analysis_id", "analysis_id")
    },
    ArchiveTable {
        json: &["body", "design", "verdict", "applied", "judging"],
        ..table("experiments", "SELECT * FROM experiments WHERE user_id = ?1 AND finished > 0 ORDER BY id")
    },
    ArchiveTable {
        json: &["body"],
        ..child(
            "experiment_cases",
            "SELECT c.* FROM experiment_cases c JOIN experiments e ON e.id = c.experiment_id
             WHERE e.user_id = ?1 AND e.finished > 0 ORDER BY c.experiment_id, c.place",
            "experiment_id",
        )
    },
    child(
        "experiment_results",
        "SELECT r.* FROM experiment_results r JOIN experiments e ON e.id = r.experiment_id
         WHERE e.user_id = ?1 AND e.finished > 0 ORDER BY r.experiment_id, r.arm, r.place",
        "experiment_id",
    ),
    child(
        "experiment_judgments",
        "SELECT j.* FROM experiment_judgments j JOIN experiments e ON e.id = j.experiment_id
         WHERE e.user_id = ?1 AND e.finished > 0 ORDER BY j.experiment_id, j.place, j.first, j.second, j.judge",
        "experiment_id",
    ),
    ArchiveTable {
        is_imported: false,
        ..child("usage", "SELECT * FROM usage WHERE user_id = ?1 ORDER BY day, model", "")
    },
    ArchiveTable {
        is_imported: false,
        excluded_columns: &["id", "user_id"],
        ..child("calls", "SELECT * FROM calls WHERE user_id = ?1 ORDER BY id", "")
    },
];

/// Passes a user's rows in a table to `take` until it returns false.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn for_each_row(
    db: &Reader,
    table: &ArchiveTable,
    user: &UserId,
    mut take: impl FnMut(Map<String, Value>) -> bool,
) -> Result<()> {
    db.each(table.rows, [user], |row| Ok(take(row_object(row, table)?)))
}

fn row_object(row: &Row<'_>, table: &ArchiveTable) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    let columns = (0..).map_while(|place| Some((place, row.name(place)?)));
    for (place, name) in columns {
        if table.excluded_columns.contains(&name) {
            continue;
        }
        let value = match row.value(place)? {
            Cell::Integer(number) => Value::from(number),
            Cell::Real(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            Cell::Text(text) => Value::from(text),
            Cell::Null | Cell::Blob(_) => Value::Null,
        };
        object.insert(name.to_owned(), value);
    }
    Ok(object)
}

/// Returns the owner of a row; empty if the row belongs to no user, or `None` if there is no such row.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn owner_of(db: &Reader, table: &ArchiveTable, id: &str) -> Result<Option<String>> {
    // The name of the table is one of the constants and never comes from an archive.
    let sql = format!(
        "SELECT coalesce(user_id, '') FROM {} WHERE id = ?1",
        table.name
    );
    db.query_optional(&sql, [id], |row| row.get(0))
}

/// Lists the columns that an archive may fill.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn columns(db: &Reader, table: &ArchiveTable) -> Result<Vec<String>> {
    let mut names = db.columns(table.name)?;
    names.retain(|name| name == "user_id" || !table.excluded_columns.contains(&name.as_str()));
    Ok(names)
}

/// Prepares a transaction for inserting many rows into a table. Returns the columns that these rows may fill.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn prepare_batch(db: &Writer, table: &ArchiveTable) -> Result<Vec<String>> {
    db.expect_growth()?;
    columns(db, table)
}

/// Inserts a row for a user, filling only these columns. Returns false if the row already exists or is invalid.
///
/// # Errors
/// Returns an error if later rows could not be stored either (the disk is full, or the database is busy or closed), if
/// a passage cannot be indexed, or if another row that cannot be indexed cannot be removed.
pub fn insert_row(
    db: &Writer,
    (table, columns): (&ArchiveTable, &[String]),
    user: &UserId,
    mut row: Map<String, Value>,
) -> Result<bool> {
    let ordinal = row.get("ordinal").and_then(Value::as_i64);
    let id = row.get(table.parent.unwrap_or("id"));
    let id = id.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    for name in columns {
        let cell = match row.remove(name) {
            _ if name == "user_id" => Value::from(user.as_str()),
            Some(value) => value,
            None => continue,
        };
        names.push(name.as_str());
        cells.push(cell);
    }
    let marks: Vec<String> = (1..=names.len()).map(|n| format!("?{n}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
        table.name,
        names.join(", "),
        marks.join(", ")
    );
    let cells: Vec<Cell<'_>> = cells.iter().map(to_cell).collect();
    let is_added = match db.attempt(|db| db.run(&sql, cells.as_slice())) {
        Ok(rows) => rows > 0,
        // Later rows could not be stored either, so the import stops.
        Err(error @ (StoreError::Full | StoreError::Busy | StoreError::Closed)) => {
            return Err(error);
        }
        // A value of the wrong type is the archive's fault, so only this row is skipped.
        Err(_) => false,
    };
    if !is_added {
        return Ok(false);
    }
    match db.attempt(|db| update_indexes(db, table, (&id, ordinal))) {
        Ok(()) => Ok(true),
        Err(error @ (StoreError::Full | StoreError::Busy | StoreError::Closed)) => Err(error),
        // Any text can be indexed, so this is not the row's fault. The document's preceding rows must be kept.
        Err(error) if table.name == "passages" => Err(error),
        Err(_) => {
            // In each indexed table except `passages`, this is the only row with this ID.
            let id_column = table.parent.unwrap_or("id");
            let sql = format!(
                "DELETE FROM {} WHERE {id_column} = ?1 AND user_id = ?2",
                table.name
            );
            db.run(&sql, [id.as_str(), user.as_str()])?;
            Ok(false)
        }
    }
}

// Writes derived data, which the archive does not contain. This fails only if the row itself is unreadable.
fn update_indexes(
    db: &Writer,
    table: &ArchiveTable,
    (id, ordinal): (&str, Option<i64>),
) -> Result<()> {
    match table.name {
        "analyses" => {
            analyses::index::write(db, id)?;
            turn_texts::ensure_thread(db, id)
        }
        "comparisons" => comparisons::fold_topic(db, id),
        "passages" => search::index_passage(db, id, ordinal.unwrap_or_default()),
        "threads" => threads::complete_imported(db, id),
        "project_documents" => projects::remove_documents_of_others(db, id),
        _ => Ok(()),
    }
}

/// Indexes the members' texts of an imported analysis.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn index_members(db: &Writer, id: &str) -> Result<()> {
    turn_texts::write(db, id)
}

fn to_cell(value: &Value) -> Cell<'_> {
    match value {
        Value::String(text) => Cell::Text(text),
        Value::Bool(flag) => Cell::Integer(i64::from(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cell::Integer(number),
            None => number.as_f64().map_or(Cell::Null, Cell::Real),
        },
        _ => Cell::Null,
    }
}

/// Returns whether an imported row can be read and, if it is a run, has ended: otherwise, the run would be resumed
/// here. Other content is validated where it is used.
pub fn is_valid_row(db: &Reader, table: &ArchiveTable, user: &UserId, id: &str) -> bool {
    match table.name {
        "analyses" => AnalysisId::parse(id)
            .and_then(|id| analyses::by_id(db, Some(user), &id).ok()?)
            .is_some_and(|found| found.status.is_over() && found.finished.is_some()),
        "documents" => DocumentId::parse(id)
            .and_then(|id| documents::by_id(db, user, &id).ok()?)
            .is_some_and(|found| found.status != DocumentStatus::Processing),
        "patterns" => matches!(
            patterns::by_id(db, user, id),
            Ok(Some(kept)) if kept.id() == id && is_id(id) && kept.pattern.check().is_ok()
        ),
        "experiments" => ExperimentId::parse(id)
            .and_then(|id| experiments::by_id(db, user, &id).ok()?)
            .is_some_and(|found| {
                found.state != ExperimentState::Running && found.finished_at.is_some()
            }),
        "recipes" => RecipeId::parse(id).is_some(),
        "threads" => ThreadId::parse(id)
            .and_then(|id| threads::by_id(db, user, &id).ok()?)
            .is_some_and(|found| found.title.chars().count() <= thread::MAX_TITLE),
        "projects" => ProjectId::parse(id)
            .and_then(|id| projects::by_id(db, user, &id).ok()?)
            .is_some_and(|found| found.is_within_limits()),
        _ => true,
    }
}

/// Returns whether all children of an imported row can be read. The caller removes the row otherwise.
pub fn are_valid_children(db: &Reader, table: &ArchiveTable, user: &UserId, id: &str) -> bool {
    match table.name {
        "analyses" => AnalysisId::parse(id).is_some_and(|id| {
            let analysis = analyses::by_id(db, Some(user), &id).ok().flatten();
            let (Some(analysis), Ok(answers)) = (analysis, analyses::answers_of(db, &id)) else {
                return false;
            };
            let plan = &analysis.plan;
            let seated = |answer: &StageAnswer| plan.has_member(answer.stage, answer.member);
            !plan.members.is_empty() && !plan.stages.is_empty() && answers.iter().all(seated)
        }),
        "experiments" => ExperimentId::parse(id).is_some_and(|id| {
            experiments::cases_of(db, &id).is_ok()
                && experiments::evaluations_of(db, &id).is_ok()
                && experiments::judgments_of(db, &id).is_ok()
        }),
        "threads" => ThreadId::parse(id)
            .is_some_and(|id| matches!(threads::newest_turn(db, user, &id), Ok(Some(_)))),
        "recipes" => RecipeId::parse(id).is_some_and(
            |id| matches!(recipes::versions(db, &id, 1_000), Ok(versions) if !versions.is_empty()),
        ),
        _ => true,
    }
}

/// Deletes an imported row with its children.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn remove_row(db: &Writer, table: &ArchiveTable, user: &UserId, id: &str) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE id = ?1 AND user_id = ?2", table.name);
    db.run(&sql, [id, user.as_str()]).map(drop)
}

/// Passes the question and the final answer of each of a user's analyses to `take`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn for_each_answer(db: &Reader, user: &UserId, mut take: impl FnMut(&str, &str)) -> Result<()> {
    db.each(
        "SELECT question, synthesis FROM analyses WHERE user_id = ?1",
        [user],
        |row| {
            take(row.text(0)?, row.text(1)?);
            Ok(true)
        },
    )
}

/// Returns whether the user has a recipe of this name.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn has_recipe(db: &Reader, user: &UserId, name: &str) -> Result<bool> {
    let stored_row = db.query_optional(
        "SELECT 1 FROM recipes WHERE user_id = ?1 AND name = ?2",
        (user, name),
        |_| Ok(()),
    );
    Ok(stored_row?.is_some())
}
