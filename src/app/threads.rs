//! Thread use cases: list, search, read, change, delete, and share. Turns are added by `analyses`.

use std::collections::HashSet;

use super::analyses::{Analyses, AnalysisReport};
use super::{Error, Result};
use crate::crypto;
use crate::domain::id::{AnalysisId, ThreadId};
use crate::domain::search::{SearchQuery, every_word};
use crate::domain::thread::{MAX_TITLE, first_sentence};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::store::audit::{self, AuditEntry};
pub use crate::store::thread_list::ThreadFilter;
pub use crate::store::threads::{ThreadChange, ThreadRow, TurnRow};
pub use crate::store::turn_texts::{SearchScope, TurnMatch};
use crate::store::{Store, projects, thread_list, threads, turn_texts};

/// Number of characters of a snippet before the first match, and in total.
const SNIPPET_CHARS: (usize, usize) = (60, 240);
/// Maximum number of matches highlighted in a snippet.
const MAX_MATCHES: usize = 20;

/// Use cases for threads: list, search, read, change, delete, and share.
#[derive(Clone, Copy)]
pub struct Threads<'a> {
    pub(super) store: &'a Store,
    pub(super) analyses: Analyses<'a>,
}

/// Filter and pagination of a thread list.
#[derive(Debug, Clone)]
pub struct ThreadQuery {
    /// Maximum number of rows.
    pub limit: u32,
    /// Only threads older than this one.
    pub cursor: Option<(Timestamp, ThreadId)>,
    /// Search terms; `None` to list all threads.
    pub words: Option<String>,
    /// Which texts are searched for the terms.
    pub scope: SearchScope,
    /// Whether to read the first sentence of each thread's newest answer.
    pub with_answers: bool,
    /// Filters the threads by project, pin, archive flag, share link, or turn.
    pub filter: ThreadFilter,
}

/// A thread in a list.
#[derive(Debug, Clone)]
pub struct ListedThread {
    /// The thread's own data, without its turns.
    pub row: ThreadRow,
    /// The matching excerpt; `None` without a search, or if only the title matches.
    pub snippet: Option<Snippet>,
    /// The first sentence of the newest turn's answer, if it was requested and there is an answer.
    pub answer: Option<String>,
    /// Number of members of the newest turn's panel; 0 if unknown.
    pub members: usize,
}

/// The text of a turn that a snippet is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnippetSource {
    /// The question of the turn.
    Question,
    /// The final answer of the turn.
    Answer,
    /// The text of a member, which is identified by its letter.
    Member(char),
}

/// An excerpt of a question, an answer, or a member's text that contains the search terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The turn that the text belongs to.
    pub analysis: AnalysisId,
    /// Which of the turn's texts the excerpt is from.
    pub source: SnippetSource,
    /// The excerpted text, to which the ranges in `matches` refer.
    pub text: String,
    /// The matched terms, as byte ranges of the text.
    pub matches: Vec<(usize, usize)>,
}

/// A thread with its turns.
#[derive(Debug, Clone)]
pub struct ThreadReport {
    /// The thread's own data, without its turns.
    pub row: ThreadRow,
    /// Turns of the thread, oldest first.
    pub turns: Vec<TurnRow>,
}

