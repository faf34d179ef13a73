//! The real executable with its own data folder, and on a port that does not change when it restarts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

pub struct Server {
    child: Child,
    folder: PathBuf,
    pub base: String,
    settings: Vec<(&'static str, String)>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// Starts a server with these environment variables.
    pub fn start_with(settings: Vec<(&'static str, String)>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("quire-pages-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (child, base) = spawn(&folder, "0", &settings);
        Self {
            child,
            folder,
            base,
            settings,
        }
    }

    /// Stops the server with SIGTERM, as a service manager does, and restarts it at the same address.
    pub fn restart(&mut self) {
        self.stop();
        let port = self.base.rsplit(':').next().unwrap().to_owned();
        let (child, base) = spawn(&self.folder, &port, &self.settings);
        assert_eq!(base, self.base);
        self.child = child;
    }

    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Stops the server with SIGTERM, as a service manager does, and waits until it has ended.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &PathBuf, port: &str, settings: &[(&str, String)]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(["serve", "--port", port])
        .env_clear()
        .env("ENVIRONMENT", "test")
        .env("PASSWORD_ROUNDS", "1000")
        .env("LOG_LEVEL", "error")
        .env("QUIRE_DATA", folder.join("data"))
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let start = line.find("http://")?;
        Some(line[start..].trim().trim_end_matches('/').to_owned())
    });
    // The output of the server must be read until the end, because the server would block if the pipe were full.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the server says where it listens"))
}

/// The response of a provider: its status, content type, and body.
pub type Answer = (&'static str, &'static str, String);

/// Starts a provider with a single model, which refuses every call. It runs until the test program ends.
pub fn refusing_provider() -> SocketAddr {
    provider(&["model"], |_| {
        let body = r#"{"error":{"message":"this key is not known"}}"#;
        ("401 Unauthorized", "application/json", body.into())
    })
}

/// Starts a provider with these models, which responds to each call with the result of `answer` for the body of the
/// request.
pub fn provider(models: &[&str], answer: fn(&Value) -> Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let entries: Vec<Value> = models
        .iter()
        .map(|id| json!({"id": id, "object": "model"}))
        .collect();
    let list = json!({"object": "list", "data": entries}).to_string();
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let list = list.clone();
            std::thread::spawn(move || drop(serve(line, &list, answer)));
        }
    });
    address
}

fn serve(mut line: TcpStream, list: &str, answer: fn(&Value) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(line.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head)?;
        let field = head[start..].trim().to_lowercase();
        if let Some(number) = field.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
        if field.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let (status, kind, text) = if head.starts_with("GET") {
        ("200 OK", "application/json", list.to_owned())
    } else {
        answer(&serde_json::from_slice(&body).unwrap_or_default())
    };
    write!(
        line,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}
