//! `make footprint`: the resources that Quire uses, compared with a bare hyper server that has the same build
//! profile, measured in the same run and also with a tenth of a CPU. Fails if a budget is exceeded. Budgets are the
//! current figures plus a small margin; goals are figures to reach.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::budget::{Budget, Report, most, times};
use support::limits::Limits;
use support::{Folder, Program, ask, binaries, field, median, post, sign_up};

const STARTS: usize = 21;

static BUDGETS: &[Budget] = &[
    times("start, existing database, warm", "ms", 8.0, Some(4.0)),
    times("start, first boot", "ms", 16.0, None),
    times("start, binary not in memory", "ms", 10.0, None),
    most("idle memory (PSS)", "MB", 6.5, Some(6.0)),
    most("idle memory of its own", "MB", 1.6, Some(1.5)),
    most("idle for two minutes (PSS)", "MB", 6.5, Some(6.0)),
    most("idle for two minutes, of its own", "MB", 1.5, Some(1.5)),
    most("idle memory after load", "MB", 13.0, None),
    most("an event stream of 100", "KB", 14.0, Some(12.0)),
    most("an event stream of 1,000", "KB", 12.0, Some(12.0)),
    most("threads", "", 7.0, Some(6.0)),
    most("open files", "", 24.0, None),
    // JSON Schema accounts for about 1 MB (Cargo.toml).
    most("binary", "MB", 16.0, Some(8.0)),
];

/// The setting that enables only the demo models.
const DEMO: (&str, &str) = ("USE_MOCK", "true");

fn main() {
    let (quire, hello) = binaries();
    println!("load of the machine before: {}", load_average());
    let mut report = Report::new(BUDGETS);
    measure_starts(&mut report, &quire, &hello);
    measure_memory(&mut report, &quire, &hello);
    let size =
        |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len()) as f64 / 1_048_576.0;
    report.row("binary", size(&quire), Some(size(&hello)));
    measure_limited_host(&quire);
    println!("load of the machine after: {}", load_average());
    report.end();
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn milliseconds(program: &Program) -> f64 {
    program.first_answer.as_secs_f64() * 1e3
}

fn measure_starts(report: &mut Report, quire: &Path, hello: &Path) {
    let folder = Folder::new("footprint");
    drop(Program::start(quire, Some(&folder.0), "/api/health", &[]));
    // The two programs are started in turn, so that both run under the same conditions.
    let (mut floor, mut warm, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..STARTS {
        floor.push(milliseconds(&Program::start(hello, None, "/", &[])));
        let data = Some(folder.0.as_path());
        warm.push(milliseconds(&Program::start(
            quire,
            data,
            "/api/health",
            &[],
        )));
        let empty = Folder::new(&format!("first-{round}"));
        let data = Some(empty.0.as_path());
        first.push(milliseconds(&Program::start(
            quire,
            data,
            "/api/health",
            &[],
        )));
    }
    let floor = median(floor);
    report.row("start, existing database, warm", median(warm), Some(floor));
    report.row("start, first boot", median(first), Some(floor));
    let cold_start = |binary: &Path, data: Option<&Path>, path: &str| {
        let copy = folder.0.join("cold");
        std::fs::copy(binary, &copy).ok()?;
        let all: Option<Vec<f64>> = (0..STARTS / 2)
            .map(|_| {
                drop_page_cache(&copy)
                    .then(|| milliseconds(&Program::start(&copy, data, path, &[])))
            })
            .collect();
        all.map(median)
    };
    let floor = cold_start(hello, None, "/");
    match (cold_start(quire, Some(&folder.0), "/api/health"), floor) {
        (Some(ours), Some(floor)) => {
            report.row("start, binary not in memory", ours, Some(floor));
        }
        _ => report.add_unmeasured(
            "start, binary not in memory",
            "the system keeps its pages, or dd and fincore are missing",
        ),
    }
}

// Drops a file's pages from the page cache. Returns whether it worked.
fn drop_page_cache(file: &Path) -> bool {
    let _ = Command::new("dd")
        .arg(format!("of={}", file.display()))
        .args([
            "oflag=nocache",
            "conv=notrunc,fdatasync",
            "count=0",
            "status=none",
        ])
        .status();
    let stored = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .arg(file)
        .output();
    stored.is_ok_and(|stored| String::from_utf8_lossy(&stored.stdout).trim() == "0")
}

fn measure_memory(report: &mut Report, quire: &Path, hello: &Path) {
    let idle = |program: &Program| {
        std::thread::sleep(Duration::from_secs(3));
        program.pss_kb() as f64 / 1024.0
    };
    let bare = Program::start(hello, None, "/", &[]);
    let folder = Folder::new("idle");
    let program = Program::start(quire, Some(&folder.0), "/api/health", &[]);
    let own = |program: &Program| program.anonymous_kb() as f64 / 1024.0;
    report.row("idle memory (PSS)", idle(&program), Some(idle(&bare)));
    report.row("idle memory of its own", own(&program), Some(own(&bare)));
    // By then, idle readers and their statements from the start have been closed.
    std::thread::sleep(Duration::from_secs(120));
    report.row(
        "idle for two minutes (PSS)",
        idle(&program),
        Some(idle(&bare)),
    );
    report.row(
        "idle for two minutes, of its own",
        own(&program),
        Some(own(&bare)),
    );
    report.row(
        "threads",
        program.threads() as f64,
        Some(bare.threads() as f64),
    );
    report.row(
        "open files",
        program.files() as f64,
        Some(bare.files() as f64),
    );
    drop(program);
    drop(bare);
    for (count, name) in [
        (100, "an event stream of 100"),
        (1_000, "an event stream of 1,000"),
    ] {
        let bare = Program::start(hello, None, "/", &[]);
        let (floor, held) =
            memory_per_connection(&bare, count, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        drop(held);
        drop(bare);
        let silent = Silent::new(quire);
        let (ours, held) = memory_per_connection(&silent.program, count, &silent.request);
        report.row(name, ours, Some(floor));
        drop(held);
        if count == 1_000 {
            for _ in 0..2_000 {
                get(silent.program.address, "/api/health");
            }
            // The allocator returns unused memory to the system only after an idle period.
            let lowest = (0..10)
                .map(|_| idle(&silent.program))
                .fold(f64::MAX, f64::min);
            report.row("idle memory after load", lowest, None);
        }
    }
}

// Opens connections and returns the memory per connection, in KB, with the connections, which the caller keeps open.
// One more is opened before the first measurement, so that costs that arise only once, such as loading code, are not
// counted.
fn memory_per_connection(program: &Program, count: usize, request: &str) -> (f64, Vec<TcpStream>) {
    let mut held = vec![open_connection(program.address, request)];
    std::thread::sleep(Duration::from_secs(2));
    let before = program.pss_kb();
    held.extend((0..count).map(|_| open_connection(program.address, request)));
    std::thread::sleep(Duration::from_secs(3));
    let grown = program.pss_kb().saturating_sub(before);
    (grown as f64 / count as f64, held)
}

fn open_connection(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut first = [0; 512];
    let read = stream.read(&mut first).expect("an answer");
    let text = String::from_utf8_lossy(&first[..read]);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    stream
}

fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    ask(address, &request).unwrap_or_default()
}

/// A server with an analysis that never ends because its provider accepts and then sends nothing. All clients
/// watch it.
struct Silent {
    program: Program,
    request: String,
    _folder: Folder,
}

impl Silent {
    fn new(quire: &Path) -> Self {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}/v1", silent.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let mut held = Vec::new();
            while let Ok((stream, _)) = silent.accept() {
                held.push(stream);
            }
        });
        let folder = Folder::new("streams");
        let provider =
            format!(r#"[{{"id":"silent","kind":"openai","base_url":"{base}","models":["m"]}}]"#);
        let program = Program::start(
            quire,
            Some(&folder.0),
            "/api/health",
            &[("QUIRE_PROVIDERS", provider), (DEMO.0, DEMO.1.to_owned())],
        );
        let token = sign_up(program.address, "bench");
        let answer = post(
            program.address,
            "/api/analyze",
            &token,
            r#"{"prompt":"?","models":["silent/m"],"pattern":"summarize","async":true}"#,
        );
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n",
            field(&answer, "events_url")
        );
        Self {
            program,
            request,
            _folder: folder,
        }
    }
}

