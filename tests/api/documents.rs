//! Tests documents over a real socket: files that are accepted and refused, and the separation of users.

mod storage;

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::PASSWORD;
use crate::support::server::rest;
use crate::support::{Answer, Client, Server};

/// The smallest upload limit that the settings allow, in bytes.
const UPLOAD_LIMIT: usize = 1 << 20;

/// A running server with two users. The first one is the administrator.
struct TwoUsers {
    server: Server,
    clients: [Client; 2],
}

impl TwoUsers {
    fn new() -> Self {
        let server = Server::with(&[("MAX_UPLOAD_MB", "1"), ("BODY_TIMEOUT", "2")]);
        let people = ["a@example.org", "b@example.org"].map(|email| server.user(email));
        Self {
            server,
            clients: people,
        }
    }
    fn ask(&self, user_index: usize, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.clients[user_index]
            .clone()
            .send(method, path, Some((kind, body)))
    }
    fn get(&self, user_index: usize, path: &str) -> Answer {
        self.clients[user_index].clone().get(path)
    }
    fn delete(&self, user_index: usize, path: &str) -> Answer {
        self.clients[user_index].clone().delete(path)
    }
    fn send(&self, user_index: usize, name: &str, bytes: &[u8]) -> Answer {
        let form = Form::default().file("file", name, bytes).end();
        self.ask(user_index, "POST", "/api/upload-document", FORM_TYPE, &form)
    }
    fn post(&self, user_index: usize, path: &str, body: Value) -> Answer {
        self.clients[user_index].clone().post(path, body)
    }
    fn files(&self, folder: &str) -> usize {
        std::fs::read_dir(self.server.folder().join(folder)).map_or(0, Iterator::count)
    }
    /// Returns the request head of an upload with the first user's token, for requests that are written by hand.
    fn head(&self, length: usize) -> String {
        let account = json!({"email": "a@example.org", "password": PASSWORD});
        let signed_in = self.server.client().post("/api/auth/login", account).json();
        let token = signed_in["access_token"].as_str().expect("a token");
        format!(
            "POST /api/upload-document HTTP/1.1\r\nhost: quire\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ncontent-type: {FORM_TYPE}\r\ncontent-length: {length}\r\n\r\n"
        )
    }
}

const FORM_TYPE: &str = "multipart/form-data; boundary=quireboundary";

#[derive(Default)]
struct Form(Vec<u8>);

impl Form {
    fn file(mut self, field: &str, name: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--quireboundary\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
        self
    }
    fn text(mut self, field: &str, value: &str) -> Self {
        let part = format!(
            "--quireboundary\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        );
        self.0.extend_from_slice(part.as_bytes());
        self
    }
    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"--quireboundary--\r\n");
        self.0
    }
}

trait Expect {
    fn expect(self, status: u16) -> Value;
    fn refused_with(self, status: u16, words: &[&str]);
}

impl Expect for Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }
    #[track_caller]
    fn refused_with(self, status: u16, words: &[&str]) {
        let error = self.expect(status);
        let message = error["message"].as_str().expect("a message").to_lowercase();
        for word in words {
            assert!(message.contains(word), "{word} in {error}");
        }
    }
}

