//! A real nginx (Debian's nginx-light) that makes a Quire server available under a path. Several tests use it.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The path under which the server is available.
pub const PUBLIC_PATH: &str = "/quire";

/// Whether nginx keeps or removes the path when it forwards a request.
#[derive(Clone, Copy, Debug)]
pub enum PathStyle {
    PassedOn,
    Removed,
}

/// A running nginx. It is stopped on drop.
pub struct Nginx {
    child: Child,
    folder: PathBuf,
}

/// Returns whether nginx is installed. If it is not, prints that the test is skipped.
pub fn is_installed() -> bool {
    let output = Command::new("nginx")
        .arg("-v")
        .stderr(Stdio::null())
        .status();
    if output.is_err() {
        eprintln!("skipped: there is no nginx on this machine (make test installs it)");
    }
    output.is_ok()
}

/// Returns a free TCP port on 127.0.0.1.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Nginx {
    /// Starts an nginx on `port` that makes the server at this address available under [`PUBLIC_PATH`].
    pub fn start(port: u16, server: &str, style: PathStyle) -> Self {
        let folder =
            std::env::temp_dir().join(format!("quire-nginx-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let workspace = folder.display();
        let slash = match style {
            PathStyle::PassedOn => "",
            PathStyle::Removed => "/",
        };
        let config = format!(
            "daemon off; pid {workspace}/pid; error_log {workspace}/errors; user root; worker_processes 1; events {{}}
             http {{ access_log off; client_body_temp_path {workspace}/b; proxy_temp_path {workspace}/p;
             fastcgi_temp_path {workspace}/f; uwsgi_temp_path {workspace}/u; scgi_temp_path {workspace}/s;
             server {{ listen 127.0.0.1:{port};
             location {PUBLIC_PATH}/ {{
                 proxy_pass http://{server}{slash}; proxy_http_version 1.1; proxy_buffering off;
                 proxy_request_buffering off; client_max_body_size 60m; proxy_set_header Connection \"\";
                 proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                 proxy_set_header X-Forwarded-Proto $scheme;
             }} }} }}"
        );
        std::fs::write(folder.join("nginx.conf"), config).unwrap();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started_at = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started_at.elapsed() < Duration::from_secs(20),
                "nginx does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The main process of nginx also stops its workers.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
