//! A line in a provider's script, with the steps that it performs for a request.

use std::time::Duration;

/// A step in response to a request.
#[derive(Clone)]
pub(super) enum Step {
    Wait(Duration),
    Send(Vec<u8>),
    /// Sends these bytes in chunks of this size, with a pause after each.
    Dribble(Vec<u8>, usize, Duration),
    /// Sends these bytes repeatedly until the peer disconnects.
    Forever(Vec<u8>),
    /// Sends nothing more, and keeps the connection open until the peer disconnects.
    Hang,
    /// Closes the connection without reading the request, so that the peer sees a reset.
    Reset,
}

/// A line in a provider's script: the response to a call of one model.
#[derive(Clone)]
pub struct ScriptLine {
    pub(super) model: String,
    pub(super) remaining_uses: usize,
    pub(super) optional: bool,
    headers: String,
    pub(super) steps: Vec<Step>,
}

/// Returns a line for calls of this model. `on("GET models")` is for requests for the model list.
pub fn on(model: &str) -> ScriptLine {
    ScriptLine {
        model: model.to_owned(),
        remaining_uses: 1,
        optional: false,
        headers: String::new(),
        steps: Vec::new(),
    }
}

pub(super) fn chunk(body: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
    out
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl ScriptLine {
    /// Uses the line for this many requests.
    pub fn times(mut self, times: usize) -> Self {
        self.remaining_uses = times;
        self
    }
    /// Makes the line optional, so that the test does not fail if it is never used.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
    /// Waits before the response.
    pub fn after(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Wait(pause));
        self
    }
    /// Adds a header to the response. Must be called before the method that defines the response.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }
    /// Responds with a status and a complete body.
    pub fn status(self, status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        self.with_wrong_length(status, content_type, body, length)
    }
    /// Responds with a body that is shorter or longer than its declared length.
    pub fn with_wrong_length(
        self,
        status: u16,
        content_type: &str,
        body: &str,
        length: usize,
    ) -> Self {
        let headers = &self.headers;
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{body}"
        );
        self.raw(head.as_bytes())
    }
    /// Sends exactly these bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.steps.push(Step::Send(bytes.to_vec()));
        self
    }
    fn open(self) -> Self {
        let headers = &self.headers;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n{headers}transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        self.raw(head.as_bytes())
    }
    /// Sends a complete event stream that ends properly.
    pub fn sse(self, body: &str) -> Self {
        self.open().raw(&chunk(body.as_bytes())).raw(LAST_CHUNK)
    }
    /// Like [`Self::sse`], but sends the stream in pieces of this many bytes, with a pause after each.
    pub fn sse_in_pieces(self, body: &str, bytes: usize, pause: Duration) -> Self {
        let mut line = self.open();
        line.steps
            .push(Step::Dribble(body.as_bytes().to_vec(), bytes, pause));
        line.raw(LAST_CHUNK)
    }
    /// Sends a stream that breaks off after this text.
    pub fn cut(self, body: &str) -> Self {
        self.open().raw(&chunk(body.as_bytes()))
    }
    /// Sends a stream that goes silent after this text. If the text is empty, it goes silent after the headers.
    pub fn stall(self, body: &str) -> Self {
        let line = self.open();
        let line = if body.is_empty() {
            line
        } else {
            line.raw(&chunk(body.as_bytes()))
        };
        line.hang()
    }
    /// Sends nothing, and keeps the connection open.
    pub fn hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }
    /// Resets the connection without reading the request. Works only with [`Provider::with_script`].
    pub fn reset(mut self) -> Self {
        self.steps.push(Step::Reset);
        self
    }
    /// Sends a stream that repeats this text forever.
    pub fn endless(self, body: &str) -> Self {
        let mut line = self.open();
        line.steps.push(Step::Forever(chunk(body.as_bytes())));
        line
    }
}
