//! Stores conversations from other programs in a user's history. The existing history is read once at the
//! beginning and each batch is one transaction, so that the work is linear in the number of conversations.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::chat_exports::{self, ForeignThread};
use super::foreign::{self, ForeignConversation};
use super::{ArchivePaths, Counts, Progress, TableCount, pieces, too_large, unreadable};
use crate::app::{Error, Result};
use crate::clock;
use crate::crypto::{random_number, sha256};
use crate::domain::id::{AnalysisId, ThreadId, UserId};
use crate::domain::json;
use crate::domain::request::to_stored;
use crate::domain::thread::{MAX_TITLE, title_of};
use crate::domain::time::Timestamp;
use crate::store::Writer;
use crate::store::archive::{self, ArchiveTable};

/// Conversations per transaction, and bytes of text after which a transaction is committed.
const BATCH: (usize, usize) = (200, 8 << 20);

/// A table of the history with its columns.
#[derive(Clone)]
pub(super) struct HistoryTable {
    table: &'static ArchiveTable,
    columns: Vec<String>,
}

/// A conversation as database rows.
#[derive(Default)]
pub(super) struct ThreadRows {
    /// The thread; `None` for a single analysis, which creates its own.
    thread: Option<Map<String, Value>>,
    analyses: Vec<(String, Map<String, Value>)>,
    answers: Vec<Map<String, Value>>,
}

/// The outcome for a conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StoredAs {
    Added,
    Present,
    /// A row does not fit its table; nothing was stored.
    Refused,
}

/// Adds all conversations in these files to a user's history, skipping those already there.
///
/// # Errors
/// `TooLarge` if a file or a conversation in it exceeds its limit, before anything is changed; `BadRequest` if the
/// files contain no conversation.
pub(super) fn keep(
    place: &ArchivePaths,
    user: &UserId,
    from: &[&Path],
    progress: Progress<'_>,
) -> Result<Counts> {
    let mut all = 0;
    for file in from {
        pieces::each(file, &mut |piece| {
            all += 1;
            match json::is_affordable(piece) {
                true => Ok(()),
                false => Err(too_large("a conversation in it has too many values")),
            }
        })?;
    }
    let mut import = HistoryImport::new(place, user)?;
    let mut done = 0;
    for file in from {
        pieces::each(file, &mut |piece| {
            done += 1;
            import.take(piece)?;
            if import.is_full() {
                import.store()?;
                progress("conversations", done, all);
            }
            Ok(())
        })?;
    }
    import.store()?;
    progress("conversations", done, all);
    let count = import.count;
    if count.added + count.present == 0 {
        return Err(unreadable(
            "it contains no archive, conversation, or export",
        ));
    }
    Ok(vec![("analyses".to_owned(), count)])
}

/// An import in progress.
pub(super) struct HistoryImport<'a> {
    place: &'a ArchivePaths,
    user: &'a UserId,
    threads: HistoryTable,
    analyses: HistoryTable,
    pub answers: HistoryTable,
    /// Hashes of the questions with answers already in the history.
    known: HashSet<[u8; 32]>,
    pub batch: Vec<ThreadRows>,
    bytes: usize,
    pub count: TableCount,
}

impl<'a> HistoryImport<'a> {
    /// Loads the state of the existing history.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub fn new(place: &'a ArchivePaths, user: &'a UserId) -> Result<Self> {
        let whose = user.clone();
        let mut known = HashSet::new();
        let known = place.store.read_now(move |db| {
            archive::each_answer(db, &whose, |question, answer| {
                known.insert(hash(question, answer));
            })?;
            Ok(known)
        })?;
        Ok(Self {
            place,
            user,
            threads: table(place, "threads")?,
            analyses: table(place, "analyses")?,
            answers: table(place, "stage_answers")?,
            known,
            batch: Vec::new(),
            bytes: 0,
            count: TableCount::default(),
        })
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH.0 || self.bytes >= BATCH.1
    }

    fn take(&mut self, piece: &[u8]) -> Result<()> {
        let value: Value = serde_json::from_slice(piece).unwrap_or_default();
        let rows = match chat_exports::thread(&value) {
            Some(thread) => self.thread_rows(&thread)?,
            None => match foreign::past(&value) {
                Some(one) if !self.known.insert(hash(&one.question, &one.answer)) => {
                    self.count.present += 1;
                    return Ok(());
                }
                Some(one) => single_rows(&one)?,
                None => {
                    self.count.refused += 1;
                    return Ok(());
                }
            },
        };
        self.batch.push(rows);
        self.bytes += piece.len();
        Ok(())
    }

    /// Builds a thread with one turn per question. Its IDs are derived from its content, so that a second import
    /// recognizes them.
    ///
    /// # Errors
    /// Returns an error if a row cannot be serialized to JSON.
    pub fn thread_rows(&self, thread: &ForeignThread) -> Result<ThreadRows> {
        let first = &thread.turns[0];
        let source = match thread.source.as_str() {
            "" => crate::crypto::hex(&hash(&first.question, &first.answer)),
            source => source.to_owned(),
        };
        let id = |turn: usize, made: Timestamp| {
            let seed = sha256::hash(format!("{} {source} {turn}", self.user).as_bytes());
            let number = seed[..10]
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u128::from(*byte));
            AnalysisId::new(made, number)
        };
        let mut rows = ThreadRows::default();
        let begun = first.made.unwrap_or_default();
        let thread_id = ThreadId::from_first_analysis(&id(0, begun));
        let mut before = String::new();
        let mut earliest = begun;
        for (turn, one) in thread.turns.iter().enumerate() {
            // Turns are sorted by ID, so each needs a later time than the one before it.
            let made = one.made.unwrap_or_default().max(earliest);
            earliest = made + Duration::from_millis(1);
            let id = id(turn, made);
            rows.add(&id, one, Some((&thread_id, &before)))?;
            before = id.to_string();
        }
        let title = match thread.title.as_str() {
            "" => title_of(&first.question),
            title => title.chars().take(MAX_TITLE).collect(),
        };
        let created = first.made.unwrap_or_else(clock::now).millis();
        let last = thread.turns.iter().filter_map(|turn| turn.made).max();
        rows.thread = object(json!({
            "id": thread_id, "title": title, "created": created,
            "updated": last.map_or(created, |last| last.millis()),
        }));
        Ok(rows)
    }

    /// Stores the batch in one transaction.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub fn store(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let tables = [&self.threads, &self.analyses, &self.answers].map(HistoryTable::clone);
        let user = self.user.clone();
        let stored = self.place.store.write_now(move |db| {
            let each = batch.into_iter();
            each.map(|rows| rows.put(db, &tables, &user))
                .collect::<crate::store::Result<Vec<StoredAs>>>()
        })?;
        for outcome in stored {
            match outcome {
                StoredAs::Added => self.count.added += 1,
                StoredAs::Present => self.count.present += 1,
                StoredAs::Refused => self.count.refused += 1,
            }
        }
        Ok(())
    }
}

