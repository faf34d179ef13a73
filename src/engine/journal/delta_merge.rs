//! Merges consecutive pieces of the same text, so that many deltas become one event.

use crate::domain::event::RunEvent;

/// Returns whether the event is a piece of text. The end of a reasoning block is not one, because a different
/// text follows it.
pub(super) fn is_text(event: &RunEvent) -> bool {
    matches!(
        event,
        RunEvent::Delta { .. }
            | RunEvent::Reasoning { item: None, .. }
            | RunEvent::SynthesisDelta { .. }
    )
}

/// Returns whether both events are pieces of the same text.
pub(super) fn is_same_text(previous: &RunEvent, event: &RunEvent) -> bool {
    match (previous, event) {
        (
            RunEvent::Delta {
                stage: s1,
                model: m1,
                ..
            },
            RunEvent::Delta {
                stage: s2,
                model: m2,
                ..
            },
        )
        | (
            RunEvent::Reasoning {
                stage: s1,
                model: m1,
                item: None,
                ..
            },
            RunEvent::Reasoning {
                stage: s2,
                model: m2,
                item: None,
                ..
            },
        ) => s1 == s2 && m1 == m2,
        (RunEvent::SynthesisDelta { .. }, RunEvent::SynthesisDelta { .. }) => true,
        _ => false,
    }
}

/// Appends a piece of text to the previous piece, which must be of the same text. Returns false if the events are not
/// two such pieces.
pub(super) fn merge(previous: &mut RunEvent, event: &RunEvent) -> bool {
    match (previous, event) {
        (RunEvent::Delta { text, .. }, RunEvent::Delta { text: more, .. })
        | (RunEvent::Reasoning { text, .. }, RunEvent::Reasoning { text: more, .. })
        | (RunEvent::SynthesisDelta { text }, RunEvent::SynthesisDelta { text: more }) => {
            text.push_str(more);
            true
        }
        _ => false,
    }
}
