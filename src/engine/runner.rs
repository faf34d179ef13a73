//! Executes a single run: carries out the outputs of its state machine and feeds the results back. Ends when
//! the state machine ends, or at a checkpoint.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use reuse::FollowedCalls;

use super::budget::BudgetReservation;
mod reuse;

use super::journal::Journal;
use super::ledger::CallLedger;
use super::outcome::RunOutcome;
use super::run_channel::{RunChannel, RunCommand};
use super::unstored::{FinishedRun, PendingStore};
use super::{EngineShared, RunSpec, RunTerms};
use crate::clock::{self, Stopwatch};
use crate::domain::analysis::CacheUse;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Image, Message, ModelRequest};
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::pattern::staged::StagedRun;
use crate::domain::pattern::{CallReservation, PatternOutcome, RunInput, RunOutput};
use crate::domain::time::Timestamp;
use crate::llm::CallEvent;
use crate::log;
use crate::store::StoreError;

/// How long events are collected before they are written and published. One write then covers many deltas,
/// and the delay is too short for readers to notice.
const FLUSH_INTERVAL: Duration = Duration::from_millis(60);
/// Number of call events to buffer before calls have to wait.
const MAX_WAITING_EVENTS: usize = 64;
/// Timeout for the bills of stopped calls; after that, the end of the run is written with estimates instead.
const BILLING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a run that was given up may still wait for the database. After that, its calls must have ended,
/// because another server repeats them.
const GIVE_UP_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Waits for a slot, then executes the run. Returns `None` if the run is left to be resumed later.
pub(super) async fn run(
    shared: &Arc<EngineShared>,
    run: Box<RunSpec>,
    channel: &Arc<RunChannel>,
) -> Option<FinishedRun> {
    let (id, last, is_relayed) = (run.id.clone(), run.last_event, run.relay.is_some());
    let journal = Journal::new(
        shared.store.clone(),
        channel.clone(),
        run.id.clone(),
        (run.user.clone(), run.key.clone()),
        last,
    )
    .with_awaited(run.is_awaited)
    .with_lease(run.lease)
    .into_passthrough(run.relay);
    let mut finishes_early = false;
    let turn = loop {
        if is_relayed {
            // The run already holds a relayed-call slot.
            break Some(None);
        }
        tokio::select! {
            turn = shared.run_slots.acquire() => break Some(Some(turn.ok()?)),
            wish = channel.next_command() => match wish {
                RunCommand::Checkpoint => return None,
                // A canceled run makes no calls, so it needs no slot.
                RunCommand::Cancel(_) => break None,
                RunCommand::FinishEarly => finishes_early = true,
                // No model has been called yet, so there is none to skip.
                RunCommand::SkipModel(_) => {}
            },
        }
    };
    if finishes_early {
        // Pass the command on to the runner.
        channel.request_finish_early();
    }
    let (events, event_receiver) = mpsc::channel(MAX_WAITING_EVENTS);
    // Boxed, because the future would otherwise contain several copies of it.
    let driver = Box::new(Driver {
        id: id.clone(),
        shared: shared.clone(),
        channel: channel.clone(),
        journal,
        machine: run.machine,
        reservation: BudgetReservation::new(
            shared.reservations.clone(),
            run.user.clone(),
            &run.terms,
        )
        .with_key(run.funds),
        user: run.user,
        cache: run.cache,
        cache_age: run.cache_age,
        pictures: run.pictures,
        reusable_answers: run.reusable_answers,
        terms: run.terms,
        ledger: CallLedger::default(),
        events,
        call_events: event_receiver,
        followed_calls: FollowedCalls::default(),
        cancelled: turn.is_none(),
        stopwatch: Stopwatch::start(),
    });
    let over = tokio::select! {
        over = driver.drive() => over,
        // Dropping the runner ends its calls.
        () = give_up_timeout(channel) => Ok(None),
    };
    log_end(&id, is_relayed, &over);
    over.ok().flatten()
}

