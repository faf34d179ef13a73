//! A third-party server that is started for one test and stopped at its end, and a Quire server that is configured to
//! call it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

/// The question that the tests ask.
pub const QUESTION: &str = "How thick is the paper?";

/// A running mock server.
pub struct Mock {
    child: Child,
    /// Base URL of the server, without a path.
    pub url: String,
}

impl Mock {
    /// Starts a program in target/interop with these arguments and a port. If it is not installed, prints a notice and
    /// returns `None`.
    pub fn start(program: &str, arguments: &[&str]) -> Option<Self> {
        let path = find_program(program)?;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(path)
            .args(arguments)
            .args(["-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mock = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        };
        let started_at = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started_at.elapsed() < Duration::from_secs(30),
                "{program} does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(mock)
    }

    /// Returns the JSON in the response to a GET request.
    pub fn get(&self, path: &str) -> Value {
        let mut answer = ureq::get(format!("{}{path}", self.url)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Sends JSON in a POST request, which must succeed.
    pub fn post(&self, path: &str, body: &Value) {
        let response = ureq::post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .send(body.to_string());
        assert!(response.unwrap().status().is_success());
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of a program in target/interop. If it is not installed, prints a notice and returns `None`.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop");
    let path = root.join(program);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {program} is not installed; `make interop` does it");
    None
}

/// A Quire server with configured providers, and a client that is signed in to it.
pub struct Asking {
    _server: Executable,
    _folder: Folder,
    client: Client,
}

impl Asking {
    pub fn start(providers: &Value, settings: &[(&str, &str)]) -> Self {
        let known = providers.to_string();
        let mut all = vec![("QUIRE_PROVIDERS", known.as_str()), ("CACHE_TTL", "0")];
        all.extend_from_slice(settings);
        let folder = Folder::new();
        let server = Executable::with(&folder, &all);
        let client = Client::new(server.address).registered("ada@example.com");
        Self {
            _server: server,
            _folder: folder,
            client,
        }
    }

    /// Asks a panel in a single stage, and returns the stored analysis.
    pub fn panel(&mut self, models: &[&str], ultra: &str) -> Value {
        let body = json!({
            "prompt": QUESTION, "models": models, "ultra_model": ultra, "pattern": "summarize",
        });
        self.client.post("/api/analyze", body);
        let list = self.client.get("/api/analyses").json();
        let id = list["analyses"][0]["id"].as_str().unwrap().to_owned();
        self.client.get(&format!("/api/analyses/{id}")).json()
    }

    /// Returns the answer of a model in the first stage of an analysis.
    pub fn answer(shown: &Value, model: &str) -> Value {
        let stages = shown["results"]["stages"].as_array().unwrap();
        let answers = stages
            .iter()
            .flat_map(|stage| stage["answers"].as_array().unwrap());
        let found = answers.into_iter().find(|answer| answer["model"] == model);
        found
            .unwrap_or_else(|| panic!("no {model} in {shown}"))
            .clone()
    }
}
