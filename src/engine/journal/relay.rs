//! Journal of a relayed call: its events go to its watcher without being stored, and its usage is recorded when the
//! call ends.

use std::sync::Arc;

use super::{Journal, PublishedEvent, StoredEvent};
use crate::clock;
use crate::engine::budget::BudgetReservation;
use crate::engine::run_channel::RelayAudience;
use crate::engine::settlement::SettledCall;

impl Journal {
    /// Makes this the journal of a relayed call if `audience` is given; otherwise, changes nothing.
    pub fn into_passthrough(self, audience: Option<RelayAudience>) -> Self {
        Self {
            // There is no analysis that would have to be marked as started.
            is_started: audience.is_some(),
            relay: audience,
            ..self
        }
    }

    /// Returns whether the call is relayed.
    pub fn is_passthrough(&self) -> bool {
        self.relay.is_some()
    }

    /// Publishes the buffered events of a relayed call to its watcher, or discards them if no one watches.
    pub fn publish_buffered(&mut self) {
        self.is_urgent = false;
        self.answers.clear();
        if self.relay != Some(RelayAudience::Watcher) {
            return self.events.clear();
        }
        let last = &mut self.last_seq;
        let events = self.events.drain(..).map(|event| {
            *last += 1;
            let stored_event = StoredEvent {
                seq: *last,
                kind: String::new(),
                data: String::new(),
            };
            let event = Some(event);
            PublishedEvent {
                stored_event,
                event,
            }
        });
        self.channel.publish_unstored(events.collect());
    }

    /// Returns the usage to record for the call; `None` if there is none.
    pub fn into_settled(mut self, reservation: BudgetReservation) -> Option<SettledCall> {
        self.events.clear();
        if self.is_empty() && self.cacheable.is_empty() {
            return None;
        }
        let leaders = self.cacheable.iter_mut();
        let leaders = leaders
            .filter_map(|keeping| keeping.leader.take())
            .collect();
        // This cannot fail, because there are no events to serialize.
        let batch = Arc::new(self.batch(clock::now(), None).ok()?);
        Some(SettledCall {
            batch,
            reservation,
            _leaders: leaders,
            ended_at: clock::instant(),
            is_reported: false,
        })
    }
}