impl Threads<'_> {
    /// Lists the caller's threads, newest first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn list(&self, caller: &Caller, query: ThreadQuery) -> Result<Vec<ListedThread>> {
        let user = caller.user.clone();
        let lookup = self.store.read(move |db| {
            let ThreadQuery {
                limit,
                cursor,
                words,
                scope,
                with_answers,
                mut filter,
            } = query;
            let expression = words.as_deref().and_then(every_word);
            let best = match words.as_deref().zip(expression.as_deref()) {
                Some(search) => turn_texts::best_by_thread(db, &user, search, scope)?,
                None => Default::default(),
            };
            if let Some(words) = &words {
                let ids = best.keys().cloned().collect();
                // A title is derived from a question, so a search in answers ignores it.
                let title = match scope {
                    SearchScope::Answers => "",
                    _ => words.trim(),
                };
                filter.found = Some((ids, title.to_owned()));
            }
            let rows = thread_list::list_of(db, &user, limit, cursor.as_ref(), &filter)?;
            let search = words.as_deref().map(SearchQuery::parse);
            let mut summaries = Vec::new();
            for row in rows {
                let hit = match best.get(&row.id) {
                    Some(number) => turn_texts::by_row(db, &user, *number)?,
                    None => None,
                };
                let snippet = search.as_ref().zip(hit);
                let snippet =
                    snippet.and_then(|(search, hit)| Snippet::from_match(search, hit, scope));
                let newest = row.newest_turn.as_ref().filter(|_| with_answers);
                let answer = match newest {
                    Some((turn, _)) => threads::answer_beginning(db, &user, turn)?,
                    None => None,
                };
                let newest = row.newest_turn.as_ref();
                let members = newest.map(|(turn, _)| threads::panel_size(db, &user, turn));
                summaries.push(ListedThread {
                    members: members.transpose()?.unwrap_or_default(),
                    answer: answer.as_deref().and_then(first_sentence),
                    row,
                    snippet,
                });
            }
            Ok(summaries)
        });
        Ok(lookup.await?)
    }

    /// Returns one of the caller's threads with its turns.
    ///
    /// # Errors
    /// `Missing` if the caller has no such thread. Also fails if the store cannot be read.
    pub async fn show(&self, caller: &Caller, id: &ThreadId) -> Result<ThreadReport> {
        let (user, id) = (caller.user.clone(), id.clone());
        let lookup = self.store.read(move |db| {
            let Some(row) = threads::by_id(db, &user, &id)? else {
                return Ok(None);
            };
            let turns = threads::turns_of(db, &user, &id)?;
            Ok(Some(ThreadReport { row, turns }))
        });
        lookup.await?.ok_or_else(Error::missing)
    }

    /// Returns the ID of the caller's newest thread, if there is one.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn newest(&self, caller: &Caller) -> Result<Option<ThreadId>> {
        let user = caller.user.clone();
        Ok(self
            .store
            .read(move |db| threads::newest(db, &user))
            .await?)
    }

    /// Changes the title, pin, archive flag, or project of a thread.
    ///
    /// # Errors
    /// `Missing` if the caller has no such thread; `BadInput` for an empty or overlong title, or a project that
    /// the caller may not use. Also returns any error from the store.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &ThreadId,
        mut change: ThreadChange,
    ) -> Result<ThreadRow> {
        change.title = change.title.as_deref().map(validate_title).transpose()?;
        let (user, id) = (caller.user.clone(), id.clone());
        let pending_write = self.store.write(move |db| {
            if let Some(Some(project)) = &change.project
                && projects::by_id(db, &user, project)?.is_none()
            {
                return Ok(None);
            }
            threads::change(db, &user, &id, &change)?;
            threads::by_id(db, &user, &id)
        });
        let why = "there is no such project, or you may not use it";
        let unknown = || Error::field(&["body", "project"], "unknown_project", why);
        pending_write.await?.ok_or_else(unknown)
    }

    /// Deletes a thread with all its turns, stopping any that are running first.
    ///
    /// # Errors
    /// `Missing` if the caller has no such thread. Also returns any error from the store.
    pub async fn delete(&self, caller: &Caller, id: &ThreadId, now: Timestamp) -> Result<()> {
        let report = self.show(caller, id).await?;
        for turn in report.turns.iter().filter(|turn| !turn.status.is_over()) {
            self.analyses.cancel(caller, &turn.id).await?;
        }
        let (user, id) = (caller.user.clone(), id.clone());
        let entry = AuditEntry {
            at: now,
            actor: Some(user.clone()),
            action: "thread.delete".to_owned(),
            target: id.as_str().to_owned(),
            ..AuditEntry::default()
        };
        let store = self.store.with_reserve();
        let deleted = store.write(move |db| {
            audit::append(db, &entry)?;
            threads::delete(db, &user, &id)
        });
        Ok(deleted.await?)
    }

    /// Creates the token for a read-only link to a thread. Any older link stops working.
    ///
    /// # Errors
    /// `Missing` if the caller has no such thread. Also returns any error from the store.
    pub async fn share(&self, caller: &Caller, id: &ThreadId) -> Result<String> {
        let token = crypto::token::new()?;
        let hash = crypto::token::hash(&token);
        self.set_share(caller, id, Some(hash)).await?;
        Ok(token)
    }

    /// Removes the read-only link, which then stops working.
    ///
    /// # Errors
    /// `Missing` if the caller has no such thread. Also returns any error from the store.
    pub async fn unshare(&self, caller: &Caller, id: &ThreadId) -> Result<()> {
        self.set_share(caller, id, None).await
    }

    async fn set_share(
        &self,
        caller: &Caller,
        id: &ThreadId,
        hash: Option<[u8; 32]>,
    ) -> Result<()> {
        let (user, id) = (caller.user.clone(), id.clone());
        let pending_write = self
            .store
            .write(move |db| threads::set_share(db, &user, &id, hash.as_ref()));
        Ok(pending_write.await?)
    }

    /// Returns the thread behind a share link, with the publicly visible reports of its turns; `None` if no thread has
    /// this link.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn find_shared(
        &self,
        token: &str,
    ) -> Result<Option<(ThreadReport, Vec<AnalysisReport>)>> {
        let hash = crypto::token::hash(token);
        let lookup = self.store.read(move |db| {
            let Some((user, id)) = threads::by_share_link(db, &hash)? else {
                return Ok(None);
            };
            let Some(row) = threads::by_id(db, &user, &id)? else {
                return Ok(None);
            };
            let turns = threads::turns_of(db, &user, &id)?;
            Ok(Some((user, ThreadReport { row, turns })))
        });
        let Some((user, thread)) = lookup.await? else {
            return Ok(None);
        };
        let mut reports = Vec::new();
        for turn in &thread.turns {
            reports.extend(self.analyses.shared_report(&user, &turn.id).await?);
        }
        Ok(Some((thread, reports)))
    }

    /// Returns a thread with the reports of its turns, oldest first. With `only_turn`, returns only that turn's report.
    ///
    /// # Errors
    /// `Missing` if the caller has no such thread, or if it has no such turn.
    pub async fn reports(
        &self,
        caller: &Caller,
        id: &ThreadId,
        only_turn: Option<&AnalysisId>,
    ) -> Result<(ThreadReport, Vec<AnalysisReport>)> {
        let thread = self.show(caller, id).await?;
        let mut reports = Vec::new();
        for turn in &thread.turns {
            if only_turn.is_none_or(|only_turn| *only_turn == turn.id) {
                reports.push(self.analyses.show(caller, &turn.id).await?);
            }
        }
        if reports.is_empty() {
            return Err(Error::missing());
        }
        Ok((thread, reports))
    }
}

