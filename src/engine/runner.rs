//! Drives one run: executes the outputs of the state machine and feeds the results back. Ends when the machine
//! ends, or at a checkpoint.

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
use crate::domain::pattern::{CallReservation, MachineInput, MachineOutput, PatternOutcome};
use crate::domain::time::Timestamp;
use crate::llm::CallEvent;
use crate::log;
use crate::store::StoreError;

/// How long events are batched before they are written and published: one write for many deltas, and still faster
/// than people read.
const FLUSH_INTERVAL: Duration = Duration::from_millis(60);
/// Number of call events buffered here before the call threads block.
const WAITING_EVENTS: usize = 64;
/// Time limit for the bills of stopped calls; after that, the run's end is written without them.
const BILLING_TIMEOUT: Duration = Duration::from_secs(1);

/// Waits for a slot, then drives the run. Returns `None` if the run is left for the next start.
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
    .awaited(run.is_awaited)
    .relayed(run.relay);
    let mut hurried = false;
    let turn = loop {
        if is_relayed {
            // It already holds a relayed-call slot.
            break Some(None);
        }
        tokio::select! {
            turn = shared.run_slots.acquire() => break Some(Some(turn.ok()?)),
            wish = channel.next_command() => match wish {
                RunCommand::Checkpoint => return None,
                // Driven without a slot, since it makes no calls.
                RunCommand::Cancel(_) => break None,
                RunCommand::FinishEarly => hurried = true,
                // No model has been called yet.
                RunCommand::SkipModel(_) => {}
            },
        }
    };
    if hurried {
        // Repeat the command for the runner.
        channel.request_finish_early();
    }
    let (events, inbox) = mpsc::channel(WAITING_EVENTS);
    // Boxed: the future would contain it several times.
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
        known: run.known,
        terms: run.terms,
        ledger: CallLedger::default(),
        events,
        inbox,
        following: FollowedCalls::default(),
        cancelled: turn.is_none(),
        watch: Stopwatch::start(),
    });
    let over = driver.drive().await;
    log_end(&id, is_relayed, &over);
    over.ok().flatten()
}

