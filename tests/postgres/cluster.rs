//! A PostgreSQL server in a temporary folder, reachable only through a socket there. Optionally, PgBouncer is in front
//! of it, which runs each transaction on any of its connections. With QUIRE_TEST_POOLER, all tests use PgBouncer,
//! except those that test what is not possible through a pooler. QUIRE_TEST_POSTGRES_PROGRAMS is the folder of another
//! version's programs.

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

/// Port of PgBouncer's socket, which is in the server's folder.
const POOLER_PORT: u16 = 6432;

/// Number of PgBouncer's connections, which is small so that clients get each other's connections.
const POOL_SIZE: u32 = 4;

/// A running server, which is stopped and removed on drop.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    pooler: Option<Child>,
    _template: Arc<Template>,
}

/// Creates an empty folder that belongs to the user as whom the server runs.
fn create_folder(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    if let Some((user, group)) = postgres_user().filter(|_| is_root()) {
        std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
    }
}

/// Returns the folder for the servers' folders. It is in memory where there is enough room, because copying a data
/// folder to a disk takes nine times as long.
fn parent_folder() -> PathBuf {
    /// Room for the servers that run at a time, in bytes. Each takes up to 150 MB.
    const NEEDED_BYTES: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |room| room.f_bavail * room.f_frsize);
    match room >= NEEDED_BYTES {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}

/// Returns the folder of the server's programs: the one in QUIRE_TEST_POSTGRES_PROGRAMS or, by default, the folder of
/// the newest installed version.
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

/// Returns a command that runs a program as `postgres` if this process is root, because the server's programs refuse to
/// run as root.
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

    /// Starts a server without a pooler, even with QUIRE_TEST_POOLER.
    pub fn direct() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("quire-postgres-{}-{number}", std::process::id());
        let folder = parent_folder().join(name);
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

    /// Starts a server behind a pooler.
    pub fn pooled() -> Self {
        Self::pooled_with(POOL_SIZE)
    }

    /// Starts a server behind a pooler that has this number of connections to it.
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

    /// Stops the server's processes immediately, which closes all connections.
    pub fn halt(&self) {
        assert!(
            self.control(&["-w", "-m", "immediate", "stop"]),
            "it does not stop"
        );
    }

    /// Returns the address of a database, which leads through the pooler if there is one.
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

    /// Returns whether there is a pooler in front of the server.
    pub fn is_pooled(&self) -> bool {
        self.pooler.is_some()
    }

    /// Returns the address of the database `postgres` without a pooler.
    pub fn direct_address(&self) -> String {
        format!("postgres://quire@/postgres?host={}", self.folder.display())
    }

    /// Returns the server's folder, in which tests may create files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn control(&self, arguments: &[&str]) -> bool {
        self.control_in("data", arguments)
    }

    /// Runs `pg_ctl` for the server whose data is in this subfolder, and returns whether it succeeded.
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

    /// Runs a script in the database `postgres`, and returns its error messages.
    pub fn run(&self, script: &str) -> String {
        self.run_on(5432, script)
    }

    /// Runs a script on the server whose socket has this port, and returns its error messages.
    pub fn run_on(&self, port: u16, script: &str) -> String {
        // A package of the server alone lacks psql. The one in PATH may be Debian's wrapper script, which is slower
        // than the program.
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
