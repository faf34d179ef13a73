//! A streaming standby of a test's PostgreSQL server, which can be paused and promoted.

use super::cluster::Cluster;
use super::members::wait_for;

/// Port of the standby's socket, which is in the first server's folder.
const PORT: u16 = 5433;
/// Name of the standby's data folder inside the first server's folder.
const DATA: &str = "standby";

/// A running standby, which is stopped on drop.
pub struct Standby<'a> {
    first: &'a Cluster,
}

impl<'a> Standby<'a> {
    /// Copies a server, and starts a standby that follows it from then on.
    pub fn of(first: &'a Cluster) -> Self {
        let copied = first
            .program("pg_basebackup")
            .args([
                "-U",
                "quire",
                "-c",
                "fast",
                "-X",
                "stream",
                "-R",
                "--no-sync",
                "-h",
            ])
            .arg(first.folder())
            .arg("-D")
            .arg(first.folder().join(DATA))
            .status()
            .unwrap();
        assert!(copied.success(), "pg_basebackup failed");
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c port={PORT} -c fsync=off -c shared_buffers=16MB",
            first.folder().display()
        );
        let standby = Self { first };
        assert!(
            first.control_in(DATA, &["-w", "-o", &options, "start"]),
            "see {}/{DATA}.log",
            first.folder().display()
        );
        wait_for("it streams", || {
            holds(
                |script| first.run(script),
                "EXISTS (SELECT 1 FROM pg_stat_replication WHERE state = 'streaming')",
            )
        });
        standby
    }

    /// Makes every commit wait until the standby has it on disk. Does not apply to the standby itself after its
    /// promotion.
    pub fn delay_commits(&self) {
        let set = "ALTER SYSTEM SET synchronous_standby_names = '*';\nSELECT pg_reload_conf();";
        assert_eq!(self.first.run(set), "");
        wait_for("it is synchronous", || {
            holds(
                |script| self.first.run(script),
                "EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync')",
            )
        });
    }

    /// Prevents the standby from applying the changes that it receives.
    pub fn pause(&self) {
        assert_eq!(self.run("SELECT pg_wal_replay_pause();"), "");
        wait_for("it is paused", || {
            self.holds("pg_get_wal_replay_pause_state() = 'paused'")
        });
    }

    /// Lets the standby apply changes again.
    pub fn resume(&self) {
        assert_eq!(self.run("SELECT pg_wal_replay_resume();"), "");
    }

    /// Promotes the standby to a server that accepts changes.
    pub fn promote(&self) {
        assert!(self.first.control_in(DATA, &["-w", "promote"]));
    }

    /// Returns the port of the standby's socket.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// Returns whether a condition is true on the standby.
    pub fn holds(&self, condition: &str) -> bool {
        holds(|script| self.run(script), condition)
    }

    fn run(&self, script: &str) -> String {
        self.first.run_on(PORT, script)
    }
}

/// Returns whether a condition is true on the server to which `run` connects.
fn holds(run: impl Fn(&str) -> String, condition: &str) -> bool {
    let check =
        format!("DO $$ BEGIN IF NOT ({condition}) THEN RAISE EXCEPTION 'no'; END IF; END $$;");
    run(&check).is_empty()
}

impl Drop for Standby<'_> {
    fn drop(&mut self) {
        self.first
            .control_in(DATA, &["-w", "-m", "immediate", "stop"]);
    }
}