impl Snippet {
    /// Excerpts the text that matches most of the words. Ties are resolved in the order answer, question, newest draft.
    fn from_match(query: &SearchQuery, hit: TurnMatch, scope: SearchScope) -> Option<Self> {
        let question = (SnippetSource::Question, &hit.question);
        let mut answers = vec![(SnippetSource::Answer, &hit.answer)];
        let members = hit.members.iter();
        answers.extend(members.map(|(letter, text)| (SnippetSource::Member(*letter), text)));
        let texts = match scope {
            SearchScope::Everything => {
                answers.insert(1, question);
                answers
            }
            SearchScope::Questions => vec![question],
            SearchScope::Answers => answers,
        };
        let mut best = None;
        let mut most_words = 0;
        for (source, text) in texts {
            let found = query.find_matches(text);
            let words: HashSet<usize> = found.iter().map(|term| term.part_index).collect();
            if words.len() > most_words {
                most_words = words.len();
                best = Some((source, text, found));
            }
        }
        let (source, text, found) = best?;
        let (text, from) = excerpt(text, found.first()?.start);
        let match_ranges = found.iter().filter_map(|term| {
            let range = (term.start.checked_sub(from)?, term.end.checked_sub(from)?);
            (range.1 <= text.len()).then_some(range)
        });
        Some(Self {
            analysis: hit.analysis,
            source,
            matches: match_ranges.take(MAX_MATCHES).collect(),
            text: text.to_owned(),
        })
    }
}

