//! The full-text index of threads, with the question, the answer, and the members' texts of each turn. It is written
//! when an analysis is stored and when it ends, and again for analyses from archives and older databases, which may not
//! have a thread yet.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::params::{ToValue, Value};
use super::search;
use super::settings;
use crate::domain::answer::StageAnswer;
use crate::domain::case_folding::fold_case;
use crate::domain::id::{AnalysisId, ThreadId, UserId};
use crate::domain::prompt::letter;
use crate::domain::search::index_terms;
use crate::domain::thread::derive_title;

/// Maximum number of bytes indexed of a question or an answer.
const MAX_TEXT: usize = 64 << 10;
/// Maximum number of bytes indexed of each text of a member.
const MAX_MEMBER_TEXT: usize = 16 << 10;
/// Maximum number of bytes indexed of all members' texts in a turn.
const MAX_MEMBERS_TEXT: usize = 256 << 10;
/// Maximum number of older turns indexed per transaction, because other writes wait for the transaction.
pub const MAX_OLDER: u32 = 20;
/// The setting that records the last older turn whose members' texts have been indexed.
const PROGRESS_SETTING: &str = "turn_texts.members_indexed_down_to";
/// Value of [`PROGRESS_SETTING`] once no older turns remain.
const ALL_INDEXED: &str = "all";
/// Precedes each member's text in the indexed answer. The member's letter and a newline follow it.
const MEMBER_MARK: char = '\u{1e}';
/// Maximum number of turns inserted per statement.
const MAX_ROWS: usize = 500;
/// Maximum number of matching turns considered by a search, best first.
const MAX_MATCHES: u32 = 5_000;

/// Which texts of a turn a search covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchScope {
    /// Titles, questions, and answers.
    #[default]
    Everything,
    /// Titles and questions.
    Questions,
    /// Answers and members' texts.
    Answers,
}

impl SearchScope {
    // Returns the columns of the full-text index to search. `terms` covers both questions and answers, so a search in
    // only one of them uses it only if the words are in a script that the tokenizer cannot split.
    fn columns(self, has_terms: bool) -> &'static str {
        match (self, has_terms) {
            (Self::Everything, _) => "question answer terms",
            (Self::Questions, false) => "question",
            (Self::Questions, true) => "question terms",
            (Self::Answers, false) => "answer",
            (Self::Answers, true) => "answer terms",
        }
    }
}

/// A turn that matches a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnMatch {
    /// The analysis that identifies the turn.
    pub analysis: AnalysisId,
    /// The question, as far as it was indexed.
    pub question: String,
    /// The answer, as far as it was indexed.
    pub answer: String,
    /// The members' texts, as far as they were indexed, each with the member's letter. Later stages come first.
    pub members: Vec<(char, String)>,
}

/// The part of a plan that shows which stages are the panel's.
#[derive(Deserialize, Default)]
struct PlannedStages {
    #[serde(default)]
    stages: Vec<PlannedStage>,
}

#[derive(Deserialize)]
struct PlannedStage {
    #[serde(default)]
    who: String,
}

