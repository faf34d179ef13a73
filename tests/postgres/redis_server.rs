//! A Redis server in a temporary folder on a free port, which tests can kill, stop, and start again.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use super::members::wait_for;
use super::support::server::Folder;

/// A running server, which is killed and removed on drop.
pub struct RedisServer {
    folder: Folder,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

/// Returns a port that is not in use.
pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl RedisServer {
    /// Starts a server with these command-line options.
    pub fn start(options: &[&str]) -> Self {
        let mut server = Self {
            folder: Folder::new(),
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
        };
        server.begin();
        server
    }

    /// Starts the server's process with what an earlier one has saved on request (`SAVE`).
    pub fn begin(&mut self) {
        let port = self.port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .args(&self.options)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("Redis is not installed: run .ci/tools, or apt-get install redis-server");
        self.child = Some(child);
        wait_for("Redis answers", || {
            let answer = self.command(&["PING"]);
            ["PONG", "NOAUTH"].iter().any(|word| answer.contains(word))
        });
    }

    /// Kills the server's process, which loses all data that it has not saved.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal, such as `-STOP`, to the server's process.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Returns the server's URL, with these credentials (such as `:password@`) before the host.
    pub fn address(&self, credentials: &str) -> String {
        format!("redis://{credentials}127.0.0.1:{}/0", self.port)
    }

    /// Returns the server's IP address and port.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Runs a command and returns what it prints.
    pub fn command(&self, parts: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(parts)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Returns the total number of slots taken, across all limits.
    pub fn slots(&self) -> usize {
        let keys = self.command(&["KEYS", "*:slots:*"]);
        let counts = keys.lines().filter(|key| !key.is_empty());
        counts
            .filter_map(|key| self.command(&["ZCARD", key]).parse::<usize>().ok())
            .sum()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