async fn give_up_timeout(channel: &RunChannel) {
    channel.given_up().await;
    tokio::time::sleep(GIVE_UP_TIMEOUT).await;
}

fn log_end(id: &AnalysisId, is_relayed: bool, over: &Result<Option<FinishedRun>, StoreError>) {
    match over {
        // The log line of the request already contains all of this.
        Ok(_) if is_relayed => {}
        Ok(Some(FinishedRun { outcome: ended, .. })) => log::info(
            "analysis over",
            &[
                ("analysis", id),
                ("status", &ended.result.status.as_str()),
                ("ms", &ended.result.totals.total_time_ms),
                ("answered", &ended.result.totals.answered),
                ("failed", &ended.result.totals.failed),
            ],
        ),
        Ok(None) => log::info("analysis left for the next start", &[("analysis", id)]),
        // The stored events stop without a final one: watchers see the end of the stream, and the run is resumed later.
        Err(error) => log::error(
            "analysis could not be stored",
            &[("analysis", id), ("fault", &format!("{error:?}"))],
        ),
    }
}

struct Driver {
    id: AnalysisId,
    shared: Arc<EngineShared>,
    channel: Arc<RunChannel>,
    journal: Journal,
    machine: StagedRun,
    user: Option<UserId>,
    cache: CacheUse,
    /// Maximum age of a cached answer; `None` for the cache's own limit.
    cache_age: Option<Duration>,
    pictures: Vec<Image>,
    reusable_answers: Vec<(ModelRequest, Answer)>,
    terms: RunTerms,
    reservation: BudgetReservation,
    ledger: CallLedger,
    events: mpsc::Sender<(u64, CallEvent)>,
    call_events: mpsc::Receiver<(u64, CallEvent)>,
    /// Calls that wait for an identical call of another caller, with their requests.
    followed_calls: FollowedCalls,
    cancelled: bool,
    /// The clock of the state machine. Monotonic, so that setting the system clock cannot expire its deadlines.
    stopwatch: Stopwatch,
}

impl Driver {
    async fn drive(mut self: Box<Self>) -> Result<Option<FinishedRun>, StoreError> {
        if self.cancelled
            && let RunCommand::Cancel(reason) = self.channel.next_command().await
        {
            self.machine
                .handle(self.stopwatch.now(), RunInput::Cancelled(reason));
        } else {
            self.machine.handle(self.stopwatch.now(), RunInput::Started);
        }
        let mut flush_at: Option<Instant> = None;
        loop {
            let until = match self.execute_outputs().await? {
                NextStep::Finished(mut outcome) => {
                    self.collect_final_bills().await;
                    self.ledger.add_stopped_usage(&mut outcome.totals);
                    self.journal.set_final_totals(&outcome.totals);
                    self.journal.finish(clock::now(), outcome.clone()).await?;
                    return Ok(Some(self.into_finished(outcome)));
                }
                NextStep::Wait(until) => {
                    until.map(|until| deadline_after(until.since(self.stopwatch.now())))
                }
            };
            if self.journal.is_passthrough() {
                self.journal.publish_buffered();
            } else if self.journal.is_urgent() {
                self.flush().await?;
                flush_at = None;
            } else if flush_at.is_none() && !self.journal.is_empty() {
                flush_at = Some(deadline_after(FLUSH_INTERVAL));
            }
            let has_room = self.channel.has_room();
            tokio::select! {
                Some((call, request)) = self.followed_calls.next() => self.call(call, request).await,
                event = self.call_events.recv(), if has_room => self.handle_call_event(event).await,
                () = self.channel.wait_for_room(), if !has_room => {}
                wish = self.channel.next_command() => match wish {
                    RunCommand::FinishEarly => self.machine.handle(self.stopwatch.now(), RunInput::FinishEarly),
                    RunCommand::SkipModel(model) => self.machine.handle(self.stopwatch.now(), RunInput::SkipModel(model)),
                    RunCommand::Cancel(reason) => self.machine.handle(self.stopwatch.now(), RunInput::Cancelled(reason)),
                    RunCommand::Checkpoint if self.journal.is_passthrough() => {
                        let reason = "the server stopped while a client was waiting for this call";
                        self.machine.handle(self.stopwatch.now(), RunInput::Cancelled(reason.to_owned()));
                    }
                    RunCommand::Checkpoint => {
                        self.collect_final_bills().await;
                        self.flush().await?;
                        return Ok(None);
                    }
                },
                () = sleep_until(until) => self.machine.handle(self.stopwatch.now(), RunInput::Tick),
                () = sleep_until(flush_at) => {
                    self.flush().await?;
                    flush_at = None;
                }
            }
        }
    }

