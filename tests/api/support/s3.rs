//! An S3 bucket on a real socket. It stores objects, verifies signatures with an independent implementation, and can be
//! made to fail in the ways in which buckets fail. The unit tests of the replica use it too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::{digest, hmac};

/// The only access key ID that is accepted.
pub const KEY: &str = "AKIATESTTESTTESTTEST";
/// The secret of this access key.
pub const SECRET: &str = "a/secret+that/nobody=knows";
/// The only bucket.
pub const BUCKET: &str = "copies";
const REGION: &str = "eu-test-1";

/// A way in which a request to the bucket fails.
#[derive(Clone)]
pub enum BucketFault {
    /// Sends a response with this status, code, and message before the body is read.
    Says(u16, &'static str, &'static str),
    /// Sends a response that does not come from an object store, such as a proxy's error page.
    Page(u16, &'static str),
    /// Reads or sends half of a body, and then closes the connection.
    Half,
    /// Carries out the request, but sends no response.
    Lost,
    /// Waits before the response.
    Late(Duration),
    /// Waits without sending anything, and then closes the connection without carrying out the request.
    Silence(Duration),
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Faults to inject. Each is used for the next request with its method, in order.
    troubles: Vec<(&'static str, BucketFault)>,
    /// A fault for all requests with this method or, without a method, for all requests.
    outage: Option<(Option<&'static str>, BucketFault)>,
    asked: Vec<String>,
    /// Maximum number of names on a page of a listing.
    page: usize,
    conditions: Conditions,
}

/// How the bucket handles conditional requests.
#[derive(Default, Clone, Copy)]
pub enum Conditions {
    /// Observes the condition.
    #[default]
    Kept,
    /// Responds that conditional requests are not supported.
    Refused,
    /// Ignores the condition and carries out the request.
    Ignored,
}

/// A simulated S3 bucket on a real socket.
pub struct Bucket {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

impl Bucket {
    /// Creates an empty bucket.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            page: 1000,
            ..State::default()
        };
        let bucket = Self {
            address,
            state: Arc::new(Mutex::new(state)),
            stop: Arc::default(),
        };
        let (state, stop) = (bucket.state.clone(), bucket.stop.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (state, stop) = (state.clone(), stop.clone());
                std::thread::spawn(move || serve(&socket.unwrap(), &state, &stop));
            }
        });
        bucket
    }

    /// Returns the environment variables that a server needs to use the bucket.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ]
    }

    /// Makes the next request with this method fail. If faults are already queued for it, they come first.
    pub fn fail_next(&self, method: &'static str, trouble: BucketFault) {
        self.state.lock().unwrap().troubles.push((method, trouble));
    }

    /// Makes all further requests with this method fail or, without a method, all requests.
    pub fn fail_all(&self, method: Option<&'static str>, trouble: BucketFault) {
        self.state.lock().unwrap().outage = Some((method, trouble));
    }

    /// Ends an outage, so that requests succeed again.
    pub fn end_outage(&self) {
        self.state.lock().unwrap().outage = None;
    }

    /// Deletes an object directly, without the server's knowledge.
    pub fn delete_behind_server(&self, key: &str) {
        self.state.lock().unwrap().files.remove(key);
    }

    /// Sets the maximum number of names on a page of a listing.
    pub fn set_page_size(&self, names: usize) {
        self.state.lock().unwrap().page = names;
    }

    /// Sets how conditional requests are handled.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.state.lock().unwrap().conditions = conditions;
    }

    /// Returns the stored objects.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.state.lock().unwrap().files.clone()
    }

    /// Stores an object directly, without a request.
    pub fn store_directly(&self, key: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.files.insert(key.to_owned(), bytes.to_owned());
    }

    /// Returns the method and path of each request since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
}

