//! What a server does because there may be others on the same database: takes over the runs of servers that are gone,
//! receives commands for its own, and gives its own up when it may no longer have them.

use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::clock;
use crate::engine::DeliveredCommands;
use crate::log;

/// Pause between two looks for commands: how long a command may take to another server.
const COMMAND_INTERVAL: Duration = Duration::from_millis(250);
/// Number of these pauses between two looks for runs without a server.
const TAKE_OVER_EVERY: u32 = 8;

impl App {
    /// Works together with other servers. Never returns, and does nothing if the database is a file.
    pub async fn watch_servers(self: &Arc<Self>) {
        let Some(membership) = self.store.membership() else {
            return std::future::pending().await;
        };
        let (mut boot, mut delivered) = (membership.boot(), DeliveredCommands::default());
        let mut round = 0_u32;
        let mut was_current = true;
        loop {
            tokio::time::sleep(COMMAND_INTERVAL).await;
            round = round.wrapping_add(1);
            let (now_boot, is_current) =
                (membership.boot(), membership.is_current(clock::instant()));
            if was_current && (!is_current || now_boot != boot) {
                log::error(
                    "this server was cut off from the database: its runs pass to others",
                    &[],
                );
                self.engine.give_up_leases();
            }
            (boot, was_current) = (now_boot, is_current);
            if !is_current {
                continue;
            }
            if let Err(fault) = self.engine.deliver_commands(&boot, &mut delivered).await {
                log::warn("commands could not be read", &[("fault", &fault)]);
            }
            if round.is_multiple_of(TAKE_OVER_EVERY) && !self.engine.is_closing() {
                if let Err(fault) = self.analyses().resume().await {
                    log::warn("runs could not be taken over", &[("fault", &fault)]);
                }
            }
        }
    }
}
