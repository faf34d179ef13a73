//! Locking or deleting an account stops everything it started: runs, experiments, requests, and streams. Code that
//! starts work later (a timer, a queue, a restart) checks in the store whether the account is active.

use std::sync::Arc;
use std::time::Duration;

use super::{App, Error, Result};
use crate::clock;
use crate::domain::id::UserId;
use crate::log;
use crate::store::{experiments, users};

/// How often running work is checked against the accounts, which the command line may lock from another process.
const CHECK_EVERY: Duration = Duration::from_secs(2);

impl App {
    /// Stops all work of an account that was locked or deleted. Must be called last, because the calling request
    /// may be one of the account's own.
    ///
    /// # Errors
    /// Returns an error if its experiments cannot be marked as canceled. All running work has been stopped even
    /// then.
    pub async fn stop_account(self: &Arc<Self>, user: &UserId, reason: &str) -> Result<()> {
        let id = user.clone();
        let cancelled = self
            .store
            .write(move |db| experiments::cancel_all_of(db, &id, clock::now()))
            .await;
        if let Ok(cancelled) = &cancelled {
            self.experiments().request_stop(cancelled);
        }
        self.documents().stop_reading(user);
        // A deleted account may have left objects in a bucket.
        self.documents().remove_deleted_objects();
        // End requests before their runs, without a pause in between, so that a request ends because its account is
        // gone rather than because its run failed.
        self.accounts().end_requests_of(user);
        self.engine.cancel_all_of(user, reason);
        cancelled.map(drop).map_err(Error::from)
    }

    /// Stops the work of accounts that another process has locked or deleted. Never returns, and sleeps without a
    /// timer while no work is running. Accounts locked or deleted by this process are handled immediately.
    pub async fn watch_accounts(self: &Arc<Self>) {
        loop {
            tokio::select! {
                () = self.accounts().wait_for_arrival() => {}
                () = self.engine.wait_for_run() => {}
                () = self.documents().wait_for_reading() => {}
            }
            loop {
                tokio::time::sleep(CHECK_EVERY).await;
                match self.stop_inactive().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => log::error("cannot check accounts", &[("fault", &error)]),
                }
            }
        }
    }

    /// Stops the work of accounts that are no longer active. Returns whether any account had work running, in which
    /// case another check is needed.
    async fn stop_inactive(self: &Arc<Self>) -> Result<bool> {
        let mut active_users = self.accounts().users_in_flight();
        active_users.extend(self.engine.users());
        active_users.extend(self.documents().users_with_running_reads());
        active_users.sort();
        active_users.dedup();
        if active_users.is_empty() {
            return Ok(false);
        }
        let read = self.store.read(move |db| {
            let mut inactive_users = Vec::new();
            for user in active_users {
                if !users::is_active(db, &user)? {
                    inactive_users.push(user);
                }
            }
            Ok(inactive_users)
        });
        for user in read.await? {
            self.stop_account(&user, "its account was locked or deleted")
                .await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::config::{self, ConfigLayers};

    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn no_timer_runs_while_nothing_is_in_flight() {
        let path = std::env::temp_dir().join(format!("quire-locks-{}", std::process::id()));
        let folder = Folder(path);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let layers = ConfigLayers {
            file: None,
            dotenv: None,
            environment: vec![
                pair("ENVIRONMENT", "test"),
                pair("DISCOVER_LOCAL", "false"),
                pair("LOG_LEVEL", "error"),
                pair("QUIRE_DATA", folder.0.to_str().unwrap()),
            ],
            flags: Vec::new(),
        };
        let config = config::load(&layers).unwrap();
        // This runtime has no timers, so setting one would panic.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let app = App::open(config).unwrap();
            let watch = app.clone();
            let mut watch = std::pin::pin!(watch.watch_accounts());
            let mut is_waiting = async || {
                let poll = |cx: &mut std::task::Context<'_>| {
                    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        watch.as_mut().poll(cx)
                    }));
                    Poll::Ready(polled.is_ok_and(|poll| poll.is_pending()))
                };
                std::future::poll_fn(poll).await
            };
            assert!(is_waiting().await, "idle");
            assert!(is_waiting().await, "still idle");
            let user = UserId::new(clock::now(), 1);
            let mark = app.accounts().current_epoch();
            let guard = app.accounts().enter(&user, mark).await.unwrap();
            assert!(!is_waiting().await, "what is in flight is looked after");
            drop(guard);
        });
    }
}
