//! Tests the real executable: its exit codes, its output on stdout and stderr, and its reaction to signals.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod nginx;

mod answers;
mod archive;
mod ask;
mod beside;
mod chat;
mod command_line;
mod doctor;
mod experiments;
mod https;
mod keep;
mod manual;
mod mcp;
mod patterns;
mod people;
mod providers;
mod questions;
mod readme;
mod remote;
mod remote_commands;
mod serving;
mod setup;
mod terminal;
mod under_a_path;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary working directory that contains a data folder. It is removed on drop.
struct Workspace(PathBuf);

impl Workspace {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("quire-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    /// Returns a command that runs the executable with these arguments, in an otherwise empty environment.
    fn quire(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command
            .args(words)
            .env_clear()
            .env("ENVIRONMENT", "test")
            .env("PASSWORD_ROUNDS", "1000")
            .env("QUIRE_DATA", self.data_folder())
            .current_dir(&self.0);
        command
    }
    fn data_folder(&self) -> PathBuf {
        self.0.join("data")
    }
    fn run(&self, words: &[&str]) -> CommandOutput {
        CommandOutput::from_output(self.quire(words).output().unwrap())
    }
    fn run_with(&self, words: &[&str], input: &str) -> CommandOutput {
        CommandOutput::from_output(run_with_input(self.quire(words), input))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a command with `input` on its stdin.
fn run_with_input(mut command: Command, input: &str) -> Output {
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// The exit code and output of a command.
#[derive(Debug)]
struct CommandOutput {
    code: Option<i32>,
    stdout: String,
    err: String,
}

impl CommandOutput {
    fn from_output(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
    /// Checks that the command succeeded and wrote nothing to stderr. Returns its stdout.
    fn expect_success(self) -> String {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.stdout
        );
        self.stdout
    }
    /// Checks that the command failed with this exit code and wrote nothing to stdout. Returns its stderr.
    fn expect_refusal(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{}",
            self.err
        );
        assert!(self.err.starts_with("quire: "), "{}", self.err);
        self.err
    }
}

/// A server that is run by the real executable. It is killed on drop, if it is still running.
struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Quire is listening on http");
        let address = address.map(|rest| rest.trim_start_matches('s').trim_start_matches("://"));
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self {
            child,
            stdout: out,
            address,
        }
    }
    fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let kill_status = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(kill_status.success());
    }
    /// Returns a reader of everything that the server writes to stderr.
    fn stderr_lines(&mut self) -> BufReader<std::process::ChildStderr> {
        BufReader::new(self.child.stderr.take().unwrap())
    }
    fn wait_for_exit(mut self) -> CommandOutput {
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        let code = self.child.wait().unwrap().code();
        CommandOutput {
            code,
            stdout: out,
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
