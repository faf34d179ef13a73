//! The cache as people deal with it: what it holds and has spared, what is thrown away, and why a call was not
//! found in it. What it is made of is the engine's.

use super::{App, Error, Result};
use crate::domain::analysis::StageAnswer;
use crate::domain::chat::ModelRequest;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::pattern::CallId;
use crate::domain::pattern::staged::StagedRun;
use crate::domain::user::Caller;
pub use crate::engine::CacheMiss;
pub use crate::store::answers::{CacheSelection, CacheStats};
pub use crate::store::savings::Savings;
use crate::store::{answers, savings};

/// Use cases around the cache.
pub struct CacheService<'a>(pub(super) &'a App);

/// One call of an analysis, as the cache sees it.
pub struct CacheLookup {
    /// What was asked.
    pub answer: StageAnswer,
    /// Its key.
    pub key: String,
    /// Why it was asked; none where it was not.
    pub miss: Option<CacheMiss>,
}

impl CacheService<'_> {
    /// What it holds, and what it has spared everybody so far.
    pub async fn stats(&self) -> Result<(CacheStats, Savings)> {
        let read = |db: &_| {
            Ok((
                answers::stats(db)?,
                savings::sum(db, None, i64::MIN, i64::MAX)?,
            ))
        };
        Ok(self.0.store.read(read).await?)
    }

    /// What it has spared a person, or everybody, in a time.
    pub async fn saved(&self, user: Option<&UserId>, from: i64, to: i64) -> Result<Savings> {
        let user = user.cloned();
        let read = move |db: &_| savings::sum(db, user.as_ref(), from, to);
        Ok(self.0.store.read(read).await?)
    }

    /// Throws answers away. Says how many went.
    pub async fn clear(&self, which: CacheSelection) -> Result<usize> {
        Ok(self
            .0
            .store
            .for_freeing()
            .write(move |db| answers::clear(db, &which))
            .await?)
    }

    /// Throws one answer away.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        match self
            .0
            .store
            .for_freeing()
            .write(move |db| answers::delete(db, &key))
            .await?
        {
            true => Ok(()),
            false => Err(Error::missing()),
        }
    }

    /// Of each call of an analysis that was answered: whether it was given again, and if not, what was
    /// different from all that was kept when the analysis began.
    pub async fn explain(&self, caller: &Caller, id: &AnalysisId) -> Result<Vec<CacheLookup>> {
        let report = self.0.analyses().show(caller, id).await?;
        let calls: Vec<(CallId, ModelRequest)> =
            StagedRun::requests(&report.analysis.plan, &report.answers);
        let requests: Vec<ModelRequest> =
            calls.iter().map(|(_, request)| request.clone()).collect();
        let misses = self
            .0
            .engine
            .misses(&caller.user, &requests, report.analysis.created)
            .await?;
        let look = |((call, _), (key, miss)): ((CallId, ModelRequest), (String, CacheMiss))| {
            let is_it = |one: &&StageAnswer| (one.stage, one.member) == (call.stage, call.member);
            let answer = report.answers.iter().find(is_it)?.clone();
            Some(CacheLookup {
                miss: (!answer.cached).then_some(miss),
                answer,
                key,
            })
        };
        Ok(calls.into_iter().zip(misses).filter_map(look).collect())
    }
}