fn log_end(id: &AnalysisId, is_relayed: bool, over: &Result<Option<FinishedRun>, StoreError>) {
    match over {
        // The request's own log line has all of this.
        Ok(_) if is_relayed => {}
        Ok(Some(FinishedRun { ended, .. })) => log::info(
            "analysis over",
            &[
                ("analysis", id),
                ("status", &ended.outcome.status.as_str()),
                ("ms", &ended.outcome.totals.total_time_ms),
                ("answered", &ended.outcome.totals.answered),
                ("failed", &ended.outcome.totals.failed),
            ],
        ),
        Ok(None) => log::info("analysis left for the next start", &[("analysis", id)]),
        // The stored events simply end: watchers see the end of the stream, and the run resumes at the next start.
        Err(fault) => log::error(
            "analysis could not be stored",
            &[("analysis", id), ("fault", &format!("{fault:?}"))],
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
    /// Maximum age of a cached answer.
    cache_age: Option<Duration>,
    pictures: Vec<Image>,
    known: Vec<(ModelRequest, Answer)>,
    terms: RunTerms,
    reservation: BudgetReservation,
    ledger: CallLedger,
    events: mpsc::Sender<(u64, CallEvent)>,
    inbox: mpsc::Receiver<(u64, CallEvent)>,
    /// Calls waiting for another caller's identical call, with their requests.
    following: FollowedCalls,
    cancelled: bool,
    /// The state machine's clock: setting the wall clock must not expire its deadlines.
    watch: Stopwatch,
}

impl Driver {
    async fn drive(mut self: Box<Self>) -> Result<Option<FinishedRun>, StoreError> {
        if self.cancelled
            && let RunCommand::Cancel(reason) = self.channel.next_command().await
        {
            self.machine
                .handle(self.watch.now(), MachineInput::Cancelled(reason));
        } else {
            self.machine.handle(self.watch.now(), MachineInput::Started);
        }
        let mut flush_at: Option<Instant> = None;
        loop {
            let until = match self.perform().await? {
                NextStep::Over(mut outcome) => {
                    self.settle().await;
                    self.ledger.complete(&mut outcome.totals);
                    self.journal.set_final_totals(&outcome.totals);
                    self.journal.finish(clock::now(), outcome.clone()).await?;
                    return Ok(Some(self.into_finished(outcome)));
                }
                NextStep::Wait(until) => {
                    until.map(|until| deadline_in(until.since(self.watch.now())))
                }
            };
            if self.journal.is_relayed() {
                self.journal.pass_on();
            } else if self.journal.is_urgent() {
                self.flush().await?;
                flush_at = None;
            } else if flush_at.is_none() && !self.journal.is_empty() {
                flush_at = Some(deadline_in(FLUSH_INTERVAL));
            }
            let has_room = self.channel.has_room();
            tokio::select! {
                Some((call, request)) = self.following.next() => self.call(call, request).await,
                event = self.inbox.recv(), if has_room => self.handle_call_event(event).await,
                () = self.channel.wait_for_room(), if !has_room => {}
                wish = self.channel.next_command() => match wish {
                    RunCommand::FinishEarly => self.machine.handle(self.watch.now(), MachineInput::Hurry),
                    RunCommand::SkipModel(model) => self.machine.handle(self.watch.now(), MachineInput::Leave(model)),
                    RunCommand::Cancel(reason) => self.machine.handle(self.watch.now(), MachineInput::Cancelled(reason)),
                    RunCommand::Checkpoint if self.journal.is_relayed() => {
                        let reason = "the server stopped while a client was waiting for this call";
                        self.machine.handle(self.watch.now(), MachineInput::Cancelled(reason.to_owned()));
                    }
                    RunCommand::Checkpoint => {
                        self.settle().await;
                        self.flush().await?;
                        return Ok(None);
                    }
                },
                () = reached(until) => self.machine.handle(self.watch.now(), MachineInput::Tick),
                () = reached(flush_at) => {
                    self.flush().await?;
                    flush_at = None;
                }
            }
        }
    }

    fn into_finished(self, outcome: PatternOutcome) -> FinishedRun {
        let unstored = self.journal.unstored();
        let (mut rest, mut settled) = (None, None);
        if self.journal.is_relayed() {
            settled = self.journal.into_settled(self.reservation);
        } else if unstored.is_some() {
            rest = Some(PendingStore {
                id: self.id,
                journal: self.journal,
                reservation: self.reservation,
            });
        }
        let (plan, answers) = self.machine.into_parts();
        let ended = Box::new(RunOutcome {
            outcome,
            plan,
            answers,
            unstored,
        });
        FinishedRun {
            ended,
            rest,
            settled,
        }
    }

    /// Executes the machine's outputs until it needs to wait.
    async fn perform(&mut self) -> Result<NextStep, StoreError> {
        loop {
            match self.machine.poll() {
                MachineOutput::Reserve { calls, .. } => self.reserve(calls).await?,
                MachineOutput::Call(call, request) => self.call(call, *request).await,
                MachineOutput::Stop(call) => {
                    self.following.stop(call);
                    self.ledger.stop(call);
                }
                MachineOutput::Emit(event) => self.journal.push(event),
                MachineOutput::Keep(answer) => self.journal.keep(*answer),
                MachineOutput::Wait(until) => return Ok(NextStep::Wait(until)),
                MachineOutput::Done(outcome) => return Ok(NextStep::Over(*outcome)),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.journal.flush(clock::now()).await?;
        if self.journal.is_stored() {
            self.reservation.stored();
        }
        Ok(())
    }

    async fn reserve(&mut self, calls: Vec<CallReservation>) -> Result<(), StoreError> {
        // Ended calls then count as spent rather than reserved.
        if self.reservation.is_waiting() {
            self.flush().await?;
        }
        let own_key = |claim: CallReservation| {
            let own = self.shared.llm.own_key(self.user.as_ref(), &claim.model);
            (claim, own)
        };
        let calls: Vec<(CallReservation, bool)> = calls.into_iter().map(own_key).collect();
        let input = match self.reservation.reserve(&calls).await {
            Ok(()) => MachineInput::Granted,
            Err(reason) => MachineInput::Denied(reason),
        };
        self.machine.handle(self.watch.now(), input);
        Ok(())
    }

    fn show_pictures(&self, request: &mut ModelRequest) {
        let shows = |message: &Message| !message.images.is_empty();
        if self.pictures.is_empty() && !request.messages.iter().any(shows) {
            return;
        }
        let model = self.shared.llm.find(self.user.as_ref(), &request.model);
        if model.is_none_or(|model| model.is_blind()) {
            for message in &mut request.messages {
                message.images.clear();
            }
        } else if let Some(question) = request.messages.last_mut() {
            question.images.extend(self.pictures.iter().cloned());
        }
    }

    async fn handle_call_event(&mut self, event: Option<(u64, CallEvent)>) {
        let Some((number, event)) = event else { return };
        if let Some(more) = self.take_in(number, event) {
            self.extend(number, more).await;
        }
    }

    /// Handles a call's event. Returns the additional reservation that the call needs.
    fn take_in(&mut self, number: u64, event: CallEvent) -> Option<CallReservation> {
        let now = self.watch.now();
        let input = match event {
            CallEvent::Delta(delta) => match self.ledger.piece(number, &delta, now) {
                Some(call) => MachineInput::Delta(call, delta),
                // A late event of a stopped call.
                None => return None,
            },
            CallEvent::Finished { result, bill } => {
                let error = (*result).as_ref().err().map(|error| error.kind);
                let closed = self.ledger.close(number, error, &bill);
                self.charge();
                let open = closed?;
                let (call, bill) = (open.call, *bill);
                match *result {
                    Ok(answer) => {
                        self.remember(open, &answer);
                        MachineInput::Answered {
                            call,
                            answer,
                            cached: false,
                            bill,
                        }
                    }
                    Err(error) => MachineInput::Failed {
                        call,
                        error: readable(error),
                        bill,
                    },
                }
            }
        };
        self.machine.handle(now, input);
        self.ledger.needs(number)
    }

    // An answer without its own limit continues as long as its budgets have room.
    async fn extend(&mut self, number: u64, more: CallReservation) {
        let own = self.shared.llm.own_key(self.user.as_ref(), &more.model);
        let output = more.output_tokens;
        match self.reservation.extend(more, own).await {
            Ok(()) => self.ledger.extend(number, output),
            Err(_) => self.ledger.cut(number),
        }
    }

    /// Stops open calls and collects their bills, waiting up to [`BILLS`].
    async fn settle(&mut self) {
        self.ledger.stop_all();
        let until = deadline_in(BILLING_TIMEOUT);
        while !self.ledger.is_settled() {
            match tokio::time::timeout_at(until, self.inbox.recv()).await {
                Ok(Some((number, event))) => drop(self.take_in(number, event)),
                _ => break,
            }
        }
        self.ledger.estimate_missing(self.watch.now());
        self.charge();
    }

    fn charge(&mut self) {
        let charges = self.ledger.take();
        for charge in &charges {
            let cost = charge.cost().unwrap_or_default();
            self.reservation.close(charge.call, cost);
        }
        self.journal.charge(charges);
    }
}

enum NextStep {
    Wait(Option<Timestamp>),
    Over(PatternOutcome),
}

// Makes an error readable, because it is shown beside the model's name.
fn readable(error: CallError) -> CallError {
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

fn deadline_in(length: Duration) -> Instant {
    Instant::from_std(clock::instant() + length)
}

async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