#[test]
fn supported_file_types_and_encodings_are_read() {
    let users = TwoUsers::new();
    let utf16: Vec<u8> = "\u{FEFF}Grüße aus Köln"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let file =
        |name: &str| std::fs::read(format!("tests/data/documents/{name}")).expect("a sample");
    for (name, bytes, kind, encoding) in [
        ("notes", b"plain words".to_vec(), "text", "utf-8"),
        ("a.txt", utf16, "text", "utf-16le"),
        ("page.bin", file("libffi-the-basics.html"), "html", "utf-8"),
        ("pop.csv", file("uspop-latin1.csv"), "csv", "windows-1252"),
        ("readme.md", file("csv-readme.md"), "markdown", "utf-8"),
        ("x.txt", file("cjk-shift_jis.txt"), "text", "shift_jis"),
        ("data", br#"{"a": [1, 2]}"#.to_vec(), "json", "utf-8"),
        ("main.rs", b"fn main() {}".to_vec(), "source", "utf-8"),
    ] {
        let document = users.send(0, name, &bytes).expect(200);
        assert_eq!(
            (&document["kind"], &document["encoding"]),
            (&kind.into(), &encoding.into()),
            "{name}: {document}"
        );
        assert_eq!(
            (&document["status"], &document["size"]),
            (&"processed".into(), &bytes.len().into()),
            "{name}"
        );
        assert_eq!(document["id"], document["document_id"]);
        let path = format!("/api/documents/{}", document["id"].as_str().expect("an id"));
        assert_eq!(users.get(0, &path).expect(200), document);
        assert_eq!(
            users.get(0, &format!("{path}/content")).bytes,
            bytes,
            "{name}"
        );
        let text = users.get(0, &format!("{path}/text")).expect(200);
        assert!(!text["pages"][0]["text"].as_str().expect("text").is_empty());
    }
    let list = users.get(0, "/api/documents?limit=3").expect(200);
    assert_eq!(list["documents"].as_array().map(Vec::len), Some(3));
    let cursor = list["next_cursor"].as_str().expect("more");
    let rest = users
        .get(0, &format!("/api/documents?cursor={cursor}"))
        .expect(200);
    assert_eq!(
        (
            rest["documents"].as_array().map(Vec::len),
            &rest["next_cursor"]
        ),
        (Some(5), &Value::Null)
    );
    users
        .get(0, "/api/documents?cursor=x")
        .refused_with(422, &["cursor"]);
}

#[test]
fn hostile_file_names_are_harmless() {
    let users = TwoUsers::new();
    for (number, (name, expected)) in [
        ("../../../../tmp/evil.txt", "evil.txt"),
        ("..\\\\..\\\\evil.txt", "evil.txt"),
        ("/etc/passwd", "passwd"),
        ("", "document"),
        ("..", "document"),
        ("in\u{202E}fdp.txt", "infdp.txt"),
        ("%2e%2e%2fa.txt", "%2e%2e%2fa.txt"),
    ]
    .into_iter()
    .enumerate()
    {
        let document = users
            .send(0, name, format!("words {number}").as_bytes())
            .expect(200);
        assert_eq!(document["filename"], expected, "{name}");
        let content = users.get(
            0,
            &format!(
                "/api/documents/{}/content",
                document["id"].as_str().expect("an id")
            ),
        );
        assert_eq!(content.status, 200);
        for (header, value) in [
            ("content-disposition", "attachment; filename=\""),
            ("content-security-policy", "sandbox"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert!(content.header(header).contains(value), "{header}");
        }
    }
    let names: Vec<_> = std::fs::read_dir(users.server.folder().join("documents"))
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("ours")
        })
        .collect();
    assert_eq!(names.len(), users.server.originals_of(7));
    assert!(
        names.iter().all(|name| name.starts_with("document_")),
        "{names:?}"
    );
    for path in [
        "..%2f..%2fetc%2fpasswd",
        "document_..",
        "document_01ARYZ6S410000000000000000",
        "%00",
    ] {
        for rest in ["", "/text", "/content", "/search?q=a"] {
            let status = users.get(0, &format!("/api/documents/{path}{rest}")).status;
            assert!(matches!(status, 400 | 404), "{path}{rest}: {status}");
        }
    }
}

#[test]
fn unsupported_uploads_are_refused_and_leave_no_files() {
    let users = TwoUsers::new();
    for (name, bytes, words) in [
        (
            "a.txt",
            &b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0"[..],
            "docx",
        ),
        ("a.csv", b"\x7fELF\x02\x01\x01\0\0", "executable"),
        ("a.md", b"MM\0*\0\0\0\x08\0\0\0", "tiff"),
        (
            "a.txt",
            b"text\0\0\0\x01\x02\x03\x04\x05 binary \0\0\0\0",
            "supported",
        ),
    ] {
        users
            .send(0, name, bytes)
            .refused_with(415, &[words, "not"]);
    }
    users
        .send(0, "a.txt", b"")
        .refused_with(400, &["file", "empty"]);
    let without_file = Form::default().text("other", "x").end();
    users
        .ask(0, "POST", "/api/upload-document", FORM_TYPE, &without_file)
        .refused_with(400, &["file"]);
    users
        .ask(0, "POST", "/api/upload-document", FORM_TYPE, b"")
        .refused_with(400, &[]);
    users
        .ask(0, "POST", "/api/upload-document", "application/json", b"{}")
        .refused_with(400, &["file"]);
    users
        .ask(
            0,
            "POST",
            "/api/upload-document",
            "multipart/form-data",
            b"x",
        )
        .refused_with(400, &["file"]);
    let mut cut_form = Form::default()
        .file("file", "a.txt", b"these words are cut off")
        .end();
    cut_form.truncate(cut_form.len() - 25);
    users
        .ask(0, "POST", "/api/upload-document", FORM_TYPE, &cut_form)
        .refused_with(400, &[]);
    for size in [UPLOAD_LIMIT + 1, UPLOAD_LIMIT * 30] {
        users
            .send(0, "big.txt", &b"word ".repeat(size / 5 + 1))
            .refused_with(413, &["larger"]);
    }
    assert_eq!((users.files("documents"), users.files("tmp")), (0, 0));
    let list = users.get(0, "/api/documents").expect(200);
    assert_eq!(list["documents"].as_array().map(Vec::len), Some(0));
    let failed = users
        .send(0, "blank.html", b"<!doctype html><p> </p>")
        .expect(200);
    assert_eq!(
        (&failed["status"], &failed["message"]),
        (&"failed".into(), &"there is no text in the file".into())
    );
    users
        .send(0, "exact.txt", &b"abcd ".repeat(UPLOAD_LIMIT / 5))
        .expect(200);
}

