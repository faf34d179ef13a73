//! Tracks each connection's state (idle, receiving headers, responding, or stalled on a write) and when it began.
//! Compared with hyper's header timeout, which needs a timer per request and counts idle connections as slow, this
//! costs only two stores per request and one timer per connection.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Request;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::head::{HeadGuard, HeadRefusal};
use crate::clock;

/// How long a new connection may wait to send its first request after the server begins to stop.
pub const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);

/// A command from the server to its connections. The server sends the commands in the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerCommand {
    /// Serve requests as usual.
    Serve,
    /// Close the connection after the response in progress.
    Drain,
    /// Close the connection immediately.
    Abort,
}

/// The timeouts of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Maximum time from the first to the last byte of a request head.
    pub headers: Duration,
    /// Maximum time without a request, and maximum time without progress in writing a response.
    pub idle: Duration,
}

/// Which of its timeouts a connection has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredTimeout {
    /// The idle timeout: the connection is closed without a response.
    Idle,
    /// The header timeout: the client gets a 408 response.
    Headers,
}

// The states of a connection, stored in an atomic integer.
const IDLE: u8 = 0;
const HEADERS: u8 = 1;
const RESPONDING: u8 = 2;
const STALLED: u8 = 3;

/// The state of a connection, shared by its socket, its responses, and its timeout loop.
pub struct ConnectionActivity {
    state: AtomicU8,
    /// When the current state began, in milliseconds after `start`.
    since: AtomicU64,
    start: Instant,
    is_fresh: AtomicBool,
    refusal: OnceLock<HeadRefusal>,
}

impl ConnectionActivity {
    /// Creates the state of a newly accepted connection.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(IDLE),
            since: AtomicU64::new(0),
            start: clock::instant(),
            is_fresh: AtomicBool::new(true),
            refusal: OnceLock::new(),
        })
    }
    /// Returns why the client's request was refused, if `request` is the placeholder for it. Returns `None` for a
    /// regular request.
    pub fn refusal<B>(&self, request: &Request<B>) -> Option<HeadRefusal> {
        let refusal = self.refusal.get().copied();
        refusal.filter(|_| request.headers().contains_key(REFUSED_HEADER))
    }
    /// Marks the connection as responding until the returned guard is dropped.
    pub fn begin_response(self: &Arc<Self>) -> BusyGuard {
        self.state.store(RESPONDING, Relaxed);
        self.is_fresh.store(false, Relaxed);
        BusyGuard(self.clone())
    }
    /// Whether no request has arrived yet. The first one usually arrives soon.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh.load(Relaxed)
    }
    /// Returns how long the connection has been idle, or `None` while a request is in progress.
    pub fn idle_time(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        let is_idle = self.state.load(Relaxed) == IDLE;
        is_idle.then(|| self.start.elapsed().saturating_sub(since))
    }
    /// Returns the timeout that the connection has exceeded, if any.
    pub fn overdue_phase(&self, timeouts: Timeouts) -> Option<ExpiredTimeout> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        let elapsed = self.start.elapsed().saturating_sub(since);
        match self.state.load(Relaxed) {
            IDLE | STALLED if elapsed >= timeouts.idle => Some(ExpiredTimeout::Idle),
            HEADERS if elapsed >= timeouts.headers => Some(ExpiredTimeout::Headers),
            _ => None,
        }
    }
    fn enter(&self, state: u8) {
        self.since
            .store(self.start.elapsed().as_millis() as u64, Relaxed);
        self.state.store(state, Relaxed);
    }
    fn record_read_activity(&self) {
        if self.state.load(Relaxed) == IDLE {
            self.enter(HEADERS);
        }
    }
    fn record_write_activity(&self, has_written: bool) {
        match (self.state.load(Relaxed), has_written) {
            (RESPONDING, false) => self.enter(STALLED),
            (STALLED, true) => self.state.store(RESPONDING, Relaxed),
            _ => {}
        }
    }
}

/// Keeps a connection in the responding state until dropped.
pub struct BusyGuard(Arc<ConnectionActivity>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.enter(IDLE);
    }
}

/// The transport of a connection. The TLS stream is boxed, so that plain connections do not reserve memory for it.
pub enum Socket {
    /// An unencrypted TCP connection.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Writes as many bytes as possible without blocking. Over TLS, also ends the session with `close_notify`.
    ///
    /// # Errors
    /// Returns an error if the socket rejects the write or cannot accept bytes now.
    pub fn try_write_final(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes).map(drop),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_mut();
                session.writer().write_all(bytes)?;
                session.send_close_notify();
                session.write_tls(&mut NonblockingWriter(socket)).map(drop)
            }
        }
    }
}

struct NonblockingWriter<'a>(&'a TcpStream);

