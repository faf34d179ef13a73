//! Brings a database to the current schema: creates a new one from `schema.sql`, or migrates an older one after making
//! a verified backup. Refuses a database that is newer or belongs to another program.

mod threads_and_projects;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::backup;
use crate::store::connection::Writer;
use crate::store::error::{OpenError, Result};
use crate::store::version::{APPLICATION_ID, VERSION};
use crate::store::{analyses, comparisons};

/// The current schema.
pub(in crate::store) const CURRENT_SCHEMA: &str = include_str!("../../../schema.sql");

/// The oldest schema version that can be migrated.
const OLDEST_VERSION: u32 = 1;

type MigrationStep = fn(&Writer) -> Result<()>;

/// The step at index n migrates from version `OLDEST_VERSION + n` to the next one. A released step must never be
/// changed.
const MIGRATION_STEPS: &[MigrationStep] = &[
    votes_and_encodings,
    providers_and_money,
    migrate_panels,
    documents,
    experiments,
    sign_in_networks,
    folded_text_and_links,
    no_leases,
    threads_and_projects::add_threads_and_projects,
    meaning_search,
];

const _: () = assert!(VERSION == OLDEST_VERSION + MIGRATION_STEPS.len() as u32);

fn votes_and_encodings(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE documents ADD COLUMN encoding TEXT NOT NULL DEFAULT '';
         CREATE TABLE votes (
             analysis_id TEXT    NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
             user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             choice      TEXT    NOT NULL,
             created     INTEGER NOT NULL,
             PRIMARY KEY (analysis_id, user_id)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX votes_user ON votes (user_id);",
    )
}

fn providers_and_money(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE usage ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE usage ADD COLUMN cached INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE usage ADD COLUMN reasoning INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE usage ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE usage ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE usage ADD COLUMN own_key INTEGER NOT NULL DEFAULT 0;
         CREATE TABLE calls (
             id             INTEGER NOT NULL PRIMARY KEY,
             user_id        TEXT    REFERENCES users (id) ON DELETE CASCADE,
             analysis_id    TEXT    NOT NULL DEFAULT '',
             stage          INTEGER NOT NULL DEFAULT 0,
             member         INTEGER NOT NULL DEFAULT 0,
             at             INTEGER NOT NULL,
             model          TEXT    NOT NULL,
             outcome        TEXT    NOT NULL,
             tries          INTEGER NOT NULL DEFAULT 1,
             input          INTEGER NOT NULL DEFAULT 0,
             output         INTEGER NOT NULL DEFAULT 0,
             cached         INTEGER NOT NULL DEFAULT 0,
             reasoning      INTEGER NOT NULL DEFAULT 0,
             estimated      INTEGER NOT NULL DEFAULT 0,
             own_key        INTEGER NOT NULL DEFAULT 0,
             price          TEXT    NOT NULL DEFAULT '',
             cost           INTEGER NOT NULL DEFAULT -1,
             latency_ms     INTEGER NOT NULL DEFAULT 0,
             first_token_ms INTEGER NOT NULL DEFAULT -1
         ) STRICT;
         CREATE INDEX calls_user ON calls (user_id, at);
         CREATE INDEX calls_at ON calls (at);
         CREATE TABLE budgets (
             user_id      TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
             day_cost     INTEGER NOT NULL DEFAULT -1,
             month_cost   INTEGER NOT NULL DEFAULT -1,
             day_tokens   INTEGER NOT NULL DEFAULT -1,
             month_tokens INTEGER NOT NULL DEFAULT -1
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE providers (
             id          TEXT    NOT NULL PRIMARY KEY,
             user_id     TEXT    REFERENCES users (id) ON DELETE CASCADE,
             name        TEXT    NOT NULL,
             kind        TEXT    NOT NULL,
             base_url    TEXT    NOT NULL DEFAULT '',
             sealed_key  TEXT    NOT NULL DEFAULT '',
             key_end     TEXT    NOT NULL DEFAULT '',
             models      TEXT    NOT NULL DEFAULT '[]',
             concurrency INTEGER NOT NULL DEFAULT 0,
             created     INTEGER NOT NULL,
             changed     INTEGER NOT NULL
         ) STRICT;
         CREATE UNIQUE INDEX providers_name ON providers (coalesce(user_id, ''), name);
         CREATE INDEX providers_user ON providers (user_id);",
    )
}

