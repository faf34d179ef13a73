//! Stores conversations imported from other programs as rows of the history, many per transaction. The columns for
//! lists and searches are written along with each row instead of being derived from it afterward, and the full-text
//! index is updated once for all rows.

use super::connection::Writer;
use super::error::Result;
use super::{analyses, turn_texts};
use crate::domain::case_folding::fold_case;
use crate::domain::id::{AnalysisId, ThreadId, UserId};
use crate::domain::time::Timestamp;

/// The topic of all imported analyses.
pub const IMPORTED_TOPIC: &str = "imported";

/// A question and its answer, stored as a finished analysis.
#[derive(Debug, Clone)]
pub struct ImportedTurn {
    /// ID of the analysis. It contains the time of the question, by which the history is sorted.
    pub id: AnalysisId,
    /// The preceding turn; `None` for a conversation's first one.
    pub follows: Option<AnalysisId>,
    /// ID of the pattern in `plan`.
    pub pattern: String,
    /// The user's question, as plain text.
    pub question: String,
    /// The request as JSON, in the form in which requests are stored.
    pub request: String,
    /// The plan as JSON.
    pub plan: String,
    /// The assistant's answer, as Markdown.
    pub answer: String,
    /// When the question was asked.
    pub created: Timestamp,
    /// Models named in the request, for filtering by model.
    pub models: Vec<String>,
    /// Answers of the stages, which the pages show as the members' answers.
    pub stage_answers: Vec<ImportedAnswer>,
}

/// An answer to be stored for a stage.
#[derive(Debug, Clone)]
pub struct ImportedAnswer {
    /// The stage's index in the plan.
    pub stage: usize,
    /// The index of the member in the stage.
    pub member: usize,
    /// The model that is shown as the author of the answer.
    pub model: String,
    /// The answer as JSON.
    pub json: String,
}

/// A conversation, stored as a thread.
#[derive(Debug, Clone)]
pub struct ImportedThread {
    /// ID of the thread.
    pub id: ThreadId,
    /// Title of the thread in the history.
    pub title: String,
    /// Time of the first question.
    pub created: Timestamp,
    /// Time of the last question.
    pub updated: Timestamp,
    /// The questions with their answers, oldest first.
    pub turns: Vec<ImportedTurn>,
}

/// What happened to an imported conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    /// The conversation was added.
    Added,
    /// One of its turns already exists, so nothing was stored.
    Present,
    /// A row conflicts with another one, so nothing was stored.
    Refused,
}

/// Adds conversations to a user's history. Each one is added completely or not at all.
///
/// # Errors
/// Returns an error if the database cannot be written. The caller must then roll back the transaction.
pub fn add_threads(
    db: &Writer,
    user: &UserId,
    threads: &[ImportedThread],
) -> Result<Vec<ImportOutcome>> {
    db.expect_growth()?;
    let mut outcomes = Vec::with_capacity(threads.len());
    let (mut texts, mut panels) = (Vec::new(), Vec::new());
    for thread in threads {
        let outcome = add_thread(db, user, thread)?;
        if outcome == ImportOutcome::Added {
            for turn in &thread.turns {
                match turn.stage_answers.len() > 1 {
                    true => panels.push(&turn.id),
                    false => texts.push((&turn.id, &*turn.question, &*turn.answer)),
                }
            }
        }
        outcomes.push(outcome);
    }
    turn_texts::add_missing(db, user, &texts)?;
    for id in panels {
        turn_texts::write(db, id.as_str())?;
    }
    Ok(outcomes)
}

fn add_thread(db: &Writer, user: &UserId, thread: &ImportedThread) -> Result<ImportOutcome> {
    for turn in &thread.turns {
        let known = "SELECT 1 FROM analyses WHERE id = ?1";
        if db.query_optional(known, [&turn.id], |_| Ok(()))?.is_some() {
            return Ok(ImportOutcome::Present);
        }
    }
    let mut fits = db.run(
        "INSERT INTO threads (id, user_id, title, title_folded, created, updated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        (
            &thread.id,
            user,
            &thread.title,
            fold_case(&thread.title),
            thread.created,
            thread.updated,
        ),
    )? > 0;
    for turn in &thread.turns {
        fits = fits && add_turn(db, user, &thread.id, turn)?;
    }
    if fits {
        return Ok(ImportOutcome::Added);
    }
    for turn in &thread.turns {
        let sql = "DELETE FROM analyses WHERE id = ?1 AND user_id = ?2 AND thread = ?3";
        db.run(sql, (&turn.id, user, &thread.id))?;
    }
    db.run(
        "DELETE FROM threads WHERE id = ?1 AND user_id = ?2
         AND NOT EXISTS (SELECT 1 FROM analyses WHERE thread = ?1)",
        (&thread.id, user),
    )?;
    Ok(ImportOutcome::Refused)
}