    fn into_finished(self, outcome: PatternOutcome) -> FinishedRun {
        let unstored = self.journal.unstored_run();
        let (mut rest, mut settled) = (None, None);
        if self.journal.is_passthrough() {
            settled = self.journal.into_settled(self.reservation);
        } else if unstored.is_some() {
            rest = Some(PendingStore {
                id: self.id,
                journal: self.journal,
                reservation: self.reservation,
            });
        }
        let (plan, answers) = self.machine.into_parts();
        let run_outcome = Box::new(RunOutcome {
            result: outcome,
            plan,
            answers,
            unstored,
        });
        FinishedRun {
            outcome: run_outcome,
            pending_store: rest,
            settled_call: settled,
        }
    }

    /// Executes the machine's outputs until it needs to wait.
    async fn execute_outputs(&mut self) -> Result<NextStep, StoreError> {
        loop {
            match self.machine.poll() {
                RunOutput::Reserve { calls, .. } => self.reserve(calls).await?,
                RunOutput::Call(call, request) => self.call(call, *request).await,
                RunOutput::Stop(call) => {
                    self.followed_calls.stop(call);
                    self.ledger.stop(call);
                }
                RunOutput::Emit(event) => self.journal.push(event),
                RunOutput::Store(answer) => self.journal.push_answer(*answer),
                RunOutput::Wait(until) => return Ok(NextStep::Wait(until)),
                RunOutput::Done(outcome) => return Ok(NextStep::Finished(*outcome)),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.journal.flush(clock::now()).await?;
        if self.journal.is_stored() {
            self.reservation.release_stored();
        }
        Ok(())
    }

    async fn reserve(&mut self, calls: Vec<CallReservation>) -> Result<(), StoreError> {
        // Once stored, ended calls count as spent rather than reserved, and are not made again after a crash.
        if self.journal.has_unstored_calls() {
            self.flush().await?;
        }
        let own_key = |claim: CallReservation| {
            let own = self
                .shared
                .llm
                .uses_own_key(self.user.as_ref(), &claim.model);
            (claim, own)
        };
        let calls: Vec<(CallReservation, bool)> = calls.into_iter().map(own_key).collect();
        let input = match self.reservation.reserve(&calls).await {
            Ok(()) => RunInput::Granted,
            Err(reason) => RunInput::Denied(reason),
        };
        self.machine.handle(self.stopwatch.now(), input);
        Ok(())
    }

    fn attach_images(&self, request: &mut ModelRequest) {
        let has_images = |message: &Message| !message.images.is_empty();
        if self.pictures.is_empty() && !request.messages.iter().any(has_images) {
            return;
        }
        let model = self.shared.llm.find(self.user.as_ref(), &request.model);
        if model.is_none_or(|model| model.rejects_images()) {
            for message in &mut request.messages {
                message.images.clear();
            }
        } else if let Some(question) = request.messages.last_mut() {
            question.images.extend(self.pictures.iter().cloned());
        }
    }

    async fn handle_call_event(&mut self, event: Option<(u64, CallEvent)>) {
        let Some((number, event)) = event else { return };
        if let Some(extension) = self.process_call_event(number, event) {
            self.extend_reservation(number, extension).await;
        }
    }

    /// Handles a call's event. Returns the additional reservation that the call needs, if any.
    fn process_call_event(&mut self, number: u64, event: CallEvent) -> Option<CallReservation> {
        let now = self.stopwatch.now();
        let input = match event {
            CallEvent::Delta(delta) => match self.ledger.count_piece(number, &delta, now) {
                Some(call) => RunInput::Delta(call, delta),
                // This is a late event of a stopped call.
                None => return None,
            },
            CallEvent::Finished { result, bill } => {
                let error = (*result).as_ref().err().map(|error| error.kind);
                let closed_call = self.ledger.close(number, error, &bill);
                self.collect_charges();
                let closed = closed_call?;
                let (call, bill) = (closed.call, *bill);
                match *result {
                    Ok(answer) => {
                        self.cache_answer(closed, &answer);
                        RunInput::Answered {
                            call,
                            answer,
                            cached: false,
                            bill,
                        }
                    }
                    Err(error) => RunInput::Failed {
                        call,
                        error: with_default_detail(error),
                        bill,
                    },
                }
            }
        };
        self.machine.handle(now, input);
        self.ledger.needed_reservation(number)
    }

    // Extends the reservation of an answer without its own limit. If no budget has room for more, the call is cut off.
    async fn extend_reservation(&mut self, number: u64, extension: CallReservation) {
        let own_key = self
            .shared
            .llm
            .uses_own_key(self.user.as_ref(), &extension.model);
        let output = extension.output_tokens;
        match self.reservation.extend(extension, own_key).await {
            Ok(()) => self.ledger.extend(number, output),
            Err(_) => self.ledger.cut_off(number),
        }
    }

    /// Stops open calls and collects their bills, waiting up to [`BILLING_TIMEOUT`]. Calls without a bill are then
    /// charged by estimate.
    async fn collect_final_bills(&mut self) {
        self.ledger.stop_all();
        let until = deadline_after(BILLING_TIMEOUT);
        while !self.ledger.is_settled() {
            match tokio::time::timeout_at(until, self.call_events.recv()).await {
                Ok(Some((number, event))) => drop(self.process_call_event(number, event)),
                _ => break,
            }
        }
        self.ledger.estimate_missing(self.stopwatch.now());
        self.collect_charges();
    }

    fn collect_charges(&mut self) {
        let charges = self.ledger.take_charges();
        for charge in &charges {
            let cost = charge.cost().unwrap_or_default();
            self.reservation.close(charge.call, cost);
        }
        self.journal.charge(charges);
    }
}

enum NextStep {
    Wait(Option<Timestamp>),
    Finished(PatternOutcome),
}

// Adds a readable message to an error without one, because the message is shown beside the model's name.
fn with_default_detail(error: CallError) -> CallError {
    if error.detail.is_empty() {
        return CallError {
            detail: default_detail(error.kind).to_owned(),
            ..error
        };
    }
    error
}

fn default_detail(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::Connect => "the provider could not be reached",
        CallErrorKind::Timeout => "no answer within the time limit",
        CallErrorKind::Auth => "the provider does not accept the key",
        CallErrorKind::Money => "the provider's account has no credit left",
        CallErrorKind::RateLimited => "the provider's rate limit was reached",
        CallErrorKind::Overloaded => "the provider has a temporary problem",
        CallErrorKind::Rejected => "the provider refused the request",
        CallErrorKind::Malformed => "the provider sent a malformed response",
        CallErrorKind::Truncated => "the answer was cut off",
        CallErrorKind::Empty => "the model returned an empty answer",
        CallErrorKind::TooLarge => "the answer is too large",
        CallErrorKind::Cancelled => "stopped",
        CallErrorKind::Unavailable => "the model is not available",
        CallErrorKind::Quarantined => {
            "the answer follows instructions from a document instead of yours"
        }
    }
}

fn deadline_after(length: Duration) -> Instant {
    Instant::from_std(clock::instant() + length)
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
