//! Stores conversations from other programs in a user's history. The existing history is read once at the
//! beginning and each batch is one transaction, so that the work is linear in the number of conversations.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::chat_exports::{self, ExternalConversation};
use super::foreign::{self, ExternalTurn};
use super::{
    ArchivePaths, Counts, Progress, TableCount, pieces, too_large_error, unreadable_error,
};
use crate::app::{Error, Result};
use crate::clock;
use crate::crypto::{random_number, sha256};
use crate::domain::id::{AnalysisId, ThreadId, UserId};
use crate::domain::json;
use crate::domain::request::to_stored;
use crate::domain::thread::{MAX_TITLE, derive_title};
use crate::domain::time::Timestamp;
use crate::store::archive;
use crate::store::imported::{self, ImportOutcome, ImportedAnswer, ImportedThread, ImportedTurn};

/// Maximum number of conversations per transaction, and the number of bytes of text after which a transaction
/// is committed.
const BATCH_LIMITS: (usize, usize) = (200, 8 << 20);

/// Adds all conversations in these files to a user's history, skipping those already there.
///
/// # Errors
/// `TooLarge` if a file or a conversation in it exceeds its limit, before anything is changed; `BadRequest` if the
/// files contain no conversation.
pub(super) fn import_conversations(
    archive_paths: &ArchivePaths,
    user: &UserId,
    from: &[&Path],
    progress: Progress<'_>,
) -> Result<Counts> {
    let mut all = 0;
    for file in from {
        pieces::for_each_piece(file, &mut |piece| {
            all += 1;
            match json::is_affordable(piece) {
                true => Ok(()),
                false => Err(too_large_error("a conversation in it has too many values")),
            }
        })?;
    }
    let mut import = HistoryImport::new(archive_paths, user)?;
    let mut piece_count = 0;
    for file in from {
        pieces::for_each_piece(file, &mut |piece| {
            piece_count += 1;
            import.add_piece(piece)?;
            if import.is_full() {
                import.store()?;
                progress("conversations", piece_count, all);
            }
            Ok(())
        })?;
    }
    import.store()?;
    progress("conversations", piece_count, all);
    let count = import.count;
    if count.added + count.present == 0 {
        return Err(unreadable_error(
            "it is not an archive or an export with conversations",
        ));
    }
    Ok(vec![("analyses".to_owned(), count)])
}

/// The state of an import of conversations into the history.
pub(super) struct HistoryImport<'a> {
    paths: &'a ArchivePaths,
    user: &'a UserId,
    /// Hashes of the question-and-answer pairs that are already in the history or in this import.
    known_questions: HashSet<[u8; 32]>,
    pub batch: Vec<ImportedThread>,
    bytes: usize,
    pub count: TableCount,
}

