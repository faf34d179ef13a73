//! Token budgets for a thread's earlier turns: each model sees as many as fit into its context window besides the
//! question, the answer, and the documents.

use std::collections::BTreeMap;

use super::Analyses;
use super::check::CheckedRequest;
use super::context_allocation::PlannedPanel;
use crate::domain::analysis::Member;
use crate::domain::chat::Message;
use crate::domain::id::UserId;
use crate::domain::thread::{self, MAX_CARRIED_TOKENS, UNKNOWN_WINDOW_BUDGET};

impl Analyses<'_> {
    /// Returns the number of tokens available for earlier turns, for each model of the panel and each fallback. Empty
    /// if the request does not continue a thread.
    pub(super) fn history_budgets(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        (members, synthesizer): (&[Member], &Member),
        reads_peers: bool,
    ) -> BTreeMap<String, u64> {
        let (Some(user), true) = (
            user,
            new.context.is_threaded && !new.context.turns.is_empty(),
        ) else {
            return BTreeMap::new();
        };
        let (mut all, mut writer) = (members.to_vec(), synthesizer.clone());
        let texts = all.len() as u64;
        let no_budgets = BTreeMap::new();
        let panel = PlannedPanel {
            members: &mut all,
            synthesizer: &mut writer,
            reads_peers,
            history_tokens: &no_budgets,
        };
        let instructions = thread::system_tokens(&new.context.turns);
        let mut budgets = BTreeMap::new();
        for member in members.iter().chain([synthesizer]) {
            let needs = self.member_needs(user, new, member, &panel, texts);
            let available = needs
                .available_tokens()
                .map_or(UNKNOWN_WINDOW_BUDGET, |budget| {
                    let budget = budget.saturating_sub(instructions);
                    // If there are documents, they get the other half of the budget.
                    if new.documents.is_empty() {
                        budget
                    } else {
                        budget / 2
                    }
                });
            // A fallback gets the same budget as the planned model.
            for model in std::iter::once(member).chain(&member.fallbacks) {
                let budget = budgets
                    .entry(model.model.clone())
                    .or_insert(MAX_CARRIED_TOKENS);
                *budget = available.min(*budget);
            }
        }
        budgets
    }
}

/// Returns notes for the result about earlier turns that some models do not see in full.
pub(super) fn history_notes(turns: &[Message], budgets: &BTreeMap<String, u64>) -> Vec<String> {
    let text_turns = thread::earlier_messages(turns);
    let note = |(model, budget): (&String, &u64)| {
        let carried = thread::carried_turns(&text_turns, *budget);
        carried.is_incomplete().then(|| {
            format!(
                "{model} did not see the whole conversation: {} of its earlier turns were left out and {} shortened, \
                 so that it fits the context window",
                carried.omitted, carried.truncated
            )
        })
    };
    budgets.iter().filter_map(note).collect()
}