fn migrate_panels(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE analyses ADD COLUMN findings TEXT NOT NULL DEFAULT '';
         ALTER TABLE analyses ADD COLUMN topic TEXT NOT NULL DEFAULT '';
         ALTER TABLE analyses ADD COLUMN parent TEXT NOT NULL DEFAULT '';
         ALTER TABLE answer_cache ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE answer_cache ADD COLUMN fields TEXT NOT NULL DEFAULT '{}';
         CREATE INDEX answer_cache_used ON answer_cache (used);
         CREATE INDEX answer_cache_model ON answer_cache (model);
         CREATE TABLE comparisons (
             analysis_id TEXT    NOT NULL PRIMARY KEY REFERENCES analyses (id) ON DELETE CASCADE,
             user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             topic       TEXT    NOT NULL DEFAULT '',
             pattern     TEXT    NOT NULL DEFAULT '',
             model       TEXT    NOT NULL,
             stage       INTEGER NOT NULL DEFAULT 0,
             member      INTEGER NOT NULL DEFAULT 0,
             panel_first INTEGER NOT NULL DEFAULT 0,
             panel_cost  INTEGER NOT NULL DEFAULT -1,
             single_cost INTEGER NOT NULL DEFAULT -1,
             created     INTEGER NOT NULL,
             choice      TEXT    NOT NULL DEFAULT '',
             decided     INTEGER NOT NULL DEFAULT 0
         ) STRICT;
         CREATE INDEX comparisons_user ON comparisons (user_id, decided);
         CREATE TABLE patterns (
             id      TEXT    NOT NULL PRIMARY KEY,
             user_id TEXT    REFERENCES users (id) ON DELETE CASCADE,
             body    TEXT    NOT NULL,
             created INTEGER NOT NULL,
             changed INTEGER NOT NULL
         ) STRICT;
         CREATE INDEX patterns_user ON patterns (user_id);
         CREATE TABLE recipes (
             id      TEXT    NOT NULL PRIMARY KEY,
             user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             name    TEXT    NOT NULL,
             shared  INTEGER NOT NULL DEFAULT 0,
             created INTEGER NOT NULL,
             UNIQUE (user_id, name)
         ) STRICT;
         CREATE TABLE recipe_versions (
             recipe_id TEXT    NOT NULL REFERENCES recipes (id) ON DELETE CASCADE,
             version   INTEGER NOT NULL,
             body      TEXT    NOT NULL,
             created   INTEGER NOT NULL,
             PRIMARY KEY (recipe_id, version)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE savings (
             user_id  TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             day      INTEGER NOT NULL,
             model    TEXT    NOT NULL,
             hits     INTEGER NOT NULL DEFAULT 0,
             cost     INTEGER NOT NULL DEFAULT 0,
             unpriced INTEGER NOT NULL DEFAULT 0,
             tokens   INTEGER NOT NULL DEFAULT 0,
             PRIMARY KEY (user_id, day, model)
         ) STRICT, WITHOUT ROWID;",
    )
}

fn documents(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE documents ADD COLUMN gaps TEXT NOT NULL DEFAULT '[]';
         ALTER TABLE documents ADD COLUMN flags TEXT NOT NULL DEFAULT '[]';
         CREATE INDEX documents_open ON documents (id) WHERE status = 'processing';
         ALTER TABLE document_pages ADD COLUMN title TEXT NOT NULL DEFAULT '';
         ALTER TABLE passages ADD COLUMN terms TEXT NOT NULL DEFAULT '';
         ALTER TABLE analyses ADD COLUMN citations TEXT NOT NULL DEFAULT '';
         CREATE TABLE passage_vectors (
             passage_id INTEGER NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
             model      TEXT    NOT NULL,
             vector     BLOB    NOT NULL,
             PRIMARY KEY (passage_id, model)
         ) STRICT, WITHOUT ROWID;
         DROP TRIGGER passages_added;
         DROP TRIGGER passages_removed;
         DROP TABLE passages_fts;
         CREATE VIRTUAL TABLE passages_fts USING fts5 (
             heading, text, terms, content = 'passages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
         );
         INSERT INTO passages_fts (passages_fts, rank) VALUES ('secure-delete', 1);
         INSERT INTO passages_fts (passages_fts) VALUES ('rebuild');
         CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
             INSERT INTO passages_fts (rowid, heading, text, terms) VALUES (new.id, new.heading, new.text, new.terms);
         END;
         CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
             INSERT INTO passages_fts (passages_fts, rowid, heading, text, terms)
             VALUES ('delete', old.id, old.heading, old.text, old.terms);
         END;",
    )
}

