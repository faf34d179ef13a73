//! A provider that plays a script on a real socket, so that everything between the provider and the server is real. It
//! can hang, send slowly, disconnect, return wrong data, and refuse requests. It fails the test if a request is not in
//! the script, or if a line of the script is never used.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use super::line::{ScriptLine, on};
use super::line::{Step, chunk};
use super::server::Folder;
use super::tls::{Certificate, Connection};

/// Maximum time to wait for something that must happen.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval between checks whether a silent connection has been closed.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long a completed call may still count as open, because this side has not yet noticed that the peer has closed
/// the connection.
const GRACE: Duration = Duration::from_millis(100);

/// A request that the provider has received.
#[derive(Clone)]
pub struct ReceivedRequest {
    /// The request line and the headers.
    pub head: String,
    /// The body; null if there was none.
    pub body: Value,
}

/// How the responses to requests are determined.
enum ResponseSource {
    Script(Vec<ScriptLine>),
    /// Determined by the number of the connection.
    Act(Box<dyn Fn(usize) -> ScriptLine + Send>),
    /// Determined by the request.
    Answer(Box<dyn Fn(&ReceivedRequest) -> ScriptLine + Send>),
}

struct State {
    play: ResponseSource,
    connections: usize,
    /// Number of connections that were closed before a request was sent.
    empty_connections: usize,
    asked: Vec<ReceivedRequest>,
    faults: Vec<String>,
    /// Number of requests in progress.
    open: usize,
    /// Number of open requests that the script has left hanging.
    hanging: usize,
    /// Maximum number of concurrent requests. If there are more, the test fails.
    most: usize,
    /// The models whose callers disconnected in the middle of a response, and when they did.
    left: Vec<(String, Instant)>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    certificate: Option<Certificate>,
}

/// A scripted provider. When it is dropped, the test fails if a request was not in the script, or if a line of the
/// script was never used.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    folder: Folder,
}

impl Provider {
    /// Starts a provider that plays these lines. Lines for the same model are played in order.
    pub fn script(lines: impl IntoIterator<Item = ScriptLine>) -> Self {
        Self::start(ResponseSource::Script(lines.into_iter().collect()), None)
    }

    /// Like [`Self::script`], but over TLS, with a certificate that clients do not trust by default.
    pub fn over_tls(lines: impl IntoIterator<Item = ScriptLine>) -> Self {
        let play = ResponseSource::Script(lines.into_iter().collect());
        Self::start(play, Some(Certificate::new()))
    }

    /// Starts a provider that plays the line that `act` returns for the number of the connection.
    pub fn with_script(act: impl Fn(usize) -> ScriptLine + Send + 'static) -> Self {
        Self::start(ResponseSource::Act(Box::new(act)), None)
    }

    /// Starts a provider that plays the line that `answer` returns for the request.
    pub fn answering(answer: impl Fn(&ReceivedRequest) -> ScriptLine + Send + 'static) -> Self {
        Self::start(ResponseSource::Answer(Box::new(answer)), None)
    }

    fn start(play: ResponseSource, certificate: Option<Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = Folder::new();
        if let Some(certificate) = &certificate {
            std::fs::write(folder.path().join("ca.pem"), &certificate.pem).unwrap();
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(play)),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            certificate,
        });
        let accept_shared = shared.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if accept_shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accept_shared.clone();
                std::thread::spawn(move || serve(socket.unwrap(), &shared));
            }
        });
        Self {
            address,
            shared,
            folder,
        }
    }

    /// Returns the base URL of the provider, for use in settings.
    pub fn base_url(&self) -> String {
        let scheme = match self.shared.certificate {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}/v1", self.address)
    }

    /// Returns the certificate that clients must trust, or `None` if the provider does not use TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        let path = self.folder.path().join("ca.pem");
        self.shared.certificate.is_some().then_some(path)
    }

    /// Makes the test fail if there are ever more concurrent requests than this.
    pub fn limit_concurrency(&self, max_calls: usize) {
        self.shared.state.lock().unwrap().most = max_calls;
    }

    /// Returns all requests received so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// Returns the number of connections so far. Includes connections that were reset before a request was read.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    /// Returns the number of requests in progress.
    pub fn open(&self) -> usize {
        self.shared.state.lock().unwrap().open
    }

    /// Waits until this many requests have arrived.
    pub fn wait_for_requests(&self, count: usize) {
        self.wait(&format!("{count} requests"), |state| {
            state.asked.len() >= count
        });
    }

    /// Waits until this many connections have been opened.
    pub fn wait_connected(&self, count: usize) {
        self.wait(&format!("{count} connections"), |state| {
            state.connections >= count
        });
    }

    /// Waits until this many connections have been closed without a request.
    pub fn wait_for_empty_connections(&self, count: usize) {
        self.wait(&format!("{count} callers to go unheard"), |state| {
            state.empty_connections >= count
        });
    }

    /// Waits until this model has been called.
    pub fn wait_called(&self, model: &str) {
        self.wait(&format!("a call of {model}"), |state| {
            state.asked.iter().any(|asked| asked.body["model"] == model)
        });
    }

    /// Waits until this many calls hang.
    pub fn wait_hanging(&self, count: usize) {
        self.wait(&format!("{count} callers that wait"), |state| {
            state.hanging >= count
        });
    }

    /// Waits until a caller of this model has disconnected in the middle of a response.
    pub fn wait_for_disconnect(&self, model: &str) {
        self.wait(&format!("the caller of {model} to hang up"), |state| {
            state.left.iter().any(|(left, _)| left == model)
        });
    }

    /// Waits until this many callers have disconnected in the middle of a response. Returns the models and the times.
    pub fn wait_for_disconnects(&self, count: usize) -> Vec<(String, Instant)> {
        self.wait(&format!("{count} callers to hang up"), |state| {
            state.left.len() >= count
        });
        self.shared.state.lock().unwrap().left.clone()
    }

    /// Waits until no request is in progress.
    pub fn wait_idle(&self) {
        self.wait("the last caller to go", |state| state.open == 0);
    }

    fn wait(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let state = self.shared.state.lock().unwrap();
        let (_state, late) = self
            .shared
            .changed
            .wait_timeout_while(state, WAIT_TIMEOUT, |state| !condition(state))
            .unwrap();
        assert!(!late.timed_out(), "waited in vain for {what}");
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // This wakes the thread that accepts connections, so that it notices the stop.
        let _ = TcpStream::connect(self.address);
        if std::thread::panicking() {
            return;
        }
        let state = self.shared.state.lock().unwrap();
        assert!(state.faults.is_empty(), "unexpected: {:?}", state.faults);
        let ResponseSource::Script(lines) = &state.play else {
            return;
        };
        let unused_lines: Vec<&String> = lines
            .iter()
            .filter(|line| line.remaining_uses > 0 && !line.optional)
            .map(|line| &line.model)
            .collect();
        assert!(unused_lines.is_empty(), "never asked for: {unused_lines:?}");
    }
}