/// Replaces the indexed text of an analysis with its current text. Does nothing for an analysis without a thread, or if
/// there is no such analysis.
///
/// # Errors
/// Returns an error if the database cannot be read or written.
pub(super) fn write(db: &Writer, id: &str) -> Result<()> {
    let found: Option<(String, String, String, bool)> = db.query_optional(
        "SELECT user_id, question, synthesis, CASE WHEN finished > 0 THEN 1 ELSE 0 END FROM analyses
         WHERE id = ?1 AND thread <> '' AND user_id IS NOT NULL",
        [id],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let Some((owner, question, answer, is_over)) = found else {
        return Ok(());
    };
    let question = indexed_beginning(&question, MAX_TEXT);
    let mut answer = indexed_beginning(&answer, MAX_TEXT).replace(MEMBER_MARK, " ");
    if is_over {
        append_members(db, id, &mut answer)?;
    }
    let answer = answer.as_str();
    let terms = terms_of(question, answer);
    db.run("DELETE FROM turn_texts WHERE analysis_id = ?1", [id])?;
    db.run(
        "INSERT INTO turn_texts (analysis_id, owner, question, answer, terms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        (id, owner, question, answer, &terms),
    )?;
    search::index_turn(db, id, (question, answer, &terms))
}

/// Appends the members' texts that differ from the final answer. Texts of later stages come first, so that they are
/// complete if not everything fits.
fn append_members(db: &Writer, id: &str, answer: &mut String) -> Result<()> {
    let plan: String = db.query_one("SELECT plan FROM analyses WHERE id = ?1", [id], |row| {
        row.get(0)
    })?;
    // A plan that cannot be parsed counts as a plan without a panel, because one invalid old row must not prevent the
    // database from opening.
    let stages = serde_json::from_str::<PlannedStages>(&plan).unwrap_or_default();
    let is_panel = |stage: usize| {
        let stage = stages.stages.get(stage);
        stage.is_some_and(|stage| stage.who == "members")
    };
    let mut seen = HashSet::from([answer.trim().to_owned()]);
    let mut remaining = MAX_MEMBERS_TEXT;
    db.each(
        "SELECT stage, member, answer FROM stage_answers WHERE analysis_id = ?1 ORDER BY stage DESC, member",
        [id],
        |row| {
            let (stage, member): (i64, i64) = (row.get(0)?, row.get(1)?);
            // An answer that cannot be parsed has no text. Like an invalid plan, it must not cause an error.
            let found = serde_json::from_str::<StageAnswer>(row.text(2)?).ok();
            let text = found.filter(|found| is_panel(stage as usize) && (found.answered() || found.is_partial()));
            let text = text.map(|found| found.text).unwrap_or_default();
            let text = indexed_beginning(text.trim(), MAX_MEMBER_TEXT.min(remaining));
            if !text.is_empty() && seen.insert(text.to_owned()) {
                remaining -= text.len();
                answer.extend([MEMBER_MARK, letter(member as usize), '\n']);
                answer.push_str(&text.replace(MEMBER_MARK, " "));
            }
            Ok(remaining > 0)
        },
    )
}

/// Returns whether there are turns left from versions that did not index the members' texts.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn has_older(db: &Reader) -> Result<bool> {
    Ok(settings::get(db, PROGRESS_SETTING)?.as_deref() != Some(ALL_INDEXED))
}

/// Indexes the members' texts of up to `limit` turns from versions that did not index them, newest first. Returns
/// whether turns may be left. The progress is stored in the same transaction.
///
/// # Errors
/// Returns an error if the database cannot be read or written.
pub fn index_older(db: &Writer, limit: u32) -> Result<bool> {
    let ids = next_older(db, limit)?;
    for id in &ids {
        write(db, id)?;
    }
    advance(db, ids.last())
}

/// Skips the next turn from a version that did not index the members' texts. Returns the turn's ID, or `None` if no
/// turn is left.
///
/// # Errors
/// Returns an error if the database cannot be read or written.
pub fn skip_older(db: &Writer) -> Result<Option<String>> {
    let skipped = next_older(db, 1)?.pop();
    advance(db, skipped.as_ref())?;
    Ok(skipped)
}

fn next_older(db: &Reader, limit: u32) -> Result<Vec<String>> {
    // `~` sorts after every ID, so without progress, the first turn is the newest one.
    let before = settings::get(db, PROGRESS_SETTING)?.unwrap_or_else(|| "~".to_owned());
    if before == ALL_INDEXED {
        return Ok(Vec::new());
    }
    db.all(
        "SELECT id FROM analyses WHERE id < ?1 AND thread <> '' AND finished > 0 ORDER BY id DESC LIMIT ?2",
        (&before, limit),
        |row| row.get(0),
    )
}

/// Records that turns have been indexed down to `last`, or that none are left if `last` is `None`. Returns whether
/// turns may be left.
fn advance(db: &Writer, last: Option<&String>) -> Result<bool> {
    let progress = last.map_or(ALL_INDEXED, String::as_str);
    settings::set(db, PROGRESS_SETTING, progress)?;
    Ok(last.is_some())
}

