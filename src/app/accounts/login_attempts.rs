//! Rate limits for sign-in attempts. A device that has signed in to the account before has its own limit and never
//! queues behind others. All other attempts are limited strictly per account and network, and loosely per account
//! and per network. A network that has signed in to the account before is never blocked: the loose limits do not
//! apply to it, and attempts beyond the strict one wait for their turn, newest first, so that a correct password
//! succeeds while the rate of guesses stays bounded.

use std::net::IpAddr;

use super::login_limits::{ThrottleKey, network};
use super::login_queue::LoginTurn;
use super::passwords::PasswordPriority;
use super::{Accounts, RequestOrigin};
use crate::app::Result;
use crate::clock;
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::shared_limits::SharedLimits;
use crate::store::sign_in_networks;

/// A sign-in attempt that has been counted against the limits.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// The buckets it was counted in; refunded if the password is correct.
    counted_keys: Vec<ThrottleKey>,
    /// The turn to wait for before the password is checked; `None` if there is no need to wait.
    pub turn: Option<LoginTurn>,
    /// Which of the two queues for password checks the attempt joins.
    pub priority: PasswordPriority,
}

impl Accounts {
    /// Enforces the limits on sign-in attempts jointly with other servers.
    pub(in crate::app) fn share_limits(&mut self, limits: SharedLimits) {
        self.attempts.share(limits);
    }

    /// Counts a sign-in attempt before it is made, so that concurrent attempts cannot exceed the limit. Without an
    /// account, only the network is counted; without a peer address, nothing is.
    ///
    /// # Errors
    /// `Kind::TooFast` if the attempt is refused. Also fails if the store cannot be read.
    pub(super) async fn register_attempt(
        &self,
        account: Option<&str>,
        origin: &RequestOrigin,
    ) -> Result<Attempt> {
        let mut attempt = Attempt::default();
        let Some(peer) = origin.peer else {
            return Ok(attempt);
        };
        let (network, now) = (network(peer), origin.now);
        let Some(account) = account else {
            self.count(ThrottleKey::Network(network), now, &mut attempt)
                .await?;
            return Ok(attempt);
        };
        if let Some(device) = self.known_device(account, origin).await? {
            return Ok(self.register_device_attempt(device, now).await);
        }
        let pair = ThrottleKey::Pair(account.to_owned(), network);
        if let Err(too_fast) = self.count(pair.clone(), now, &mut attempt).await {
            if !self.is_known_network(account, network).await? {
                return Err(too_fast);
            }
            attempt.turn = Some(self.login_turns.join(pair, clock::instant()));
            return Ok(attempt);
        }
        // Count in both buckets, even if the first one refuses.
        let network_key = ThrottleKey::Network(network);
        let network_result = self.count(network_key, now, &mut attempt).await;
        let account_key = ThrottleKey::Account(account.to_owned());
        let account_result = self.count(account_key, now, &mut attempt).await;
        if let Err(too_fast) = network_result.and(account_result)
            && !self.is_known_network(account, network).await?
        {
            return Err(too_fast);
        }
        Ok(attempt)
    }

    /// Counts an attempt from a known device or session. Beyond the limit, the attempt gets a turn to wait for instead
    /// of an error, so attempts by others never cause it to be refused.
    pub(super) async fn register_device_attempt(
        &self,
        device: SessionId,
        now: Timestamp,
    ) -> Attempt {
        let mut attempt = Attempt {
            priority: PasswordPriority::Known,
            ..Attempt::default()
        };
        let key = ThrottleKey::Device(device);
        if self.count(key.clone(), now, &mut attempt).await.is_err() {
            attempt.turn = Some(self.login_turns.join(key, clock::instant()));
        }
        attempt
    }

    /// Waits until the password of an attempt may be checked.
    ///
    /// # Errors
    /// `Kind::TooFast` if newer attempts took every turn for too long.
    pub(super) async fn await_turn(&self, attempt: &mut Attempt) -> Result<()> {
        match attempt.turn.take() {
            Some(turn) => self.login_turns.wait(turn).await,
            None => Ok(()),
        }
    }

    /// Refunds a successful attempt, so that it does not count against the limits.
    pub(super) fn refund_attempt(&self, attempt: &Attempt) {
        for key in &attempt.counted_keys {
            self.attempts.refund(key);
        }
    }

    async fn count(&self, key: ThrottleKey, now: Timestamp, attempt: &mut Attempt) -> Result<()> {
        self.attempts.take(key.clone(), now).await?;
        attempt.counted_keys.push(key);
        Ok(())
    }

    async fn is_known_network(&self, account: &str, network: IpAddr) -> Result<bool> {
        let (email, network_name) = (account.to_owned(), network.to_string());
        let is_known = self
            .store
            .read(move |db| sign_in_networks::is_known(db, &email, &network_name));
        Ok(is_known.await?)
    }
}
