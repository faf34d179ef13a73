//! Analysis use cases: start, watch, read, stop, and share. Checks permissions; `domain` has the rules of a run, and
//! `engine` executes it.

mod check;
mod context_allocation;
mod conversation;
mod evidence;
mod follow_up;
mod forecast;
mod history_budgets;
mod pictures;
mod plan;
mod relay;
mod report;
mod rerun;
mod resume;
mod retrieval;
mod share;
mod standings;
mod start;
mod stopped;
mod unstored;

use std::time::Duration;

use super::documents::DocumentService;
use super::fallbacks::Fallbacks;
use super::key_limits::KeyLimitService;
use super::meaning_search::SemanticSearch;
use super::models::ModelService;
use super::patterns::Patterns;
use super::recipes::Recipes;
use super::usage::UsageService;
use super::{Error, Result};
use crate::domain::analysis::{Analysis, Plan, RunDeadlines, Status};
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::plan::EvidenceMode;
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::engine::Engine;
pub use crate::engine::{CancelOnDrop, Finished, PublishedEvent, RunOutcome, RunWatch};
use crate::llm::Llm;
pub use crate::store::analyses::{HistoryFilter, HistoryRow};
use crate::store::audit::{self, AuditEntry};
use crate::store::call_log;
pub use crate::store::call_log::CallRecord;
pub use crate::store::threads::TurnLocation;
use crate::store::{self, Reader, Store, analyses, comparisons, threads};

pub(super) use check::MAX_PROMPT;
pub use forecast::AnalysisForecast;
pub use report::AnalysisReport;
use report::ComparisonOffer;
pub use rerun::RerunForecast;

/// Use cases for analyses: start, watch, read, stop, and share.
#[derive(Clone, Copy)]
pub struct Analyses<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) llm: &'a Llm,
    pub(super) documents: &'a DocumentService,
    pub(super) patterns: Patterns<'a>,
    pub(super) models: ModelService<'a>,
    pub(super) fallbacks: Fallbacks<'a>,
    pub(super) recipes: Recipes<'a>,
    pub(super) usage: UsageService<'a>,
    pub(super) key_limits: KeyLimitService<'a>,
    pub(super) semantic_search: SemanticSearch<'a>,
    /// The installation's secret key, from which the delimiters around documents are derived.
    pub(super) secret: &'a str,
    /// Server-wide time limits for a run.
    pub(super) deadlines: RunDeadlines,
    /// Number of analyses per offer of a blind comparison, unless the user has set another interval; 0 means never.
    pub(super) compare_every: u64,
    /// Default for requests that do not specify whether a model compares the answers.
    pub(super) evidence: EvidenceMode,
    /// Whether callers without an account may run analyses, on demo models only.
    pub(super) allows_anonymous: bool,
}

/// A run that was accepted and started, with what its client needs to follow it.
pub struct StartedRun {
    /// ID of the analysis, under which the client finds the results later. Relayed calls are not stored.
    pub id: AnalysisId,
    /// Resolves when the run ends.
    pub finished: Finished,
    /// Stops the run when dropped; `None` for a detached run.
    pub guard: Option<CancelOnDrop>,
    /// The events of a relayed call, which are not stored; `None` for other runs.
    pub run_watch: Option<RunWatch>,
}

fn cache_age(plan: &Plan) -> Option<Duration> {
    let seconds = plan.cache_max_age_s?;
    Some(Duration::from_secs(seconds.into()))
}

