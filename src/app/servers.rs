//! Coordinates this server with others on the same database: takes over the work of servers that have stopped, receives
//! commands for its own runs, and gives up its own work when its leases may have expired.

use std::sync::Arc;
use std::time::Duration;

use super::dead_servers::DeadServerWatch;
use super::{App, Error, Kind, Result};
use crate::clock;
use crate::crypto::random_number;
use crate::domain::id::AnalysisId;
use crate::engine::DeliveredCommands;
use crate::log;
use crate::shared_limits::{self, RedisError, SharedLimits};
use crate::store::{EARLIER_SERVER, Membership, NoticeWatch, Store, StoreError, Writer, servers};

/// Pause between checks of whether this server's leases are still valid.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// Pause between two checks for commands when no channel announces them, and thus the longest delay of a command.
const COMMAND_INTERVAL: Duration = Duration::from_millis(250);
/// Pause between two checks for commands when they are announced; covers announcements that were lost.
const ANNOUNCED_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two checks for work whose server has stopped.
const TAKE_OVER_INTERVAL: Duration = Duration::from_secs(2);
/// Name of the lease that the server responsible for database housekeeping holds.
const HOUSEKEEPING: &str = "housekeeping";

/// Registers this process as one of the servers that use the database. Blocks.
///
/// # Errors
/// `Conflict` if a server of an earlier version is running; another error if the database cannot be written.
pub(super) fn join(store: &Store) -> Result<()> {
    store.join_servers(random_number()?).map_err(|error| match error {
        StoreError::Conflict(EARLIER_SERVER) => Error::new(
            Kind::Conflict,
            "a server of an earlier version runs on the database in DATABASE_URL, which cannot share it",
        )
        .resolve("Stop it, then start this server again."),
        error => error.into(),
    })
}

/// Waits until there may be a command for a run that this server executes. If commands are announced, waits
/// up to `max_wait` for an announcement.
async fn wait_for_command(
    notices: Option<&mut NoticeWatch>,
    is_driven: impl Fn(&AnalysisId) -> bool,
    max_wait: Duration,
) {
    match notices {
        Some(notices) if notices.is_live() => {
            let next_command = notices.wait_for_command(is_driven);
            // On a timeout, commands are read nevertheless.
            let _ = tokio::time::timeout(max_wait, next_command).await;
        }
        _ => tokio::time::sleep(COMMAND_INTERVAL).await,
    }
}

impl App {
    /// Number of servers that use the database, including this one.
    pub fn server_count(&self) -> u32 {
        self.store.server_count()
    }

    /// Whether this server must stop, because a server of an earlier version was started on the database while this
    /// server was disconnected.
    pub fn is_excluded(&self) -> bool {
        self.store.membership().is_some_and(Membership::is_excluded)
    }

    /// The ID under which this server holds leases; `None` if the database is a file.
    pub fn boot(&self) -> Option<Arc<str>> {
        self.store.membership().map(Membership::boot)
    }

    /// Divides the limits per user and per provider among the servers that use the database. While the servers share
    /// the limits through Redis, they are not divided.
    pub fn share_limits(&self) {
        self.limits().divide_among(self.server_count());
        self.llm.apply_share();
    }

    /// The limits that apply across all servers.
    pub fn limits(&self) -> &SharedLimits {
        self.llm.limits()
    }

    /// Checks that the configured Redis server accepts this server. An unreachable Redis server is not an
    /// error: the limits are divided among the servers until it can be reached.
    ///
    /// # Errors
    /// `Conflict` if it refuses the credentials or a command.
    pub async fn check_redis(&self) -> Result<()> {
        let Some(redis) = &self.config.redis else {
            return Ok(());
        };
        match shared_limits::probe(redis, self.config.authorities.as_deref()).await {
            Err(RedisError::Refused(why)) => {
                let text = format!("Redis at {redis} refuses this server: {why}");
                Err(Error::new(Kind::Conflict, text)
                    .resolve("Check the user name, the password, and the number in REDIS_URL."))
            }
            // The connection that is opened afterward reports an unreachable server.
            Err(RedisError::Unreachable(_)) | Ok(_) => Ok(()),
        }
    }

