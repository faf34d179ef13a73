//! What one connection is doing, and since when: idle, sending headers, being answered, or not taking
//! what we send. hyper's own header timeout makes a timer a request and closes idle connections as if
//! they were slow; this costs two stores a request and one timer a connection.

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

/// How long a connection without a request so far waits for its first when the server stops.
pub const FIRST_WORD: Duration = Duration::from_millis(500);

/// What the server tells its connections, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerCommand {
    /// Go on.
    Serve,
    /// End after the response under way.
    Finish,
    /// End at once.
    Drop,
}

/// How long a connection may stay in a state.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the first byte of the headers to the last.
    pub headers: Duration,
    /// Without a request, and without taking what we send.
    pub idle: Duration,
}

/// What a connection has run out of patience with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing is under way: it can be closed without a word.
    Idle,
    /// The headers are not complete.
    Headers,
}

const IDLE: u8 = 0;
const HEADERS: u8 = 1;
const ANSWERING: u8 = 2;
const STALLED: u8 = 3;

/// The state of one connection, shared by its socket, its answers and its watch.
pub struct ConnectionActivity {
    state: AtomicU8,
    since: AtomicU64,
    start: Instant,
    fresh: AtomicBool,
    refusal: OnceLock<HeadRefusal>,
}

impl ConnectionActivity {
    /// A connection that was just accepted.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(IDLE),
            since: AtomicU64::new(0),
            start: clock::instant(),
            fresh: AtomicBool::new(true),
            refusal: OnceLock::new(),
        })
    }
    /// Why this request stands for one whose head is not taken, where it does.
    pub fn refusal<B>(&self, request: &Request<B>) -> Option<HeadRefusal> {
        let refusal = self.refusal.get().copied();
        refusal.filter(|_| request.headers().contains_key(MARK))
    }
    /// A request is being answered until the returned value is dropped.
    pub fn busy(self: &Arc<Self>) -> BusyGuard {
        self.state.store(ANSWERING, Relaxed);
        self.fresh.store(false, Relaxed);
        BusyGuard(self.clone())
    }
    /// Whether nothing has been asked yet. Whoever connects is about to.
    pub fn is_fresh(&self) -> bool {
        self.fresh.load(Relaxed)
    }
    /// For how long nothing has been asked; none while something is.
    pub fn idle(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        let is_idle = self.state.load(Relaxed) == IDLE;
        is_idle.then(|| self.start.elapsed().saturating_sub(since))
    }
    /// What has lasted longer than it may.
    pub fn overdue(&self, patience: Timeouts) -> Option<Overdue> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        let lasted = self.start.elapsed().saturating_sub(since);
        match self.state.load(Relaxed) {
            IDLE | STALLED if lasted >= patience.idle => Some(Overdue::Idle),
            HEADERS if lasted >= patience.headers => Some(Overdue::Headers),
            _ => None,
        }
    }
    fn enter(&self, state: u8) {
        self.since
            .store(self.start.elapsed().as_millis() as u64, Relaxed);
        self.state.store(state, Relaxed);
    }
    fn received(&self) {
        if self.state.load(Relaxed) == IDLE {
            self.enter(HEADERS);
        }
    }
    fn sent(&self, done: bool) {
        match (self.state.load(Relaxed), done) {
            (ANSWERING, false) => self.enter(STALLED),
            (STALLED, true) => self.state.store(ANSWERING, Relaxed),
            _ => {}
        }
    }
}

/// While this lives, its connection is being answered.
pub struct BusyGuard(Arc<ConnectionActivity>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.enter(IDLE);
    }
}

/// What bytes come over. Boxed, so that plain connections do not keep the room of those with TLS.
pub enum Socket {
    /// As they are.
    Plain(TcpStream),
    /// Sealed.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Writes as much as goes out without waiting, and says that nothing follows.
    pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes).map(drop),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_mut();
                session.writer().write_all(bytes)?;
                session.send_close_notify();
                session.write_tls(&mut ImmediateExecutor(socket)).map(drop)
            }
        }
    }
}

struct ImmediateExecutor<'a>(&'a TcpStream);

