//! Publishes a run's events to watchers. The store is authoritative; the channel keeps the newest events in
//! memory, so that a watcher that keeps up never reads the store. There is one channel per run, and one waker
//! per watcher. The events of a relayed call are not stored, and it has a single watcher, so its channel
//! keeps the events that the watcher has not taken yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::EngineShared;
use crate::domain::event::{FINAL_EVENTS, RunEvent, StreamDelta};
use crate::domain::id::AnalysisId;
use crate::store::events::{self, StoredEvent};
use crate::store::{NoticeWatch, StoreError};

/// Maximum size of the events kept in a channel, in bytes. Watchers that are further behind read from the store.
const MAX_RECENT_BYTES: usize = 128 * 1024;
/// Maximum number of queued requests to skip a model.
const MAX_QUEUED_SKIPS: usize = 64;
/// Number of events read from the store at once.
const EVENTS_PER_READ: u32 = 200;
/// Pause between two reads of the events of a run on another server, unless that server announces its events.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum delay of an event whose announcement was lost.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(1);

/// An event on its way to watchers.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedEvent {
    /// The event in the form in which it is stored.
    pub stored_event: StoredEvent,
    /// The event as created by the engine; `None` if it was read back from the store.
    pub event: Option<RunEvent>,
}

impl PublishedEvent {
    /// Returns the part of the event to show in a client's stream, if any.
    pub fn delta(&self) -> Option<StreamDelta<'_>> {
        match &self.event {
            Some(event) => StreamDelta::from_event(event),
            None => StreamDelta::parse(&self.stored_event.kind, &self.stored_event.data),
        }
    }

    // Returns the event's size in memory, in bytes. The text counts twice: once in the engine's event, and
    // once in the stored form.
    fn bytes(&self) -> usize {
        let text = match &self.event {
            Some(
                RunEvent::SynthesisDelta { text }
                | RunEvent::Delta { text, .. }
                | RunEvent::Reasoning { text, .. },
            ) => text.len(),
            _ => 0,
        };
        self.stored_event.data.len() + text
    }

    fn is_last(&self) -> bool {
        let name = self.event.as_ref().map(RunEvent::name);
        FINAL_EVENTS.contains(&name.unwrap_or(&self.stored_event.kind))
    }
}

/// The audience of a relayed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayAudience {
    /// A single client, which receives the answer as it arrives and slows the call down if it cannot keep up.
    Watcher,
    /// No one: the answer is returned as a whole.
    NoWatcher,
}

/// The live channel of a run, which carries events out and commands in.
pub(super) struct RunChannel {
    state: Mutex<ChannelState>,
    /// Wakes watchers when there are new events or the run has ended.
    changed: Notify,
    /// Wakes the runner when there is a command.
    command_ready: Notify,
    /// Notified when the run is given up because another server may continue it.
    given_up: Notify,
    /// Wakes the runner of a relayed call when its watcher has taken events.
    events_taken: Notify,
    is_passthrough: bool,
}

struct ChannelState {
    recent_events: VecDeque<Arc<PublishedEvent>>,
    bytes: usize,
    last_seq: u64,
    is_over: bool,
    command: Option<RunCommand>,
    /// Models to skip, until the runner takes them; at most [`MAX_QUEUED_SKIPS`].
    skip_requests: Vec<String>,
}

/// A command for a run in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunCommand {
    /// Finish early: write the answer from the texts available so far.
    FinishEarly,
    /// Continue without this model.
    SkipModel(String),
    /// Stop permanently, for this reason.
    Cancel(String),
    /// Store the current state and stop. The run is resumed at the next start, or by any server on the database.
    Checkpoint,
}

impl RunChannel {
    pub fn new(last: u64) -> Self {
        let state = ChannelState {
            recent_events: VecDeque::new(),
            bytes: 0,
            last_seq: last,
            is_over: false,
            command: None,
            skip_requests: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            command_ready: Notify::new(),
            given_up: Notify::new(),
            events_taken: Notify::new(),
            is_passthrough: false,
        }
    }

    /// Creates the channel of a relayed call.
    pub fn for_passthrough() -> Self {
        Self {
            is_passthrough: true,
            ..Self::new(0)
        }
    }

    /// Returns whether the watcher keeps up with the events. Always true for an analysis, because its
    /// watchers can read from the store.
    pub fn has_room(&self) -> bool {
        !self.is_passthrough || self.lock_state().bytes < MAX_RECENT_BYTES
    }

    /// Waits until the watcher of a relayed call has taken events.
    pub async fn wait_for_room(&self) {
        self.events_taken.notified().await;
    }

    fn lock_state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes events that the store has acknowledged.
    pub fn publish(&self, events: Vec<PublishedEvent>) {
        self.append_events(events, true);
    }

    /// Publishes events that could not be stored. From then on, nothing is dropped from memory until the store works
    /// again, because watchers could not read the events from the store.
    pub fn publish_unstored(&self, events: Vec<PublishedEvent>) {
        self.append_events(events, false);
    }

