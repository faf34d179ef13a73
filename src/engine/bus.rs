//! Tells watchers what happens in a run. The store is the truth; the hub keeps the newest events in
//! memory, so that a watcher who keeps up never asks the store. One hub a run, one waker a watcher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::event::LAST;
use crate::domain::id::AnalysisId;
use crate::store::events::{self, StoredEvent};
use crate::store::{Store, StoreError};

/// Bytes of event data that a hub keeps; who lags further re-reads the store.
const KEPT_BYTES: usize = 64 * 1024;
/// Members that may wait to be left out.
const LEAVING: usize = 64;
/// Events read from the store at a time.
const PAGE: u32 = 200;

/// The live side of one run.
pub(super) struct Hub {
    state: Mutex<State>,
    /// Watchers wait here for events or the end.
    changed: Notify,
    /// The driver waits here for wishes.
    wanted: Notify,
}

struct State {
    recent: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
    last: u64,
    over: bool,
    wish: Option<Wish>,
    /// Whom somebody wants left out; at most as many as anybody could mean.
    leaving: Vec<String>,
}

/// What somebody wants of a run under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Write the answer now, of what is ready.
    Hurry,
    /// Go on without this model.
    Leave(String),
    /// Stop for good; the text says why.
    Cancel(String),
    /// Store what there is and leave; it is resumed at the next start.
    Checkpoint,
}

impl Hub {
    pub fn new(last: u64) -> Self {
        let state = State {
            recent: VecDeque::new(),
            bytes: 0,
            last,
            over: false,
            wish: None,
            leaving: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            wanted: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows events that the store has acknowledged.
    pub fn publish(&self, events: Vec<StoredEvent>) {
        self.show(events, true);
    }

    /// Shows events that the store could not take. From then on nothing is forgotten until it can again: nobody
    /// could re-read it.
    pub fn publish_unstored(&self, events: Vec<StoredEvent>) {
        self.show(events, false);
    }

    fn show(&self, events: Vec<StoredEvent>, are_stored: bool) {
        let mut state = self.state();
        for event in events {
            state.last = event.seq;
            state.bytes += event.data.len();
            state.recent.push_back(Arc::new(event));
        }
        while are_stored && state.bytes > KEPT_BYTES {
            let Some(oldest) = state.recent.pop_front() else {
                break;
            };
            state.bytes -= oldest.data.len();
        }
        // Released before notifying: the tasks it wakes want the same lock.
        drop(state);
        self.changed.notify_waiters();
    }

    pub fn close(&self) {
        self.state().over = true;
        self.changed.notify_waiters();
    }

    pub fn cancel(&self, reason: &str) {
        self.wish(Wish::Cancel(reason.to_owned()));
    }

    pub fn hurry(&self) {
        self.wish(Wish::Hurry);
    }

    pub fn leave(&self, model: &str) {
        let mut state = self.state();
        let known = state.leaving.iter().any(|other| other == model);
        if !known && state.leaving.len() < LEAVING {
            state.leaving.push(model.to_owned());
        }
        drop(state);
        self.wanted.notify_one();
    }

    pub fn checkpoint(&self) {
        self.wish(Wish::Checkpoint);
    }

    fn wish(&self, wish: Wish) {
        let mut state = self.state();
        // Who is in a hurry may still want it to stop; who wants it to stop does not change their mind.
        if matches!(state.wish, None | Some(Wish::Hurry)) {
            state.wish = Some(wish);
        }
        drop(state);
        self.wanted.notify_one();
    }

    /// Waits until somebody wants something.
    pub async fn wanted(&self) -> Wish {
        loop {
            if let Some(wish) = self.wish_now() {
                return wish;
            }
            self.wanted.notified().await;
        }
    }

    fn wish_now(&self) -> Option<Wish> {
        let mut state = self.state();
        let Some(wish) = state.wish.clone() else {
            return state.leaving.pop().map(Wish::Leave);
        };
        // A run goes on after this one, and may be told more.
        if wish == Wish::Hurry {
            state.wish = None;
        }
        Some(wish)
    }

    // Events after a number as far as memory reaches back; none when it does not.
    fn after(&self, after: u64) -> Seen {
        let state = self.state();
        if after >= state.last {
            return if state.over {
                Seen::Over
            } else {
                Seen::Nothing
            };
        }
        match state.recent.front() {
            Some(oldest) if oldest.seq <= after + 1 => Seen::Events(
                state
                    .recent
                    .iter()
                    .filter(|event| event.seq > after)
                    .cloned()
                    .collect(),
            ),
            _ => Seen::TooOld,
        }
    }
}

enum Seen {
    Events(Vec<Arc<StoredEvent>>),
    Nothing,
    TooOld,
    Over,
}

/// Follows one run from a given event on.
pub struct Watch {
    store: Store,
    hub: Option<Arc<Hub>>,
    id: AnalysisId,
    after: u64,
    ended: bool,
}

impl Watch {
    pub(super) fn new(store: Store, hub: Option<Arc<Hub>>, id: AnalysisId, after: u64) -> Self {
        Self {
            store,
            hub,
            id,
            after,
            ended: false,
        }
    }

    /// The next events, at least one; none after the last. Safe to drop while waiting.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<StoredEvent>>>, StoreError> {
        while !self.ended {
            let Some(hub) = self.hub.clone() else {
                // Boxed: a thousand watchers wait, few of them for the store, and all would keep the room.
                return Box::pin(self.stored()).await;
            };
            // Asked for before looking, so that what happens in between is not missed.
            let changed = hub.changed.notified();
            match hub.after(self.after) {
                Seen::Events(events) => return Ok(self.advance(events)),
                Seen::TooOld => return Box::pin(self.stored()).await,
                Seen::Nothing => changed.await,
                // What the hub did not have (an end written by another path) is in the store.
                Seen::Over => self.hub = None,
            }
        }
        Ok(None)
    }

    async fn stored(&mut self) -> Result<Option<Vec<Arc<StoredEvent>>>, StoreError> {
        let (id, after) = (self.id.clone(), self.after);
        let found = self
            .store
            .read(move |db| events::after(db, &id, after, PAGE))
            .await?;
        if found.is_empty() && self.hub.is_none() {
            self.ended = true;
            return Ok(None);
        }
        Ok(self.advance(found.into_iter().map(Arc::new).collect()))
    }

    fn advance(&mut self, events: Vec<Arc<StoredEvent>>) -> Option<Vec<Arc<StoredEvent>>> {
        let last = events.last()?;
        self.after = last.seq;
        self.ended = LAST.contains(&last.kind.as_str());
        Some(events)
    }
}
