//! A small HTTP client with a cookie store. It does not follow redirects and does not treat any status as a failure.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::config::ConfigBuilder;
use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

/// The password of every test account.
pub const PASSWORD: &str = "Tr4verse-Orchid";

/// The content type of a form.
const FORM: &str = "multipart/form-data; boundary=quire-test";

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    pub base: String,
    headers: Vec<(String, String)>,
    pub cookies: BTreeMap<String, String>,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            agent: agent(),
            base: format!("http://{address}"),
            headers: Vec::new(),
            cookies: BTreeMap::new(),
        }
    }
    /// Creates a client that connects over TLS and trusts only this certificate authority.
    pub fn over_tls(address: SocketAddr, authority: &str) -> Self {
        let root = Certificate::from_pem(authority.as_bytes()).unwrap();
        let roots = RootCerts::new_with_certs(&[root]);
        let tls = TlsConfig::builder().root_certs(roots).build();
        Self {
            agent: settings().tls_config(tls).build().new_agent(),
            base: format!("https://{address}"),
            ..Self::new(address)
        }
    }
    /// Returns a client of the same user with separate connections, which are closed when it is dropped.
    pub fn fresh(&self) -> Self {
        Self {
            agent: agent(),
            ..self.clone()
        }
    }
    /// Returns the value of the authorization header, for requests that are written by hand.
    pub fn authorization(&self) -> &str {
        let mut headers = self.headers.iter();
        let header = headers.find(|(name, _)| name == "authorization");
        header.map_or("", |(_, value)| value)
    }
    /// Sends this header with every later request.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
    /// Sends a request. `body` consists of a content type and the bytes.
    pub fn send(&mut self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> Answer {
        let response = self.request(method, path, body);
        let (parts, mut content) = response.into_parts();
        for line in parts.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            bytes: content
                .with_config()
                .limit(1 << 28)
                .read_to_vec()
                .unwrap_or_default(),
        }
    }
    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None)
    }
    pub fn delete(&mut self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }
    pub fn post(&mut self, path: &str, body: Value) -> Answer {
        self.json("POST", path, &body)
    }
    pub fn put(&mut self, path: &str, body: Value) -> Answer {
        self.json("PUT", path, &body)
    }
    pub fn json(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let text = body.to_string();
        self.send(method, path, Some(("application/json", text.as_bytes())))
    }
    /// Uploads a file in the way a browser's form does.
    pub fn upload(&mut self, path: &str, name: &str, bytes: &[u8]) -> Answer {
        self.send("POST", path, Some((FORM, &form(name, bytes))))
    }
    /// Like [`Client::upload`], but returns an error if there was no complete response.
    pub fn try_upload(&self, path: &str, name: &str, bytes: &[u8]) -> Result<Answer, String> {
        self.try_send("POST", path, Some((FORM, &form(name, bytes))))
    }
    /// Creates an account, signs in, and sends the bearer token with later requests.
    pub fn registered(mut self, email: &str) -> Self {
        let account = json!({"email": email, "password": PASSWORD});
        let answer = self.post("/api/auth/register", account);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.signed_in(email)
    }
    /// Signs in to an existing account and sends the bearer token with later requests.
    pub fn signed_in(mut self, email: &str) -> Self {
        let account = json!({"email": email, "password": PASSWORD});
        let answer = self.post("/api/auth/login", account);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.cookies.clear();
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        self.with("authorization", &format!("Bearer {token}"))
    }
    /// Follows a stream of events. If `last_id` is given, the stream continues after that event.
    pub fn events(&mut self, path: &str, last_id: Option<u64>) -> Events {
        let mut client = self.clone().with("accept", "text/event-stream");
        if let Some(id) = last_id {
            client = client.with("last-event-id", &id.to_string());
        }
        let response = client.request("GET", path, None);
        assert_eq!(response.status().as_u16(), 200, "{path}");
        Events {
            lines: BufReader::with_capacity(256, Box::new(response.into_body().into_reader())),
        }
    }

    /// Like [`Client::send`], but returns an error if there was no complete response.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Answer, String> {
        let response = self.sent(method, path, body);
        let (parts, mut content) = response.map_err(|error| error.to_string())?.into_parts();
        let bytes = content.with_config().limit(1 << 28).read_to_vec();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            bytes: bytes.map_err(|error| error.to_string())?,
        })
    }
    /// Like [`Client::events`], but returns an error if the stream is not available.
    pub fn try_events(&self, path: &str, last_id: Option<u64>) -> Result<Events, String> {
        let mut client = self.clone().with("accept", "text/event-stream");
        if let Some(id) = last_id {
            client = client.with("last-event-id", &id.to_string());
        }
        let response = client.sent("GET", path, None);
        let response = response.map_err(|error| error.to_string())?;
        match response.status().as_u16() {
            200 => Ok(Events {
                lines: BufReader::with_capacity(256, Box::new(response.into_body().into_reader())),
            }),
            status @ (502..=504) => Err(format!("status {status}")),
            status => panic!("{path}: status {status}"),
        }
    }

    /// Returns the status of a GET request, or an error if there was no response.
    pub fn try_status(&self, path: &str) -> Result<u16, String> {
        let response = self.sent("GET", path, None);
        response
            .map(|answer| answer.status().as_u16())
            .map_err(|error| error.to_string())
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> ureq::http::Response<Body> {
        let response = self.sent(method, path, body);
        response.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn sent(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<ureq::http::Response<Body>, ureq::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            request = request.header("cookie", pairs.collect::<Vec<_>>().join("; "));
        }
        match body {
            None => self.agent.run(request.body(()).unwrap()),
            Some((kind, bytes)) => {
                let request = request.header("content-type", kind);
                self.agent.run(request.body(bytes.to_vec()).unwrap())
            }
        }
    }
}

/// Returns the body of a form with a file, as a browser encodes it.
fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut form = format!(
        "--quire-test\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    form.extend_from_slice(bytes);
    form.extend_from_slice(b"\r\n--quire-test--\r\n");
    form
}

fn agent() -> Agent {
    settings().build().new_agent()
}

fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .accept_encoding("identity")
        .timeout_global(Some(Duration::from_secs(60)))
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("{} is not JSON: {}", self.status, self.text()))
    }
    /// Returns a header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
    /// Checks that the response is an error in the API's format with this status and code. Returns its body.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["error_code"], code, "{body}");
        assert_eq!(body["status"], "error");
        assert_eq!(body["message"], body["error"]);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(
            body["resolution"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{body}"
        );
        assert_eq!(body["detail"].is_array(), status == 422, "{body}");
        body
    }
}

/// A stream of events being read.
pub struct Events {
    lines: BufReader<Box<dyn std::io::Read>>,
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<u64>,
    pub name: String,
    pub data: Value,
}

impl Iterator for Events {
    type Item = Event;

    /// Returns the next event, or `None` at the end of the stream. Comments are skipped.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (None, String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\r', '\n']);
            match line
                .split_once(':')
                .map(|(field, value)| (field, value.trim_start()))
            {
                Some(("id", value)) => id = value.parse().ok(),
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data.push_str(value),
                _ if line.is_empty() && !name.is_empty() => {
                    let data = serde_json::from_str(&data).expect("data is JSON");
                    return Some(Event { id, name, data });
                }
                _ => {}
            }
        }
    }
}
