//! Migration from schema version 9 to 10.

use crate::store::connection::Writer;
use crate::store::error::Result;
use crate::store::turn_texts;

/// Creates the tables of threads and projects, and the full-text index of threads.
const TABLE_STATEMENTS: &str = "ALTER TABLE analyses ADD COLUMN thread TEXT NOT NULL DEFAULT '';
ALTER TABLE analyses ADD COLUMN follows TEXT NOT NULL DEFAULT '';
CREATE INDEX analyses_thread ON analyses (thread, id);
CREATE INDEX analyses_follows ON analyses (follows) WHERE follows <> '';
CREATE TABLE projects (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    instructions TEXT    NOT NULL DEFAULT '',
    created      INTEGER NOT NULL,
    changed      INTEGER NOT NULL
) STRICT;
CREATE INDEX projects_user ON projects (user_id, id);
CREATE TABLE project_documents (
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, document_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_documents_document ON project_documents (document_id);
CREATE TABLE project_people (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_people_user ON project_people (user_id);
CREATE TABLE threads (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project      TEXT    NOT NULL DEFAULT '',
    title        TEXT    NOT NULL DEFAULT '',
    title_folded TEXT    NOT NULL DEFAULT '',
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    pinned       INTEGER NOT NULL DEFAULT 0,
    archived     INTEGER NOT NULL DEFAULT 0,
    share_hash   BLOB
) STRICT;
CREATE INDEX threads_user ON threads (user_id, updated, id);
CREATE INDEX threads_project ON threads (project) WHERE project <> '';
CREATE UNIQUE INDEX threads_share ON threads (share_hash) WHERE share_hash IS NOT NULL;
CREATE TRIGGER analyses_removed AFTER DELETE ON analyses WHEN old.thread <> '' BEGIN
    UPDATE analyses SET follows = old.follows WHERE follows <> '' AND follows = old.id AND thread = old.thread;
    DELETE FROM threads
    WHERE id = old.thread AND NOT EXISTS (SELECT 1 FROM analyses WHERE thread = old.thread);
END;
CREATE TRIGGER projects_removed AFTER DELETE ON projects BEGIN
    UPDATE threads SET project = '' WHERE project <> '' AND project = old.id;
END;
CREATE TABLE turn_texts (
    id          INTEGER NOT NULL PRIMARY KEY,
    analysis_id TEXT    NOT NULL UNIQUE REFERENCES analyses (id) ON DELETE CASCADE,
    owner       TEXT    NOT NULL,
    question    TEXT    NOT NULL,
    answer      TEXT    NOT NULL DEFAULT '',
    terms       TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE VIRTUAL TABLE turns_fts USING fts5 (
    owner, question, answer, terms, content = 'turn_texts', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO turns_fts (turns_fts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER turn_texts_added AFTER INSERT ON turn_texts BEGIN
    INSERT INTO turns_fts (rowid, owner, question, answer, terms)
    VALUES (new.id, new.owner, new.question, new.answer, new.terms);
END;
CREATE TRIGGER turn_texts_removed AFTER DELETE ON turn_texts BEGIN
    INSERT INTO turns_fts (turns_fts, rowid, owner, question, answer, terms)
    VALUES ('delete', old.id, old.owner, old.question, old.answer, old.terms);
END;";

/// Adds threads and projects. Each analysis in the history becomes a thread with a single turn.
///
/// # Errors
/// Returns an error if the database cannot be read or written.
pub(super) fn add_threads_and_projects(db: &Writer) -> Result<()> {
    db.run_batch(TABLE_STATEMENTS)?;
    // IDs are read in batches of a thousand, so that those of a large history are not all held in memory.
    let mut after = String::new();
    loop {
        let ids: Vec<String> = db.all(
            "SELECT id FROM analyses WHERE id > ?1 AND user_id IS NOT NULL AND origin = ''
             ORDER BY id LIMIT 1000",
            [&after],
            |row| row.get(0),
        )?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after.clone_from(last);
        for id in &ids {
            turn_texts::ensure_thread(db, id)?;
        }
    }
}
