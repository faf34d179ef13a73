//! The real executable on a data folder of its own, on a port that stays the same when it is restarted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

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

    /// With these settings in its environment.
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

    /// Stops it as a service manager would, and starts it again under the same address.
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

    fn stop(&mut self) {
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
    // Somebody has to read what it prints later, or it would wait for a reader one day.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the server says where it listens"))
}

/// A provider that knows one model and refuses every call to it, until the test program ends.
pub fn refusing_provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|line| drop(refuse(line)))
    });
    address
}

fn refuse(mut line: TcpStream) -> std::io::Result<()> {
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
    reader.take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = if head.starts_with("GET") {
        (
            "200 OK",
            r#"{"object":"list","data":[{"id":"model","object":"model"}]}"#,
        )
    } else {
        (
            "401 Unauthorized",
            r#"{"error":{"message":"this key is not known"}}"#,
        )
    };
    write!(
        line,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
