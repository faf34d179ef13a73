//! Three servers of the real program on one database, behind nginx, which can be killed and started again.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use super::cluster::Cluster;
use super::support::Client;
use super::support::executable::Executable;
use super::support::server::Folder;

/// Number of servers.
pub const SERVERS: usize = 3;

/// The servers and the proxy. All of them end on drop.
pub struct Fleet {
    servers: [Mutex<Option<Executable>>; SERVERS],
    folders: [Folder; SERVERS],
    ports: [u16; SERVERS],
    settings: Vec<(String, String)>,
    proxy: Proxy,
}

impl Fleet {
    /// Starts nginx and the servers with these environment variables.
    pub fn start(cluster: &Cluster, settings: &[(&str, &str)]) -> Self {
        let ports = [(); SERVERS].map(|()| free_port());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut settings: Vec<_> = settings.iter().map(owned).collect();
        settings.push(("DATABASE_URL".into(), cluster.address("postgres")));
        settings.push(("TRUSTED_PROXIES".into(), "127.0.0.1".into()));
        let fleet = Self {
            servers: [(); SERVERS].map(|()| Mutex::default()),
            folders: [(); SERVERS].map(|()| Folder::new()),
            proxy: Proxy::start(ports),
            ports,
            settings,
        };
        for number in 0..SERVERS {
            fleet.begin(number);
        }
        fleet
    }

    /// Starts a server on the same port and in the same folder as before.
    pub fn begin(&self, number: usize) {
        let port = self.ports[number].to_string();
        let settings = self.settings.iter();
        let settings = settings.map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = settings.chain([("PORT", port.as_str())]).collect();
        let server = Executable::with(&self.folders[number], &settings);
        *self.servers[number].lock().unwrap() = Some(server);
    }

    /// Kills a server without letting it shut down.
    pub fn kill(&self, number: usize) {
        let server = self.servers[number].lock().unwrap().take();
        if let Some(server) = server {
            server.kill();
        }
    }

    /// Returns a client that connects through nginx and appears to have this IP address.
    pub fn client(&self, address: &str) -> Client {
        let proxy = format!("127.0.0.1:{}", self.proxy.port);
        Client::new(proxy.parse().unwrap()).with("x-forwarded-for", address)
    }
}

/// Returns a free port outside the range that the system uses for outgoing connections, none of which can then take the
/// port while its server is down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 1_000) as u16 * 10;
    let ports = std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Relaxed)) % 10_000);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    { ports }.take(10_000).find(is_free).expect("a free port")
}

struct Proxy {
    process: Child,
    port: u16,
    _folder: Folder,
}

impl Proxy {
    /// Starts nginx with the configuration from the manual, which passes requests to these ports.
    fn start(ports: [u16; SERVERS]) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        let path = folder.path().display();
        let servers =
            ports.map(|port| format!("server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;"));
        let manual = include_str!("../../assets/manual/hosts.md");
        let (_, lines) = manual.split_once("```nginx\n").unwrap();
        let (lines, _) = lines.split_once("```").unwrap();
        let lines = lines.replace("http://127.0.0.1:8080", "http://quire");
        let text = format!(
            "daemon off; pid {path}/pid; error_log {path}/errors; worker_processes 1;
             events {{ worker_connections 1024; }}
             http {{ access_log off; client_body_temp_path {path}/b; proxy_temp_path {path}/p;
             fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;
             upstream quire {{ {} }}
             server {{ listen 127.0.0.1:{port}; {lines} }} }}",
            servers.concat()
        );
        let settings = folder.path().join("nginx.conf");
        std::fs::write(&settings, text).unwrap();
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].map(PathBuf::from);
        let program = program.into_iter().find(|path| path.exists());
        let program = program.expect("nginx is not installed: run .ci/tools");
        let mut command = Command::new(program);
        command.arg("-c").arg(&settings).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        Self {
            process,
            port,
            _folder: folder,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx's workers end only if nginx can stop them itself, so it must not be killed.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}