/// Adds a turn with its links and answers. Returns false if a row conflicts with an existing one.
fn add_turn(db: &Writer, user: &UserId, thread: &ThreadId, turn: &ImportedTurn) -> Result<bool> {
    let added = db.run(
        "INSERT INTO analyses (id, user_id, status, pattern, question, question_folded, request, plan,
             synthesis, created, started, finished, topic, topic_folded, thread, follows)
         VALUES (?1, ?2, 'completed', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?9, ?10, ?10, ?11, ?12)
         ON CONFLICT DO NOTHING",
        (
            &turn.id,
            user,
            &turn.pattern,
            &turn.question,
            fold_case(&turn.question),
            &turn.request,
            &turn.plan,
            &turn.answer,
            turn.created,
            IMPORTED_TOPIC,
            thread,
            turn.follows.as_ref().map_or("", AnalysisId::as_str),
        ),
    )?;
    if added == 0 {
        return Ok(false);
    }
    analyses::index::link_models(db, turn.id.as_str(), &turn.models)?;
    for answer in &turn.stage_answers {
        let place = (answer.stage as i64, answer.member as i64);
        let added = db.run(
            "INSERT INTO stage_answers (analysis_id, stage, member, model, answer)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            (&turn.id, place.0, place.1, &answer.model, &answer.json),
        )?;
        if added == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Folder, at, user, with_writer};
    use crate::store::{Reader, users};

    fn thread(n: u32, stage_answers: usize) -> ImportedThread {
        let id = |turn: u32| {
            AnalysisId::new(
                at(1_000 + i64::from(turn)),
                u128::from(n) * 10 + u128::from(turn),
            )
        };
        let answer = ImportedAnswer {
            stage: 0,
            member: 0,
            model: "imported/m".into(),
            json: "{}".into(),
        };
        let turn = |turn: u32| ImportedTurn {
            id: id(turn),
            follows: turn.checked_sub(1).map(id),
            pattern: "plain".into(),
            question: format!("Wie GROẞ ist e-mail {n}?"),
            request: r#"{"models": ["imported/m"], "ultra_model": "imported/w"}"#.into(),
            plan: "{}".into(),
            answer: format!("So groß wie Wert {n}."),
            created: at(1_000),
            models: vec!["imported/m".into(), "imported/w".into()],
            stage_answers: vec![answer.clone(); stage_answers],
        };
        ImportedThread {
            id: ThreadId::from_first_analysis(&id(0)),
            title: format!("Größe {n}"),
            created: at(1_000),
            updated: at(1_001),
            turns: vec![turn(0), turn(1)],
        }
    }

    /// Returns the columns and rows that lists and searches use.
    fn derived_rows(db: &Reader) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        for sql in [
            "SELECT id || question_folded || topic_folded || thread || follows FROM analyses ORDER BY id",
            "SELECT analysis_id || model FROM analysis_models ORDER BY analysis_id, model",
            "SELECT analysis_id || owner || question || answer || terms FROM turn_texts ORDER BY analysis_id",
            "SELECT id || title_folded FROM threads ORDER BY id",
        ] {
            rows.extend(db.all(sql, [], |row| row.get::<_, String>(0))?);
        }
        Ok(rows)
    }

    #[test]
    fn derived_rows_match_those_computed_from_stored_rows() {
        with_writer(|db| {
            let ada = user(1);
            users::insert(db, &ada)?;
            let outcomes = add_threads(db, &ada.id, &[thread(1, 1), thread(2, 1), thread(1, 1)])?;
            assert_eq!(
                outcomes,
                [
                    ImportOutcome::Added,
                    ImportOutcome::Added,
                    ImportOutcome::Present
                ]
            );
            let written = derived_rows(db)?;
            assert_eq!(written.len(), 4 + 8 + 4 + 2);
            for id in db.all("SELECT id FROM analyses", [], |row| row.get::<_, String>(0))? {
                analyses::index::write(db, &id)?;
                turn_texts::ensure_thread(db, &id)?;
            }
            assert_eq!(derived_rows(db)?, written);
            Ok(())
        });
    }

    /// Importing a conversation indexes the members' texts immediately, without waiting for the background task.
    #[test]
    fn the_texts_of_a_panels_members_are_indexed() {
        with_writer(|db| {
            let ada = user(1);
            users::insert(db, &ada)?;
            let mut panel = thread(1, 1);
            let turn = &mut panel.turns[0];
            turn.plan = r#"{"stages": [{"who": "members"}, {"who": "synthesizer"}]}"#.into();
            let answers = ["a draft about Quitten", "the answer"].into_iter();
            let answers = answers.enumerate().map(|(stage, text)| {
                let json = serde_json::json!({
                    "stage": stage, "member": 0, "model": "m", "text": text, "reasoning": "", "cached": false,
                    "latency_ms": 0, "usage": crate::domain::chat::Usage::default(),
                });
                ImportedAnswer {
                    stage,
                    member: 0,
                    model: "m".into(),
                    json: json.to_string(),
                }
            });
            turn.stage_answers = answers.collect();
            let id = turn.id.clone();
            add_threads(db, &ada.id, &[panel])?;
            let sql = "SELECT answer FROM turn_texts WHERE analysis_id = ?1";
            let text = db.query_one(sql, [&id], |row| row.get::<_, String>(0))?;
            assert!(text.contains("Quitten"), "{text}");
            Ok(())
        });
    }

    #[test]
    fn a_conversation_that_conflicts_leaves_nothing_and_the_others_stay() {
        with_writer(|db| {
            let ada = user(1);
            users::insert(db, &ada)?;
            // The first thread has two answers for the same stage and member.
            let outcomes = add_threads(db, &ada.id, &[thread(1, 2), thread(2, 1)])?;
            assert_eq!(outcomes, [ImportOutcome::Refused, ImportOutcome::Added]);
            let left = derived_rows(db)?;
            assert_eq!(left.len(), 2 + 4 + 2 + 1, "{left:?}");
            Ok(())
        });
    }

    #[test]
    fn the_full_text_index_is_written_once_for_many() {
        let folder = Folder::new();
        let written = folder.open_file().write_now(|db| {
            let ada = user(1);
            users::insert(db, &ada)?;
            let threads: Vec<ImportedThread> = (0..60).map(|n| thread(n, 1)).collect();
            add_threads(db, &ada.id, &threads)?;
            let count = "SELECT count(DISTINCT segid) FROM turns_fts_idx";
            let segments = db.query_one(count, [], |row| row.get::<_, i64>(0))?;
            assert!(segments <= 1, "{segments} segments");
            Ok(())
        });
        written.expect("the test's statements");
    }
}
