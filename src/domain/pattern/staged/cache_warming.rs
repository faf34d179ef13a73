//! Prompt-cache warming. If one model gets several calls with the same long prefix, the first call is sent
//! alone. Once the provider has read the prefix, it serves the prefix to the other calls from its cache at a
//! lower price.

use super::StagedRun;
use crate::domain::chat::estimate_tokens;
use crate::domain::time::Timestamp;

/// Minimum length in tokens of a prefix that providers cache.
const MIN_CACHED_TOKENS: u64 = 1_024;

impl StagedRun {
    /// Makes the calls whose reservation was granted, except those that wait for a prefix to be cached.
    pub(super) fn reservation_granted(&mut self, now: Timestamp) {
        let mut first_models: Vec<String> = Vec::new();
        for member in std::mem::take(&mut self.awaiting_reservation) {
            let model = self.state.member(member).model.clone();
            if self.is_cheaper_after_caching(member) && first_models.contains(&model) {
                self.held_back.push(member);
            } else {
                first_models.push(model);
                self.start_call(now, member);
            }
        }
    }

    fn is_cheaper_after_caching(&self, member: usize) -> bool {
        let price = self.state.member(member).price;
        let is_cheaper = |price: crate::domain::money::Price| {
            price
                .cached_input
                .is_some_and(|cached| cached < price.input)
        };
        // In the reading stage, each part is read only once, so there is no common prefix.
        if self.state.is_reading() {
            return false;
        }
        let beginning = self.state.system_message(member);
        price.is_some_and(is_cheaper) && estimate_tokens(&beginning.text) >= MIN_CACHED_TOKENS
    }

    /// Starts held-back calls once the call that they wait for has cached the prefix or has ended.
    pub(super) fn start_waiting_calls(&mut self, now: Timestamp) {
        if self.held_back.is_empty() {
            return;
        }
        let reading: Vec<String> = (self.open_calls.iter())
            .filter(|(_, open)| !open.has_read)
            .map(|(&member, _)| self.state.member(member).model.clone())
            .collect();
        let waits = |member: &usize| reading.contains(&self.state.member(*member).model);
        let (still_waiting, ready): (Vec<usize>, Vec<usize>) = std::mem::take(&mut self.held_back)
            .into_iter()
            .partition(waits);
        self.held_back = still_waiting;
        for member in ready {
            self.start_call(now, member);
        }
    }

    /// Whether no call of the stage is open or waiting for a prefix to be cached.
    pub(super) fn is_stage_settled(&self) -> bool {
        self.open_calls.is_empty() && self.held_back.is_empty()
    }
}
