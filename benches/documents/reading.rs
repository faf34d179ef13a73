//! Benchmark of reading: prints the word recall for every real file, then has a server read a 2,000-page PDF
//! and measures the time, the reader process's peak memory, and the server's own memory.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::book;
use crate::manifest::{Sample, load_samples};
use crate::support::{Folder, Program, ask, sign_up};
use crate::words::{recall, word_counts};

const PAGES: usize = 2_000;
/// Interval at which the memory of the processes is sampled.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

struct Row {
    path: String,
    words: usize,
    recall: f64,
    took: Duration,
}

fn measure_file(sample: &Sample) -> Option<Row> {
    let reference = sample.reference()?;
    let start = Instant::now();
    let (report, pages) = sample.read().ok()?;
    let duration = start.elapsed();
    let text: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
    Some(Row {
        path: sample.path.clone(),
        words: report.words as usize,
        recall: recall(&word_counts(&text.join("\n")), &word_counts(&reference)),
        took: duration,
    })
}

/// Prints the word recall of each file, then that of each kind of file.
pub fn print_table() {
    let mut kinds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    println!("word recall, file by file     words   recall      time");
    for sample in load_samples() {
        let Some(row) = measure_file(&sample) else {
            continue;
        };
        println!(
            "  {:<48} {:>7}   {:>5.3}   {:>6.1} ms",
            row.path,
            row.words,
            row.recall,
            row.took.as_secs_f64() * 1e3
        );
        for kind in [sample.folder(), "all"] {
            kinds.entry(kind.to_owned()).or_default().push(row.recall);
        }
    }
    println!(
        "word recall by kind           files   median   under 0.9   (goals: 0.97, at most 8 %)"
    );
    for (kind, mut values) in kinds {
        values.sort_by(f64::total_cmp);
        let low = values.iter().filter(|&&value| value < 0.9).count();
        println!(
            "  {kind:<26} {:>6}   {:>6.3}   {low:>3} = {:.1} %",
            values.len(),
            values[values.len() / 2],
            100.0 * low as f64 / values.len() as f64
        );
    }
}

/// Returns a value in kB from a file in /proc.
fn proc_value_kb(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the processes started by the server, from any of its threads.
fn children(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task"));
    let list = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let text: Vec<String> = list.collect();
    text.join(" ")
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Highest memory use, in kB, of the reader process and of the server while a document is read.
#[derive(Default)]
struct Seen {
    reader: u64,
    server: u64,
}

impl Seen {
    fn inspect(&mut self, program: &Program) {
        for child in children(program.child.id()) {
            let peak = proc_value_kb(&format!("/proc/{child}/status"), "VmHWM:");
            self.reader = self.reader.max(peak.unwrap_or(0));
        }
        self.server = self.server.max(program.pss_kb());
    }
}

/// Measures the time and memory that the server takes to read the long PDF.
pub fn book(quire: &Path) {
    let book = book::create(PAGES);
    let folder = Folder::new("documents");
    let program = Program::start(quire, Some(&folder.0), "/api/health", &[]);
    let token = sign_up(program.address, "bench");
    // Read a small document first, so that one-time costs do not count for the long one.
    upload(program.address, &token, "small.pdf", &book::create(3).bytes);
    std::thread::sleep(Duration::from_secs(3));
    let idle = program.pss_kb();
    let started_at = Instant::now();
    let address = program.address;
    let id = {
        let (token, bytes) = (token.clone(), book.bytes.clone());
        std::thread::spawn(move || upload(address, &token, "book.pdf", &bytes))
    };
    let mut observed = Seen::default();
    while !id.is_finished() {
        observed.inspect(&program);
        std::thread::sleep(SAMPLE_INTERVAL);
    }
    let id = id.join().unwrap();
    let storage_time = started_at.elapsed();
    let read = loop {
        observed.inspect(&program);
        let body = get_document(address, &token, &id);
        if body["status"] != "processing" {
            break body;
        }
        assert!(started_at.elapsed() < Duration::from_secs(300), "{body}");
        std::thread::sleep(SAMPLE_INTERVAL);
    };
    let duration = started_at.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    let mb = |kb: u64| kb as f64 / 1024.0;
    println!(
        "a PDF of {PAGES} pages, {:.1} MB, {} words: {} pages, {} words read; answered after {:.2} s, read after {:.2} s",
        book.bytes.len() as f64 / 1e6,
        book.words,
        read["pages"],
        read["words"],
        storage_time.as_secs_f64(),
        duration.as_secs_f64()
    );
    match observed.reader {
        0 => println!("  reader process                 none was seen"),
        peak => println!(
            "  reader process, peak           {:6.1} MB   (goal: under 80 MB)",
            mb(peak)
        ),
    }
    println!(
        "  server: idle {:.1} MB, peak {:.1} MB, after {:.1} MB   (goal: within 2 MB of idle)",
        mb(idle),
        mb(observed.server),
        mb(program.pss_kb())
    );
}

fn get_document(address: SocketAddr, token: &str, id: &str) -> serde_json::Value {
    let request = format!(
        "GET /api/documents/{id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    json_body(&ask(address, &request).expect("an answer"))
}

fn json_body(answer: &str) -> serde_json::Value {
    let json = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    serde_json::from_str(json).unwrap_or_else(|_| panic!("{answer}"))
}

/// Uploads a document and returns its ID.
fn upload(address: SocketAddr, token: &str, name: &str, bytes: &[u8]) -> String {
    let head = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    let tail = "\r\n--edge--\r\n";
    let mut stream = TcpStream::connect(address).unwrap();
    let length = head.len() + bytes.len() + tail.len();
    write!(
        stream,
        "POST /api/upload-document HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary=edge\r\ncontent-length: {length}\r\n\r\n{head}"
    )
    .unwrap();
    stream.write_all(bytes).unwrap();
    stream.write_all(tail.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let answer = json_body(&answer);
    answer["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}