/// Adds the texts of single-member turns that have no text yet. Each statement adds many rows, because FTS5 flushes its
/// changes whenever a statement that may be rolled back begins.
///
/// # Errors
/// Returns an error if a turn already has text, if there is no such analysis, or if the database cannot be written.
pub(super) fn add_missing(
    db: &Writer,
    user: &UserId,
    turns: &[(&AnalysisId, &str, &str)],
) -> Result<()> {
    for turns in turns.chunks(MAX_ROWS) {
        let row = |n: usize| format!("(?{}, ?1, ?{}, ?{}, ?{})", n + 2, n + 3, n + 4, n + 5);
        let rows: Vec<String> = (0..turns.len()).map(|place| row(place * 4)).collect();
        let sql = format!(
            "INSERT INTO turn_texts (analysis_id, owner, question, answer, terms) VALUES {}",
            rows.join(", ")
        );
        let texts: Vec<(&str, &str, &str, String)> = turns
            .iter()
            .map(|(id, question, answer)| {
                let question = indexed_beginning(question, MAX_TEXT);
                let answer = indexed_beginning(answer, MAX_TEXT);
                (id.as_str(), question, answer, terms_of(question, answer))
            })
            .collect();
        let mut params = vec![user.to_value()];
        for (id, question, answer, terms) in &texts {
            params.extend([*id, *question, *answer].map(Value::Text));
            params.push(Value::Text(terms));
        }
        db.run_rarely(&sql, params.as_slice())?;
        for (id, question, answer, terms) in &texts {
            search::index_turn(db, id, (question, answer, terms))?;
        }
    }
    Ok(())
}

/// Returns the additional index terms of a turn's texts, separated by spaces.
fn terms_of(question: &str, answer: &str) -> String {
    let terms = format!("{} {}", index_terms(question), index_terms(answer));
    terms.trim().to_owned()
}

/// Ensures that an analysis in the history is in a thread of its user, creating one with a single turn if needed, and
/// indexes the analysis. Removes other analyses from their threads.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn ensure_thread(db: &Writer, id: &str) -> Result<()> {
    let found: Option<(String, String, i64, bool)> = db.query_optional(
        "SELECT user_id, question, created, CASE WHEN EXISTS (
             SELECT 1 FROM threads t WHERE t.id = thread AND t.user_id = analyses.user_id
         ) THEN 1 ELSE 0 END
         FROM analyses WHERE id = ?1 AND user_id IS NOT NULL AND origin = ''",
        [id],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let Some((user, question, created, is_threaded)) = found else {
        db.run(
            "UPDATE analyses SET thread = '', follows = '' WHERE id = ?1",
            [id],
        )?;
        return Ok(());
    };
    if let (false, Some(analysis)) = (is_threaded, AnalysisId::parse(id)) {
        let (thread, title) = (
            ThreadId::from_first_analysis(&analysis),
            derive_title(&question),
        );
        db.run(
            "INSERT INTO threads (id, user_id, title, title_folded, created, updated)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            (&thread, &user, &title, fold_case(&title), created),
        )?;
        db.run(
            "UPDATE analyses SET thread = ?2, follows = '' WHERE id = ?1",
            (id, &thread),
        )?;
    }
    write(db, id)
}

/// Finds the best matching turn in each of the user's threads, and returns its row by thread. `expression` is an FTS5
/// expression that `domain::search` has built from the user's `words`.
///
/// # Errors
/// Returns an error if the expression is not valid or the database cannot be read.
pub fn best_by_thread(
    db: &Reader,
    user: &UserId,
    (words, expression): (&str, &str),
    scope: SearchScope,
) -> Result<HashMap<ThreadId, i64>> {
    let columns = scope.columns(!index_terms(words).is_empty());
    let mut best = HashMap::new();
    search::for_each_turn(
        db,
        user.as_str(),
        (expression, columns),
        MAX_MATCHES,
        |row| {
            if let Some(thread) = ThreadId::parse(row.text(0)?) {
                let row = row.get(1)?;
                best.entry(thread).or_insert(row);
            }
            Ok(true)
        },
    )?;
    Ok(best)
}

/// Returns the indexed turn in a row if it belongs to this user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_row(db: &Reader, user: &UserId, row: i64) -> Result<Option<TurnMatch>> {
    db.query_optional(
        "SELECT x.analysis_id, x.question, x.answer
         FROM turn_texts x JOIN analyses a ON a.id = x.analysis_id
         WHERE x.id = ?2 AND a.user_id = ?1",
        (user, row),
        |row| {
            let mut texts = row.text(2)?.split(MEMBER_MARK);
            let answer = texts.next().unwrap_or_default().to_owned();
            let members = texts.filter_map(|text| {
                let (letter, text) = text.split_once('\n')?;
                Some((letter.chars().next()?, text.to_owned()))
            });
            Ok(TurnMatch {
                analysis: row.get(0)?,
                question: row.get(1)?,
                answer,
                members: members.collect(),
            })
        },
    )
}

fn indexed_beginning(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