/// Builds a single analysis for a conversation in one of the other formats.
fn single_rows(one: &ForeignConversation) -> Result<ThreadRows> {
    let made = one.made.unwrap_or_else(clock::now);
    let mut rows = ThreadRows::default();
    rows.add(&AnalysisId::new(made, random_number()?), one, None)?;
    Ok(rows)
}

impl ThreadRows {
    fn add(
        &mut self,
        id: &AnalysisId,
        one: &ForeignConversation,
        place: Option<(&ThreadId, &str)>,
    ) -> Result<()> {
        let made = one.made.unwrap_or_else(clock::now);
        let (plan, given) = foreign::planned(one);
        let (request, context) = foreign::requested(one, &plan);
        let mut row = json!({
            "id": id, "status": "completed", "pattern": plan.pattern, "question": one.question,
            "request": to_stored(&request, &context).map_err(Error::internal)?,
            "plan": serde_json::to_string(&plan).map_err(Error::internal)?,
            "synthesis": one.answer, "created": made.millis(), "started": made.millis(), "finished": made.millis(),
            "topic": "imported",
        });
        if let Some((thread, follows)) = place {
            row["thread"] = json!(thread);
            row["follows"] = json!(follows);
        }
        self.analyses
            .extend(object(row).map(|row| (id.to_string(), row)));
        for answer in given {
            let text = serde_json::to_string(&answer).map_err(Error::internal)?;
            self.answers.extend(object(json!({
                "analysis_id": id, "stage": answer.stage, "member": answer.member, "model": answer.model, "answer": text,
            })));
        }
        Ok(())
    }

    /// Stores all of the rows or none of them.
    fn put(
        self,
        db: &Writer,
        [threads, analyses, answers]: &[HistoryTable; 3],
        user: &UserId,
    ) -> crate::store::Result<StoredAs> {
        let ids: Vec<String> = self.analyses.iter().map(|(id, _)| id.clone()).collect();
        for id in &ids {
            if archive::owner_of(db, analyses.table, id)?.is_some() {
                return Ok(StoredAs::Present);
            }
        }
        let thread_id = self.thread.as_ref().and_then(|row| row.get("id")?.as_str());
        let thread_id = thread_id.map(str::to_owned);
        let thread = self.thread.into_iter().map(|row| (threads, row));
        let turns = self.analyses.into_iter().map(|(_, row)| (analyses, row));
        let given = self.answers.into_iter().map(|row| (answers, row));
        for (of, row) in thread.chain(turns).chain(given) {
            if !archive::put_columns(db, of.table, &of.columns, user, row)? {
                for id in &ids {
                    archive::remove(db, analyses.table, user, id)?;
                }
                if let Some(id) = &thread_id {
                    archive::remove(db, threads.table, user, id)?;
                }
                return Ok(StoredAs::Refused);
            }
        }
        Ok(StoredAs::Added)
    }
}

/// Returns the description of a history table and the columns that the store has.
///
/// # Errors
/// Returns an error if this version has no such table, or if the store fails.
pub(super) fn table(place: &ArchivePaths, name: &str) -> Result<HistoryTable> {
    let Some(table) = archive::TABLES.iter().find(|table| table.name == name) else {
        return Err(unreadable("this version keeps no history"));
    };
    let columns = place
        .store
        .read_now(move |db| archive::columns(db, table))?;
    Ok(HistoryTable { table, columns })
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(row) => Some(row),
        _ => None,
    }
}

fn hash(question: &str, answer: &str) -> [u8; 32] {
    // The length distinguishes ("ab", "c") from ("a", "bc").
    let mut hasher = sha256::Hasher::new();
    hasher.update(&question.len().to_le_bytes());
    hasher.update(question.as_bytes());
    hasher.update(answer.as_bytes());
    hasher.finish()
}
