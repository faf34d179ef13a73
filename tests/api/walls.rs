//! Tests malicious files that harm their reader, and crashes of the reader or of the server. Only the document in
//! question is affected, and it is shown with a reason.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::executable::Executable;
use crate::support::server::Folder;
use crate::support::{Client, Server};

const UPLOAD_PATH: &str = "/api/upload-document";

/// Size of a page, in megabytes, that takes longer to read than an upload waits for the result. A debug build reads
/// about one megabyte per second, and a larger page would only slow down other tests.
const SLOW_PAGE_MB: usize = if cfg!(debug_assertions) { 10 } else { 24 };

/// Returns a page that takes long to read on any machine, at least one second per ten megabytes.
fn slow_page(megabytes: usize) -> Vec<u8> {
    let row = "<tr><td>a &amp; b</td><td><b>c</b> <i>d</i></td></tr>\n";
    let mut page = String::from("<!doctype html><title>t</title><table>");
    while page.len() < megabytes << 20 {
        page.push_str(row);
    }
    page.into_bytes()
}

/// Waits until a document has been read or has failed, and returns it.
fn wait_until_processed(person: &mut Client, document: &Value) -> Value {
    let path = format!("/api/documents/{}", document["id"].as_str().expect("an id"));
    for _ in 0..1_200 {
        let body = person.get(&path).json();
        if body["status"] != "processing" {
            return body;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it is never settled: {}", person.get(&path).text());
}

fn check_failed_for(document: &Value, reason: &str) {
    let message = document["message"].as_str().expect("a message");
    assert_eq!(document["status"], "failed", "{document}");
    assert!(message.contains(reason), "{message}");
    assert!(message.contains("the file is kept"), "{message}");
}

/// Returns the processes that this server has started to read documents.
fn reader_processes(server: u32) -> Vec<u32> {
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        if status.contains(&format!("PPid:\t{server}\n")) {
            processes.push(process);
        }
    }
    processes
}

fn wait_reading(server: &Executable) -> u32 {
    for _ in 0..400 {
        // If a process is sandboxed, it has finished starting up.
        let is_sandboxed = |process: &u32| {
            std::fs::read_to_string(format!("/proc/{process}/status"))
                .is_ok_and(|status| status.contains("Seccomp:\t2"))
        };
        if let Some(process) = reader_processes(server.id()).into_iter().find(is_sandboxed) {
            return process;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing is being read behind walls");
}

#[test]
fn excessive_memory_or_cpu_use_fails_only_that_document() {
    let server = Server::with(&[("DOCUMENT_MEMORY_MB", "32"), ("DOCUMENT_CPU_SECONDS", "1")]);
    let mut person = server.user("a@example.org");
    let large = "more words than there is room for\n".repeat(900_000);
    let document = person
        .upload(UPLOAD_PATH, "large.txt", large.as_bytes())
        .json();
    check_failed_for(
        &wait_until_processed(&mut person, &document),
        "more than 32 MB of memory",
    );
    let small = person.upload(UPLOAD_PATH, "small.txt", b"few words").json();
    assert_eq!(wait_until_processed(&mut person, &small)["words"], 2);
    drop(server);

    let server = Server::with(&[("DOCUMENT_CPU_SECONDS", "1")]);
    let mut person = server.user("a@example.org");
    let document = person
        .upload(UPLOAD_PATH, "slow.html", &slow_page(SLOW_PAGE_MB))
        .json();
    check_failed_for(
        &wait_until_processed(&mut person, &document),
        "more than 1 seconds",
    );
    let small = person.upload(UPLOAD_PATH, "small.txt", b"few words").json();
    assert_eq!(wait_until_processed(&mut person, &small)["words"], 2);
}

#[test]
fn a_killed_reader_reports_a_reason_and_leaves_the_server_running() {
    let folder = Folder::new();
    let server = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let mut person = Client::new(server.address).registered("a@example.org");
    let mut other = person.clone();
    let sending =
        std::thread::spawn(move || other.upload(UPLOAD_PATH, "slow.html", &slow_page(8)).json());
    let reader = wait_reading(&server);
    let killed = std::process::Command::new("kill")
        .args(["-9", &reader.to_string()])
        .status();
    assert!(killed.expect("kill").success());
    let document = sending.join().expect("an answer");
    check_failed_for(&wait_until_processed(&mut person, &document), "stopped");
    let small = person.upload(UPLOAD_PATH, "small.txt", b"few words").json();
    assert_eq!(wait_until_processed(&mut person, &small)["words"], 2);
}

#[test]
fn a_killed_server_resumes_reading_after_a_restart() {
    let folder = Folder::new();
    let first = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let mut person = Client::new(first.address).registered("a@example.org");
    let text: String = (0..400_000)
        .map(|n| format!("line {n} of a long text\n"))
        .collect();
    let document = person
        .upload(UPLOAD_PATH, "long.html", &slow_page(SLOW_PAGE_MB))
        .json();
    assert_eq!(document["status"], "processing", "{document}");
    let request = json!({"prompt": "What is c?", "models": ["demo/extract"], "document_ids": [document["id"]]});
    person
        .post("/api/analyze", request)
        .refused(409, "CONFLICT");
    let reader = wait_reading(&first);
    first.kill();
    for _ in 0..200 {
        if !std::path::Path::new(&format!("/proc/{reader}")).exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(
        !std::path::Path::new(&format!("/proc/{reader}")).exists(),
        "it outlives its server"
    );

    let second = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let mut person = second.known(&person);
    let read = wait_until_processed(&mut person, &document);
    assert_eq!(read["status"], "processed", "{read}");
    let pages = person
        .get(&format!(
            "/api/documents/{}/text",
            document["id"].as_str().expect("an id")
        ))
        .json();
    let pages = pages["pages"].as_array().expect("pages").len();
    assert_eq!(Some(pages as u64), read["pages"].as_u64());
    let repeated = person
        .upload(UPLOAD_PATH, "text.txt", text.as_bytes())
        .json();
    assert_eq!(
        wait_until_processed(&mut person, &repeated)["words"],
        400_000 * 6
    );
}

/// If Quire is updated while files are being read, the files are not marked as unreadable.
#[test]
fn a_stopped_server_resumes_reading_after_a_restart() {
    let folder = Folder::new();
    let first = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let mut person = Client::new(first.address).registered("a@example.org");
    let document = person
        .upload(UPLOAD_PATH, "long.html", &slow_page(SLOW_PAGE_MB))
        .json();
    assert_eq!(document["status"], "processing", "{document}");
    wait_reading(&first);
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));

    let second = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let mut person = second.known(&person);
    let read = wait_until_processed(&mut person, &document);
    assert_eq!(read["status"], "processed", "{read}");
}