// Measures the performance on a host with a tenth of a CPU and 512 MB. Times are only printed; a failed request fails
// the run.
fn measure_limited_host(quire: &Path) {
    let folder = Folder::new("limited");
    let Some(limits) = Limits::new(&folder.0, quire) else {
        println!("under 0.1 CPU and 512 MB: not measured: no control group may be made here");
        return;
    };
    println!("under 0.1 CPU and 512 MB:");
    let seconds = |begun: Instant| begun.elapsed().as_secs_f64();
    let first = Program::start(&limits.starter, Some(&folder.0), "/api/health", &[]);
    println!(
        "  first boot to the first 200      {:8.2} s",
        first.first_answer.as_secs_f64()
    );
    drop(first);
    let silent = Silent::new(&limits.starter);
    let program = &silent.program;
    let started_at = Instant::now();
    let account = r#"{"email":"bench@example.org","password":"Tr4verse-Orchid"}"#;
    let token = field(
        &post(program.address, "/api/auth/login", "", account),
        "access_token",
    );
    println!(
        "  a login                          {:8.2} s",
        seconds(started_at)
    );
    let begun = Instant::now();
    let models = get(program.address, "/api/available-models");
    println!(
        "  the list of models               {:8.2} s",
        seconds(begun)
    );
    assert!(models.contains("demo/"), "no demo models: {models}");
    let begun = Instant::now();
    let ask_body = r#"{"prompt":"Is it thin?","models":["demo/extract","demo/phrases","demo/sceptic"],"pattern":"summarize"}"#;
    let answer = post(program.address, "/api/analyze", &token, ask_body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    println!(
        "  an analysis by 3 demo members    {:8.2} s",
        seconds(begun)
    );
    let begun = Instant::now();
    let held: Vec<_> = (0..100)
        .map(|_| open_connection(program.address, &silent.request))
        .collect();
    println!(
        "  100 event streams opened in      {:8.2} s",
        seconds(begun)
    );
    println!(
        "  memory with them, an analysis too                {:8.2} MB{}",
        program.pss_kb() as f64 / 1024.0,
        limits.peak_mb().map_or(String::new(), |peak| format!(
            " (most ever charged, files included: {peak:.1} MB)"
        ))
    );
    drop(held);
    drop(silent);
}
