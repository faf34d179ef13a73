//! The real executable: exit codes, what goes to stdout and what to stderr, signals.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod answers;
mod archive;
mod ask;
mod beside;
mod chat;
mod doctor;
mod experiments;
mod https;
mod keep;
mod manual;
mod mcp;
mod patterns;
mod providers;
mod readme;
mod remote;
mod setup;
mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use quire::config::options;

/// A working directory of its own with a data folder in it, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("quire-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    /// The executable with these words, in an environment that says nothing else.
    fn quire(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command
            .args(words)
            .env_clear()
            .env("ENVIRONMENT", "test")
            .env("PASSWORD_ROUNDS", "1000")
            .env("QUIRE_DATA", self.data())
            .current_dir(&self.0);
        command
    }
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
    fn run(&self, words: &[&str]) -> Said {
        Said::of(self.quire(words).output().unwrap())
    }
    fn run_with(&self, words: &[&str], input: &str) -> Said {
        Said::of(fed(self.quire(words), input))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a command with this on its stdin.
fn fed(mut command: Command, input: &str) -> Output {
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// How a command ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
    /// It did what was asked: everything on stdout, nothing on stderr.
    fn well(self) -> String {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        self.out
    }
    /// It refused with this code, and said why on stderr, and nothing on stdout.
    fn refused(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(code), ""),
            "{}",
            self.err
        );
        assert!(self.err.starts_with("quire: "), "{}", self.err);
        self.err
    }
}