    fn append_events(&self, events: Vec<PublishedEvent>, are_stored: bool) {
        let mut state = self.lock_state();
        for event in events {
            state.last_seq = event.stored_event.seq;
            state.bytes += event.bytes();
            state.recent_events.push_back(Arc::new(event));
        }
        while are_stored && state.bytes > MAX_RECENT_BYTES {
            let Some(oldest) = state.recent_events.pop_front() else {
                break;
            };
            state.bytes -= oldest.bytes();
        }
        // Release the lock before notifying, because the tasks that this wakes need it.
        drop(state);
        self.changed.notify_waiters();
    }

    pub fn close(&self) {
        self.lock_state().is_over = true;
        self.changed.notify_waiters();
    }

    pub fn cancel(&self, reason: &str) {
        self.send_command(RunCommand::Cancel(reason.to_owned()));
    }

    pub fn request_finish_early(&self) {
        self.send_command(RunCommand::FinishEarly);
    }

    pub fn request_skip(&self, model: &str) {
        let mut state = self.lock_state();
        let is_requested = state.skip_requests.iter().any(|other| other == model);
        if !is_requested && state.skip_requests.len() < MAX_QUEUED_SKIPS {
            state.skip_requests.push(model.to_owned());
        }
        drop(state);
        self.command_ready.notify_one();
    }

    pub fn checkpoint(&self) {
        self.send_command(RunCommand::Checkpoint);
    }

    /// Like `checkpoint`, for a run that another server may continue. Also wakes [`Self::given_up`].
    pub fn give_up(&self) {
        self.checkpoint();
        self.given_up.notify_one();
    }

    /// Waits until the run is given up. The runner needs this in addition to commands, which it does not read
    /// while it waits for the database.
    pub async fn given_up(&self) {
        self.given_up.notified().await;
    }

    fn send_command(&self, command_value: RunCommand) {
        let mut state = self.lock_state();
        // A cancel or checkpoint replaces a request to finish early; nothing replaces a cancel or checkpoint.
        if matches!(state.command, None | Some(RunCommand::FinishEarly)) {
            state.command = Some(command_value);
        }
        drop(state);
        self.command_ready.notify_one();
    }

    /// Waits for the next command.
    pub async fn next_command(&self) -> RunCommand {
        loop {
            if let Some(command_value) = self.pending_command() {
                return command_value;
            }
            self.command_ready.notified().await;
        }
    }

    fn pending_command(&self) -> Option<RunCommand> {
        let mut state = self.lock_state();
        let Some(command_value) = state.command.clone() else {
            return state.skip_requests.pop().map(RunCommand::SkipModel);
        };
        // The run continues after this command, so take the command to make room for another one.
        if command_value == RunCommand::FinishEarly {
            state.command = None;
        }
        Some(command_value)
    }

    // Returns the events after a sequence number, or `TooOld` if the events in memory do not reach back that far. For a
    // relayed call, takes all events out of the channel.
    fn events_after(&self, after: u64) -> WatchPosition {
        let mut state = self.lock_state();
        if self.is_passthrough && !state.recent_events.is_empty() {
            state.bytes = 0;
            let events = std::mem::take(&mut state.recent_events);
            drop(state);
            self.events_taken.notify_one();
            return WatchPosition::Events(events.into());
        }
        if after >= state.last_seq {
            return if state.is_over {
                WatchPosition::Over
            } else {
                WatchPosition::UpToDate
            };
        }
        match state.recent_events.front() {
            Some(oldest) if oldest.stored_event.seq <= after + 1 => WatchPosition::Events(
                state
                    .recent_events
                    .iter()
                    .filter(|event| event.stored_event.seq > after)
                    .cloned()
                    .collect(),
            ),
            _ => WatchPosition::TooOld,
        }
    }
}

enum WatchPosition {
    Events(Vec<Arc<PublishedEvent>>),
    UpToDate,
    TooOld,
    Over,
}

/// Follows a run from a given event onward.
pub struct RunWatch {
    shared: Arc<EngineShared>,
    /// `None` if the run is not executed on this server.
    channel: Option<Arc<RunChannel>>,
    id: AnalysisId,
    last_seq: u64,
    has_ended: bool,
    /// Announcements of events on other servers; set once the run is not executed on this server.
    notices: Option<NoticeWatch>,
    /// Whether all stored events have been read and another server may store more.
    is_waiting: bool,
}

impl RunWatch {
    pub(super) fn new(
        shared: Arc<EngineShared>,
        channel: Option<Arc<RunChannel>>,
        id: AnalysisId,
        after: u64,
    ) -> Self {
        Self {
            shared,
            channel,
            id,
            last_seq: after,
            has_ended: false,
            notices: None,
            is_waiting: false,
        }
    }

