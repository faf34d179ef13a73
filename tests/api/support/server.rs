//! The real server on a free port and in a separate thread. Its folder is removed at the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use quire::app::App;
use quire::config::{self, ConfigLayers};
use quire::http::{Listener, serve};
use quire::tls::CertificateResolver;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::client::Client;

/// A folder that is removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("quire-api-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        super::postgres::remove(&self.0);
    }
}

/// Not a setting of the server but a variable of these tests: the path of the program that reads documents.
pub const READER: &str = "TEST_READER";

/// A running server. Dropping it stops the server as SIGTERM does.
pub struct Server {
    pub address: SocketAddr,
    pub app: Arc<App>,
    /// Address of the server's second listener, if `UI_PORT` is set.
    pub pages: Option<SocketAddr>,
    /// The certificate resolver of the server's listeners, if they use TLS.
    pub tls: Option<Arc<CertificateResolver>>,
    folder: Option<Folder>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with the default settings for tests.
    pub fn start() -> Self {
        Self::with(&[])
    }
    /// Starts a server with these settings and the defaults for tests.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self::in_folder(Folder::new(), settings)
    }
    /// Starts a server on the data of an earlier server.
    pub fn in_folder(folder: Folder, settings: &[(&str, &str)]) -> Self {
        let config = configured(&folder, settings);
        let (ready_sender, ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }
                .enable_all()
                .max_blocking_threads(4)
                .build()
                .unwrap();
            runtime.block_on(run(config, ready_sender, stopped));
        });
        let (app, address, pages, tls) = ready.recv().expect("the server starts");
        Self {
            address,
            app,
            pages,
            tls,
            folder: Some(folder),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
    /// Stops the server and waits until it has ended. Returns the folder with its data.
    pub fn stop(mut self) -> Folder {
        self.halt();
        self.folder.take().expect("it has its folder until now")
    }
    /// Returns the data folder.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("it has its folder").path()
    }
    /// Returns how many files must be in the folder of originals if there are this many documents. There are none if
    /// the originals are in a database on a server.
    pub fn originals_of(&self, documents: usize) -> usize {
        match self.app.config.database_url.is_some() {
            true => 0,
            false => documents,
        }
    }
    /// Returns a client without an account.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }
    /// Creates an account and returns a client that is signed in to it with a bearer token.
    pub fn user(&self, email: &str) -> Client {
        self.client().registered(email)
    }
    /// Opens a connection for raw or malformed HTTP. Reads and writes time out after ten seconds.
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        socket
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        socket
    }
    /// Sends raw bytes and returns everything that the server sends until it closes the connection.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect();
        // The server may respond and close the connection before it has read everything.
        let _ = socket.write_all(bytes);
        rest(&mut socket)
    }

    fn halt(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let join_result = thread.join();
            if !std::thread::panicking() {
                join_result.expect("the server ends without a panic");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Reads from a connection until it is closed.
pub fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn configured(folder: &Folder, settings: &[(&str, &str)]) -> config::Config {
    let data = folder.path().to_str().unwrap();
    let usual = [
        ("ENVIRONMENT", "test"),
        ("PASSWORD_ROUNDS", "1000"),
        ("LOG_LEVEL", "error"),
        ("DISCOVER_LOCAL", "false"),
        // The evidence map is off by default, so that tests can count calls without the calls that build it. The tests
        // of the map turn it on.
        ("EVIDENCE", "off"),
        ("RATE_LIMIT", "1000000"),
        ("LOGIN_LIMIT", "100000"),
        ("SHUTDOWN_TIMEOUT", "2"),
        ("PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("QUIRE_DATA", data),
    ];
    let own = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        pairs.collect::<Vec<_>>()
    };
    let (reader, settings): (Vec<_>, Vec<_>) = settings
        .iter()
        .copied()
        .partition(|(name, _)| *name == READER);
    let layers = ConfigLayers {
        file: None,
        dotenv: None,
        environment: own(&usual),
        flags: own(&settings),
    };
    quire::log::configure(quire::log::LogLevel::Error, false);
    let mut config = config::load(&layers).expect("settings that hold");
    // Documents are read by starting the current program, which is the test program here, so the `quire` executable is
    // used instead.
    let program = reader.first().map(|(_, program)| *program);
    config.reader = Some(program.unwrap_or(env!("CARGO_BIN_EXE_quire")).into());
    let is_chosen = config.database_url.is_some();
    if config.replica.is_none() && config.backups.is_none() && !is_chosen {
        config.database_url = super::postgres::address(folder.path()).map(config::Secret::new);
    }
    config
}

type Ready = (
    Arc<App>,
    SocketAddr,
    Option<SocketAddr>,
    Option<Arc<CertificateResolver>>,
);

async fn run(
    config: config::Config,
    response: mpsc::Sender<Ready>,
    stopped: oneshot::Receiver<()>,
) {
    let ui_port = config.ui_port;
    let files = config.tls.clone();
    let body =
        |files| CertificateResolver::open(files, quire::clock::now()).expect("a certificate");
    let tls = files.map(body).map(Arc::new);
    let app = App::open(config).expect("the app opens");
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let listener = bind(0).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut doors = vec![Listener {
        listener,
        index: ui_port.is_some(),
        tls: tls.clone(),
    }];
    let mut pages = None;
    if let Some(port) = ui_port {
        let listener = bind(port).await.unwrap();
        pages = Some(listener.local_addr().unwrap());
        doors.push(Listener {
            listener,
            index: false,
            tls: tls.clone(),
        });
    }
    app.resume().await;
    response.send((app.clone(), address, pages, tls)).unwrap();
    let work = async {
        serve(app.clone(), doors, async {
            let _ = stopped.await;
        })
        .await;
        app.close().await;
    };
    tokio::select! {
        () = work => {}
        () = app.watch_servers() => {}
        () = app.limits().drive() => {}
    }
}