/// A server of the real executable, killed at the end if it still runs.
struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Quire is listening on http");
        let address = address.map(|rest| rest.trim_start_matches('s').trim_start_matches("://"));
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self {
            child,
            out,
            address,
        }
    }
    fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
    /// What it says on stderr, from now on line by line.
    fn errors(&mut self) -> BufReader<std::process::ChildStderr> {
        BufReader::new(self.child.stderr.take().unwrap())
    }
    fn ended(mut self) -> Said {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        let code = self.child.wait().unwrap().code();
        Said { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_is_printed_from_the_tables() {
    let place = Place::new();
    // As one line without marks: where lines are broken is not what is promised here.
    let flat = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.replace('`', "")
    };
    let overview = place.run(&["--help"]).well();
    assert_eq!(overview, place.run(&["help"]).well());
    assert!(overview.lines().all(|line| line.chars().count() <= 80));
    let overview = flat(&overview);
    for command in quire::cli::COMMANDS {
        assert!(
            overview.contains(command.name) && overview.contains(&flat(command.summary)),
            "{}",
            command.name
        );
        let explained = place.run(&["help", command.name]).well();
        assert!(
            explained.lines().all(|line| line.chars().count() <= 80),
            "{explained}"
        );
        let explained = flat(&explained);
        assert!(explained.contains(&flat(command.summary)), "{explained}");
        assert!(
            command
                .options
                .iter()
                .all(|option| explained.contains(&flat(option.help))),
            "{explained}"
        );
    }
    for topic in quire::http::manual::topics().unwrap() {
        assert!(overview.contains(&topic.id), "{overview}");
        let shown = place.run(&["help", &topic.id]).well();
        assert!(shown.contains(&topic.title), "{shown}");
        let page = place.run(&["man", &topic.id]).well();
        assert!(page.starts_with(".TH QUIRE-"), "{page}");
    }
    let settings = flat(&place.run(&["help", "settings"]).well());
    for row in options::SETTINGS {
        let flag = format!("--{}", row.flag());
        assert!(
            settings.contains(&flag) && settings.contains(&flat(row.help)),
            "{}",
            row.name
        );
        assert!(
            row.aliases.iter().all(|alias| settings.contains(alias)),
            "{}",
            row.name
        );
    }
    let version = place.run(&["--version"]).well();
    assert_eq!(
        version.lines().next(),
        Some(concat!("quire ", env!("CARGO_PKG_VERSION")))
    );
    for name in ["\ncommit    ", "\nbuild     ", "\nfeatures  "] {
        assert!(version.contains(name), "{name} in {version}");
    }
    assert_eq!(
        std::fs::read_dir(&place.0).unwrap().count(),
        0,
        "help writes nothing"
    );
}

#[test]
fn wrong_command_lines_are_refused_with_2() {
    let place = Place::new();
    for (words, why) in [
        (
            &["sevre"][..],
            "there is no command \"sevre\"; did you mean `quire serve`?",
        ),
        (
            &["--prot", "9"],
            "there is no option --prot; did you mean --port?",
        ),
        (
            &["ask", "q", "--pannel", "a"],
            "there is no option --pannel; did you mean --panel?",
        ),
        (
            &["ask", "q", "--parameter", "temprature=1"],
            "did you mean temperature?",
        ),
        (
            &["ask", "q", "--parameter", "temperature=hot"],
            "must be a number",
        ),
        (
            &["ask", "q", "--budget", "much"],
            "--budget must be an amount",
        ),
        (&["ask", "q", "--depth", "deep"], "--depth must be"),
        (&["history", "show"], "needs a thread's id"),
        (&["documents", "add"], "documents add needs a file"),
        (&["usr", "list"], "did you mean `quire user`?"),
        (&["user", "lst"], "did you mean list?"),
        (
            &["help", "expriments"],
            "did you mean `quire help experiment",
        ),
        (&["serve", "now"], "unexpected argument \"now\""),
        (&["user"], "user needs one of these"),
        (&["user", "add"], "needs an email address"),
        (&["user", "role", "a@b.co", "king"], "the role must be"),
        (&["user", "delete", "a@b.co"], "add --yes"),
        (&["backup"], "needs the file to write"),
        (&["help", "nothing"], "there is no command"),
        (&["--config", "nowhere.conf"], "cannot read nowhere.conf"),
    ] {
        let err = place.run(words).refused(2);
        assert!(err.contains(why), "{words:?}: {err}");
    }
}

#[test]
fn all_faults_of_the_settings_are_told_at_once() {
    let place = Place::new();
    std::fs::write(place.0.join("quire.conf"), "PROT = 1\nMAX_RUNS = none\n").unwrap();
    std::fs::write(place.0.join(".env"), "HOST=example.org\n").unwrap();
    let mut command = place.quire(&["serve", "--config", "quire.conf", "--cache-ttl", "-1"]);
    command.env("JWT_SECRET", "short").env("LOG_LEVEL", "loud");
    let err = Said::of(command.output().unwrap()).refused(2);
    for fault in [
        "quire.conf line 1: there is no setting PROT",
        "MAX_RUNS (file quire.conf): \"none\"",
        "HOST (.env): \"example.org\"",
        "CACHE_TTL (command line): \"-1\"",
        "LOG_LEVEL (environment): \"loud\"",
        "JWT_SECRET (environment): it needs at least 16 characters",
    ] {
        assert!(err.contains(fault), "{fault} in {err}");
    }
    assert!(!err.contains("short"), "{err}");
    assert!(!place.data().exists(), "nothing was begun");
}

#[test]
fn people_are_managed() {
    let place = Place::new();
    let made = place
        .run(&["user", "add", "Ada@Example.org", "--name", "Ada"])
        .well();
    assert!(
        made.contains("ada@example.org  admin  active") && made.contains("password: "),
        "{made}"
    );
    place
        .run_with(
            &["user", "add", "b@b.co", "--password-stdin"],
            "Tr4verse-Orchid\n",
        )
        .well();
    let weak = place
        .run_with(&["user", "add", "c@b.co", "--password-stdin"], "weak\n")
        .refused(1);
    assert!(weak.contains("at least 8 characters"), "{weak}");
    let twice = place.run(&["user", "add", "B@b.co"]).refused(1);
    assert!(twice.contains("already exists"), "{twice}");
    assert!(
        place
            .run(&["user", "role", "b@b.co", "admin"])
            .well()
            .contains("admin")
    );
    assert!(
        place
            .run(&["user", "disable", "ada@example.org"])
            .well()
            .contains("locked")
    );
    let last = place.run(&["user", "disable", "b@b.co"]).refused(1);
    assert!(last.contains("one admin"), "{last}");
    let linked = place.run(&["user", "reset-link", "b@b.co"]);
    assert!(
        linked.out.starts_with("http://127.0.0.1:8080/login?token=")
            && linked.out.lines().count() == 1,
        "{linked:?}"
    );
    assert!(linked.err.contains("valid once, until"), "{linked:?}");
    let invited = place.run(&["user", "invite"]);
    assert!(invited.out.contains("/login?invite="), "{invited:?}");
    assert!(
        place
            .run(&["user", "passwd", "b@b.co"])
            .well()
            .contains("password: ")
    );
    place
        .run(&["user", "delete", "ada@example.org", "--yes"])
        .well();
    let listed = place.run(&["user", "list"]).well();
    assert!(
        listed.starts_with("EMAIL") && listed.contains("\nb@b.co") && listed.lines().count() == 2,
        "{listed}"
    );
    assert!(
        place
            .run(&["user", "passwd", "nobody@b.co"])
            .refused(1)
            .contains("no account")
    );
}

#[test]
fn a_backup_is_a_database_that_opens() {
    let place = Place::new();
    assert!(
        place
            .run(&["backup", "copy.db"])
            .refused(1)
            .contains("no database")
    );
    place.run(&["user", "add", "a@b.co"]).well();
    assert!(place.run(&["backup", "copy.db"]).well().contains("checked"));
    assert!(
        place
            .run(&["backup", "copy.db"])
            .refused(1)
            .contains("already exists")
    );
    place.run(&["backup", "copy.db", "--replace"]).well();
    let other = Place::new();
    std::fs::create_dir(other.data()).unwrap();
    std::fs::copy(place.0.join("copy.db"), other.data().join("quire.db")).unwrap();
    // Without the secret that belongs to it, only on purpose.
    assert!(other.run(&["user", "list"]).refused(1).contains("secret"));
    other.run(&["secret", "new"]).well();
    assert!(other.run(&["user", "list"]).well().contains("\na@b.co"));
}

#[test]
fn a_newer_database_is_refused() {
    let place = Place::new();
    place.run(&["user", "add", "a@b.co"]).well();
    let path = place.data().join("quire.db");
    // SQLite keeps `user_version` in bytes 60 to 63 of the file.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    for words in [&["user", "list"][..], &["serve", "--port", "0"]] {
        let err = place.run(words).refused(1);
        assert!(err.contains("written by a newer quire"), "{err}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left alone");
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let place = Place::new();
    let said = place.run(&["doctor", "--port", "0"]).well();
    assert!(said.contains("is not there yet"), "{said}");
    assert!(!place.data().exists(), "looking makes nothing");
    place.run(&["user", "add", "a@b.co"]).well();
    let said = place.run(&["doctor", "--port", "0"]).well();
    for line in [
        "ok       data folder",
        "ok       secret",
        "ok       database: it is sound",
        "warning  providers",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    set_mode(&place.data().join("secret"), 0o644);
    let said = place.run(&["doctor", "--port", "0"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out.contains("broken   secret") && said.err.contains("one check failed"),
        "{said:?}"
    );
    set_mode(&place.data().join("secret"), 0o600);
    std::fs::write(place.data().join("quire.db"), "this is not a database").unwrap();
    let said = place.run(&["doctor", "--port", "0"]);
    assert!(
        said.code == Some(1) && said.out.contains("broken   database"),
        "{said:?}"
    );
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_server_says_where_it_is_and_stops_in_order() {
    let place = Place::new();
    for (signal, port) in [
        ("-TERM", &["--port", "0"][..]),
        ("-INT", &["serve", "--port=0"]),
    ] {
        let server = Running::start(place.quire(port));
        assert!(server.get("/api/health").starts_with("HTTP/1.1 200"));
        let second = place.run(&["--port", "0"]).refused(1);
        assert!(second.contains("another quire is serving"), "{second}");
        let who = format!("(process {}, since 2", server.child.id());
        assert!(second.contains(&who), "{second}");
        let restored = place.run(&["restore", "copy.db", "--replace"]).refused(1);
        assert!(restored.contains(&who), "{restored}");
        // The command line works beside it.
        place.run(&["user", "list"]).well();
        server.signal(signal);
        let said = server.ended();
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("stopped"), "{said:?}");
    }
    assert_eq!(
        std::fs::metadata(place.data().join("secret"))
            .unwrap()
            .len(),
        65
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let mut server = Running::start(place.quire(&["--port", "0", "--shutdown-timeout", "600"]));
    let mut err = server.errors();
    // A request that has begun and does not end keeps the server from stopping by itself.
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    socket.write_all(head.as_bytes()).unwrap();
    server.get("/api/health");
    server.signal("-TERM");
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(
            err.read_line(&mut line).unwrap() > 0,
            "it says that it is stopping"
        );
    }
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let err = place.run(&["--port", &port]).refused(1);
    assert!(
        err.contains(&format!(
            "cannot listen on 127.0.0.1:{port}: port {port} is in use by another program"
        )) && err.contains("--port"),
        "{err}"
    );
    assert!(!err.contains("os error"), "{err}");
}

#[test]
fn a_question_is_answered_without_an_account_and_nothing_stays() {
    let place = Place::new();
    let document = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/documents/gpl-3.txt"
    );
    let question = "What must be done to convey modified source versions?";
    let words = [
        "ask",
        question,
        "--file",
        document,
        "--pattern",
        "summarize",
        "--models",
        "demo/extract",
        "--json",
    ];
    let said = place.run(&words);
    assert_eq!(said.code, Some(0), "{said:?}");
    let result: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(result["status"], "completed", "{result}");
    assert!(said.err.contains("demo/extract answered"), "{}", said.err);
    assert!(said.err.contains("this run is not stored"), "{}", said.err);
    assert!(!place.data().exists());
}

#[test]
fn questions_that_cannot_be_put() {
    let place = Place::new();
    place.run(&["user", "add", "a@b.co"]).well();
    for (words, code, why) in [
        (
            &["ask", "q", "--models", "nobody/nothing"][..],
            2,
            "nobody/nothing",
        ),
        (
            &["ask", "q", "--pattern", "nonsense"],
            2,
            "must be one of analyze, cascade, compare, confidence",
        ),
        (
            &["ask", "q", "--file", "nowhere.txt"],
            1,
            "cannot read nowhere.txt",
        ),
        (
            &["ask", "q", "--as", "b@b.co"],
            1,
            "no account with this email",
        ),
        (&["ask", ""], 2, "the question: "),
        (
            &["ask", "q", "--pattern", "confidense"],
            2,
            "--pattern: there is no pattern \"confidense\"; did you mean confidence?",
        ),
        (
            &["ask", "q", "-m", "demo/extrakt"],
            2,
            "--panel: no model is called \"demo/extrakt\"; did you mean demo/extract?",
        ),
        (
            &["ask", "q", "-m", "gpt-4o"],
            2,
            "set OPENAI_API_KEY, or add the key with quire provider add openai",
        ),
        (
            &["ask", "q", "--parameter", "temperature=9"],
            2,
            "--parameter temperature: ",
        ),
        (&["ask", "q", "--preset", "nonsense"], 2, "--preset: "),
        (&["ask", "q", "--document", "x"], 2, "--document: "),
        (&["history", "show", "x"], 2, "is not the id of a thread"),
    ] {
        let err = place.run(words).refused(code);
        assert!(err.contains(why), "{words:?}: {err}");
        assert!(!err.contains("body."), "{words:?}: {err}");
    }
    place.run(&["ask"]).refused(2);
}

#[test]
fn a_provider_is_added_without_its_key_on_the_command_line() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for body in ["{\"data\":[{\"id\":\"m\"}]}", "{\"data\":[]}"] {
            let (mut socket, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length = body.len();
            write!(socket, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
            heads.push(head);
        }
        heads
    });
    let key = "sk-cli-0123456789-tail";
    let words = ["provider", "add", "box", "--base-url", &base, "--key-stdin"];
    let said = place.run_with(&words, &format!("{key}\n"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("lists one model"), "{}", said.out);
    let listed = place.run(&["provider", "list"]);
    assert!(listed.out.contains("box") && listed.out.contains("ends in tail"));
    assert!(!listed.out.contains("0123456789"));
    assert_eq!(place.run(&["provider", "test", "box"]).code, Some(0));
    assert!(asked.join().unwrap().iter().all(|head| head.contains(key)));
    assert_eq!(place.run(&["provider", "remove", "box"]).code, Some(0));
    assert_eq!(place.run(&["provider", "remove", "box"]).code, Some(1));
    for words in [
        &["provider"][..],
        &["provider", "buy"],
        &["provider", "add"],
    ] {
        assert_eq!(place.run(words).code, Some(2), "{words:?}");
    }
}
