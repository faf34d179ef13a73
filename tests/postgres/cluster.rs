//! A PostgreSQL server in a temporary folder, reachable only through a socket there; if wanted, through PgBouncer, which
//! passes each transaction to any of its connections. With QUIRE_TEST_POOLER, every test goes through it, except those of
//! what a pooler cannot do. QUIRE_TEST_POSTGRES_PROGRAMS is the folder of the programs of another version.

#[path = "template.rs"]
mod template;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use template::Template;

/// Port of PgBouncer's socket in the folder, next to the server's own.
const POOLER_PORT: u16 = 6432;

/// Number of PgBouncer's connections: so few that programs get each other's.
const POOL_SIZE: u32 = 4;

/// A running server; stopped and removed at the end.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    pooler: Option<Child>,
    _template: Arc<Template>,
}

/// Creates an empty folder of the user that the server runs as.
fn create_folder(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    if let Some((user, group)) = postgres_user().filter(|_| is_root()) {
        std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
    }
}

/// Returns the folder of the server's programs: of the newest installed version, unless another one is chosen.
fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("QUIRE_TEST_POSTGRES_PROGRAMS") {
        return PathBuf::from(folder);
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is not installed: run .ci/tools, or apt-get install postgresql")
}

/// Returns a command that runs as `postgres` if this process is root, which the server's programs refuse.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some((user, group)) = postgres_user().filter(|_| is_root()) {
        command.gid(group).uid(user);
    }
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn postgres_user() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

impl Cluster {
    pub fn start() -> Self {
        let mut cluster = Self::direct();
        if std::env::var_os("QUIRE_TEST_POOLER").is_some() {
            cluster.begin_pooling(POOL_SIZE);
        }
        cluster
    }

    /// Starts a server that programs always reach without a pooler.
    pub fn direct() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("quire-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let programs = programs();
        let template = Template::get(&programs, create_folder);
        create_folder(&folder);
        template.copy(&folder.join("data"));
        let cluster = Self {
            folder,
            programs,
            pooler: None,
            _template: template,
        };
        cluster.begin();
        cluster
    }

    /// Starts a server with a pooler in front.
    pub fn pooled() -> Self {
        Self::pooled_with(POOL_SIZE)
    }

    /// Starts a server with a pooler in front that has this number of connections.
    pub fn pooled_with(connections: u32) -> Self {
        let mut cluster = Self::direct();
        cluster.begin_pooling(connections);
        cluster
    }

    fn begin_pooling(&mut self, connections: u32) {
        let folder = self.folder.display();
        let settings = format!(
            "[databases]\n* = host={folder} port=5432 user=quire\n[pgbouncer]\npool_mode = transaction\n\
             auth_type = any\nlisten_port = {POOLER_PORT}\nunix_socket_dir = {folder}\ndefault_pool_size = {connections}\n\
             max_client_conn = 400\nserver_login_retry = 1\nlogfile = {folder}/pooler.log\n"
        );
        let file = self.folder.join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let program = Path::new("/usr/sbin/pgbouncer");
        assert!(
            program.exists(),
            "PgBouncer is not installed: run .ci/tools, or apt-get install pgbouncer"
        );
        let mut pooler = command(program, &self.folder);
        self.pooler = Some(pooler.arg(&file).stderr(Stdio::null()).spawn().unwrap());
        let socket = self.folder.join(format!(".s.PGSQL.{POOLER_PORT}"));
        while UnixStream::connect(&socket).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let ended = self.pooler.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "see {folder}/pooler.log");
        }
    }

    /// Starts the server's processes.
    pub fn begin(&self) {
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c shared_buffers=16MB",
            self.folder.display()
        );
        let started = self.control(&["-w", "-o", &options, "start"]);
        assert!(started, "see {}/data.log", self.folder.display());
    }

    /// Stops the server's processes at once, which closes all connections.
    pub fn halt(&self) {
        assert!(
            self.control(&["-w", "-m", "immediate", "stop"]),
            "it does not stop"
        );
    }

    /// Returns the address of a database.
    pub fn address(&self, database: &str) -> String {
        let port = match self.pooler {
            Some(_) => POOLER_PORT,
            None => 5432,
        };
        format!(
            "postgres://quire@/{database}?host={}&port={port}",
            self.folder.display()
        )
    }

    /// Whether a pooler is in front.
    pub fn is_pooled(&self) -> bool {
        self.pooler.is_some()
    }

    /// Returns the address of the first database without a pooler.
    pub fn direct_address(&self) -> String {
        format!("postgres://quire@/postgres?host={}", self.folder.display())
    }

    /// Returns the folder, in which the tests may write.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn control(&self, arguments: &[&str]) -> bool {
        self.control_in("data", arguments)
    }

    /// Controls the server whose data are in a part of the folder, and returns whether that succeeded.
    pub fn control_in(&self, data: &str, arguments: &[&str]) -> bool {
        let status = self
            .program("pg_ctl")
            .arg("-D")
            .arg(self.folder.join(data))
            .arg("-l")
            .arg(self.folder.join(format!("{data}.log")))
            .args(arguments)
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// Returns a command that runs one of the server's programs.
    pub fn program(&self, name: &str) -> Command {
        command(&self.programs.join(name), &self.folder)
    }

    /// Runs a script and returns its error messages.
    pub fn run(&self, script: &str) -> String {
        self.run_on(5432, script)
    }

    /// Runs a script on the server at this port of the folder, and returns its error messages.
    pub fn run_on(&self, port: u16, script: &str) -> String {
        // Packages of a server alone do not have it, and Debian's in PATH is a script that takes longer than the program.
        let own = self.programs.join("psql");
        let program = if own.exists() { own } else { "psql".into() };
        let mut psql = Command::new(program)
            .args(["-X", "-q", "-U", "quire", "-d", "postgres", "-f", "-", "-h"])
            .arg(&self.folder)
            .args(["-p", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = psql.stdin.take().unwrap();
        let script = script.to_owned();
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let output = psql.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(pooler) = &mut self.pooler {
            let _ = pooler.kill();
            let _ = pooler.wait();
        }
        self.control(&["-w", "-m", "immediate", "stop"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
