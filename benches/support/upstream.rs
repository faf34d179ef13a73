//! A provider that streams tokens at a steady rate on its own thread. The model name gives their number and rate:
//! `200x10` is 200 tokens, one every 10 ms; `20x0` is 20 tokens without delay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

/// Delay from the request to the first token.
pub const FIRST_TOKEN_DELAY: Duration = Duration::from_millis(20);

/// The provider; it runs until the bench ends.
pub struct Upstream {
    pub address: SocketAddr,
    /// Number of open streams.
    pub open_streams: Arc<AtomicUsize>,
    /// Peak number of open streams.
    pub peak: Arc<AtomicUsize>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a listener");
        let (open, peak) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (open.clone(), peak.clone());
        std::thread::spawn(move || {
            super::runtime().block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((socket, _)) = listener.accept().await {
                    let counts = counts.clone();
                    tokio::spawn(async move {
                        // A caller that has disconnected needs no response.
                        let _ = serve(socket, &counts).await;
                    });
                }
            });
        });
        Self {
            address,
            open_streams: open,
            peak,
        }
    }
}

/// Answers one request after the other, as long as the caller keeps the connection open.
async fn serve(
    mut socket: TcpStream,
    counts: &(Arc<AtomicUsize>, Arc<AtomicUsize>),
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    loop {
        let (tokens, pause) = read_request(&mut socket).await?;
        let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
        counts.1.fetch_max(now, Ordering::SeqCst);
        let spoken = write_stream(&mut socket, tokens, pause).await;
        counts.0.fetch_sub(1, Ordering::SeqCst);
        spoken?;
    }
}

async fn write_stream(
    socket: &mut TcpStream,
    tokens: usize,
    pause: Duration,
) -> std::io::Result<()> {
    let thinking = if pause.is_zero() {
        pause
    } else {
        FIRST_TOKEN_DELAY
    };
    let mut next = Instant::now() + thinking;
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    // The chunks are complete, because some gateways refuse those without an ID, time, or model.
    let head_fields =
        "\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\"";
    let event = chat_chunk(&format!(
        "data: {{{head_fields},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"token \"}},\
         \"finish_reason\":null}}]}}\n\n"
    ));
    let mut pending = head.to_owned();
    for _ in 0..tokens {
        if !pause.is_zero() {
            socket.write_all(pending.as_bytes()).await?;
            pending.clear();
            sleep_until(next).await;
            next += pause;
        }
        pending += &event;
    }
    let end = format!(
        "data: {{{head_fields},\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n\
         data: {{{head_fields},\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{tokens},\
         \"total_tokens\":{tokens}}}}}\n\n\
         data: [DONE]\n\n"
    );
    pending += &chat_chunk(&end);
    pending += "0\r\n\r\n";
    // All pending tokens are sent in a single write, so that tokens without a pause arrive together.
    socket.write_all(pending.as_bytes()).await
}

fn chat_chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

async fn read_request(socket: &mut TcpStream) -> std::io::Result<(usize, Duration)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = socket.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..read]);
        if let Some(body) = complete_body(&String::from_utf8_lossy(&bytes)) {
            let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            let model = body["model"].as_str().unwrap_or_default();
            let (tokens, pause) = model.split_once('x').unwrap_or(("0", "0"));
            let pause = Duration::from_millis(pause.parse().unwrap_or(0));
            return Ok((tokens.parse().unwrap_or(0), pause));
        }
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns the body of a request, chunked or not, or `None` until all of it has arrived.
fn complete_body(request: &str) -> Option<String> {
    let (head, body) = request.split_once("\r\n\r\n")?;
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    };
    if field("transfer-encoding").is_some() {
        return join_chunks(body);
    }
    let length = field("content-length").and_then(|length| length.parse().ok());
    (body.len() >= length.unwrap_or(0)).then(|| body.to_owned())
}

fn join_chunks(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body += rest.get(..size)?;
        text = rest.get(size + 2..)?;
    }
}
