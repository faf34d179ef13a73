//! Runs on several servers that share a database: the lease of each run, and commands from other servers. Unused if the
//! database is a file.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::run_channel::RunChannel;
use super::{
    Engine, EngineShared, InsertRun, MAX_RUNS_PER_USER, RunSpec, SharedReservations, leases,
};
use crate::domain::id::AnalysisId;
use crate::log;
use crate::store::servers::{RunLease, StoredCommand};
use crate::store::{Reader, StoreError, Writer};

/// Name of the command that cancels a run, for the reason in its argument.
const CANCEL: &str = "cancel";
/// Name of the command that finishes a run early.
const FINISH_EARLY: &str = "finish_early";
/// Name of the command that skips the model in its argument.
const SKIP_MODEL: &str = "skip_model";

/// The stored commands that have been passed on to runs on this server, each with the lease that its run had
/// at the time. A command stays stored until its run ends, so that it is not lost if the run moves to another
/// server and back.
#[derive(Default)]
pub struct DeliveredCommands(BTreeSet<(i64, RunLease)>);

impl DeliveredCommands {
    /// Forgets delivered commands that are no longer stored, and returns the stored commands that have not been
    /// delivered.
    fn retain_new<'a>(&mut self, commands: &'a [StoredCommand]) -> Vec<&'a StoredCommand> {
        self.0
            .retain(|known| commands.iter().any(|one| key(one) == *known));
        let is_new = |one: &&StoredCommand| !self.0.contains(&key(one));
        commands.iter().filter(is_new).collect()
    }
}

fn key(command: &StoredCommand) -> (i64, RunLease) {
    (command.id, command.lease)
}

/// Returns why a run was canceled through a server that does not execute it; `None` if it was not. Requires a database
/// server.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn cancellation_of(db: &Reader, id: &AnalysisId) -> Result<Option<String>, StoreError> {
    leases::argument_of(db, id, CANCEL)
}

impl Engine {
    /// Cancels a run on another server. Returns false if no other server executes it.
    ///
    /// # Errors
    /// Returns an error if the command cannot be stored.
    pub async fn cancel_on_other_server(
        &self,
        id: &AnalysisId,
        why: &str,
    ) -> Result<bool, StoreError> {
        self.send_command(id, CANCEL, why).await
    }

    /// Finishes a run on another server early. Returns false if no other server executes it.
    ///
    /// # Errors
    /// Returns an error if the command cannot be stored.
    pub async fn finish_early_on_other_server(&self, id: &AnalysisId) -> Result<bool, StoreError> {
        self.send_command(id, FINISH_EARLY, "").await
    }

    /// Skips a model in a run on another server. Returns false if no other server executes it.
    ///
    /// # Errors
    /// Returns an error if the command cannot be stored.
    pub async fn skip_model_on_other_server(
        &self,
        id: &AnalysisId,
        model: &str,
    ) -> Result<bool, StoreError> {
        self.send_command(id, SKIP_MODEL, model).await
    }

    async fn send_command(
        &self,
        id: &AnalysisId,
        command: &'static str,
        argument: &str,
    ) -> Result<bool, StoreError> {
        if self.shared.store.is_embedded() {
            return Ok(false);
        }
        let (run, argument) = (id.clone(), argument.to_owned());
        let send = move |db: &Writer| leases::send_command(db, &run, command, &argument);
        let is_sent = self.shared.store.write(send).await?;
        if let (true, Some(membership)) = (is_sent, self.shared.store.membership()) {
            membership.announce_command(id);
        }
        Ok(is_sent)
    }

    /// Passes new commands from other servers on to the runs here. Reads nothing if there are no runs.
    ///
    /// # Errors
    /// Returns an error if the commands cannot be read.
    pub async fn deliver_commands(
        &self,
        boot: &Arc<str>,
        delivered: &mut DeliveredCommands,
    ) -> Result<(), StoreError> {
        if self.shared.runs().is_empty() {
            return Ok(());
        }
        let boot = boot.clone();
        let read = move |db: &_| leases::commands_for(db, &boot);
        let commands = self.shared.store.read(read).await?;
        for command in delivered.retain_new(&commands) {
            let run = self.shared.runs().get(&command.analysis).cloned();
            if let Some(run) = run {
                deliver(command, &run.channel);
                delivered.0.insert(key(command));
            }
        }
        Ok(())
    }