    /// Waits for the next events and returns at least one, or `None` after the final event. Cancel-safe.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<PublishedEvent>>>, StoreError> {
        while !self.has_ended {
            let Some(channel) = self.channel.clone() else {
                // Boxed, because an unboxed future would take space in each of perhaps a thousand watchers, few of
                // which read from the store.
                match Box::pin(self.follow_stored()).await? {
                    None => continue,
                    events => return Ok(events),
                }
            };
            // Create this before checking, so that no change in between is missed.
            let change_signal = channel.changed.notified();
            match channel.events_after(self.last_seq) {
                WatchPosition::Events(events) => return Ok(self.advance(events)),
                WatchPosition::TooOld => return Box::pin(self.read_stored()).await,
                WatchPosition::UpToDate => change_signal.await,
                WatchPosition::Over if channel.is_passthrough => self.has_ended = true,
                // Events that the channel lacks, such as an end that was written by other code, are in the store.
                WatchPosition::Over => self.channel = None,
            }
        }
        Ok(None)
    }

    /// Reads stored events of a run that is not executed on this server. If there are no new ones, the stream
    /// is over, unless another server executes the run: in that case, the next attempt waits first.
    async fn follow_stored(&mut self) -> Result<Option<Vec<Arc<PublishedEvent>>>, StoreError> {
        let may_continue = !self.shared.store.is_embedded();
        // Subscribe before reading, so that no event stored in between goes unnoticed.
        if let (None, Some(membership)) = (&self.notices, self.shared.store.membership()) {
            self.notices = membership.watch_notices();
        }
        if self.is_waiting {
            // This server may have taken over the run.
            self.channel = self
                .shared
                .runs()
                .get(&self.id)
                .map(|run| run.channel.clone());
            if self.channel.is_none() {
                self.wait_for_notice().await;
            }
            self.is_waiting = false;
            if self.channel.is_some() {
                self.notices = None;
                return Ok(None);
            }
        }
        let (id, last_seq) = (self.id.clone(), self.last_seq);
        // Read both in one transaction, so that if the run is over, all its events have been read.
        let (continues, found) = (self.shared.store)
            .read(move |db| {
                let continues = may_continue && events::may_follow(db, &id)?;
                let found = events::list_after(db, &id, last_seq, EVENTS_PER_READ)?;
                Ok((continues, found))
            })
            .await?;
        self.is_waiting = continues && found.len() < EVENTS_PER_READ as usize;
        let events = self.advance_stored(found);
        if events.is_none() && (!continues || self.shared.run_slots.is_closed()) {
            self.has_ended = true;
        }
        Ok(events)
    }

    /// Waits until another server may have stored events.
    async fn wait_for_notice(&mut self) {
        match &mut self.notices {
            Some(notices) if notices.is_live() => {
                // On a timeout, read the events nevertheless, because the announcement may have been lost.
                let _ =
                    tokio::time::timeout(NOTICE_TIMEOUT, notices.wait_for_events(&self.id)).await;
            }
            _ => tokio::time::sleep(FOLLOW_INTERVAL).await,
        }
    }

    async fn read_stored(&mut self) -> Result<Option<Vec<Arc<PublishedEvent>>>, StoreError> {
        let (id, last_seq) = (self.id.clone(), self.last_seq);
        let found = (self.shared.store)
            .read(move |db| events::list_after(db, &id, last_seq, EVENTS_PER_READ))
            .await?;
        Ok(self.advance_stored(found))
    }

    fn advance_stored(&mut self, found: Vec<StoredEvent>) -> Option<Vec<Arc<PublishedEvent>>> {
        let read_back = |stored| {
            Arc::new(PublishedEvent {
                stored_event: stored,
                event: None,
            })
        };
        self.advance(found.into_iter().map(read_back).collect())
    }

    fn advance(&mut self, events: Vec<Arc<PublishedEvent>>) -> Option<Vec<Arc<PublishedEvent>>> {
        let last = events.last()?;
        self.last_seq = last.stored_event.seq;
        self.has_ended = last.is_last();
        Some(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_event(seq: u64, text: &str) -> PublishedEvent {
        PublishedEvent {
            stored_event: StoredEvent {
                seq,
                kind: String::new(),
                data: String::new(),
            },
            event: Some(RunEvent::SynthesisDelta {
                text: text.to_owned(),
            }),
        }
    }

    #[test]
    fn a_relayed_call_waits_until_its_watcher_reads_events() {
        let channel = RunChannel::for_passthrough();
        channel.publish_unstored(vec![text_event(1, "thin")]);
        assert!(channel.has_room());
        channel.publish_unstored(vec![text_event(2, &"x".repeat(MAX_RECENT_BYTES))]);
        assert!(!channel.has_room());
        let WatchPosition::Events(events) = channel.events_after(0) else {
            panic!("there are two");
        };
        assert_eq!(events.len(), 2);
        assert!(channel.has_room());
        assert!(matches!(channel.events_after(2), WatchPosition::UpToDate));
        channel.close();
        assert!(matches!(channel.events_after(2), WatchPosition::Over));
        // The watchers of an analysis can read from the store, so it always has room.
        let run = RunChannel::new(0);
        run.publish(vec![text_event(1, &"x".repeat(2 * MAX_RECENT_BYTES))]);
        assert!(run.has_room());
    }
}
