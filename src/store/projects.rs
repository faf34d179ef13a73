//! Projects, with their documents and the users with whom they are shared.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::values::unsigned;
use crate::domain::id::{DocumentId, ProjectId, UserId};
use crate::domain::project::{MAX_PEOPLE, MAX_PROJECT_DOCUMENTS, Project};
use crate::domain::time::Timestamp;

/// Lists the user's own projects and those shared with the user, ordered by name.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn visible(db: &Reader, user: &UserId, limit: u32) -> Result<Vec<Project>> {
    let found = db.all(
        "SELECT p.* FROM projects p
         WHERE p.user_id = ?1
            OR p.id IN (SELECT project_id FROM project_people WHERE user_id = ?1)
         ORDER BY p.name, p.id LIMIT ?2",
        (user, limit),
        from_row,
    )?;
    found
        .into_iter()
        .map(|project| with_documents_and_people(db, project))
        .collect()
}

/// Returns a project that this user owns or that is shared with this user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &ProjectId) -> Result<Option<Project>> {
    let stored_row = db.query_optional(
        "SELECT p.* FROM projects p
         WHERE p.id = ?2 AND (p.user_id = ?1 OR EXISTS (
             SELECT 1 FROM project_people m WHERE m.project_id = p.id AND m.user_id = ?1
         ))",
        (user, id),
        from_row,
    )?;
    stored_row
        .map(|project| with_documents_and_people(db, project))
        .transpose()
}

/// Counts a user's own projects.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_of(db: &Reader, user: &UserId) -> Result<u64> {
    db.query_one(
        "SELECT count(*) AS count FROM projects WHERE user_id = ?1",
        [user],
        |row| unsigned(row, "count"),
    )
}

/// Inserts a project, but not its documents and the users with whom it is shared.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(db: &Writer, project: &Project) -> Result<()> {
    db.run(
        "INSERT INTO projects (id, user_id, name, instructions, created, changed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            &project.id,
            &project.owner,
            &project.name,
            &project.instructions,
            project.created,
            project.changed_at,
        ),
    )
    .map(drop)
}

/// Changes the name and the instructions of a project that the user owns.
///
/// # Errors
/// Returns `Missing` if the project does not belong to the user, or another error if the database cannot be written.
pub fn change(
    db: &Writer,
    owner: &UserId,
    id: &ProjectId,
    (name, instructions): (&str, &str),
    now: Timestamp,
) -> Result<()> {
    db.run_one(
        "UPDATE projects SET name = ?3, instructions = ?4, changed = ?5
         WHERE user_id = ?1 AND id = ?2",
        (owner, id, name, instructions, now),
    )
}

/// Replaces the user's own documents in a project that the user may see. Other users' documents in the project stay,
/// and documents that do not belong to the user are not added.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn set_documents(
    db: &Writer,
    user: &UserId,
    id: &ProjectId,
    documents: &[DocumentId],
) -> Result<()> {
    db.run(
        "DELETE FROM project_documents WHERE project_id = ?2
           AND document_id IN (SELECT id FROM documents WHERE user_id = ?1)",
        (user, id),
    )?;
    for document in documents {
        db.run(
            "INSERT INTO project_documents (project_id, document_id)
             SELECT ?2, id FROM documents WHERE id = ?3 AND user_id = ?1
             ON CONFLICT DO NOTHING",
            (user, id, document),
        )?;
    }
    Ok(())
}

/// Replaces the users with whom a project is shared. Threads of users who lose access leave the project.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn set_people(db: &Writer, project: &Project, people: &[UserId]) -> Result<()> {
    db.run(
        "DELETE FROM project_people WHERE project_id = ?1",
        [&project.id],
    )?;
    for person in people.iter().filter(|person| **person != project.owner) {
        db.run(
            "INSERT INTO project_people (project_id, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            (&project.id, person),
        )?;
    }
    db.run(
        "UPDATE threads SET project = ''
         WHERE project = ?1 AND user_id <> ?2
           AND user_id NOT IN (SELECT user_id FROM project_people WHERE project_id = ?1)",
        (&project.id, &project.owner),
    )
    .map(drop)
}

/// Removes other users' documents from an imported project.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn remove_documents_of_others(db: &Writer, id: &str) -> Result<()> {
    db.run(
        "DELETE FROM project_documents WHERE project_id = ?1 AND document_id NOT IN (
             SELECT d.id FROM documents d JOIN projects p ON p.user_id = d.user_id WHERE p.id = ?1
         )",
        [id],
    )
    .map(drop)
}

/// Deletes a project that the user owns. Its threads stay, but no longer belong to a project.
///
/// # Errors
/// Returns `Missing` if the project does not belong to the user, or another error if the database cannot be written.
pub fn delete(db: &Writer, owner: &UserId, id: &ProjectId) -> Result<()> {
    db.run_one(
        "DELETE FROM projects WHERE user_id = ?1 AND id = ?2",
        (owner, id),
    )
}

fn with_documents_and_people(db: &Reader, project: Project) -> Result<Project> {
    let documents = db.all(
        "SELECT document_id FROM project_documents WHERE project_id = ?1 ORDER BY document_id LIMIT ?2",
        (&project.id, (MAX_PROJECT_DOCUMENTS * (MAX_PEOPLE + 1)) as i64),
        |row| row.get(0),
    )?;
    let people = db.all(
        "SELECT u.email FROM project_people m JOIN users u ON u.id = m.user_id
         WHERE m.project_id = ?1 ORDER BY u.email LIMIT ?2",
        (&project.id, MAX_PEOPLE as i64),
        |row| row.get(0),
    )?;
    Ok(Project {
        documents,
        member_emails: people,
        ..project
    })
}

fn from_row(row: &Row<'_>) -> Result<Project> {
    Ok(Project {
        id: row.get("id")?,
        owner: row.get("user_id")?,
        name: row.get("name")?,
        instructions: row.get("instructions")?,
        documents: Vec::new(),
        member_emails: Vec::new(),
        created: row.get("created")?,
        changed_at: row.get("changed")?,
    })
}
