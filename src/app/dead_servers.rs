//! Detects that this server has long been unable to determine which other servers are dead, so that this can be logged.
//! Meanwhile, it cannot take over the work of a dead server.

use std::time::{Duration, Instant};

/// How long this server may be unable to determine which others are dead before that is reported.
const MAX_BLIND_TIME: Duration = Duration::from_secs(60);

/// Tracks since when this server has been unable to determine which servers are dead.
pub(super) struct DeadServerWatch {
    could_tell: Instant,
    is_reported: bool,
}

impl DeadServerWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            could_tell: now,
            is_reported: false,
        }
    }

    /// Records whether this server can currently determine which servers are dead. A server that is cut off from the
    /// database cannot, but that is reported elsewhere. Returns true if it is time for a report: once until the server
    /// can determine it again.
    pub(super) fn is_due(&mut self, now: Instant, can_tell: bool, is_cut_off: bool) -> bool {
        if can_tell || is_cut_off {
            *self = Self::new(now);
        }
        let is_late = now.saturating_duration_since(self.could_tell) > MAX_BLIND_TIME;
        is_late && !std::mem::replace(&mut self.is_reported, is_late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_server_that_cannot_tell_for_a_minute_is_reported_once() {
        let start = clock::instant();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = DeadServerWatch::new(start);
        assert!(!watch.is_due(at(60), false, false));
        assert!(watch.is_due(at(61), false, false));
        assert!(!watch.is_due(at(500), false, false), "once");
        assert!(!watch.is_due(at(501), true, false));
        assert!(!watch.is_due(at(600), false, true), "it is cut off");
        assert!(!watch.is_due(at(660), false, false));
        assert!(watch.is_due(at(661), false, false));
    }
}
