//! Utilities shared by the whole-program benches: start a program, wait for its first response with status 200, and
//! read its figures in /proc.
#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "each bench uses a part, and prints"
)]

pub mod budget;
pub mod family;
pub mod limits;
pub mod pressure;
pub mod upstream;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program under measurement; stopped on drop.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    /// Time from spawning the process to the first response with status 200.
    pub first_answer: Duration,
}

impl Program {
    pub fn start(
        binary: &Path,
        data: Option<&Path>,
        path: &str,
        extra_settings: &[(&str, String)],
    ) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PORT", port.to_string())
            .env("HOST", "127.0.0.1")
            .env("LOG_LEVEL", "error");
        command
            .env("RATE_LIMIT", "100000000")
            .env("MAX_CONNECTIONS", "4096")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        for (name, value) in extra_settings {
            command.env(name, value);
        }
        if let Some(data) = data {
            command.env("QUIRE_DATA", data).arg("serve");
        }
        let started_at = Instant::now();
        // The child is killed and waited for when the `Program` is dropped.
        #[allow(
            clippy::zombie_processes,
            reason = "a program that never answers ends the bench"
        )]
        let child = command.spawn().expect("the program starts");
        while started_at.elapsed() < Duration::from_secs(60) {
            if ask(
                address,
                &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
            )
            .is_some_and(|answer| answer.contains("200 OK"))
            {
                return Self {
                    child,
                    address,
                    first_answer: started_at.elapsed(),
                };
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        panic!("{} did not answer", binary.display());
    }

    /// Returns the proportional set size (PSS) of the program in KB.
    pub fn pss_kb(&self) -> u64 {
        self.memory_kb("Pss:")
    }

    /// Returns the anonymous memory of the program in KB: memory that belongs to it alone and is not backed by a
    /// file.
    pub fn anonymous_kb(&self) -> u64 {
        self.memory_kb("Anonymous:")
    }

    fn memory_kb(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Returns the CPU time so far, in clock ticks (10 ms).
    pub fn ticks(&self) -> u64 {
        let text =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let field = |index: usize| {
            fields
                .get(index)
                .and_then(|field| field.parse::<u64>().ok())
                .unwrap_or(0)
        };
        field(11) + field(12)
    }

    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).map_or(0, Iterator::count)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request on a new connection and returns the whole response.
pub fn ask(address: SocketAddr, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends a POST request with a JSON body and returns the whole response.
pub fn post(address: SocketAddr, path: &str, token: &str, body: &str) -> String {
    let authorization = if token.is_empty() {
        String::new()
    } else {
        format!("authorization: Bearer {token}\r\n")
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(address, &request).expect("an answer")
}

/// Returns the text of a field in a JSON response.
pub fn field(answer: &str, name: &str) -> String {
    let json = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
        .to_owned()
}

/// Creates an account `NAME@example.org` and returns its access token. The first one is the administrator's.
pub fn sign_up(address: SocketAddr, name: &str) -> String {
    let account = format!(r#"{{"email":"{name}@example.org","password":"Tr4verse-Orchid"}}"#);
    post(address, "/api/auth/register", "", &account);
    let answer = post(address, "/api/auth/login", "", &account);
    field(&answer, "access_token")
}

/// Creates an API key for the account with this access token.
pub fn new_key(address: SocketAddr, token: &str) -> String {
    let created = post(
        address,
        "/api/users/me/api-keys",
        token,
        r#"{"name":"bench"}"#,
    );
    field(&created, "key")
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the two programs to compare: from the arguments, or else where `make release` and `make footprint` put
/// them.
pub fn binaries() -> (PathBuf, PathBuf) {
    let given_args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let built = Path::new("target/x86_64-unknown-linux-gnu/release");
    let pick = |index: usize, name: &str| {
        given_args
            .get(index)
            .map_or_else(|| built.join(name), PathBuf::from)
    };
    let (quire, hello) = (pick(0, "quire"), pick(1, "examples/hello"));
    for binary in [&quire, &hello] {
        if !binary.exists() {
            eprintln!(
                "{} is not there: run `make footprint` or `make bench`",
                binary.display()
            );
            std::process::exit(0);
        }
    }
    (quire, hello)
}

/// Returns the path of Quire's binary, from the arguments or its default location.
pub fn binary() -> PathBuf {
    let given_path = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let built = "target/x86_64-unknown-linux-gnu/release/quire";
    let binary = PathBuf::from(given_path.as_deref().unwrap_or(built));
    if !binary.exists() {
        eprintln!("{} is not there: run `make bench`", binary.display());
        std::process::exit(0);
    }
    binary
}

/// Returns a single-threaded runtime.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// A temporary folder that is removed on drop.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quire-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