// Returns the text around a position, and the offset at which it begins.
fn excerpt(text: &str, at: usize) -> (&str, usize) {
    let snippet_start = text[..at].char_indices().rev().take(SNIPPET_CHARS.0).last();
    let start = snippet_start.map_or(at, |(start, _)| start);
    // Start at a word boundary, unless the snippet starts at the beginning of the text.
    let start = match text[start..at].find(char::is_whitespace) {
        Some(space) if start > 0 => start + space + 1,
        _ => start,
    };
    let start = (start..=at)
        .find(|&start| text.is_char_boundary(start))
        .unwrap_or(at);
    let end = text[start..].char_indices().nth(SNIPPET_CHARS.1);
    let end = end.map_or(text.len(), |(end, _)| start + end);
    (&text[start..end], start)
}

fn validate_title(title: &str) -> Result<String> {
    let title = title.trim();
    let location = &["body", "title"];
    if title.is_empty() {
        return Err(Error::field(location, "missing", "the title is empty"));
    }
    if title.chars().count() > MAX_TITLE {
        let why = format!("at most {MAX_TITLE} characters");
        return Err(Error::field(location, "too_long", why));
    }
    if title.chars().any(char::is_control) {
        let why = "a title cannot contain control characters";
        return Err(Error::field(location, "value_error", why));
    }
    Ok(title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_marks_the_words_where_they_are() {
        let text = format!(
            "{}the Größe of the paper{}",
            "wörter ".repeat(40),
            " more".repeat(80)
        );
        let hit = TurnMatch {
            analysis: AnalysisId::new(Timestamp::from_millis(1), 1),
            question: "How large?".to_owned(),
            answer: text,
            members: vec![('B', "The paper is blue.".to_owned())],
        };
        let query = SearchQuery::parse("größe paper");
        let snippet =
            Snippet::from_match(&query, hit.clone(), SearchScope::Everything).expect("a match");
        assert_eq!(snippet.source, SnippetSource::Answer);
        assert!(snippet.text.chars().count() <= SNIPPET_CHARS.1);
        let marked_words: Vec<&str> = snippet
            .matches
            .iter()
            .map(|(start, end)| &snippet.text[*start..*end])
            .collect();
        assert_eq!(marked_words, ["Größe", "paper"]);
        let query = SearchQuery::parse("blue paper");
        let snippet =
            Snippet::from_match(&query, hit.clone(), SearchScope::Everything).expect("a match");
        assert_eq!(
            snippet.source,
            SnippetSource::Member('B'),
            "it has both words"
        );
        let query = SearchQuery::parse("blue");
        let snippet = Snippet::from_match(&query, hit, SearchScope::Everything).expect("a match");
        assert_eq!(snippet.source, SnippetSource::Member('B'));
        assert_eq!(snippet.matches, [(13, 17)]);
    }

    #[test]
    fn titles_are_trimmed_and_bounded() {
        assert_eq!(validate_title("  Paper \n"), Ok("Paper".to_owned()));
        for bad in ["", "  ", "a\u{7}b", &"x".repeat(MAX_TITLE + 1)] {
            assert!(validate_title(bad).is_err(), "{bad:?}");
        }
    }
}
