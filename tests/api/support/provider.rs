//! A provider that plays a script on a real socket, so that everything between it and us is real: it can
//! hang, dribble, cut, lie and refuse. It fails the test on a request nobody wrote down, and on a line
//! nobody asked for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a silent connection is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What is played to one request.
#[derive(Clone)]
enum Step {
    Wait(Duration),
    Send(Vec<u8>),
    /// As chunks of this many bytes, with a pause after each.
    Dribble(Vec<u8>, usize, Duration),
    /// Again and again until the peer has enough.
    Forever(Vec<u8>),
    /// Nothing more, until the peer closes.
    Hang,
}

/// One line of the script.
#[derive(Clone)]
pub struct Line {
    model: String,
    left: usize,
    optional: bool,
    headers: String,
    steps: Vec<Step>,
}

/// A line for calls to this model; `on("GET models")` for the list of models.
pub fn on(model: &str) -> Line {
    Line {
        model: model.to_owned(),
        left: 1,
        optional: false,
        headers: String::new(),
        steps: Vec::new(),
    }
}

fn chunk(body: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
    out
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Line {
    /// Played so many times.
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }
    /// No fault when it is not asked for.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
    /// Waits first.
    pub fn after(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Wait(pause));
        self
    }
    /// A header for the answer; before the line that makes the answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }
    /// Any status with a whole body.
    pub fn status(self, status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        self.lying(status, content_type, body, length)
    }
    /// A body that is not as long as it says.
    pub fn lying(self, status: u16, content_type: &str, body: &str, length: usize) -> Self {
        let headers = &self.headers;
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{body}"
        );
        self.raw(head.as_bytes())
    }
    /// These bytes and nothing else.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.steps.push(Step::Send(bytes.to_vec()));
        self
    }
    fn open(self) -> Self {
        let headers = &self.headers;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n{headers}transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        self.raw(head.as_bytes())
    }
    /// A whole stream with a proper end.
    pub fn sse(self, body: &str) -> Self {
        self.open().raw(&chunk(body.as_bytes())).raw(LAST_CHUNK)
    }
    /// The same in pieces of so many bytes.
    pub fn dribble(self, body: &str, bytes: usize, pause: Duration) -> Self {
        let mut line = self.open();
        line.steps
            .push(Step::Dribble(body.as_bytes().to_vec(), bytes, pause));
        line.raw(LAST_CHUNK)
    }
    /// A stream that breaks off after this.
    pub fn cut(self, body: &str) -> Self {
        self.open().raw(&chunk(body.as_bytes()))
    }
    /// A stream that goes silent after this; with nothing, right after the headers.
    pub fn stall(self, body: &str) -> Self {
        let line = self.open();
        let line = if body.is_empty() {
            line
        } else {
            line.raw(&chunk(body.as_bytes()))
        };
        line.hang()
    }
    /// Says nothing (more).
    pub fn hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }
    /// A stream that repeats this for ever.
    pub fn endless(self, body: &str) -> Self {
        let mut line = self.open();
        line.steps.push(Step::Forever(chunk(body.as_bytes())));
        line
    }
}

/// What was asked.
#[derive(Clone)]
pub struct Asked {
    /// The request line and the headers.
    pub head: String,
    /// The body; null where there was none.
    pub body: Value,
}

#[derive(Default)]
struct State {
    script: Vec<Line>,
    asked: Vec<Asked>,
    faults: Vec<String>,
    /// Models whose caller has hung up in the middle.
    left: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

/// The scripted provider.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Provider {
    /// Plays these lines; those for one model in their order.
    pub fn script(lines: impl IntoIterator<Item = Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().script = lines.into_iter().collect();
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if accepting.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                std::thread::spawn(move || serve(socket.unwrap(), &shared));
            }
        });
        Self { address, shared }
    }

    /// For a provider's settings.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// Waits until so many requests have come.
    pub fn wait_asked(&self, count: usize) {
        self.wait(&format!("{count} requests"), |state| {
            state.asked.len() >= count
        });
    }

    /// Waits until this model has been asked.
    pub fn wait_called(&self, model: &str) {
        self.wait(&format!("a call of {model}"), |state| {
            state.asked.iter().any(|asked| asked.body["model"] == model)
        });
    }

    /// Waits until a caller of this model has hung up in the middle.
    pub fn wait_left(&self, model: &str) {
        self.wait(&format!("the caller of {model} to hang up"), |state| {
            state.left.iter().any(|left| left == model)
        });
    }

    fn wait(&self, what: &str, so: impl Fn(&State) -> bool) {
        let state = self.shared.state.lock().unwrap();
        let (_state, late) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !so(state))
            .unwrap();
        assert!(!late.timed_out(), "waited in vain for {what}");
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if std::thread::panicking() {
            return;
        }
        let state = self.shared.state.lock().unwrap();
        assert!(state.faults.is_empty(), "unexpected: {:?}", state.faults);
        let unplayed: Vec<&String> = state
            .script
            .iter()
            .filter(|line| line.left > 0 && !line.optional)
            .map(|line| &line.model)
            .collect();
        assert!(unplayed.is_empty(), "never asked for: {unplayed:?}");
    }
}

fn serve(mut socket: TcpStream, shared: &Shared) {
    let Some(asked) = read(&mut socket) else {
        return;
    };
    let model = match asked.body["model"].as_str() {
        Some(model) => model.to_owned(),
        None => asked
            .head
            .split("/v1/")
            .nth(1)
            .map_or_else(String::new, |rest| {
                format!("GET {}", rest.split(' ').next().unwrap_or_default())
            }),
    };
    let mut state = shared.state.lock().unwrap();
    state.asked.push(asked);
    let line = state
        .script
        .iter_mut()
        .find(|line| line.left > 0 && line.model == model);
    let steps = match line {
        Some(line) => {
            line.left -= 1;
            line.steps.clone()
        }
        None => {
            state.faults.push(model.clone());
            on("").status(500, "text/plain", "not in the script").steps
        }
    };
    drop(state);
    shared.changed.notify_all();
    for step in steps {
        if play(&mut socket, step, shared).is_err() {
            shared.state.lock().unwrap().left.push(model);
            shared.changed.notify_all();
            return;
        }
    }
}

fn play(socket: &mut TcpStream, step: Step, shared: &Shared) -> std::io::Result<()> {
    match step {
        Step::Wait(pause) => std::thread::sleep(pause),
        Step::Send(bytes) => socket.write_all(&bytes)?,
        Step::Dribble(bytes, size, pause) => {
            for piece in bytes.chunks(size) {
                socket.write_all(&chunk(piece))?;
                std::thread::sleep(pause);
            }
        }
        Step::Forever(bytes) => loop {
            socket.write_all(&bytes)?;
            if shared.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
        },
        Step::Hang => {
            socket.set_read_timeout(Some(LOOK))?;
            while !shared.stop.load(Ordering::SeqCst) {
                match socket.read(&mut [0; 16]) {
                    Ok(0) => return Err(ErrorKind::BrokenPipe.into()),
                    Ok(_) => {}
                    Err(error)
                        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

fn read(socket: &mut TcpStream) -> Option<Asked> {
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            let body = &bytes[end + 4..];
            if body.len() >= length {
                let body = serde_json::from_slice(&body[..length]).unwrap_or_default();
                return Some(Asked { head, body });
            }
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