    /// Whether a run is active or waiting on this server.
    pub fn is_running_here(&self, id: &AnalysisId) -> bool {
        self.shared.runs().contains_key(id)
    }

    /// Frees the lease of a run that could not be resumed, so that any server can try again.
    pub async fn free_lease(&self, id: AnalysisId, lease: RunLease) {
        self.shared.free_lease(id, lease).await;
    }

    /// The budget reservations of this server that other servers take into account.
    pub fn shared_reservations(&self) -> &Arc<SharedReservations> {
        &self.shared.shared_reservations
    }

    /// Stops the runs that other servers are about to take over, because this server could not renew its
    /// membership in time. A run whose client is waiting is not stopped, because no other server would continue it.
    pub fn give_up_leases(&self) {
        let runs: Vec<_> = self.shared.runs().values().cloned().collect();
        for run in runs {
            if !run.is_awaited && !run.is_relayed {
                run.channel.give_up();
            }
        }
    }
}

/// Returns the user whose limit a run counts toward; empty for a background run, which counts toward none.
/// All users without an account count as one.
fn counted_owner(run: &RunSpec) -> String {
    match (run.background, &run.user) {
        (true, _) => String::new(),
        (false, Some(user)) => user.as_str().to_owned(),
        (false, None) => "nobody".to_owned(),
    }
}

impl EngineShared {
    /// Gives a new run a lease if the database is on a server. The transaction that inserts the run then also checks
    /// the owner's number of runs and stores the lease.
    pub(super) fn with_lease(&self, run: RunSpec, insert: InsertRun) -> (RunSpec, InsertRun) {
        let Some(membership) = self.store.membership() else {
            return (run, insert);
        };
        let (id, boot, owner) = (run.id.clone(), membership.boot(), counted_owner(&run));
        let insert = Box::new(move |db: &Writer| {
            if !owner.is_empty() {
                leases::check_run_count(db, &owner, MAX_RUNS_PER_USER as u64)?;
            }
            insert(db)?;
            leases::lease_run(db, &id, &boot, &owner)
        });
        let lease = Some(RunLease::NEW);
        (RunSpec { lease, ..run }, insert)
    }

    /// Frees the lease of a run that stopped before it ended, so that it can be resumed.
    pub(super) async fn free_lease(&self, id: AnalysisId, lease: RunLease) {
        let run = id.clone();
        let free = move |db: &Writer| leases::free_lease(db, &run, lease);
        if let Err(error) = self.store.write(free).await {
            // If this fails, this server resumes the run itself at its next check.
            let error = format!("{error:?}");
            log::warn("lease not freed", &[("analysis", &id), ("fault", &error)]);
        }
    }
}

fn deliver(command: &StoredCommand, channel: &RunChannel) {
    match command.command.as_str() {
        CANCEL => channel.cancel(&command.argument),
        FINISH_EARLY => channel.request_finish_early(),
        SKIP_MODEL => channel.request_skip(&command.argument),
        // The command comes from a newer version.
        other => log::warn("unknown command", &[("command", &other)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_command_is_delivered_once_for_each_lease_of_its_run() {
        let mut command = StoredCommand {
            id: 7,
            analysis: AnalysisId::new(Timestamp::from_millis(1), 1),
            lease: RunLease::NEW,
            command: CANCEL.into(),
            argument: String::new(),
        };
        let mut delivered = DeliveredCommands::default();
        for lease in [RunLease::NEW, RunLease::NEW.next()] {
            command.lease = lease;
            let stored_commands = [command.clone()];
            assert_eq!(delivered.retain_new(&stored_commands), [&command]);
            delivered.0.insert(key(&command));
            assert!(delivered.retain_new(&stored_commands).is_empty());
        }
        assert!(delivered.retain_new(&[]).is_empty());
        assert!(delivered.0.is_empty());
    }
}
