//! The real executable in a separate process, for tests that kill it or inspect the resources that it holds.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::Client;
use super::provider::Provider;
use super::script::providers;
use super::server::Folder;

/// The running executable. It is killed on drop, if it is still running.
pub struct Executable {
    child: Child,
    pub address: std::net::SocketAddr,
}

impl Executable {
    /// Starts the executable with this provider and the demo models.
    pub fn start(folder: &Folder, provider: &Provider, settings: &[(&str, &str)]) -> Self {
        let known_providers = providers(provider);
        let mut all = vec![
            ("QUIRE_PROVIDERS", known_providers.as_str()),
            ("USE_MOCK", "true"),
        ];
        all.extend_from_slice(settings);
        Self::with(folder, &all)
    }
    /// Starts the executable with these settings and the defaults for tests.
    pub fn with(folder: &Folder, settings: &[(&str, &str)]) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_quire"));
        Self::from_command(command, folder, settings)
    }
    /// Starts the executable with this command.
    pub fn from_command(mut command: Command, folder: &Folder, settings: &[(&str, &str)]) -> Self {
        let mut child = command
            .env_clear()
            .env("ENVIRONMENT", "test")
            .env("PASSWORD_ROUNDS", "1000")
            .env("LOG_LEVEL", "error")
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .env("DISCOVER_LOCAL", "false")
            .env("EVIDENCE", "off")
            .env("QUIRE_DATA", folder.path().join("data"))
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Quire is listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        Self { child, address }
    }
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let kill_status = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(kill_status.success());
    }
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Returns the resources that the process holds: the names of its threads and the targets of its open files.
    pub fn held_resources(&self) -> ProcessResources {
        let folder = format!("/proc/{}", self.child.id());
        let names = |what: &str| {
            std::fs::read_dir(format!("{folder}/{what}"))
                .unwrap()
                .flatten()
        };
        let mut threads: Vec<String> = names("task")
            .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
            .map(|name| name.trim().to_owned())
            .collect();
        // The numbers of sockets are arbitrary, so they are removed.
        let mut files: Vec<String> = names("fd")
            .filter_map(|file| std::fs::read_link(file.path()).ok())
            .map(|link| {
                link.to_string_lossy()
                    .split(":[")
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        threads.sort();
        files.sort();
        ProcessResources { threads, files }
    }
    pub fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
    /// Returns a copy of a client that uses this server.
    pub fn known(&self, client: &Client) -> Client {
        let mut client = client.clone();
        client.base = format!("http://{}", self.address);
        client
    }
}

/// Snapshot of the threads and open files of a process. Tests compare two of them to detect leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessResources {
    pub threads: Vec<String>,
    pub files: Vec<String>,
}

impl Drop for Executable {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
