//! Merges pieces of the same text, so that many deltas become one event.

use crate::domain::event::Event;

/// Whether the event is a piece of text. The end of a block of reasoning is none: what follows it is another text.
pub(super) fn is_text(event: &Event) -> bool {
    matches!(
        event,
        Event::Delta { .. } | Event::Reasoning { item: None, .. } | Event::SynthesisDelta { .. }
    )
}

/// Whether both events are pieces of the same text.
pub(super) fn same_text(previous: &Event, event: &Event) -> bool {
    match (previous, event) {
        (
            Event::Delta {
                stage: s1,
                model: m1,
                ..
            },
            Event::Delta {
                stage: s2,
                model: m2,
                ..
            },
        )
        | (
            Event::Reasoning {
                stage: s1,
                model: m1,
                item: None,
                ..
            },
            Event::Reasoning {
                stage: s2,
                model: m2,
                item: None,
                ..
            },
        ) => s1 == s2 && m1 == m2,
        (Event::SynthesisDelta { .. }, Event::SynthesisDelta { .. }) => true,
        _ => false,
    }
}

/// Appends a piece to the previous one of the same text. Returns false for other events.
pub(super) fn join(previous: &mut Event, event: &Event) -> bool {
    match (previous, event) {
        (Event::Delta { text, .. }, Event::Delta { text: more, .. })
        | (Event::Reasoning { text, .. }, Event::Reasoning { text: more, .. })
        | (Event::SynthesisDelta { text }, Event::SynthesisDelta { text: more }) => {
            text.push_str(more);
            true
        }
        _ => false,
    }
}