    /// Takes or renews the housekeeping lease. Returns whether this server holds it; always true if the database is a
    /// file.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub(super) async fn is_housekeeper(&self) -> Result<bool> {
        let Some(boot) = self.store.membership().map(Membership::boot) else {
            return Ok(true);
        };
        let keep = move |db: &Writer| servers::keep_lease(db, HOUSEKEEPING, &boot);
        Ok(self.store.write(keep).await?)
    }

    /// Cooperates with other servers on the same database. Never returns, and does nothing if the database is a file.
    pub async fn watch_servers(self: &Arc<Self>) {
        let Some(membership) = self.store.membership() else {
            return std::future::pending().await;
        };
        tokio::join!(
            self.watch_membership(membership),
            self.work_with_others(membership)
        );
    }

    /// Gives up this server's work as soon as other servers may take it over. Waits only for its own timer, and in
    /// particular not for the database, so that it is never late.
    async fn watch_membership(self: &Arc<Self>, membership: &Membership) {
        let (mut was_current, mut entries) = (true, membership.entries());
        let may_declare_dead = membership.may_declare_dead();
        let mut dead_servers = DeadServerWatch::new(clock::instant());
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let now = clock::instant();
            let is_current = membership.is_current(now);
            let new_entries = membership.entries();
            if dead_servers.is_due(now, may_declare_dead(), !is_current) {
                let what =
                    "this server is too late for its renewals to tell which servers are dead";
                log::warn(what, &[]);
            }
            if was_current && (!is_current || new_entries != entries) {
                let what = "this server was cut off from the database: its work may pass to others";
                log::error(what, &[]);
                self.engine.give_up_leases();
                self.experiments().give_up_leases();
            }
            if new_entries != entries {
                self.engine.shared_reservations().restore();
            }
            (entries, was_current) = (new_entries, is_current);
        }
    }

    async fn work_with_others(self: &Arc<Self>, membership: &Membership) {
        let (boot, mut delivered) = (membership.boot(), DeliveredCommands::default());
        let mut notices = membership.watch_notices();
        let mut takes_over_at = clock::instant() + TAKE_OVER_INTERVAL;
        loop {
            let is_driven = |id: &_| self.engine.is_running_here(id);
            let due = takes_over_at.saturating_duration_since(clock::instant());
            let max_wait = due.clamp(COMMAND_INTERVAL, ANNOUNCED_INTERVAL);
            wait_for_command(notices.as_mut(), is_driven, max_wait).await;
            if !membership.is_current(clock::instant()) {
                continue;
            }
            self.share_limits();
            if let Err(error) = self.engine.deliver_commands(&boot, &mut delivered).await {
                log::warn("commands could not be read", &[("fault", &error)]);
            }
            if clock::instant() >= takes_over_at && !self.engine.is_closing() {
                self.take_over().await;
                takes_over_at = clock::instant() + TAKE_OVER_INTERVAL;
            }
        }
    }

    /// Takes over the work of servers that have stopped, stops experiments that were ended through another server, and
    /// reloads the fallback chains. Errors are only logged.
    async fn take_over(self: &Arc<Self>) {
        let (analyses, experiments) = (self.analyses(), self.experiments());
        let outcomes = [
            ("analyses", analyses.resume().await),
            ("stopped experiments", experiments.stop_ended().await),
            ("experiments", experiments.resume_all().await),
            ("documents", self.documents.resume().await),
            ("fallbacks", self.fallbacks().load().await),
        ];
        for (what, outcomes) in outcomes {
            if let Err(error) = outcomes {
                log::warn(
                    "the work of other servers could not be continued",
                    &[("what", &what), ("fault", &error)],
                );
            }
        }
    }
}