fn experiments(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE users ADD COLUMN recipe TEXT NOT NULL DEFAULT '';
         ALTER TABLE analyses ADD COLUMN origin TEXT NOT NULL DEFAULT '';
         CREATE INDEX analyses_origin ON analyses (origin, id) WHERE origin <> '';
         ALTER TABLE api_keys ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE api_keys ADD COLUMN models TEXT NOT NULL DEFAULT '[]';
         ALTER TABLE api_keys ADD COLUMN day_cost INTEGER NOT NULL DEFAULT -1;
         ALTER TABLE api_keys ADD COLUMN all_cost INTEGER NOT NULL DEFAULT -1;
         CREATE TABLE key_usage (
             key_id TEXT    NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
             day    INTEGER NOT NULL,
             calls  INTEGER NOT NULL DEFAULT 0,
             tokens INTEGER NOT NULL DEFAULT 0,
             cost   INTEGER NOT NULL DEFAULT 0,
             PRIMARY KEY (key_id, day)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE idempotency (
             user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             key     TEXT    NOT NULL,
             request BLOB    NOT NULL,
             status  INTEGER NOT NULL DEFAULT 0,
             headers TEXT    NOT NULL DEFAULT '[]',
             body    BLOB    NOT NULL DEFAULT x'',
             created INTEGER NOT NULL,
             PRIMARY KEY (user_id, key)
         ) STRICT;
         CREATE INDEX idempotency_created ON idempotency (created);
         CREATE TABLE experiments (
             id       TEXT    NOT NULL PRIMARY KEY,
             user_id  TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             name     TEXT    NOT NULL DEFAULT '',
             status   TEXT    NOT NULL DEFAULT 'running',
             body     TEXT    NOT NULL,
             design   TEXT    NOT NULL,
             verdict  TEXT    NOT NULL DEFAULT '',
             error    TEXT    NOT NULL DEFAULT '',
             applied  TEXT    NOT NULL DEFAULT '',
             judging  TEXT    NOT NULL DEFAULT '{}',
             created  INTEGER NOT NULL,
             finished INTEGER NOT NULL DEFAULT 0
         ) STRICT;
         CREATE INDEX experiments_user ON experiments (user_id, id);
         CREATE INDEX experiments_open ON experiments (id) WHERE finished = 0;
         CREATE TABLE experiment_cases (
             experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
             place         INTEGER NOT NULL,
             body          TEXT    NOT NULL,
             PRIMARY KEY (experiment_id, place)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE experiment_results (
             experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
             arm           INTEGER NOT NULL,
             place         INTEGER NOT NULL,
             analysis_id   TEXT    NOT NULL,
             number        INTEGER NOT NULL DEFAULT 0,
             score         REAL    NOT NULL DEFAULT 0,
             cost          INTEGER NOT NULL DEFAULT 0,
             tokens        INTEGER NOT NULL DEFAULT 0,
             latency_ms    INTEGER NOT NULL DEFAULT 0,
             judge_cost    INTEGER NOT NULL DEFAULT 0,
             judge_tokens  INTEGER NOT NULL DEFAULT 0,
             error         TEXT    NOT NULL DEFAULT '',
             PRIMARY KEY (experiment_id, arm, place)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE experiment_judgments (
             experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
             place         INTEGER NOT NULL,
             first         INTEGER NOT NULL,
             second        INTEGER NOT NULL,
             judge         TEXT    NOT NULL DEFAULT '',
             preferred     TEXT    NOT NULL,
             created       INTEGER NOT NULL,
             PRIMARY KEY (experiment_id, place, first, second, judge)
         ) STRICT, WITHOUT ROWID;",
    )
}

fn sign_in_networks(db: &Writer) -> Result<()> {
    db.run_batch(
        "CREATE TABLE sign_in_networks (
             user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
             network TEXT    NOT NULL,
             last    INTEGER NOT NULL,
             PRIMARY KEY (user_id, network)
         ) STRICT, WITHOUT ROWID;",
    )
}

fn folded_text_and_links(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE analyses ADD COLUMN question_folded TEXT NOT NULL DEFAULT '';
         ALTER TABLE analyses ADD COLUMN topic_folded TEXT NOT NULL DEFAULT '';
         ALTER TABLE comparisons ADD COLUMN topic_folded TEXT NOT NULL DEFAULT '';
         CREATE TABLE analysis_models (
             analysis_id TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
             model       TEXT NOT NULL,
             PRIMARY KEY (analysis_id, model)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE analysis_documents (
             document_id TEXT NOT NULL,
             analysis_id TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
             PRIMARY KEY (document_id, analysis_id)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX analysis_documents_analysis ON analysis_documents (analysis_id);",
    )?;
    let column = |sql: &str| -> Result<Vec<String>> { db.all(sql, [], |row| row.get(0)) };
    for id in column("SELECT id FROM analyses")? {
        analyses::index::write(db, &id)?;
    }
    for id in column("SELECT analysis_id FROM comparisons")? {
        comparisons::fold_topic(db, &id)?;
    }
    Ok(())
}

fn no_leases(db: &Writer) -> Result<()> {
    db.run_batch(
        "ALTER TABLE analyses DROP COLUMN lease_owner;
         ALTER TABLE analyses DROP COLUMN lease_until;",
    )
}

fn meaning_search(db: &Writer) -> Result<()> {
    db.run_batch(
        "CREATE TABLE meaning_search (
             user_id TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
             model   TEXT    NOT NULL,
             chosen  INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;",
    )
}

/// The contents of the database file before the migration.
enum FileState {
    Empty,
    Version(u32),
}

/// Creates or migrates the database, or does nothing if it is current. Returns the path of the backup made before a
/// migration.
///
/// # Errors
/// Returns `Newer`, `Foreign`, or `Damaged` for a file that must not be changed, or another error if the backup or the
/// migration fails.
pub(in crate::store) fn migrate(
    db: &Writer,
    path: &Path,
) -> std::result::Result<Option<PathBuf>, OpenError> {
    let connection = db.sqlite()?.raw();
    let saved = match inspect(connection)? {
        FileState::Version(VERSION) => return Ok(None),
        FileState::Version(old) => Some(back_up_before_migration(path, old)?),
        FileState::Empty => None,
    };
    // Dropping the transaction without a commit rolls it back.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // The state is checked again inside the transaction, because another process may have migrated the database first.
    match inspect(connection)? {
        FileState::Version(VERSION) => return Ok(saved),
        FileState::Empty => connection.execute_batch(CURRENT_SCHEMA)?,
        FileState::Version(old) => {
            for step in &MIGRATION_STEPS[(old - OLDEST_VERSION) as usize..] {
                step(db)?;
            }
            let sql = "SELECT count(*) FROM pragma_foreign_key_check";
            let orphan_count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
            if orphan_count > 0 {
                return Err(OpenError::Damaged(format!(
                    "{orphan_count} rows have no parent row"
                )));
            }
        }
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(saved)
}

fn inspect(db: &Connection) -> std::result::Result<FileState, OpenError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (mark, version) = (number("application_id")?, number("user_version")?);
    if tables == 0 && mark == 0 && version == 0 {
        return Ok(FileState::Empty);
    }
    if mark != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign);
    }
    match u32::try_from(version) {
        Ok(found) if found > VERSION => Err(OpenError::Newer {
            found,
            known: VERSION,
        }),
        Ok(found) if found >= OLDEST_VERSION => Ok(FileState::Version(found)),
        _ => Err(OpenError::Damaged(format!(
            "it claims to have version {version}"
        ))),
    }
}

/// Makes a verified copy next to the database, and returns its path. The copy's name contains both schema versions.
fn back_up_before_migration(path: &Path, old: u32) -> std::result::Result<PathBuf, OpenError> {
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let name = (1..1000)
        .map(|number| match number {
            1 => path.with_file_name(format!("{stem}.v{old}-before-v{VERSION}")),
            _ => path.with_file_name(format!("{stem}.v{old}-before-v{VERSION}-{number}")),
        })
        .find(|name| !name.exists())
        .ok_or_else(|| OpenError::Failed("there are too many old backups beside it".into()))?;
    backup::copy(path, &name, false)
        .map_err(|error| OpenError::Failed(format!("no backup before migrating: {error}")))?;
    Ok(name)
}
