//! Locking or deleting an account stops everything that it started: runs, experiments, requests and streams.
//! Whatever begins work later (a timer, a queue, a restart) asks the store whether the account is active.

use std::sync::Arc;
use std::time::Duration;

use super::{App, Error, Kind, Result};
use crate::clock;
use crate::domain::id::UserId;
use crate::log;
use crate::store::{StoreError, Writer, experiments, users};

/// How often work in flight is compared with the accounts: the command line locks them in another process.
const CHECK_EVERY: Duration = Duration::from_secs(2);

impl App {
    /// Stops everything of an account that was locked or deleted. Call it last: the request that asks for it
    /// may be one of the account's own.
    ///
    /// # Errors
    /// When its experiments cannot be marked as cancelled. Everything in flight has been stopped even then.
    pub async fn stop_account(self: &Arc<Self>, user: &UserId, reason: &str) -> Result<()> {
        self.engine.cancel_all_of(user, reason);
        let id = user.clone();
        let cancelled = self
            .store
            .write(move |db| experiments::cancel_all_of(db, &id, clock::now()))
            .await;
        if let Ok(cancelled) = &cancelled {
            self.experiments().stop_seats(cancelled);
        }
        self.documents().stop_reading(user);
        // What an experiment began in between.
        self.engine.cancel_all_of(user, reason);
        self.accounts().end_presence(user);
        cancelled.map(drop).map_err(Error::from)
    }

    /// Stops the work of accounts that another process has locked or deleted. Never ends.
    pub async fn watch_accounts(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            if let Err(fault) = self.stop_inactive().await {
                log::error("accounts could not be checked", &[("fault", &fault)]);
            }
        }
    }

    async fn stop_inactive(self: &Arc<Self>) -> Result<()> {
        let mut busy = self.accounts().present();
        busy.extend(self.engine.users());
        busy.extend(self.documents().readers_for());
        busy.sort();
        busy.dedup();
        if busy.is_empty() {
            return Ok(());
        }
        let read = self.store.read(move |db| {
            let mut inactive = Vec::new();
            for user in busy {
                if !users::is_active(db, &user)? {
                    inactive.push(user);
                }
            }
            Ok(inactive)
        });
        for user in read.await? {
            self.stop_account(&user, "its account was locked or deleted")
                .await?;
        }
        Ok(())
    }

    /// Whether an account exists and is not locked.
    pub(super) async fn is_active(&self, user: &UserId) -> Result<bool> {
        let id = user.clone();
        Ok(self.store.read(move |db| users::is_active(db, &id)).await?)
    }

    /// Refuses work for an account that is locked or gone.
    pub(super) async fn check_active(&self, user: &UserId) -> Result<()> {
        match self.is_active(user).await? {
            true => Ok(()),
            false => Err(Error::new(Kind::Forbidden, "this account is locked")
                .resolve("ask an admin to unlock it")),
        }
    }
}

/// The same inside a write, where no lock can come in between. No account is a person who is not signed in.
pub(super) fn check_active_in(db: &Writer, user: Option<&UserId>) -> crate::store::Result<()> {
    match user {
        Some(user) if !users::is_active(db, user)? => Err(StoreError::Missing),
        _ => Ok(()),
    }
}