impl io::Write for NonblockingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, buffers),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Header that marks the placeholder for a refused request. The socket passes the placeholder to hyper in place of that
/// request, so that the error response follows the responses to earlier pipelined requests.
const REFUSED_HEADER: &str = "x-quire-refused";
const PLACEHOLDER_REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\nx-quire-refused: 1\r\n\r\n";
/// Number of bytes per read from the socket.
const READ_SIZE: usize = 16 << 10;
/// Number of reads whose bytes are dropped before the response to a refused head is sent. If unread bytes were left,
/// closing the socket would reset the connection, and the client could lose the response.
const MAX_DISCARDED_READS: usize = 16;

thread_local! {
    static SCRATCH_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket that updates its connection's state on reads and writes, and passes only well-formed request heads to
/// hyper.
pub struct ActivitySocket {
    socket: TokioIo<Socket>,
    activity: Arc<ConnectionActivity>,
    guard: HeadGuard,
    /// Bytes that have been checked but not yet read by hyper.
    ready: Bytes,
    /// Whether no more input is read, because a head or a body was refused.
    is_closed: bool,
}

impl ActivitySocket {
    /// Wraps the socket of an accepted connection.
    pub fn new(socket: Socket, activity: Arc<ConnectionActivity>) -> Self {
        Self {
            socket: TokioIo::new(socket),
            activity,
            guard: HeadGuard::new(),
            ready: Bytes::new(),
            is_closed: false,
        }
    }
    /// Checks the bytes received. Returns how many of them hyper may read from the caller's buffer; `ready` holds any
    /// others that have been checked.
    fn check(&mut self, received: &[u8]) -> usize {
        let is_held = self.guard.has_partial_head();
        let (passed, refusal) = if is_held {
            let mut pending = self.guard.take_partial_head();
            pending.extend_from_slice(received);
            let (length, refusal) = self.guard.scan(&pending);
            pending.truncate(length);
            self.ready = pending.into();
            (0, refusal)
        } else {
            self.guard.scan(received)
        };
        if let Some(refusal) = refusal {
            self.is_closed = true;
            // Pass the placeholder to hyper in place of the refused request, so that the client gets an error response.
            // After a malformed body, the input just ends instead, so that the handler of that request gets the error.
            if refusal != HeadRefusal::Body {
                let _ = self.activity.refusal.set(refusal);
                let mut ready = std::mem::take(&mut self.ready).to_vec();
                ready.extend_from_slice(PLACEHOLDER_REQUEST);
                self.ready = ready.into();
            }
        }
        passed
    }
    /// Reads and drops bytes that have already arrived, because they will not be processed.
    fn discard_received(&mut self, context: &mut Context<'_>, scratch: &mut [u8]) {
        for _ in 0..MAX_DISCARDED_READS {
            let mut chunk = ReadBuf::new(scratch);
            let read = Pin::new(self.socket.inner_mut()).poll_read(context, &mut chunk);
            if !matches!(read, Poll::Ready(Ok(()))) || chunk.filled().is_empty() {
                return;
            }
        }
    }
    /// Returns the inner socket, to which final bytes may be written.
    pub fn into_socket(self) -> Socket {
        self.socket.into_inner()
    }
    fn record_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.record_write_activity(written.is_ready());
        written
    }
}

impl Read for ActivitySocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready.split_to(length));
                return Poll::Ready(Ok(()));
            }
            match this.activity.refusal.get() {
                // Keep the input open: at its end, hyper would close the connection before the response is sent.
                Some(_) => return Poll::Pending,
                None if this.is_closed || buffer.remaining() == 0 => return Poll::Ready(Ok(())),
                None => {}
            }
            let passed = SCRATCH_BUFFER.with_borrow_mut(|scratch| {
                scratch.resize(READ_SIZE, 0);
                let limit = READ_SIZE.min(buffer.remaining());
                let mut chunk = ReadBuf::new(&mut scratch[..limit]);
                ready!(Pin::new(this.socket.inner_mut()).poll_read(context, &mut chunk))?;
                let received = chunk.filled().len();
                if received == 0 {
                    return Poll::Ready(Ok(None));
                }
                this.activity.record_read_activity();
                let passed = this.check(&scratch[..received]);
                buffer.put_slice(&scratch[..passed]);
                if this.is_closed {
                    this.discard_received(context, scratch);
                }
                Poll::Ready(Ok::<_, io::Error>(Some(passed)))
            });
            match ready!(passed)? {
                // The head is incomplete, or its bytes are now in `ready`.
                Some(0) => {}
                Some(_) | None => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Write for ActivitySocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write_result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.record_write(write_result)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write_result = Pin::new(&mut self.socket).poll_write_vectored(context, buffers);
        self.record_write(write_result)
    }
    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_connection_reserves_no_memory_for_tls() {
        assert_eq!(size_of::<Socket>(), size_of::<TcpStream>());
    }
}
