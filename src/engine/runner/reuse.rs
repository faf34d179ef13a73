//! Avoids calls by reusing the answer of an earlier run, the cache, or another caller's identical call in progress. All
//! other calls go to the provider.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::Driver;
use crate::domain::analysis::CacheUse;
use crate::domain::chat::{Answer, CallBill, ModelRequest};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::{CallId, RunInput};
use crate::domain::usage;
use crate::engine::answer_cache::{self, CacheKey, FlightRole, LeaderGuard};
use crate::engine::journal::AnswerToCache;
use crate::engine::ledger::OpenCall;
use crate::store::cached_answers::CachedAnswer;

/// This run's calls that are waiting for another caller's identical call.
#[derive(Default)]
pub(super) struct FollowedCalls {
    waiting_calls: BTreeSet<CallId>,
    leader_ended: JoinSet<(CallId, ModelRequest)>,
}

impl FollowedCalls {
    fn wait(
        &mut self,
        call: CallId,
        request: ModelRequest,
        until: impl Future<Output = ()> + Send + 'static,
    ) {
        self.waiting_calls.insert(call);
        self.leader_ended.spawn(async move {
            until.await;
            (call, request)
        });
    }

    /// Stops waiting on behalf of a call.
    pub fn stop(&mut self, call: CallId) {
        self.waiting_calls.remove(&call);
    }

    /// Waits until the leader of a followed call has ended, and returns that call; never returns if no call
    /// is followed. Cancel-safe.
    pub async fn next(&mut self) -> Option<(CallId, ModelRequest)> {
        loop {
            match self.leader_ended.join_next().await {
                Some(Ok((call, request))) if self.waiting_calls.remove(&call) => {
                    return Some((call, request));
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Driver {
    pub(super) async fn call(&mut self, call: CallId, mut request: ModelRequest) {
        if let Some(answer) = self.take_reusable(&request) {
            return self.answer_without_call(call, answer);
        }
        // Keep a copy without images: this function is called with it again once the leader of an identical call has
        // ended.
        let is_cached = self.cache == CacheUse::On && !self.shared.cache.limits.ttl.is_zero();
        let plain = is_cached.then(|| request.clone());
        self.attach_images(&mut request);
        let key = self.cache_key(&request);
        let mut leader = None;
        if let (Some(key), Some(plain)) = (&key, plain) {
            if let Some(cached) =
                answer_cache::find(&self.shared, &key.digest, self.cache_age).await
            {
                return self.answer_from_cache(call, key, cached);
            }
            match self.shared.cache.single_flight.join(&key.digest) {
                FlightRole::Leader(taken) => {
                    // The previous leader may have finished since the lookup above.
                    if let Some(cached) =
                        answer_cache::find(&self.shared, &key.digest, self.cache_age).await
                    {
                        return self.answer_from_cache(call, key, cached);
                    }
                    leader = Some(taken);
                }
                FlightRole::Follower(mut leader) => {
                    let over = async move {
                        // The leader signals its end by dropping the sender; no value is ever sent.
                        while leader.changed().await.is_ok() {}
                    };
                    return self.followed_calls.wait(call, plain, over);
                }
            }
        }
        self.start_call(call, request, key, leader);
    }

    fn start_call(
        &mut self,
        call: CallId,
        request: ModelRequest,
        key: Option<CacheKey>,
        leader: Option<LeaderGuard>,
    ) {
        let (llm, user, number) = (
            &self.shared.llm,
            self.user.as_ref(),
            self.ledger.next_number(),
        );
        let own_key = llm.uses_own_key(user, &request.model);
        let price = self.terms.price(&request.model);
        let limit = request.parameters.max_tokens;
        let open_call = OpenCall::new(call, &request, self.stopwatch.now());
        let running = llm.start(number, user, request, self.events.clone());
        let open_call = open_call.with_running_call(running);
        let mut open_call = open_call
            .with_price(price, own_key)
            .with_cache_key(key, leader);
        if let Some(reserved_tokens) = self.reservation.reserved_output(call) {
            // An answer with its own limit is cut off at that limit. Any other answer is cut off once no
            // budget has room for more.
            match limit {
                Some(_) => open_call.limit_output(usage::with_margin(reserved_tokens)),
                None => open_call.watch_output(reserved_tokens),
            }
        }
        self.ledger.open(number, open_call);
    }

    fn answer_from_cache(&mut self, call: CallId, key: &CacheKey, cached: CachedAnswer) {
        self.journal.record_hit(key.digest.clone(), &cached);
        self.answer_without_call(call, cached.answer);
    }

    // Completes a call without calling a provider, so its cost is zero.
    fn answer_without_call(&mut self, call: CallId, answer: Answer) {
        self.reservation.close(call, MicroDollars(0));
        let input = RunInput::Answered {
            call,
            answer,
            cached: true,
            bill: CallBill::default(),
        };
        self.machine.handle(self.stopwatch.now(), input);
    }

    fn take_reusable(&mut self, request: &ModelRequest) -> Option<Answer> {
        let mut reusable = self.reusable_answers.iter();
        let at = reusable.position(|(earlier, _)| earlier.is_same_question(request))?;
        Some(self.reusable_answers.swap_remove(at).1)
    }

    // Returns the cache key of a call; `None` if the call is not cached. Anonymous answers have no owner and
    // are not cached.
    fn cache_key(&self, request: &ModelRequest) -> Option<CacheKey> {
        let user = self.user.as_ref()?;
        if self.cache == CacheUse::Off || self.shared.cache.limits.ttl.is_zero() {
            return None;
        }
        Some(answer_cache::key(&self.shared, user, request))
    }

    pub(super) fn cache_answer(&mut self, open: OpenCall, answer: &Answer) {
        let Some(CacheKey {
            digest: whole,
            fields,
        }) = open.key
        else {
            return;
        };
        if !answer_cache::is_cacheable(answer) {
            return;
        }
        let price = self.terms.price(&open.model);
        let cached = CachedAnswer {
            cost: price.map(|price| price.cost(&answer.usage)),
            model: open.model,
            answer: answer.clone(),
            fields: fields.hashes(),
        };
        let purge = self.shared.cache.add_bytes(cached.bytes(&whole));
        let to_cache = AnswerToCache {
            key: whole,
            cached_answer: cached,
            ttl: self.shared.cache.limits.ttl,
            leader: open.leader,
        };
        self.journal.cache_answer(to_cache, purge);
    }
}