#[test]
fn a_client_that_leaves_or_stalls_half_way_leaves_nothing() {
    let users = TwoUsers::new();
    let form = Form::default()
        .file("file", "a.txt", &b"word ".repeat(10_000))
        .end();
    let half = |users: &TwoUsers| {
        let mut socket = users.server.connect();
        let head = users.head(form.len());
        socket
            .write_all(head.as_bytes())
            .and_then(|()| socket.write_all(&form[..20_000]))
            .expect("sent");
        wait_for(|| users.files("tmp") == 1);
        socket
    };
    drop(half(&users));
    wait_for(|| users.files("tmp") == 0);
    let answer = rest(&mut half(&users));
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("too long"),
        "{answer}"
    );
    wait_for(|| users.files("tmp") == 0);
    assert_eq!(users.files("documents"), 0);
}

/// Waits until `done` returns true, and fails if it never does.
#[track_caller]
fn wait_for(done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never happened");
}

#[test]
fn identical_uploads_are_stored_once_and_stay_private() {
    let users = TwoUsers::new();
    let text = b"# Secret\n\nThe zanzibar plan is to be kept.";
    let first = users.send(0, "a.md", text).expect(200);
    assert_eq!(users.send(0, "b.md", text).expect(200)["id"], first["id"]);
    let path = format!("/api/documents/{}", first["id"].as_str().expect("an id"));
    for rest in ["", "/text", "/search?q=zanzibar", "/content"] {
        users
            .get(1, &format!("{path}{rest}"))
            .refused_with(404, &[]);
    }
    users.delete(1, &path).refused_with(404, &[]);
    assert_eq!(
        users.get(1, "/api/documents").expect(200)["documents"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    let other_copy = users.send(1, "a.md", text).expect(200);
    assert_ne!(other_copy["id"], first["id"]);
    assert_eq!(
        users
            .get(0, &format!("{path}/search?q=zanzibar"))
            .expect(200)["count"],
        1
    );
}

#[test]
fn one_search_goes_over_all_of_a_person_s_documents() {
    let users = TwoUsers::new();
    let lease = users
        .send(
            0,
            "lease.md",
            "# Deposit\n\nDie Kündigungsfrist beträgt drei Monate.".as_bytes(),
        )
        .expect(200);
    users
        .send(
            0,
            "code.py",
            b"def getUserName(id):\n    return names[id]\n",
        )
        .expect(200);
    users
        .send(0, "\u{79df}.txt", "租客须支付两个月的押金。".as_bytes())
        .expect(200);
    users
        .send(1, "other.txt", b"Somebody else's Kuendigungsfrist")
        .expect(200);
    for (words, name) in [
        ("Kuendigungsfristen", "lease.md"),
        ("user+name", "code.py"),
        ("get_user_name", "code.py"),
        ("%E6%8A%BC%E9%87%91", "\u{79df}.txt"),
    ] {
        let hits = users.get(0, &format!("/api/search?q={words}")).expect(200);
        assert_eq!(hits["count"], 1, "{words}: {hits}");
        assert_eq!(hits["documents"][0]["name"], name, "{words}");
    }
    let hits = users
        .get(0, "/api/search?q=K%C3%BCndigungsfrist")
        .expect(200);
    assert_eq!(hits["documents"][0]["document_id"], lease["id"]);
    let result = &hits["documents"][0]["results"][0];
    let place = |end: usize| result["matches"][0][end].as_u64().unwrap() as usize;
    assert_eq!(
        &result["text"].as_str().unwrap()[place(0)..place(1)],
        "Kündigungsfrist"
    );
    assert_eq!(result["heading"], "Deposit");
    users
        .get(0, "/api/search?q=")
        .refused_with(422, &["search"]);
    assert_eq!(
        users.get(0, "/api/search?q=zeppelin").expect(200)["count"],
        0
    );
}

#[test]
fn deletion_removes_files_rows_and_search_entries() {
    let users = TwoUsers::new();
    let document = users
        .send(0, "a.md", b"# Plan\n\nThe zanzibar plan.")
        .expect(200);
    let path = format!("/api/documents/{}", document["id"].as_str().expect("an id"));
    let search = |words: &str| users.get(0, &format!("{path}/search?q={words}"));
    assert_eq!(
        search("zanzibar").expect(200)["results"][0]["heading"],
        "Plan"
    );
    assert_eq!(search("nowhere").expect(200)["count"], 0);
    assert_eq!(search("%22%20OR%20*%20NEAR(").expect(200)["count"], 0);
    search("").refused_with(422, &["search"]);
    let deletion = users.delete(0, &path).expect(200);
    assert_eq!(deletion["success"], true);
    for rest in ["", "/text", "/search?q=zanzibar", "/content"] {
        users
            .get(0, &format!("{path}{rest}"))
            .refused_with(404, &[]);
    }
    users.delete(0, &path).refused_with(404, &[]);
    assert_eq!(users.files("documents"), 0);
    assert_ne!(
        users
            .send(0, "a.md", b"# Plan\n\nThe zanzibar plan.")
            .expect(200)["id"],
        document["id"]
    );
}
