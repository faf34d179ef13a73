//! Stores a run's events before publishing them, so that every event that a client has seen still exists after a crash,
//! under the same number. Exceptions are relayed calls, and awaited runs whose events cannot be stored. Deltas are
//! merged before they are written.

mod delta_merge;
mod findings;
mod partial_bills;
mod pending;
mod relay;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delta_merge::{is_same_text, is_text, merge};

use super::answer_cache::LeaderGuard;
use super::outcome::UnstoredResults;
use super::run_channel::{PublishedEvent, RelayAudience, RunChannel};
use crate::clock;
use crate::domain::analysis::StageAnswer;
use crate::domain::citation::Citations;
use crate::domain::event::{RunEvent, RunTotals};
use crate::domain::findings::Findings;
use crate::domain::id::{AnalysisId, KeyId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::PatternOutcome;
use crate::domain::time::Timestamp;
use crate::domain::usage::CallCharge;
use crate::log;
use crate::store::events::{self, StoredEvent};
use crate::store::servers::{self, RunLease};
use crate::store::{
    Store, StoreError, Writer, analyses, api_keys, cache_savings, cached_answers, call_log, usage,
};

/// Buffers a run's events and results on their way to the store.
pub(super) struct Journal {
    store: Store,
    channel: Arc<RunChannel>,
    id: AnalysisId,
    user: Option<UserId>,
    key: Option<KeyId>,
    last_seq: u64,
    events: Vec<RunEvent>,
    answers: Vec<StageAnswer>,
    charges: Vec<CallCharge>,
    cacheable: Vec<AnswerToCache>,
    hits: Vec<CacheHit>,
    /// Size limit of the answer cache, in bytes, to enforce with the next write; `None` if no check is due.
    purge: Option<u64>,
    is_started: bool,
    /// When the run's first event arrived.
    started_at: Option<Timestamp>,
    /// Texts that have started, by stage and model; both are empty for the synthesis.
    open_texts: HashSet<(String, String)>,
    is_urgent: bool,
    /// Stage durations in ms, by name.
    durations: Vec<(String, u64)>,
    is_awaited: bool,
    /// The lease under which this server runs the analysis; `None` if the database is embedded.
    lease: Option<RunLease>,
    /// The audience of a relayed call, whose events are not stored; `None` for an analysis.
    relay: Option<RelayAudience>,
    /// Batches not stored yet: the one being written and, for an awaited run, those whose writing failed.
    pending_batches: Vec<Arc<JournalBatch>>,
    /// Number of batches at the beginning of `pending_batches` that may have been stored: their commits had
    /// unknown outcomes.
    uncertain_batches: usize,
    /// When to retry after a failed write.
    retry_at: Option<Instant>,
}

impl Journal {
    pub fn new(
        store: Store,
        channel: Arc<RunChannel>,
        id: AnalysisId,
        (user, key): (Option<UserId>, Option<KeyId>),
        last: u64,
    ) -> Self {
        Self {
            store,
            channel,
            id,
            user,
            key,
            last_seq: last,
            events: Vec::new(),
            answers: Vec::new(),
            charges: Vec::new(),
            cacheable: Vec::new(),
            hits: Vec::new(),
            purge: None,
            is_started: false,
            started_at: None,
            open_texts: HashSet::new(),
            is_urgent: false,
            durations: Vec::new(),
            is_awaited: false,
            lease: None,
            relay: None,
            pending_batches: Vec::new(),
            uncertain_batches: 0,
            retry_at: None,
        }
    }

    /// Marks the run as awaited by a connection. Its events are then published even if they cannot be stored.
    pub fn with_awaited(self, is_awaited: bool) -> Self {
        Self { is_awaited, ..self }
    }

    /// Sets the lease that the run must still hold whenever something is stored.
    pub fn with_lease(self, lease: Option<RunLease>) -> Self {
        Self { lease, ..self }
    }

    /// Returns whether everything up to the last flush has been stored. False for a relayed call with
    /// charges, because its usage is recorded only when the call ends.
    pub fn is_stored(&self) -> bool {
        self.pending_batches.is_empty() && (self.relay.is_none() || self.charges.is_empty())
    }

    /// Returns the findings and citations of a finished run that are not stored yet; `None` if everything is stored.
    pub fn unstored_run(&self) -> Option<UnstoredResults> {
        let last = self.pending_batches.last()?;
        let outcome_findings = last
            .outcome
            .as_ref()
            .and_then(|(_, findings)| findings.clone());
        let (findings, citations) = outcome_findings
            .map_or((None, None), |(findings, citations)| {
                (Some(findings), citations)
            });
        Some(UnstoredResults {
            findings,
            citations,
        })
    }

    /// Tries once to store the remaining batches. Returns whether it succeeded.
    pub async fn store_rest(&mut self) -> bool {
        self.store_pending(&[]).await.is_ok()
    }

    fn pending_answers(&self) -> Vec<StageAnswer> {
        let batches = self.pending_batches.iter();
        batches
            .flat_map(|batch| batch.answers.iter().cloned())
            .collect()
    }

    pub fn push(&mut self, event: RunEvent) {
        self.started_at.get_or_insert_with(clock::now);
        if self.relay.is_none() {
            self.track_open_text(&event);
        }
        // Merge with an earlier piece of the same text only if nothing but text lies in between: after any other event,
        // such as a restart, a member begins a new text.
        let mergeable = self
            .events
            .iter_mut()
            .rev()
            .take_while(|previous| is_text(previous))
            .find(|previous| is_same_text(previous, &event));
        if mergeable.is_some_and(|previous| merge(previous, &event)) {
            return;
        }
        self.events.push(event);
    }

    fn track_open_text(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Delta { stage, model, .. } | RunEvent::Reasoning { stage, model, .. } => {
                self.is_urgent |= self.open_texts.insert((stage.clone(), model.clone()));
            }
            RunEvent::SynthesisDelta { .. } => {
                self.is_urgent |= self.open_texts.insert(Default::default())
            }
            RunEvent::MemberStarted { stage, model, .. } => {
                self.open_texts.remove(&(stage.clone(), model.clone()));
                self.open_texts.remove(&Default::default());
            }
            RunEvent::StageCompleted {
                stage, duration_ms, ..
            } => self.durations.push((stage.clone(), *duration_ms)),
            _ => {}
        }
    }

    /// Returns whether a text has started since the last flush, so that readers should see it without delay.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    pub fn push_answer(&mut self, answer: StageAnswer) {
        self.answers.push(answer);
    }

    /// Adds charges, to be stored in the same transaction as the results of their calls.
    pub fn charge(&mut self, charges: Vec<CallCharge>) {
        partial_bills::add_partial_bills(&mut self.answers, &charges);
        self.charges.extend(charges);
    }

    /// Replaces the totals in the final event with more complete ones.
    pub fn set_final_totals(&mut self, known: &RunTotals) {
        if let Some(
            RunEvent::Completed(totals)
            | RunEvent::Failed { totals, .. }
            | RunEvent::Cancelled { totals, .. },
        ) = self.events.last_mut()
        {
            *totals = known.clone();
        }
    }

    /// Returns whether any call has ended whose answer or usage has not been stored yet.
    pub fn has_unstored_calls(&self) -> bool {
        !(self.answers.is_empty() && self.charges.is_empty() && self.pending_batches.is_empty())
    }

    /// Queues an answer for the cache; it is added with the next write. Callers that wait for the answer are
    /// woken after that.
    pub fn cache_answer(&mut self, keeping: AnswerToCache, purge: Option<u64>) {
        self.cacheable.push(keeping);
        self.purge = purge.or(self.purge);
    }

    /// Records a cache hit, to be stored with the next write.
    pub fn record_hit(&mut self, key: String, cached: &cached_answers::CachedAnswer) {
        let usage = &cached.answer.usage;
        self.hits.push(CacheHit {
            key,
            model: cached.model.clone(),
            cost: cached.cost,
            tokens: usage.input + usage.output,
        });
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.answers.is_empty()
            && self.charges.is_empty()
            && self.hits.is_empty()
    }

    /// Stores everything buffered in a single transaction, then publishes it.
    ///
    /// # Errors
    /// Returns an error if the store fails after all retries. An awaited run continues unstored instead, unless the
    /// analysis was deleted or has already ended ([`StoreError::Missing`], [`StoreError::Conflict`]).
    pub async fn flush(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.is_passthrough() {
            self.publish_buffered();
            return Ok(());
        }
        self.write(now, None).await
    }

    /// Flushes, and stores the end of the run in the same transaction.
    ///
    /// # Errors
    /// Returns the same errors as [`Journal::flush`].
    pub async fn finish(
        &mut self,
        now: Timestamp,
        outcome: PatternOutcome,
    ) -> Result<(), StoreError> {
        if self.is_passthrough() {
            self.publish_buffered();
            return Ok(());
        }
        let run_findings = self.compute_findings(&outcome).await;
        if let Some((findings, _)) = &run_findings {
            self.push_evidence_ready(&findings.evidence);
        }
        self.write(now, Some((outcome, run_findings))).await
    }

    async fn write(&mut self, now: Timestamp, outcome: Option<RunEnd>) -> Result<(), StoreError> {
        if self.is_empty() && outcome.is_none() {
            return Ok(());
        }
        self.is_urgent = false;
        let ends = outcome.is_some();
        // Callers that wait for the same call may continue after this attempt, whether or not it succeeds.
        let _leaders: Vec<LeaderGuard> = (self.cacheable.iter_mut())
            .filter_map(|keeping| keeping.leader.take())
            .collect();
        let batch = Arc::new(self.batch(now, outcome)?);
        let events = batch.events.clone();
        self.pending_batches.push(batch);
        let pauses = match (self.is_awaited, self.retry_at) {
            (false, _) => &RETRY_PAUSES[..],
            (true, None) => &RETRY_PAUSES[..AWAITED_RETRIES],
            (true, Some(at)) if ends || clock::instant() >= at => &[],
            (true, Some(_)) => {
                self.channel.publish_unstored(events);
                return Ok(());
            }
        };
        match self.store_pending(pauses).await {
            Ok(()) => {
                self.channel.publish(events);
                if let Some(membership) = self.store.membership() {
                    membership.announce_events(&self.id);
                }
            }
            Err(error @ (StoreError::Missing | StoreError::Conflict(_))) => return Err(error),
            Err(error) if self.is_awaited => {
                let error = format!("{error:?}");
                log::error(
                    "analysis continues unstored",
                    &[("analysis", &self.id), ("fault", &error)],
                );
                self.retry_at = Some(clock::instant() + UNSTORED_RETRY_INTERVAL);
                self.channel.publish_unstored(events);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn batch(
        &mut self,
        now: Timestamp,
        outcome: Option<RunEnd>,
    ) -> Result<JournalBatch, StoreError> {
        let mut events = Vec::with_capacity(self.events.len());
        for event in self.events.drain(..) {
            self.last_seq += 1;
            let data = serde_json::to_string(&event)
                .map_err(|error| StoreError::Failed(error.to_string()))?;
            let stored_event = StoredEvent {
                seq: self.last_seq,
                kind: event.name().to_owned(),
                data,
            };
            events.push(PublishedEvent {
                stored_event,
                event: Some(event),
            });
        }
        let is_first = !std::mem::replace(&mut self.is_started, true);
        Ok(JournalBatch {
            id: self.id.clone(),
            user: self.user.clone(),
            key: self.key.clone(),
            lease: self.lease,
            now,
            started_at: is_first.then(|| self.started_at.unwrap_or(now)),
            events,
            answers: std::mem::take(&mut self.answers),
            charges: std::mem::take(&mut self.charges),
            cacheable: std::mem::take(&mut self.cacheable),
            hits: std::mem::take(&mut self.hits),
            purge: self.purge.take(),
            outcome,
        })
    }
}

/// Pauses between the attempts to store a batch, about half a minute in total.
const RETRY_PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(15),
];
/// How many of [`RETRY_PAUSES`] to use if a connection waits for the run.
const AWAITED_RETRIES: usize = 2;
/// Interval at which a run that continues without being stored tries again to store its events.
const UNSTORED_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// An answer to add to the cache.
pub(super) struct AnswerToCache {
    pub key: String,
    pub cached_answer: cached_answers::CachedAnswer,
    pub ttl: Duration,
    /// Held until the answer is stored; other callers wait until it is dropped.
    pub leader: Option<LeaderGuard>,
}

/// A call that the cache answered, which is still to be recorded.
struct CacheHit {
    key: String,
    model: String,
    cost: Option<MicroDollars>,
    tokens: u64,
}

/// How a run ended, and the findings and citations of its answers.
type RunEnd = (PatternOutcome, Option<(Findings, Option<Citations>)>);

/// Everything to store in a single transaction.
pub(super) struct JournalBatch {
    id: AnalysisId,
    user: Option<UserId>,
    key: Option<KeyId>,
    lease: Option<RunLease>,
    now: Timestamp,
    /// When the run started; set in its first batch. Earlier than `now`, because a short run ends before its
    /// first batch is written.
    started_at: Option<Timestamp>,
    events: Vec<PublishedEvent>,
    answers: Vec<StageAnswer>,
    charges: Vec<CallCharge>,
    cacheable: Vec<AnswerToCache>,
    hits: Vec<CacheHit>,
    purge: Option<u64>,
    outcome: Option<RunEnd>,
}

impl JournalBatch {
    /// Writes the batch within the caller's transaction.
    ///
    /// # Errors
    /// Returns an error if the run no longer holds its lease, the analysis was deleted or has already ended, or the
    /// database cannot be written.
    pub fn store(&self, db: &Writer) -> Result<(), StoreError> {
        let (id, now) = (&self.id, self.now);
        match self.lease {
            Some(lease) if self.outcome.is_some() => servers::end_lease(db, id, lease)?,
            Some(lease) => servers::check_lease(db, id, lease)?,
            None => {}
        }
        if let Some(started) = self.started_at {
            analyses::set_started(db, id, started)?;
        }
        events::append(db, id, self.events.iter().map(|event| &event.stored_event))?;
        for answer in &self.answers {
            analyses::put_answer(db, id, answer)?;
        }
        for charge in &self.charges {
            if let Some(user) = &self.user {
                usage::add(db, user, charge.started_at.day(), charge);
            }
            if let Some(key) = self.key.as_ref().filter(|_| charge.bill.tries > 0) {
                api_keys::add_usage(db, key, charge);
            }
            call_log::insert(db, self.user.as_ref(), id, charge)?;
        }
        for AnswerToCache {
            key,
            cached_answer: kept,
            ttl,
            ..
        } in &self.cacheable
        {
            cached_answers::put(db, self.user.as_ref(), key, kept, now, now + *ttl)?;
        }
        for hit in &self.hits {
            cached_answers::record_hit(db, &hit.key, now);
            if let Some(user) = &self.user {
                cache_savings::add_hit(db, user, now.day(), &hit.model, hit.cost, hit.tokens);
            }
        }
        if let Some(limit) = self.purge {
            cached_answers::purge(db, now, limit)?;
        }
        match &self.outcome {
            Some((outcome, found)) => {
                let (findings, citations) = match found {
                    Some((findings, citations)) => (Some(findings), citations.as_ref()),
                    None => (None, None),
                };
                let end = analyses::AnalysisEnd::of(outcome, findings, citations);
                analyses::finish(db, id, &end, now)
            }
            None => Ok(()),
        }
    }
}