impl State {
    fn new(play: ResponseSource) -> Self {
        Self {
            play,
            connections: 0,
            empty_connections: 0,
            asked: Vec::new(),
            faults: Vec::new(),
            open: 0,
            hanging: 0,
            most: usize::MAX,
            left: Vec::new(),
        }
    }

    /// Returns the steps that the script contains for a request to this model.
    fn line(&mut self, model: &str) -> Vec<Step> {
        let ResponseSource::Script(lines) = &mut self.play else {
            return Vec::new();
        };
        let script_line = lines
            .iter_mut()
            .find(|line| line.remaining_uses > 0 && line.model == model);
        if let Some(line) = script_line {
            line.remaining_uses -= 1;
            return line.steps.clone();
        }
        self.faults.push(model.to_owned());
        on("").status(500, "text/plain", "not in the script").steps
    }
}

fn serve(socket: TcpStream, shared: &Shared) {
    let acted = {
        let mut state = shared.state.lock().unwrap();
        state.connections += 1;
        match &state.play {
            ResponseSource::Act(act) => Some(act(state.connections).steps),
            ResponseSource::Script(_) | ResponseSource::Answer(_) => None,
        }
    };
    shared.changed.notify_all();
    if matches!(acted.as_deref(), Some([Step::Reset])) {
        // If bytes were left unread, closing the socket would cause a reset.
        let _ = (&socket).read(&mut [0]);
        return;
    }
    let mut pipe = match &shared.certificate {
        Some(certificate) => certificate.accept(socket),
        None => Box::new(socket),
    };
    let Some(request) = read(&mut *pipe) else {
        shared.state.lock().unwrap().empty_connections += 1;
        shared.changed.notify_all();
        return;
    };
    let model = request.model();
    let mut state = shared.state.lock().unwrap();
    let scripted_steps = match &state.play {
        ResponseSource::Answer(answer) => Some(answer(&request).steps),
        _ => acted,
    };
    state.asked.push(request);
    let steps = scripted_steps.unwrap_or_else(|| state.line(&model));
    state.open += 1;
    drop(state);
    shared.changed.notify_all();
    shared.check_concurrency();
    let broken = steps
        .into_iter()
        .any(|step| play(&mut *pipe, step, shared).is_err());
    let ended_at = Instant::now();
    let mut state = shared.state.lock().unwrap();
    state.open -= 1;
    if broken {
        state.left.push((model, ended_at));
    }
    drop(state);
    shared.changed.notify_all();
}

impl Shared {
    fn check_concurrency(&self) {
        let state = self.state.lock().unwrap();
        let (mut state, late) = self
            .changed
            .wait_timeout_while(state, GRACE, |state| state.open > state.most)
            .unwrap();
        if late.timed_out() {
            let error = format!("{} at once, not {}", state.open, state.most);
            state.faults.push(error);
        }
    }

    fn hang(&self, pipe: &mut dyn Connection) -> std::io::Result<()> {
        while !self.stop.load(Ordering::SeqCst) {
            match pipe.read(&mut [0; 16]) {
                Ok(0) => return Err(ErrorKind::BrokenPipe.into()),
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl ReceivedRequest {
    /// Returns the model of a request or, if the request has none, a name such as `GET models`.
    pub fn model(&self) -> String {
        if let Some(model) = self.body["model"].as_str() {
            return model.to_owned();
        }
        let path = self.head.split("/v1/").nth(1).unwrap_or_default();
        match path.split(' ').next() {
            Some(path) if !path.is_empty() => format!("GET {path}"),
            _ => String::new(),
        }
    }
}

fn play(socket: &mut dyn Connection, step: Step, shared: &Shared) -> std::io::Result<()> {
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
            socket.set_timeout(POLL_INTERVAL)?;
            shared.state.lock().unwrap().hanging += 1;
            shared.changed.notify_all();
            let hang_result = shared.hang(socket);
            shared.state.lock().unwrap().hanging -= 1;
            return hang_result;
        }
        // The connection is reset before the request is read.
        Step::Reset => {}
    }
    Ok(())
}

fn read(socket: &mut dyn Connection) -> Option<ReceivedRequest> {
    socket.set_timeout(WAIT_TIMEOUT).ok()?;
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
                return Some(ReceivedRequest { head, body });
            }
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