impl<'a> HistoryImport<'a> {
    /// Starts an import: loads the hashes of the user's existing question-and-answer pairs.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub fn new(archive_paths: &'a ArchivePaths, user: &'a UserId) -> Result<Self> {
        let user_id = user.clone();
        let mut known_hashes = HashSet::new();
        let known_hashes = archive_paths.store.read_now(move |db| {
            archive::for_each_answer(db, &user_id, |question, answer| {
                known_hashes.insert(hash(question, answer));
            })?;
            Ok(known_hashes)
        })?;
        Ok(Self {
            paths: archive_paths,
            user,
            known_questions: known_hashes,
            batch: Vec::new(),
            bytes: 0,
            count: TableCount::default(),
        })
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_LIMITS.0 || self.bytes >= BATCH_LIMITS.1
    }

    fn add_piece(&mut self, piece: &[u8]) -> Result<()> {
        let value: Value = serde_json::from_slice(piece).unwrap_or_default();
        let thread = match chat_exports::parse_thread(&value) {
            Some(thread) => self.build_thread(&thread)?,
            None => match foreign::parse_conversation(&value) {
                Some(conversation)
                    if !self
                        .known_questions
                        .insert(hash(&conversation.question, &conversation.answer)) =>
                {
                    self.count.present += 1;
                    return Ok(());
                }
                Some(conversation) => single_turn_thread(&conversation)?,
                None => {
                    self.count.refused += 1;
                    return Ok(());
                }
            },
        };
        self.batch.push(thread);
        self.bytes += piece.len();
        Ok(())
    }

    /// Builds a thread with one turn per question. Its IDs are derived from its content, so that a second import
    /// recognizes them.
    ///
    /// # Errors
    /// Returns an error if a request, a plan, or an answer cannot be written as JSON.
    pub fn build_thread(&self, thread: &ExternalConversation) -> Result<ImportedThread> {
        let first = &thread.turns[0];
        let source = match thread.source_id.as_str() {
            "" => crate::crypto::hex(&hash(&first.question, &first.answer)),
            source => source.to_owned(),
        };
        let id = |turn: usize, created: Timestamp| {
            let seed = sha256::hash(format!("{} {source} {turn}", self.user).as_bytes());
            let number = seed[..10]
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u128::from(*byte));
            AnalysisId::new(created, number)
        };
        let started = first.created.unwrap_or_default();
        let mut turns: Vec<ImportedTurn> = Vec::with_capacity(thread.turns.len());
        let mut earliest = started;
        for (turn, conversation) in thread.turns.iter().enumerate() {
            // Turns are sorted by ID, so each needs a later time than the one before it.
            let created = conversation.created.unwrap_or_default().max(earliest);
            earliest = created + Duration::from_millis(1);
            let follows = turns.last().map(|last| last.id.clone());
            turns.push(imported_turn(id(turn, created), follows, conversation)?);
        }
        let title = match thread.title.as_str() {
            "" => derive_title(&first.question),
            title => title.chars().take(MAX_TITLE).collect(),
        };
        let created = first.created.unwrap_or_else(clock::now);
        let last = thread.turns.iter().filter_map(|turn| turn.created).max();
        Ok(ImportedThread {
            id: ThreadId::from_first_analysis(&id(0, started)),
            title,
            created,
            updated: last.unwrap_or(created),
            turns,
        })
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
        let user = self.user.clone();
        let store = &self.paths.store;
        let outcomes = store.write_now(move |db| imported::add_threads(db, &user, &batch))?;
        for outcome in outcomes {
            match outcome {
                ImportOutcome::Added => self.count.added += 1,
                ImportOutcome::Present => self.count.present += 1,
                ImportOutcome::Refused => self.count.refused += 1,
            }
        }
        Ok(())
    }
}

/// Converts a conversation in a format without threads to a thread with one analysis.
fn single_turn_thread(conversation: &ExternalTurn) -> Result<ImportedThread> {
    let created = conversation.created.unwrap_or_else(clock::now);
    let id = AnalysisId::new(created, random_number()?);
    Ok(ImportedThread {
        id: ThreadId::from_first_analysis(&id),
        title: derive_title(&conversation.question),
        created,
        updated: created,
        turns: vec![imported_turn(id, None, conversation)?],
    })
}

fn imported_turn(
    id: AnalysisId,
    follows: Option<AnalysisId>,
    conversation: &ExternalTurn,
) -> Result<ImportedTurn> {
    let (plan, stage_answers) = foreign::plan_and_answers(conversation);
    let (request, context) = foreign::request_and_context(conversation, &plan);
    let models = request.models.iter().chain(&request.ultra_model);
    let answers = stage_answers.iter().map(|answer| {
        Ok(ImportedAnswer {
            stage: answer.stage,
            member: answer.member,
            model: answer.model.clone(),
            json: serde_json::to_string(answer).map_err(Error::internal)?,
        })
    });
    Ok(ImportedTurn {
        id,
        follows,
        models: models.cloned().collect(),
        request: to_stored(&request, &context).map_err(Error::internal)?,
        plan: serde_json::to_string(&plan).map_err(Error::internal)?,
        stage_answers: answers.collect::<Result<_>>()?,
        pattern: plan.pattern,
        question: conversation.question.clone(),
        answer: conversation.answer.clone(),
        created: conversation.created.unwrap_or_else(clock::now),
    })
}

fn hash(question: &str, answer: &str) -> [u8; 32] {
    // Hashing the length distinguishes ("ab", "c") from ("a", "bc").
    let mut hasher = sha256::Hasher::new();
    hasher.update(&question.len().to_le_bytes());
    hasher.update(question.as_bytes());
    hasher.update(answer.as_bytes());
    hasher.finish()
}
