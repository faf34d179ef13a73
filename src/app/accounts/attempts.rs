//! Counts attempts to sign in: strictly for one account from one network, loosely for one account from
//! everywhere and for one network. A network that has signed in to the account before is held to the strict
//! limit only, so that nobody who guesses elsewhere can lock its owner out.

use super::throttle::{Key, network};
use super::{Accounts, Visit};
use crate::app::Result;
use crate::store::sign_in_networks;

impl Accounts {
    /// Counts an attempt before it is made, so that many at once cannot slip through together. Without an
    /// account, only the network is counted.
    ///
    /// # Errors
    /// `Kind::TooFast` when the attempt has to wait.
    pub(super) async fn note_attempt(&self, account: Option<&str>, visit: &Visit) -> Result<()> {
        let Some(peer) = visit.peer else {
            return Ok(());
        };
        let (attempts, now) = (&self.attempts, visit.now);
        let network = network(peer);
        let Some(account) = account else {
            return attempts.take(Key::Network(network), now);
        };
        attempts.take(Key::Pair(account.to_owned(), network), now)?;
        let loose = attempts
            .take(Key::Network(network), now)
            .and(attempts.take(Key::Account(account.to_owned()), now));
        let Err(too_fast) = loose else {
            return Ok(());
        };
        let (email, place) = (account.to_owned(), network.to_string());
        let known = self
            .store
            .read(move |db| sign_in_networks::is_known(db, &email, &place));
        match known.await? {
            true => Ok(()),
            false => Err(too_fast),
        }
    }

    /// Takes an attempt back that turned out to be a good one.
    pub(super) fn forgive_attempt(&self, account: &str, visit: &Visit) {
        let Some(peer) = visit.peer else {
            return;
        };
        let network = network(peer);
        for key in [
            Key::Pair(account.to_owned(), network),
            Key::Account(account.to_owned()),
            Key::Network(network),
        ] {
            self.attempts.put_back(&key);
        }
    }
}