impl Analyses<'_> {
    /// Returns one of the caller's analyses with its results.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis. Also fails if the store cannot be read.
    pub async fn show(&self, caller: &Caller, id: &AnalysisId) -> Result<AnalysisReport> {
        let user = Some(caller.user.clone());
        self.report(user, id.clone(), None).await
    }

    /// Returns an analysis whose run has just ended, including results that could not be stored.
    ///
    /// # Errors
    /// Returns an error if the analysis is not the caller's or the store cannot be read.
    pub async fn show_ended(
        &self,
        caller: Option<&Caller>,
        id: &AnalysisId,
        outcome: RunOutcome,
    ) -> Result<AnalysisReport> {
        let user = caller.map(|caller| caller.user.clone());
        self.report(user, id.clone(), Some(outcome)).await
    }

    async fn report(
        &self,
        user: Option<UserId>,
        id: AnalysisId,
        outcome: Option<RunOutcome>,
    ) -> Result<AnalysisReport> {
        let lookup = self.store.read(move |db| {
            let Some(analysis) = analyses::by_id(db, user.as_ref(), &id)? else {
                return Ok(None);
            };
            let answers = analyses::answers_of(db, &id)?;
            let offer = match &user {
                Some(user) if !comparisons::is_decided(db, &id)? => {
                    ComparisonOffer::AtInterval(comparisons::compare_interval(db, user)?)
                }
                _ => ComparisonOffer::Never,
            };
            let calls = calls_of(db, &analysis)?;
            let vote = user.as_ref().map(|user| analyses::vote_of(db, user, &id));
            let vote = vote.transpose()?.flatten();
            let position = user.as_ref().map(|user| threads::place_of(db, user, &id));
            let position = position.transpose()?.flatten();
            Ok(Some((analysis, answers, calls, offer, vote, position)))
        });
        let (mut analysis, mut answers, calls, offer, vote, position) =
            lookup.await?.ok_or_else(Error::missing)?;
        if let Some(outcome) = outcome {
            unstored::fill_from_outcome(&mut analysis, &mut answers, outcome);
        }
        let report = self.report_of(analysis, answers, calls, offer);
        Ok(AnalysisReport {
            vote,
            thread_position: position,
            ..report
        })
    }

    /// Returns the position of one of the caller's analyses in its thread; `None` if it is not in the
    /// history.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn thread_position(
        &self,
        caller: &Caller,
        id: &AnalysisId,
    ) -> Result<Option<TurnLocation>> {
        let (user, id) = (caller.user.clone(), id.clone());
        let lookup = self.store.read(move |db| threads::place_of(db, &user, &id));
        Ok(lookup.await?)
    }

    /// Lists the caller's analyses, newest first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn list(&self, caller: &Caller, query: HistoryQuery) -> Result<Vec<HistoryRow>> {
        let user = caller.user.clone();
        let HistoryQuery {
            limit,
            cursor,
            filter,
        } = query;
        let lookup =
            move |db: &Reader| analyses::list_of(db, &user, limit, cursor.as_ref(), &filter);
        Ok(self.store.read(lookup).await?)
    }

    /// Follows the events after a sequence number: first the stored ones, then new ones until the final event.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis. Also fails if the store cannot be read.
    pub async fn watch(
        &self,
        caller: Option<&Caller>,
        id: &AnalysisId,
        after: u64,
    ) -> Result<RunWatch> {
        let (user, target_id) = (caller.map(|caller| caller.user.clone()), id.clone());
        let status = self
            .store
            .read(move |db| analyses::status_of(db, user.as_ref(), &target_id))
            .await?;
        status.ok_or_else(Error::missing)?;
        Ok(self.engine.watch(id.clone(), after))
    }

    /// Stops a run and returns its status. Stopping a finished run changes nothing.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis. Also returns any error from the store.
    pub async fn cancel(&self, caller: &Caller, id: &AnalysisId) -> Result<Status> {
        let report = self.show(caller, id).await?;
        if report.analysis.status.is_over() {
            return Ok(report.analysis.status);
        }
        self.stop(id, "stopped by its owner").await?;
        Ok(self.show(caller, id).await?.analysis.status)
    }

    /// Deletes an analysis with its answers and events, stopping it first if it is running.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis. Also returns any error from the store.
    pub async fn delete(&self, caller: &Caller, id: &AnalysisId, now: Timestamp) -> Result<()> {
        self.show(caller, id).await?;
        self.stop(id, "deleted by its owner").await?;
        let (user, id) = (caller.user.clone(), id.clone());
        let entry = audit_entry(now, Some(&user), "analysis.delete", &id);
        let store = self.store.with_reserve();
        let deleted = store.write(move |db| {
            audit::append(db, &entry)?;
            analyses::delete(db, Some(&user), &id)
        });
        if deleted.await? {
            Ok(())
        } else {
            Err(Error::missing())
        }
    }

    /// Stores the caller's vote on a result, replacing an earlier one.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis; `BadInput` for an unknown choice. Also returns any error from
    /// the store.
    pub async fn vote(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        choice: &str,
        now: Timestamp,
    ) -> Result<()> {
        const CHOICES: &[&str] = &["helpful", "not_helpful", "panel", "single", "tie"];
        if !CHOICES.contains(&choice) {
            return Err(Error::field(
                &["body", "choice"],
                "value_error",
                format!("must be one of {}", CHOICES.join(", ")),
            ));
        }
        self.show(caller, id).await?;
        let (user, id, choice) = (caller.user.clone(), id.clone(), choice.to_owned());
        Ok(self
            .store
            .write(move |db| analyses::put_vote(db, &user, &id, &choice, now))
            .await?)
    }
}

/// Filter and pagination of an analysis list.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// Maximum number of rows.
    pub limit: u32,
    /// Only analyses older than this one.
    pub cursor: Option<AnalysisId>,
    /// Only analyses that match this status, pattern, model, time, or text.
    pub filter: HistoryFilter,
}

fn calls_of(db: &Reader, analysis: &Analysis) -> store::Result<Vec<CallRecord>> {
    let end = analysis
        .finished
        .unwrap_or(Timestamp::from_millis(i64::MAX));
    let span = (analysis.created, end);
    call_log::of_analysis(db, analysis.user.as_ref(), &analysis.id, span)
}

fn audit_entry(at: Timestamp, actor: Option<&UserId>, action: &str, id: &AnalysisId) -> AuditEntry {
    AuditEntry {
        at,
        actor: actor.cloned(),
        action: action.to_owned(),
        target: id.as_str().to_owned(),
        ..AuditEntry::default()
    }
}