impl Request {
    /// Reads the head of a request. Returns `None` if the connection has ended.
    fn read(reader: &mut impl std::io::BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut first = lines.first()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines[1..].iter().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.collect(),
        })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn length(&self) -> usize {
        self.header("content-length").parse().unwrap_or(0)
    }

    fn query_value(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        Some(percent_decode(pairs.find(|(found, _)| *found == name)?.1))
    }

    fn is_signed(&self) -> bool {
        let text = self.header("authorization");
        let part = |name: &str| {
            let (_, rest) = text.split_once(name)?;
            rest.split([',', ' ']).next()
        };
        let day = self.header("x-amz-date").get(..8).unwrap_or_default();
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let signed = part("SignedHeaders=").unwrap_or_default();
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for name in signed.split(';') {
            writeln!(canonical, "{name}:{}", self.header(name)).unwrap();
        }
        let payload = self.header("x-amz-content-sha256");
        write!(canonical, "\n{signed}\n{payload}").unwrap();
        let date = self.header("x-amz-date");
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hash(canonical.as_bytes())
        );
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for piece in scope.split('/').chain([text.as_str()]) {
            let by = hmac::Key::new(hmac::HMAC_SHA256, &key);
            key = hmac::sign(&by, piece.as_bytes()).as_ref().to_vec();
        }
        let signed_headers = ["host", "x-amz-content-sha256", "x-amz-date"];
        signed_headers
            .iter()
            .all(|name| signed.split(';').any(|s| s == *name))
            && part("Credential=") == Some(format!("{KEY}/{scope}").as_str())
            && part("Signature=") == Some(hex(&key).as_str())
    }
}

/// Status, headers, and body of a response.
type Answer = (u16, String, Vec<u8>);

fn error(status: u16, code: &str, message: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>1</RequestId></Error>"
    );
    let headers = "content-type: application/xml\r\n".to_owned();
    (status, headers, text.into_bytes())
}