impl io::Write for ImmediateExecutor<'_> {
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
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
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

/// Marks the request that stands for a refused one, so that its refusal goes out after the answers to what
/// came before it, like any answer.
const MARK: &str = "x-quire-refused";
const STAND_IN: &[u8] =
    b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\nx-quire-refused: 1\r\n\r\n";
/// Bytes that are read at once.
const PIECE: usize = 16 << 10;
/// Pieces read and discarded after a refused head before it is answered: closing a connection with unread bytes
/// resets it, and the client could lose the answer.
const DROPPED: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket that tells its pulse when bytes come and go, and passes on only heads that are sound.
pub struct ActivitySocket {
    socket: TokioIo<Socket>,
    pulse: Arc<ConnectionActivity>,
    guard: HeadGuard,
    /// Checked, and not passed on yet.
    ready: Bytes,
    /// Nothing more is taken in.
    is_over: bool,
}

impl ActivitySocket {
    /// Wraps an accepted socket.
    pub fn new(socket: Socket, pulse: Arc<ConnectionActivity>) -> Self {
        Self {
            socket: TokioIo::new(socket),
            pulse,
            guard: HeadGuard::new(),
            ready: Bytes::new(),
            is_over: false,
        }
    }
    /// Checks bytes that have come. Returns how many of them may be passed on directly.
    fn check(&mut self, come: &[u8]) -> usize {
        let is_held = self.guard.is_holding();
        let (passed, refusal) = if is_held {
            let mut whole = self.guard.take_held();
            whole.extend_from_slice(come);
            let (length, refusal) = self.guard.scan(&whole);
            whole.truncate(length);
            self.ready = whole.into();
            (0, refusal)
        } else {
            self.guard.scan(come)
        };
        if let Some(refusal) = refusal {
            self.is_over = true;
            // A body that breaks off tells its handler.
            if refusal != HeadRefusal::Body {
                let _ = self.pulse.refusal.set(refusal);
                let mut ready = std::mem::take(&mut self.ready).to_vec();
                ready.extend_from_slice(STAND_IN);
                self.ready = ready.into();
            }
        }
        passed
    }
    /// Drops what has come already and will not be read.
    fn drop_rest(&mut self, context: &mut Context<'_>, scratch: &mut [u8]) {
        for _ in 0..DROPPED {
            let mut piece = ReadBuf::new(scratch);
            let read = Pin::new(self.socket.inner_mut()).poll_read(context, &mut piece);
            if !matches!(read, Poll::Ready(Ok(()))) || piece.filled().is_empty() {
                return;
            }
        }
    }
    /// The socket itself, for a last word.
    pub fn into_socket(self) -> Socket {
        self.socket.into_inner()
    }
    fn note(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.pulse.sent(sent.is_ready());
        sent
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
            match this.pulse.refusal.get() {
                // An end of the input would end the connection before the answer is out.
                Some(_) => return Poll::Pending,
                None if this.is_over || buffer.remaining() == 0 => return Poll::Ready(Ok(())),
                None => {}
            }
            let passed = SCRATCH.with_borrow_mut(|scratch| {
                scratch.resize(PIECE, 0);
                let most = PIECE.min(buffer.remaining());
                let mut piece = ReadBuf::new(&mut scratch[..most]);
                ready!(Pin::new(this.socket.inner_mut()).poll_read(context, &mut piece))?;
                let come = piece.filled().len();
                if come == 0 {
                    return Poll::Ready(Ok(None));
                }
                this.pulse.received();
                let passed = this.check(&scratch[..come]);
                buffer.put_slice(&scratch[..passed]);
                if this.is_over {
                    this.drop_rest(context, scratch);
                }
                Poll::Ready(Ok::<_, io::Error>(Some(passed)))
            });
            match ready!(passed)? {
                // More of a head has to come, or it is ready.
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
        let sent = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.note(sent)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.socket).poll_write_vectored(context, pieces);
        self.note(sent)
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
    fn a_plain_connection_keeps_no_room_for_tls() {
        assert_eq!(size_of::<Socket>(), size_of::<TcpStream>());
    }
}
