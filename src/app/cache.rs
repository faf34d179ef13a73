//! Manages the answer cache: shows its contents and savings, deletes answers, and explains cache misses. The engine
//! implements the cache.

use super::analyses::Analyses;
use super::{Error, Result};
use crate::domain::analysis::StageAnswer;
use crate::domain::chat::ModelRequest;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::pattern::CallId;
use crate::domain::pattern::staged::StagedRun;
use crate::domain::user::Caller;
pub use crate::engine::CacheMiss;
use crate::engine::Engine;
pub use crate::store::cache_savings::Savings;
pub use crate::store::cached_answers::{CacheSelection, CacheStats};
use crate::store::{Store, cache_savings, cached_answers};

/// Use cases for the answer cache: statistics, deletion, and explanations of misses.
#[derive(Clone, Copy)]
pub struct CacheService<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) analyses: Analyses<'a>,
}

/// A call of an analysis with its answer, and whether the cache supplied the answer.
pub struct CacheLookup {
    /// The stored answer to the call.
    pub answer: StageAnswer,
    /// The key under which the answer cache looks up the call.
    pub key: String,
    /// Why the call was made; `None` for a cache hit.
    pub miss_reason: Option<CacheMiss>,
}

impl CacheService<'_> {
    /// Returns the contents of the cache and the total savings of all users.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn stats(&self) -> Result<(CacheStats, Savings)> {
        let read = |db: &_| {
            Ok((
                cached_answers::stats(db)?,
                cache_savings::total(db, None, i64::MIN, i64::MAX)?,
            ))
        };
        Ok(self.store.read(read).await?)
    }

    /// Returns the savings of one user, or of all users, from one day to another (inclusive).
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn savings(&self, user: Option<&UserId>, from: i64, to: i64) -> Result<Savings> {
        let user = user.cloned();
        let read = move |db: &_| cache_savings::total(db, user.as_ref(), from, to);
        Ok(self.store.read(read).await?)
    }

    /// Deletes the selected cached answers. Returns their number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub async fn clear(&self, selection: CacheSelection) -> Result<usize> {
        Ok(self
            .store
            .with_reserve()
            .write(move |db| cached_answers::clear(db, &selection))
            .await?)
    }

    /// Deletes one cached answer.
    ///
    /// # Errors
    /// `Missing` if there is no such answer.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        match self
            .store
            .with_reserve()
            .write(move |db| cached_answers::delete(db, &key))
            .await?
        {
            true => Ok(()),
            false => Err(Error::missing()),
        }
    }

    /// Explains each answered call of an analysis: it was a cache hit, or its request differed from everything that was
    /// cached when the analysis was created.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis.
    pub async fn explain(&self, caller: &Caller, id: &AnalysisId) -> Result<Vec<CacheLookup>> {
        let report = self.analyses.show(caller, id).await?;
        let calls: Vec<(CallId, ModelRequest)> =
            StagedRun::requests(&report.analysis.plan, &report.answers);
        let requests: Vec<ModelRequest> =
            calls.iter().map(|(_, request)| request.clone()).collect();
        let misses = self
            .engine
            .cache_misses(&caller.user, &requests, report.analysis.created)
            .await?;
        let look_up = |((call, _), (key, miss)): ((CallId, ModelRequest), (String, CacheMiss))| {
            let is_answer_of_call =
                |answer: &&StageAnswer| (answer.stage, answer.member) == (call.stage, call.member);
            let answer = report.answers.iter().find(is_answer_of_call)?.clone();
            Some(CacheLookup {
                miss_reason: (!answer.cached).then_some(miss),
                answer,
                key,
            })
        };
        Ok(calls.into_iter().zip(misses).filter_map(look_up).collect())
    }
}