fn serve(socket: &TcpStream, state: &Mutex<State>, stop: &AtomicBool) {
    let mut reader = BufReader::new(socket);
    while let Some(request) = Request::read(&mut reader) {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let trouble = record_request(&request, state);
        if let Some(BucketFault::Silence(length)) = trouble {
            std::thread::sleep(length);
            return;
        }
        let refusal = match trouble {
            Some(BucketFault::Says(status, code, message)) => Some(error(status, code, message)),
            Some(BucketFault::Page(status, text)) => Some((status, String::new(), text.into())),
            _ if !request.is_signed() => Some(error(
                403,
                "SignatureDoesNotMatch",
                "The signature is another.",
            )),
            _ => None,
        };
        if let Some(refusal) = refusal {
            // A body that is already being sent must be read, because otherwise the response would be lost.
            if request.header("expect").is_empty() {
                let mut rest = reader.by_ref().take(request.length() as u64);
                let _ = std::io::copy(&mut rest, &mut std::io::sink());
            }
            send(socket, &request, refusal, 1);
            return;
        }
        if !request.header("expect").is_empty() {
            let _ = (&*socket).write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let half = matches!(trouble, Some(BucketFault::Half));
        let mut body = vec![0; request.length()];
        if half && request.method != "GET" {
            let half_length = body.len() / 2;
            let _ = reader.read_exact(&mut body[..half_length]);
            return;
        }
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        if let Some(BucketFault::Late(length)) = trouble {
            std::thread::sleep(length);
        }
        let answer = answer_success(&request, body, &mut state.lock().unwrap());
        if matches!(trouble, Some(BucketFault::Lost)) {
            return;
        }
        send(socket, &request, answer, if half { 2 } else { 1 });
        if half {
            return;
        }
    }
}

fn record_request(request: &Request, state: &Mutex<State>) -> Option<BucketFault> {
    let mut state = state.lock().unwrap();
    let mark = if request.query.is_empty() { "" } else { "?" };
    let Request {
        method,
        path,
        query,
        ..
    } = request;
    state.asked.push(format!("{method} {path}{mark}{query}"));
    if let Some((failing_method, trouble)) = &state.outage
        && failing_method.is_none_or(|failing_method| failing_method == method)
    {
        return Some(trouble.clone());
    }
    let position = state
        .troubles
        .iter()
        .position(|(failing_method, _)| failing_method == method)?;
    Some(state.troubles.remove(position).1)
}

/// Sends a response with the first 1/`part` of its body.
fn send(mut socket: &TcpStream, request: &Request, answer: Answer, part: usize) {
    let (status, headers, body) = answer;
    let length = match status {
        204 => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    let close = if status >= 400 {
        "connection: close\r\n"
    } else {
        ""
    };
    let head = format!("HTTP/1.1 {status} -\r\n{headers}{length}{close}\r\n");
    let body = match request.method.as_str() {
        "HEAD" => &[],
        _ => &body[..body.len() / part],
    };
    let _ = socket.write_all(&[head.as_bytes(), body].concat());
}

fn answer_success(request: &Request, body: Vec<u8>, state: &mut State) -> Answer {
    let path = percent_decode(&request.path);
    let bucket = format!("/{BUCKET}");
    let Some(rest) = path.strip_prefix(&bucket) else {
        return error(404, "NoSuchBucket", "The specified bucket does not exist");
    };
    let key = rest.trim_start_matches('/');
    if key.is_empty() {
        return list(request, state);
    }
    match request.method.as_str() {
        "PUT" => put(request, key, body, state),
        "GET" | "HEAD" => get(request, key, state),
        "DELETE" => {
            state.files.remove(key);
            (204, String::new(), Vec::new())
        }
        _ => error(405, "MethodNotAllowed", "No."),
    }
}

fn put(request: &Request, key: &str, body: Vec<u8>, state: &mut State) -> Answer {
    if !request.header("if-none-match").is_empty() {
        match state.conditions {
            Conditions::Refused => return error(501, "NotImplemented", "No such header."),
            Conditions::Kept if state.files.contains_key(key) => {
                return error(412, "PreconditionFailed", "It is there.");
            }
            _ => {}
        }
    }
    if !request.header("transfer-encoding").is_empty() {
        return error(501, "NotImplemented", "No pieces.");
    }
    if request.header("x-amz-content-sha256") != hash(&body) {
        return error(400, "XAmzContentSHA256Mismatch", "The hash is another.");
    }
    state.files.insert(key.to_owned(), body);
    (200, String::new(), Vec::new())
}

fn get(request: &Request, key: &str, state: &State) -> Answer {
    let Some(bytes) = state.files.get(key) else {
        return error(404, "NoSuchKey", "The specified key does not exist.");
    };
    let mark = format!("\"{}\"", &hash(bytes)[..32]);
    let expected = request.header("if-match");
    if !expected.is_empty() && expected != mark {
        return error(412, "PreconditionFailed", "It is another.");
    }
    let headers = format!("etag: {mark}\r\n");
    let range = request.header("range").strip_prefix("bytes=");
    let from = range.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        None => (200, headers, bytes.clone()),
        Some(from) => {
            let (last, all) = (bytes.len() - 1, bytes.len());
            let headers = format!("{headers}content-range: bytes {from}-{last}/{all}\r\n");
            (206, headers, bytes[from..].to_owned())
        }
    }
}

fn list(request: &Request, state: &State) -> Answer {
    let prefix = request.query_value("prefix").unwrap_or_default();
    let after = request
        .query_value("continuation-token")
        .unwrap_or_default();
    let listed_files = state.files.iter();
    let mut listed_files =
        listed_files.filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>".to_owned();
    let mut last = String::new();
    for (key, bytes) in listed_files.by_ref().take(state.page) {
        let body = key.replace('&', "&amp;").replace('<', "&lt;");
        let bytes = bytes.len();
        write!(
            text,
            "<Contents><Key>{body}</Key><Size>{bytes}</Size></Contents>"
        )
        .unwrap();
        last.clone_from(key);
    }
    let extra = listed_files.next().is_some();
    write!(text, "<IsTruncated>{extra}</IsTruncated>").unwrap();
    if extra {
        let last = last.replace('&', "&amp;").replace('<', "&lt;");
        write!(
            text,
            "<NextContinuationToken>{last}</NextContinuationToken>"
        )
        .unwrap();
    }
    text.push_str("</ListBucketResult>");
    (200, String::new(), text.into_bytes())
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match text
            .get(at + 1..at + 3)
            .map(|two| u8::from_str_radix(two, 16))
        {
            Some(Ok(byte)) if bytes[at] == b'%' => {
                plain.push(byte);
                at += 3;
            }
            _ => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
